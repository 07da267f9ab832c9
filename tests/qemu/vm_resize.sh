#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Random resizes beside a guest that checks every page it holds; then guest, QEMU and monitor killed in the middle.
# Usage: vm_resize.sh LLFREE_QEMU CHECK_RESULTS DOCS_FOLDER TECHNIQUES RESIZES
set -euo pipefail
program=$1 check=$2 docs=$3 techniques=$4 resizes=$5
command -v qemu-system-x86_64 >/dev/null || { echo "no qemu-system-x86_64 here" && exit 77; }
"$program" image --quiet || { echo "no image of a guest here" && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run() {
	"$program" run --scenario resize --memory 640M --target 416M "$@"
}
run --technique "$techniques" --resizes "$resizes" --json "$work/resize.json"
python3 "$check" "$docs/results.schema.json" "$docs/bench.schema.json" "$work/resize.json" || (($? == 77))
# every technique with every kill: .ci/step qemu-resizes
for kill in guest:base-manual qemu:huge-manual monitor:llfree-manual; do
	run --technique "${kill#*:}" --resizes 100000 --kill "${kill%:*}" --json "$work/${kill%:*}.json"
done
for bad in "--resizes 0" "--resizes many" "--kill cook" "more"; do
	status=0
	# shellcheck disable=SC2086
	run $bad >"$work/out" 2>&1 || status=$?
	((status == 2)) || { echo "run --scenario resize $bad ended with $status" && exit 1; }
done
