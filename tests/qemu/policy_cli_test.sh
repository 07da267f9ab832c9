#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034
# Policies that drive VMs: what is wrong is told with what is allowed, before a VM is made.
# Usage: policy_cli_test.sh LLFREE_QEMU
hvsim=$1 # the program, by the name that cli_expect.sh knows
# shellcheck source=tests/sim/cli_expect.sh disable=SC1091
. "$(dirname "$0")/../sim/cli_expect.sh"

for scenario in inflate resize; do
	expect 2 'known: .*period' run --scenario $scenario --policy nonsense --memory 64M
	expect 2 'low is above' run --scenario $scenario --policy watermark --low 64M --high 32M --memory 64M
	expect 2 'target-file' run --scenario $scenario --policy target --memory 64M
	expect 2 'period is .0.; allowed' run --scenario $scenario --period 0 --memory 64M
	expect 0 'watermark: take when' run --scenario $scenario --help
done
finish
