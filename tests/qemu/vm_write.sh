#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Write throughput of a guest's processes after a grow and on memory that it has: a row for each part and page size, and
# a result file as documented.
# Usage: vm_write.sh LLFREE_QEMU CHECK_RESULTS DOCS_FOLDER TECHNIQUES
set -euo pipefail
program=$1 check=$2 docs=$3 techniques=$4
command -v qemu-system-x86_64 >/dev/null || { echo "no qemu-system-x86_64 here" && exit 77; }
"$program" image --quiet || { echo "no image of a guest here" && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run() {
	"$program" run --scenario write --memory 512M --target 320M "$@"
}
run --technique "$techniques" --iterations 1 --json "$work/result.json"
python3 "$check" "$docs/results.schema.json" "$docs/bench.schema.json" "$work/result.json" || (($? == 77))
python3 - "$work/result.json" "$techniques" <<'PYTHON'
import json, sys
rows = json.load(open(sys.argv[1]))["rows"]
units = {"throughput": "GiB/s", "map": "us/MiB", "touch": "us/MiB", "free": "us/MiB"}
wanted = {(technique, f"{phase}, {pages} pages", metric) for technique in sys.argv[2].split(",")
          for phase in ("grown", "installed") for pages in ("4 KiB", "2 MiB") for metric in units}
found = {(row["technique"], row["phase"], row["metric"]) for row in rows}
assert found == wanted, found ^ wanted
for row in rows:
    assert row["unit"] == units[row["metric"]] and len(row["samples"]) == 1 and row["median"] >= 0, row
    if row["metric"] in ("throughput", "touch"):
        assert row["median"] > 0, row
    assert not row["phase"].startswith("grown") or row["bytes_moved"] >= 64 << 20, row
PYTHON
for bad in "--pages 1G" "--target 512M" "more"; do
	status=0
	# shellcheck disable=SC2086
	run $bad >"$work/out" 2>&1 || status=$?
	((status == 2)) || { echo "run --scenario write $bad ended with $status" && exit 1; }
done
