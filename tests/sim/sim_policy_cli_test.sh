#!/bin/sh
# SPDX-License-Identifier: MIT
# Command lines with policies and --live: what is wrong ends with 2 and says why, what this machine lacks is skipped, and
# each policy drives VMs that end sound.
hvsim=$1
plugins=$2
# shellcheck source=tests/sim/cli_expect.sh
. "$(dirname "$0")/cli_expect.sh"

expect 2 'known: .*watermark.*plug-in' footprint --policy nonsense
expect 2 'needs a file with the figure' footprint --policy target
expect 2 'allowed: a size' footprint --low x
expect 2 '.--low is above --high' footprint --policy watermark --low 20M --high 10M
expect 2 'allowed: above 0, up to 100' footprint --threshold 0
expect 2 'there is no such file' footprint --policy pressure --pressure "$dir/none"
expect 2 'no-such-policy.so' footprint --policy no-such-policy.so
echo text >"$dir/text.so"
expect 2 'text.so: ..*' footprint --policy "$dir/text.so"
expect 2 'no symbol hv_policy_plugin' footprint --policy "$plugins/hv_policy_without_symbol.so"
expect 2 'version 99; this program reads' footprint --policy "$plugins/hv_policy_of_abi_99.so"
expect 2 'nobody tells' inflate --policy watermark
expect 0 'watermark' list
# one vCPU: thread sanitizers follow addresses, and a host with its own mapping of the state hands frames from one to
# another unseen
driven="--memory 64M --vcpus 1 --speed 200 --workload bursts --technique llfree-auto,llfree-manual"
expect 0 'all passed' footprint $driven --policy "$plugins/hv_example_policy.so" --json "$dir/plugin.json"
grep -q '"policy":.*"nightly"' "$dir/plugin.json" || fail "the result does not name the policy"
expect 0 'all passed' footprint $driven --policy watermark --low 8M --high 16M
echo 48M >"$dir/target"
expect 0 'all passed' footprint $driven --policy target --target-file "$dir/target"
printf 'some avg10=50.00 avg60=0.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n' >"$dir/psi"
expect 0 'all passed' footprint $driven --policy pressure --pressure "$dir/psi"
echo nothing >"$dir/psi"
expect 0 'skipped: policy pressure: .*not pressure stall' footprint $driven --policy pressure --pressure "$dir/psi"
echo 2M >"$dir/target"
expect 0 'all passed' inflate --memory 64M --target 40M --iterations 1 --vcpus 1 --technique llfree-auto \
	--policy target --target-file "$dir/target" --period 1
echo nothing >"$dir/target"
expect 0 'is no figure; allowed: .*until there is one' footprint $driven --policy target --target-file "$dir/target"

# live, where there is no terminal
expect 0 'live [0-9.]* s: VM 1 llfree-manual: resident .*reclaim' footprint $driven --live
grep -q 'live [0-9.]* s: VM 1: limit' "$dir/out" || fail "no event in the lines of --live: $(cat "$dir/out")"
grep -q "$(printf '\033')" "$dir/out" && fail "sequences of a terminal where there is none"

well_formed "$dir/plugin.json"
finish
