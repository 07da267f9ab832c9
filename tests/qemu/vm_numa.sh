#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A guest of two NUMA nodes runs llfree-bench and the library's tests; the result file is as documented, and nothing of the
# programs' copies is left.
# Usage: vm_numa.sh LLFREE_QEMU CHECK_RESULTS DOCS_FOLDER
set -euo pipefail
program=$1 check=$2 docs=$3
command -v qemu-system-x86_64 >/dev/null || { echo "no qemu-system-x86_64 here" && exit 77; }
"$program" image --quiet || { echo "no image of a guest here" && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tmp"
export TMPDIR=$work/tmp
run() {
	"$program" run --scenario numa "$@"
}
for bad in "--nodes 1" "--nodes 9" "--nodes 3" "--memory 256M" "--image $work" "more"; do
	status=0
	# shellcheck disable=SC2086
	run $bad >"$work/out" 2>&1 || status=$?
	((status == 2)) || { echo "run --scenario numa $bad ended with $status" && exit 1; }
done
# no program at all: said, and nothing boots
run --bench "$work/none" --tests "$work" | tee "$work/out"
grep -q -- '--bench PROGRAM names one' "$work/out" || { echo "a missing bench is not told" && exit 1; }
run --json "$work/numa.json"
python3 "$check" "$docs/results.schema.json" "$docs/bench.schema.json" "$work/numa.json" || (($? == 77))
python3 - "$work/numa.json" <<'CHECK'
import json, sys

result = json.load(open(sys.argv[1]))
values = {(r["phase"], r["metric"]): r["median"] for r in result["rows"]}
assert values["memory:local", "nodes"] == 2, values
assert values["memory:remote", "placed"] > 0.7, values
assert values["tests", "passed"] > 100 and values["tests", "failed"] == 0, values
assert len(result["checks"]) == 4, result["checks"]
CHECK
[[ -z $(ls -A "$TMPDIR") ]] || { echo "left behind: $(ls -A "$TMPDIR")" && exit 1; }
