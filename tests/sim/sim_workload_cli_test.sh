#!/bin/sh
# SPDX-License-Identifier: MIT
# Command lines of record, replay, footprint, multivm and tradeoff: bad input ends with 2 and says what is allowed; small
# runs write valid results with series.
hvsim=$1
traces=$2
# shellcheck source=tests/sim/cli_expect.sh
. "$(dirname "$0")/cli_expect.sh"

for scenario in record replay footprint multivm tradeoff; do
	expect 0 'technique' $scenario --help
	expect 2 'unrecognized' $scenario --nonsense
done

# record
expect 2 'what shall be recorded' record
expect 2 'allowed: one, to record a guest' record --workload bursts
expect 2 'unknown workload' record --workload nonsense --technique llfree-auto
expect 2 'needs --trace' record --workload recorded --technique llfree-auto
expect 2 'allowed: 1 to 10000' record --interval 0 -- true
expect 2 'No such file' record --output "$dir/none/a" -- true
expect 2 'No such file' record --output "$dir/missing" -- "$dir/no-such-program"
[ ! -e "$dir/missing" ] || fail "a trace of nothing stays behind"
expect 0 'events' record --output "$dir/tree" --interval 5 -- sh -c 'sleep 0.05; true'
expect 2 'never overwritten' record --output "$dir/tree" -- true
expect 1 'failed; the trace is whole' record --output "$dir/false" -- false
expect 0 'events' record --output "$dir/guest" --memory 32M --workload bursts --technique llfree-auto
expect 0 'events' record --output "$dir/guest2" --memory 32M --workload bursts --technique llfree-auto
cmp -s "$dir/guest" "$dir/guest2" || fail "two records of the same guest differ"

# replay
expect 2 'no trace is given' replay
expect 2 'No such file' replay "$dir/none"
expect 2 'a second file' replay "$dir/tree" "$dir/guest"
expect 2 'not a trace' replay "$0"
head -c 200 "$dir/guest" >"$dir/short"
expect 2 'truncated' replay "$dir/short"
: >"$dir/empty"
expect 2 'not a trace' replay "$dir/empty"
expect 0 'anonymous' replay "$dir/tree"
expect 0 'all passed' replay "$dir/guest" --json "$dir/replay.json"
grep -q '"differences"' "$dir/replay.json" || fail "replay writes no rows"
expect 0 'first difference' replay --technique llfree-manual "$dir/guest"
expect 2 'allowed: one' replay --technique llfree-auto,llfree-manual "$dir/guest"

# footprint
expect 2 'unknown workload' footprint --workload nonsense
expect 2 'needs --trace' footprint --workload recorded
expect 2 'truncated' footprint --trace "$dir/short"
expect 2 'is of a guest' footprint --trace "$dir/guest"
expect 2 'allowed: 1 to 1000' footprint --speed 0
expect 2 'allowed: 1 to 60000' footprint --sample 0
expect 2 'a size such as' footprint --slack nonsense
expect 2 'too small' footprint --memory 8M
expect 2 'allowed: up to 8' footprint --memory 64M --vcpus 9
expect 2 'not for workloads' footprint --device dma
small="--memory 64M --vcpus 2 --speed 200"
expect 0 'llfree-auto against base-auto' footprint $small --technique none,base-auto,llfree-auto \
	--trace "$traces/build.llftrace" --ask-cache 8M --json "$dir/footprint.json"
for word in '"interval_s"' '"GiB\*min"' '"recorded"' '"compile"' '"bursts"' '"get-p99.9"' '"refaults"' '"footprint-ratio"' \
	'nobody in the guest to ask'; do
	grep -q "$word" "$dir/footprint.json" || fail "no $word in the result of footprint"
done
expect 0 'skipped: llfree-auto' footprint $small --workload bursts --technique llfree-auto --allocator buddy

# multivm
expect 2 'allowed: 1 to 32' multivm --vms 33
expect 2 'allowed: staggered, together, both' multivm --peaks never
expect 2 'allowed: a size above zero' multivm --budget 0
expect 2 'allowed: up to' multivm --budget 1024T
expect 0 'fit: 1$' multivm --memory 64M --budget 70M --speed 200 --peaks together --vms 3 --json "$dir/multivm.json"
grep -q '"fit"' "$dir/multivm.json" || fail "multivm does not tell how many fit"
expect 0 'fit: 0$' multivm --memory 64M --budget 16M --speed 200 --peaks together --technique none

# tradeoff
expect 2 'up to 16 numbers from 1 to 60000' tradeoff --delays 1,,2
expect 2 'up to 16 numbers from 0 to 10' tradeoff --orders 11
expect 2 'up to 16 numbers from 1 to 64' tradeoff --batches 0
expect 2 'allowed: 1 to' tradeoff --cycles 0
expect 2 'allowed: 1 to' tradeoff --gap -1
expect 0 'Pareto' tradeoff --memory 64M --cycles 2 --gap 10 --delays 2,20 --batches 8 --json "$dir/tradeoff.json"
grep -q '"pareto-optimal"' "$dir/tradeoff.json" || fail "tradeoff marks no point"
expect 0 'skipped: llfree-manual' tradeoff --memory 64M --technique llfree-manual

well_formed "$dir/replay.json" "$dir/footprint.json" "$dir/multivm.json" "$dir/tradeoff.json"
finish
