#!/bin/sh
# SPDX-License-Identifier: MIT
# The launcher by itself: its table is the one in the documentation, each version that has something to refuse refuses
# it (the launcher looks before it starts a program), and wrong arguments are usage errors.
# Usage: old_kernel_table.sh LAUNCHER PORTABILITY.MD
launcher=$1 document=$2 failures=0

fail() {
	echo "FAILED: $1"
	failures=$((failures + 1))
}

"$launcher" --list >/dev/null || fail "--list"
# shellcheck disable=SC2016
missing=$("$launcher" --list | grep -v -x -F -f "$document")
[ -z "$missing" ] || fail "$document has no such rows: $missing"
for arguments in '' '--kernel' '--kernel 5' '--kernel five true' '--without nonsense true' '--nonsense true'; do
	# shellcheck disable=SC2086
	"$launcher" $arguments >/dev/null 2>&1
	[ $? -eq 2 ] || fail "'$arguments' is not refused as usage"
done
for kernel in 4.4 4.14 4.19 5.4 5.10 5.15 6.1 6.6 6.12; do
	"$launcher" --kernel "$kernel" sh -c 'exit 3'
	got=$?
	[ "$got" -ne 77 ] || exit 77
	[ "$got" -eq 3 ] || fail "--kernel $kernel: exit code $got"
done
[ "$failures" -eq 0 ] && echo "all passed"
exit $((failures > 0))
