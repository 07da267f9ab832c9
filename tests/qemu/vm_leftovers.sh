#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# However a run ends, no process of it is left: Ctrl-C, the monitor killed, QEMU killed, a guest that panics.
# (Memory, sockets and pipes have no names: they go with the processes.)
# Usage: vm_leftovers.sh LLFREE_QEMU
set -euo pipefail
program=$1
command -v qemu-system-x86_64 >/dev/null || { echo "no qemu-system-x86_64 here" && exit 77; }
"$program" image --quiet || { echo "no image of a guest here" && exit 77; }
work=$(mktemp -d)
monitor=0
trap '((monitor == 0)) || kill -9 $monitor 2>/dev/null; rm -rf "$work"' EXIT

fail() {
	echo "FAILED: $*"
	cat "$work/output" 2>/dev/null || true
	exit 1
}

# The VM that our monitor started; waits until it is there.
vm_of_monitor() {
	local vm=''
	for ((turn = 0; turn < 600; turn++)); do
		vm=$(pgrep -P "$monitor" -f qemu-system || true)
		[[ -z $vm ]] || break
		sleep 0.1
	done
	echo "$vm"
}

gone() { # PID: waits until there is no such process
	for ((turn = 0; turn < 300; turn++)); do
		[[ -d /proc/$1 ]] || return 0
		sleep 0.1
	done
	return 1
}

begin() { # NAME ARG...: a run in the background
	local name=$1
	shift
	"$program" run --scenario inflate --technique none --memory 512M --iterations 1000 --json "$work/$name.json" "$@" \
		>"$work/output" 2>&1 &
	monitor=$!
	vm=$(vm_of_monitor)
	[[ -n $vm ]] || fail "$name: no VM came up"
}

ended_with() { # NAME CODE...: how the monitor ended
	local name=$1 code=0 wanted
	shift
	wait "$monitor" || code=$?
	monitor=0
	gone "$vm" || fail "$name: the VM $vm is still there"
	for wanted in "$@"; do
		[[ $code != "$wanted" ]] || return 0
	done
	fail "$name: exit code $code, not $*"
}

begin interrupted
kill -INT "$monitor"
ended_with interrupted 130
grep -q '"interrupted":.*true' "$work/interrupted.json" || fail "interrupted: the result does not say so"

begin interrupted-filling
filling=0 # the guest has written more than its kernel did at boot: it is in the middle of its fill
for ((turn = 0; turn < 900 && filling < 250000; turn++)); do
	filling=$(sed -n 's/^RssShmem:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$vm/status")
	sleep 0.1
done
kill -INT "$monitor"
ended_with interrupted-filling 130
! grep -q 'grow-touch' "$work/interrupted-filling.json" || fail "interrupted-filling: it waited for the guest's fill"

begin terminated
kill -TERM "$monitor"
ended_with terminated 130

begin monitor-killed
kill -KILL "$monitor"
ended_with monitor-killed 137

begin qemu-killed
kill -KILL "$vm"
ended_with qemu-killed 1
grep -q 'ended by signal 9' "$work/qemu-killed.json" || fail "qemu-killed: the result does not say so"

begin panic --append "rdinit=/no-such-program"
ended_with panic 1
grep -q 'the guest panicked' "$work/panic.json" || fail "panic: the result does not say so"
[[ -s $work/panic-none.console ]] || fail "panic: the console was not kept"
[[ $(find "$work" -name '*.part' | wc -l) == 0 ]] || fail "a half-written result is left"
echo "six ends, nothing left"
