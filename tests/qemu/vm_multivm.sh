#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Two small VMs beside each other by each technique, of which each fills memory once; the result file is as documented,
# a technique that acts by itself needs less than none, and usage errors are said before anything boots.
# Usage: vm_multivm.sh LLFREE_QEMU CHECK_RESULTS DOCS_FOLDER TECHNIQUE
set -euo pipefail
program=$1 check=$2 docs=$3 technique=$4
command -v qemu-system-x86_64 >/dev/null || { echo "no qemu-system-x86_64 here" && exit 77; }
"$program" image --quiet || { echo "no image of a guest here" && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run() {
	"$program" run --scenario multivm --memory 512M "$@"
}
for bad in "--vms 0" "--vms 17" "--fill 400M" "--peaks sometimes" "--hold -1" "--memory 256M" "more"; do
	status=0
	# shellcheck disable=SC2086
	run $bad >"$work/out" 2>&1 || status=$?
	((status == 2)) || { echo "run --scenario multivm $bad ended with $status" && exit 1; }
done
run --vms 2 --fill 192M --iterations 1 --hold 0 --pause 6 --technique "none,$technique" --json "$work/multi.json"
python3 "$check" "$docs/results.schema.json" "$docs/bench.schema.json" "$work/multi.json" || (($? == 77))
python3 - "$work/multi.json" "$technique" <<'CHECK'
import json, sys

rows = json.load(open(sys.argv[1]))["rows"]


def value(metric, technique, phase="fill, staggered, 2 VMs"):
    return next(r["median"] for r in rows if (r["metric"], r["technique"], r["phase"]) == (metric, technique, phase))


none, other = value("resident-peak", "none"), value("resident-peak", sys.argv[2])
assert value("peak-ratio", sys.argv[2]) < 1, (none, other)
series = [r for r in rows if r["metric"] == "resident"]
assert len(series) == 6, len(series)
whole = next(r for r in series if r["technique"] == "none" and r["phase"].endswith("2 VMs"))
parts = [r for r in series if r["technique"] == "none" and ", VM " in r["phase"]]
for at, total in enumerate(whole["samples"]):
    assert abs(total - sum(p["samples"][at] for p in parts)) < total * 2e-3
CHECK
