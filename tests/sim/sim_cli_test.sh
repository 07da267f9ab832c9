#!/bin/sh
# SPDX-License-Identifier: MIT
# hvsim's command line: bad input ends with 2, says what is wrong and what is allowed, and makes nothing; a small run
# writes valid results and never over earlier ones.
hvsim=$1
# shellcheck source=tests/sim/cli_expect.sh
. "$(dirname "$0")/cli_expect.sh"

expect 2 'Usage'
expect 2 'unknown command' nonsense
expect 0 'inflate' --help
expect 0 'technique' inflate --help
expect 0 'hvsim' list --help
expect 0 'llfree-auto' list
expect 0 'anon-thp' list
expect 0 '[0-9]' --version
expect 2 'known: all.*llfree-manual' inflate --technique nonsense
expect 2 "unknown technique ''" inflate --technique llfree-manual,
expect 0 'virtio-mem' list
expect 0 'buddy' list
expect 0 'report-order' inflate --help
expect 2 'known: .*buddy' inflate --allocator nonsense
expect 2 'allowed: 0 to 10' inflate --report-order 11
expect 2 'allowed: 0 to' inflate --report-delay -1
expect 2 'allowed: 1 to 64' inflate --report-batch 0
expect 2 'allowed: 1 to 64' inflate --report-batch 65
expect 2 'allowed: 2M or 4M' inflate --block 8M
expect 2 'multiples of 2M' inflate --block 1M
expect 2 'allowed: a size above zero' inflate --slow-limit 0
expect 2 'known: all.*anon-thp' inflate --backing nonsense
expect 2 'allowed: up to' inflate --memory 1024T --target 512M
expect 2 'allowed: a size above zero' inflate --memory 0
expect 2 'allowed: a size above zero' inflate --memory -2G
expect 2 'allowed: a size above zero' inflate --memory 2Q
expect 2 'allowed: a size above zero' inflate --memory 99999999999999999999G
expect 2 'multiples of 2M' inflate --memory 3M
expect 2 'is not below --memory' inflate --memory 256M --target 256M
expect 2 'is not below --memory' inflate --memory 256M --target 1G
expect 2 'allowed: a size above zero' inflate --target 0
expect 2 'too small' inflate --memory 256M --target 2M
expect 2 'allowed: 1 to' inflate --iterations 0
expect 2 'allowed: 1 to' inflate --iterations 3x
expect 2 'allowed: 1 to 256' inflate --vcpus 0
expect 2 'allowed: 1 to 256' inflate --vcpus 257
expect 2 'allowed: 1 to 1024' inflate --batch 0
expect 2 'allowed: 1 to 1024' inflate --batch 1025
expect 2 'allowed: 0 to 9' inflate --order 10
expect 2 'allowed: 0 to' inflate --seed -1
expect 2 'not an option' inflate stray
expect 2 'unrecognized' inflate --nonsense
expect 2 'unrecognized\|not an option\|Too many' list --nonsense
expect 2 'No such file' inflate --memory 256M --json "$dir/none/result.json"

small="--memory 64M --target 40M --iterations 1 --vcpus 1"
expect 0 'all passed' inflate $small --json "$dir/result.json"
grep -q '"bytes_freed"' "$dir/result.json" || fail "no rows in the result"
grep -q '"interrupted":.*false' "$dir/result.json" || fail "the result does not tell whether it was interrupted"
[ ! -e "$dir/result.json.part" ] || fail "a partial file stays behind"
cp "$dir/result.json" "$dir/before.json"
expect 2 'never overwritten' inflate $small --json "$dir/result.json"
cmp -s "$dir/result.json" "$dir/before.json" || fail "an earlier result was changed"

expect 2 'known: none, dma' inflate --device nonsense
expect 0 'all passed' inflate $small --technique llfree-manual --device dma
# the DMA device: a small run for every technique; says "skipped" where there is no io_uring
expect 2 'allowed: 1 to' dma-safety --transfers 0
expect 0 'all passed' dma-safety --memory 64M --target 40M --transfers 1000 --seconds 2 --json "$dir/dma.json"
grep -q 'stale_transfers\|io_uring\|liburing' "$dir/dma.json" || fail "dma-safety measured nothing"

for technique in base-manual base-auto huge-manual huge-auto virtio-mem llfree-manual llfree-auto; do
	grep -q "\"technique\":.*\"$technique\"" "$dir/result.json" || fail "no rows of $technique"
done
expect 0 'all passed' inflate $small --allocator llfree --technique base-auto,huge-manual,virtio-mem --block 4M
expect 0 'down to 48 MiB only' inflate $small --technique base-manual --slow-limit 16M
expect 0 'skipped: llfree-manual on allocator buddy' inflate $small --allocator buddy --technique llfree-manual,huge-auto
expect 0 'all passed' inflate $small --technique base-auto --report-order 4 --report-batch 8 --report-delay 1

# Ctrl-C: what was measured so far, valid, and 130
"$hvsim" inflate --memory 64M --target 40M --iterations 100000 --vcpus 1 --technique llfree-manual \
	--json "$dir/partial.json" >"$dir/out" 2>&1 &
pid=$!
sleep 3
kill -INT "$pid"
wait "$pid"
got=$?
pid=
[ "$got" -eq 130 ] || fail "interrupted: exit code $got, not 130: $(cat "$dir/out")"
grep -q '"interrupted":.*true' "$dir/partial.json" || fail "the partial result does not say that it is partial"
grep -q '"shrink-untouched"' "$dir/partial.json" || fail "the partial result has no rows"
well_formed "$dir/result.json" "$dir/partial.json"
finish
