#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034,SC2154
# llfree-qemu validate on given results: the tables, an order that differs is a failed check, bad input ends with 2.
# Usage: validate_cli_test.sh LLFREE_QEMU DATA_FOLDER
hvsim=$1 # the program, by the name that cli_expect.sh knows
data=$2
# shellcheck source=tests/sim/cli_expect.sh disable=SC1091
. "$(dirname "$0")/../sim/cli_expect.sh"

expect 0 'all passed' validate --sim "$data/validate_sim.json" --vm "$data/validate_vm.json" --json "$dir/result.json"
grep -q 'error of HyperAlloc' "$dir/out" || fail "no error per technique"
# verdict PHASE FIRST SECOND VERDICT: what is said of a pair in that phase
verdict() {
	said=$(sed -n "/^$1\$/,/^\$/p" "$dir/out" | sed -nE "s/^  $2 +over $3 +.*(same order|OTHER ORDER|close)\$/\1/p")
	[ "$said" = "$4" ] || fail "$1, $2 over $3: '$said', not '$4'"
}
verdict shrink-touched base-auto base-manual 'same order'
verdict shrink-touched base-auto huge-manual close
verdict shrink-touched llfree-manual virtio-mem 'same order'
verdict shrink-untouched base-auto huge-manual 'same order'
verdict grow huge-manual virtio-mem 'same order'
# who is close is explained, by factors; the other pairs need none
[ "$(grep -c 'close$' "$dir/out")" -eq "$(grep -c 'from sim to VM .* host, .* guest, .* emulator, .* rest$' "$dir/out")" ] ||
	fail "pairs that are close are not explained"
grep -q '15 pairs: 8 are that far apart in both, 8 of them in the same order; 7 are closer in one' "$dir/out" || fail "pairs are not counted"
grep -q 'base-auto pauses besides, seconds in all: sim -, VM 7.74' "$dir/out" || fail "no pauses"
grep -q '"prediction-error"' "$dir/result.json" || fail "no prediction in the result"
well_formed "$dir/result.json"
expect 2 'never overwritten' validate --sim "$data/validate_sim.json" --vm "$data/validate_vm.json" --json "$dir/result.json"

# in these VMs what was called base-manual is llfree-manual, and the other way round
sed 's/"base-manual"/"x"/; s/"llfree-manual"/"base-manual"/; s/"x"/"llfree-manual"/' "$data/validate_vm.json" >"$dir/swapped.json"
expect 1 'OTHER ORDER' validate --part compare --sim "$data/validate_sim.json" --vm "$dir/swapped.json"
verdict shrink-touched huge-manual llfree-auto close
verdict shrink-touched base-manual llfree-manual 'OTHER ORDER'
grep -A1 'OTHER ORDER$' "$dir/out" | grep -q 'from sim to VM' || fail "another order is not explained"
sed '/"metric": "messages"/d' "$data/validate_vm.json" >"$dir/silent.json"
expect 0 'not counted' validate --part compare --sim "$data/validate_sim.json" --vm "$dir/silent.json"
sed 's/"target_bytes": 536870912/"target_bytes": 1073741824/' "$data/validate_vm.json" >"$dir/smaller.json"
expect 1 'different sizes' validate --part compare --sim "$data/validate_sim.json" --vm "$dir/smaller.json"

expect 0 'error of virtio-mem' validate --part predict --model "$data/validate_sim.json"
expect 2 'allowed: compare, predict, all' validate --part nonsense
expect 2 'No such file' validate --part predict --model "$dir/none.json"
expect 2 'not a result file' validate --part predict --model "$0"
expect 2 'hvsim list' validate --sim-backing nonsense
expect 2 'not an option' validate stray
expect 2 'moves memory in both worlds' validate --technique none --output "$dir/none"
[ ! -e "$dir/none" ] || fail "a folder of a run that can't be"

# a fresh run of one world: its result, the report and the tables stay, and are never overwritten
cat >"$dir/simulation" <<PROGRAM
#!/bin/sh
for option; do
	case \$option in
	--json=*) cp "$data/validate_sim.json" "\${option#--json=}" ;;
	--technique=*) echo "\$option" ;;
	esac
done
PROGRAM
chmod +x "$dir/simulation"
expect 0 'run 1 of 1' validate --part compare --vm "$data/validate_vm.json" --hvsim "$dir/simulation" --output "$dir/kept"
grep -q -e '--technique=.*base-auto' "$dir/out" || fail "the simulation is not told the techniques"
! grep -q -e '--technique=.*none' "$dir/out" || fail "the simulation runs a technique that moves nothing"
well_formed "$dir/kept/sim.json" "$dir/kept/validate.json"
grep -q 'ratios of time' "$dir/kept/validate.txt" || fail "no tables in the report"
expect 2 'never overwritten' validate --part compare --vm "$data/validate_vm.json" --hvsim "$dir/simulation" --output "$dir/kept"
printf '#!/bin/sh\nexit 3\n' >"$dir/simulation"
expect 1 'ended with 3' validate --part compare --vm "$data/validate_vm.json" --hvsim "$dir/simulation" --output "$dir/broken"
finish
