#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A part of a library is compiled in a small VM; what it was seen to hold is replayed in another by a technique. The result
# files are as documented, the guest held what the trace says, a technique that acts by itself has taken most of it at the
# end, and a compile that fails is a failure.
# Usage: vm_footprint.sh LLFREE_QEMU CHECK_RESULTS DOCS_FOLDER TECHNIQUE
set -euo pipefail
program=$1 check=$2 docs=$3 technique=$4
command -v qemu-system-x86_64 >/dev/null || { echo "no qemu-system-x86_64 here" && exit 77; }
"$program" image --quiet || { echo "no image of a guest here" && exit 77; }
PATH=$PATH:/usr/sbin:/sbin # mke2fs, for users
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tmp"
export TMPDIR=$work/tmp
fail() {
	echo "FAILED: $*"
	exit 1
}
run() {
	"$program" run --scenario footprint --memory 512M "$@"
}
schema() {
	python3 "$check" "$docs/results.schema.json" "$docs/bench.schema.json" "$1" || (($? == 77))
}
echo "no trace" >"$work/bad"
for bad in "--trace $work/none" "--trace $work/bad" "--fill 1M" "--fill 400M" "--seconds 0" "--memory 256M" \
	"--phase compiled" "--disk $work/none" "--jobs 0" "--objects 0" "more"; do
	status=0
	# shellcheck disable=SC2086
	run $bad >"$work/out" 2>&1 || status=$?
	((status == 2)) || fail "run --scenario footprint $bad ended with $status"
done

run --phase compile --objects 3 --pause 0 --technique none --json "$work/compile.json" 2>&1 | tee "$work/out"
schema "$work/compile.json"
trace=() skipped=''
if grep -q '^compile .* none' "$work/out"; then
	trace=(--trace "$work/compile-compile.llftrace")
	# one that fails: its exit code and what it said last arrive
	mkdir -p "$work/disk"/{bin,dev,proc}
	cp "$(command -v busybox)" "$work/disk/bin/sh"
	printf '#!/bin/sh\necho it can not work\nexit 3\n' >"$work/disk/compile"
	chmod +x "$work/disk/compile"
	echo "nothing" >"$work/disk/origin"
	mke2fs -q -t ext4 -d "$work/disk" "$work/bad.ext4" 16M
	status=0
	run --phase compile --technique none --disk "$work/bad.ext4" >"$work/out" 2>&1 || status=$?
	((status == 1)) && grep -q 'it can not work' "$work/out" ||
		fail "a compile that fails ended with $status: $(cat "$work/out")"
else
	skipped=$(grep -m 1 -i 'skip\|make-disk' "$work/out" || true)
	[[ -n $skipped ]] || fail "nothing was compiled, and nobody says why"
fi

run --phase recorded "${trace[@]}" --fill 192M --seconds 5 --pause 7 --technique "$technique" --json "$work/recorded.json"
schema "$work/recorded.json"
python3 - "$work" "$technique" "$skipped" <<'CHECK'
import json, sys

work, technique, skipped = sys.argv[1:]


def rows(name):
    return json.load(open(f"{work}/{name}.json"))["rows"]


recorded = rows("recorded")
values = {r["metric"]: r["median"] for r in recorded}
used = max(next(r["samples"] for r in recorded if r["metric"] == "guest-used"))
assert used > 150 << 20, used
assert values["resident-peak"] > used, values
# of the memory that the guest let go of, most is gone
assert values["resident-dropped"] < values["resident-peak"] - (100 << 20), values
assert all("trace replay" in r["note"] and r["phase"] == "recorded" for r in recorded)
if not skipped:
    compiled = rows("compile")
    values = {r["metric"]: r["median"] for r in compiled}
    used = max(next(r["samples"] for r in compiled if r["metric"] == "guest-used"))
    assert 20 << 20 < used < values["resident-peak"], (used, values)
    assert all("compile of" in r["note"] and "3 objects" in r["note"] and r["phase"] == "compile" for r in compiled)
    assert json.load(open(f"{work}/compile.json"))["checks"][0]["detail"] == "3 objects"
CHECK
[[ -z $(ls -A "$TMPDIR") ]] || fail "left behind: $(ls -A "$TMPDIR")"
if [[ -n $skipped ]]; then
	echo "only the replay was tested: $skipped"
	exit 77
fi
