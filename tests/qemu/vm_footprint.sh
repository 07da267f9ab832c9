#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A recorded compile is replayed in a small VM by each technique; the result file is as documented, the guest held what the
# trace says, and a technique that acts by itself has less at the end than none.
# Usage: vm_footprint.sh LLFREE_QEMU CHECK_RESULTS DOCS_FOLDER TECHNIQUE
set -euo pipefail
program=$1 check=$2 docs=$3 technique=$4
command -v qemu-system-x86_64 >/dev/null || { echo "no qemu-system-x86_64 here" && exit 77; }
"$program" image --quiet || { echo "no image of a guest here" && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run() {
	"$program" run --scenario footprint --memory 512M "$@"
}
echo "no trace" >"$work/bad"
for bad in "--trace $work/none" "--trace $work/bad" "--fill 1M" "--fill 400M" "--seconds 0" "--memory 256M" "more"; do
	status=0
	# shellcheck disable=SC2086
	run $bad >"$work/out" 2>&1 || status=$?
	((status == 2)) || { echo "run --scenario footprint $bad ended with $status" && exit 1; }
done
run --fill 192M --seconds 5 --pause 7 --technique "none,$technique" --json "$work/footprint.json"
python3 "$check" "$docs/results.schema.json" "$docs/bench.schema.json" "$work/footprint.json" || (($? == 77))
python3 - "$work/footprint.json" "$technique" <<'CHECK'
import json, sys

rows = json.load(open(sys.argv[1]))["rows"]
other = sys.argv[2]
values = {(r["technique"], r["metric"]): r["median"] for r in rows}
used = {r["technique"]: max(r["samples"]) for r in rows if r["metric"] == "guest-used"}
for technique in ("none", other):
    assert used[technique] > 150 << 20, used
    assert values[technique, "resident-peak"] > used[technique], values
# of the memory that the guest let go of, most is gone
assert values[other, "resident-dropped"] < values["none", "resident-dropped"] - (100 << 20), values
assert values["none", "resident-dropped"] > used["none"], values
assert all("trace replay" in r["note"] for r in rows)
CHECK
