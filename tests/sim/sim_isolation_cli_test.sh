#!/bin/sh
# SPDX-License-Identifier: MIT
# hvsim --isolation: what goes together, the same checks with the guest in a process of its own, and after Ctrl-C
# nothing of it is left.
hvsim=$1
. "$(dirname "$0")/cli_expect.sh"

small="--memory 64M --target 40M --iterations 1 --vcpus 1"
expect 0 'isolation' inflate --help
expect 2 'known: thread, process' inflate --isolation nonsense
expect 2 'allowed: all.*memfd' inflate --isolation process --backing anon-thp
expect 2 'allowed: all.*tmpfs-huge' dma-safety --isolation process --backing memfd,anon-4k
# shellcheck disable=SC2086
expect 0 'all passed' inflate $small --isolation process --technique llfree-manual,huge-manual --json "$dir/apart.json"
grep -q '"isolation":.*"process"' "$dir/apart.json" || fail "the result does not tell where the guest was"
grep -q '"backing":.*"memfd"\|"backing":.*"tmpfs-huge"' "$dir/apart.json" || fail "no file backing was chosen"
grep -q 'chosen for process isolation' "$dir/apart.json" || fail "the rows do not tell that the backing was chosen"
expect 0 'all passed' dma-safety --isolation process --backing memfd --technique llfree-manual --memory 64M --target 40M \
	--transfers 1000 --seconds 2

# Ctrl-C reaches the whole group: the experiment ends in order, and its guest with it
if command -v setsid >/dev/null; then
	setsid "$hvsim" inflate --memory 64M --target 40M --iterations 100000 --vcpus 1 --technique llfree-auto \
		--isolation process --json "$dir/partial.json" >"$dir/out" 2>&1 &
	pid=$!
	# the file is there when the handlers are
	seconds=0
	while ! [ -s "$dir/partial.json" ] && [ "$seconds" -lt 60 ]; do
		sleep 1
		seconds=$((seconds + 1))
	done
	sleep 1
	kill -s INT -- "-$pid"
	wait "$pid"
	got=$?
	[ "$got" -eq 130 ] || fail "interrupted: exit code $got, not 130: $(cat "$dir/out")"
	! kill -s 0 -- "-$pid" 2>/dev/null || fail "a process is left after Ctrl-C"
	pid=
	grep -q '"interrupted":.*true' "$dir/partial.json" || fail "the partial result does not say that it is partial"
	well_formed "$dir/partial.json"
fi
well_formed "$dir/apart.json"
finish
