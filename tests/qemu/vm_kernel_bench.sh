#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The bench inside a guest's kernel: each case on both allocators, with a row for each phase; the result file is as documented.
# Usage: vm_kernel_bench.sh LLFREE_QEMU CHECK_RESULTS DOCS_FOLDER
set -euo pipefail
program=$1 check=$2 docs=$3
command -v qemu-system-x86_64 >/dev/null || { echo "no qemu-system-x86_64 here" && exit 77; }
"$program" image --quiet || { echo "no image of a guest here" && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run() {
	"$program" run --scenario kernel-bench "$@"
}
run --orders 0,9 --threads 2 --mib 8 --ops 1000 --rounds 2 --json "$work/result.json"
python3 "$check" "$docs/results.schema.json" "$docs/bench.schema.json" "$work/result.json" || (($? == 77))
python3 - "$work/result.json" <<'PYTHON'
import json, sys
rows = json.load(open(sys.argv[1]))["rows"]
wanted = {(a, f"{case}, order {order}, threads {threads}", metric)
          for a in ("llfree-kernel", "alloc_pages") for order in (0, 9) for threads in (2,)
          for case, metric in (("bulk", "get"), ("bulk", "put"), ("repeat", "pair"), ("rand", "pair"))}
found = {(row["allocator"], row["phase"], row["metric"]) for row in rows}
assert found == wanted, found ^ wanted
assert all(row["unit"] == "ns/op" and len(row["samples"]) == 2 and row["median"] > 0 for row in rows)
assert not any("clears" in row["note"] for row in rows), "the kernel clears pages"
PYTHON
for bad in "--orders 11" "--orders 3-" "--threads 0" "--case many" "--mib 4096" "--rounds 33" "more"; do
	status=0
	# shellcheck disable=SC2086
	run $bad >"$work/out" 2>&1 || status=$?
	((status == 2)) || { echo "run --scenario kernel-bench $bad ended with $status" && exit 1; }
done
