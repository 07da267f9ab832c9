#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a guest feels of a resize, one small VM a technique: the series of both kinds of windows, the resizes in them,
# and a result file as documented.
# Usage: vm_impact.sh LLFREE_QEMU CHECK_RESULTS DOCS_FOLDER stream|ftq TECHNIQUES
set -euo pipefail
program=$1 check=$2 docs=$3 scenario=$4 techniques=$5
command -v qemu-system-x86_64 >/dev/null || { echo "no qemu-system-x86_64 here" && exit 77; }
"$program" image --quiet || { echo "no image of a guest here" && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run() {
	"$program" run --scenario "$scenario" --memory 512M --target 384M "$@"
}
run --technique "$techniques" --iterations 1 --duration 1 --json "$work/result.json"
python3 "$check" "$docs/results.schema.json" "$docs/bench.schema.json" "$work/result.json" || (($? == 77))
python3 - "$work/result.json" "$scenario" "$techniques" <<'PYTHON'
import json, sys
rows = json.load(open(sys.argv[1]))["rows"]
scenario, techniques = sys.argv[2], sys.argv[3].split(",")
series = {"stream": "bandwidth", "ftq": "work"}[scenario]
assert {row["technique"] for row in rows} == set(techniques)
for technique in techniques:
    mine = {(row["phase"], row["metric"]): row for row in rows if row["technique"] == technique}
    for side in ("baseline", "resized"):
        line = mine[side, series]
        assert line["interval_s"] == 0.01 and len(line["samples"]) >= 99 and line["high"] > 0, line
        assert len(mine[side, "window-begin"]["samples"]) == 1
    end = len(mine["resized", series]["samples"]) * 0.01
    last = 0
    for direction in ("shrink", "grow"):
        begins, ends = (mine[direction, f"resize-{which}"]["samples"] for which in ("begin", "end"))
        assert len(begins) == 1 and last <= begins[0] <= ends[0] <= end + 0.011, (begins, ends, end)
        last = ends[0]
    assert mine["shrink", "time"]["bytes_moved"] > 0 and mine["resized", "clock-error"]["median"] > 0
PYTHON
for bad in "--duration 0" "--quantum 0" "--buffer 64M" "--period none" "more"; do
	status=0
	# shellcheck disable=SC2086
	run $bad >"$work/out" 2>&1 || status=$?
	((status == 2)) || { echo "run --scenario $scenario $bad ended with $status" && exit 1; }
done
