#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# llfree-report from outside: what it refuses, what a page holds, what a comparison says.
# Usage: report_test.sh CHECK LLFREE-REPORT REPORT_MAKE REPORT_TRACE LLFREE-BENCH HVSIM
set -euo pipefail
check=$1 report=$2 make=$3 trace=$4 bench=$5 hvsim=$6
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# expect CODE COMMAND...: its exit code; output in ./out
expect() {
	local wanted=$1 code=0
	shift
	"$@" >out 2>&1 </dev/null || code=$?
	((code == wanted)) || { cat out >&2 && fail "exit code $code instead of $wanted: $*"; }
}

says() { grep -qF -- "$1" out || { cat out >&2 && fail "it does not say: $1"; }; }

# Plots take most of the time; only one test draws them.
usage() {
	expect 2 "$report"
	says "no results given"
	expect 2 "$report" --compare a
	expect 2 "$report" --no-page a
	expect 2 "$report" --nonsense
	expect 0 "$report" --help
	says "Exit code"
	expect 1 "$report" --no-plots -o page missing.json
	says "missing.json"
	echo "not json" >bad.json
	expect 1 "$report" --no-plots -o page bad.json
	says "not JSON"
	echo '{"a": 1}' >other.json
	expect 1 "$report" --no-plots -o page other.json
	says "not a result"
	mkdir empty
	expect 1 "$report" --no-plots -o page empty
	[[ ! -e page ]] || fail "a page of nothing"
	echo '{"environment": {}, "rows": [], "checks": []}' >nothing.json
	expect 0 "$report" --no-plots -o page nothing.json
	grep -q "no summary" page/index.html || fail "a result without rows"
	expect 1 "$report" --no-plots -o page nothing.json
	says "never overwritten"
}

traced() { expect 0 "$trace" "$1/index.html" "$1/plots/sources.tsv" "$1"/plots/*.dat; }

page() {
	local draw=(--no-plots) name
	if command -v gnuplot >/dev/null; then
		draw=()
	else
		echo "without gnuplot: plots are not drawn"
	fi
	mkdir all report
	"$make" all all 11
	expect 0 "$report" "${draw[@]}" --history -o report/one all
	says "page: report/index.html"
	(($(grep -cE '^(Allocation|Write throughput|Reclaim): ' out) == 3)) || fail "three headlines"
	traced report/one
	cat out
	for name in latency-bulk-get latency-rand scaling-bulk-get fill-get fragmentation fragmentation-map-1 write-order0 reclaim-touched \
		impact-stream impact-stream-virtio-mem impact-ftq footprint-bursts footprint-bursts-vm multivm-bursts-staggered-llfree-auto tradeoff \
		numa-order0 numa-vm; do
		[[ -s report/one/plots/$name.gp && -s report/one/plots/$name.dat ]] || fail "no plot $name"
		grep -q "id=\"$name\"" report/one/index.html || fail "no figure $name"
		((${#draw[@]})) || [[ -s report/one/plots/$name.svg && -s report/one/plots/$name.pdf ]] || fail "not drawn: $name"
	done
	! grep -qiE '<script|src=|https?:' report/one/index.html || fail "the page is not self-contained"
	((${#draw[@]})) || (($(grep -c '<svg class="narrow"' report/one/index.html) > 12)) || fail "no plots on the page"
	grep -qF "Failed</b>: every byte reclaimed is gone" report/one/index.html || fail "a failed check is not shown"
	grep -qF "the run was interrupted" report/one/index.html || fail "an interrupted run is not shown"
	grep -qF "another machine, as published" report/one/index.html || fail "published figures are not labelled"

	# the checker itself: a changed digit, a number from nowhere, changed data
	sed '0,/\(data-source="[^"]*">\)[0-9.]*/s//\1987654/' report/one/index.html >changed.html
	expect 1 "$trace" changed.html report/one/plots/sources.tsv
	says "differs from its source"
	sed 's|</main>|<p>12 more</p></main>|' report/one/index.html >more.html
	expect 1 "$trace" more.html report/one/plots/sources.tsv
	says "a number without a source"
	sed 's/^0 0x\([0-9a-f]*\) [0-9.]*/0 0x\1 77/' report/one/plots/reclaim-touched.dat >changed.dat
	expect 1 "$trace" report/one/index.html report/one/plots/sources.tsv changed.dat
	says "data differ"

	# history: the newest page is the index, the earlier ones are linked and stay
	cp report/one/index.html before.html
	expect 0 "$report" --no-plots --history -o report/two all/inflate.json
	grep -qF 'href="one/index.html"' report/index.html || fail "no link to the earlier page"
	grep -qF 'href="../one/index.html"' report/two/index.html || fail "no link from the new page"
	cmp -s before.html report/one/index.html || fail "the earlier page changed"
	# a page of a folder that holds pages takes results, not the data of plots
	expect 0 "$trace" report/two/index.html report/two/plots/sources.tsv
}

# rows VERDICT: how many lines of ./out have it
rows() { grep -cF "$1" out || true; }

compare() {
	local seed kind
	for kind in bench hvsim; do
		for seed in 1 2 3 4; do
			"$make" pair $kind $((10 * seed)) 1 a.json
			"$make" pair $kind $((10 * seed + 1)) 1 same.json
			"$make" pair $kind $((10 * seed + 2)) 1.2 slow.json
			code=0
			"$report" --compare --no-page a.json same.json >out || code=$?
			((code == 0 || code == 3)) || fail "exit code $code"
			(($(rows "  no difference beyond noise") >= 19)) || { cat out && fail "$kind $seed: identical runs differ"; }
			expect 3 "$report" --compare --no-page a.json slow.json
			(($(rows "more: worse") >= 18)) || { cat out && fail "$kind $seed: a slowdown of 20 % was not caught"; }
			expect 3 "$report" --compare --no-page slow.json a.json
			(($(rows "less: better") >= 18)) || fail "$kind $seed: and the other way round"
			rm a.json same.json slow.json
		done
	done
	# the same file twice
	"$make" pair hvsim 5 1 a.json
	expect 0 "$report" --compare --no-page a.json a.json
	(($(rows "  no difference beyond noise") == 20)) || fail "a run differs from itself"
	# four runs a side are compared run by run, whatever their samples say
	mkdir A B
	for seed in 1 2 3 4; do
		"$make" pair bench $((70 + seed)) 1 A/$seed.json
		"$make" pair bench $((80 + seed)) 1.2 B/$seed.json
	done
	expect 3 "$report" --compare --no-page A B
	(($(grep -cE ' +4/4 ' out) == 20)) || { cat out && fail "not run by run"; }
	(($(rows "more: worse") >= 18)) || { cat out && fail "runs: a slowdown of 20 % was not caught"; }
	# single values
	printf '{"rows": [{"scenario": "s", "technique": "t", "metric": "time", "unit": "ns", "median": %s, "samples": [%s]}]}' 5 5 >one.json
	printf '{"rows": [{"scenario": "s", "technique": "t", "metric": "time", "unit": "ns", "median": %s, "samples": [%s]}]}' 9 9 >two.json
	expect 0 "$report" --compare --no-page one.json two.json
	says "too few samples to tell"
	expect 1 "$report" --compare --no-page one.json a.json
	says "no row in common"
	# as a page
	expect 3 "$report" --compare --no-plots -o page A/1.json B/1.json
	traced page
	grep -qF "rows differ beyond noise" page/index.html || fail "the page has no verdict"
}

# What the programs write today.
programs() {
	mkdir results
	"$bench" --cases bulk,frag,fill --allocators llfree,buddy --orders 0 --threads 1,2 --memory 64M --rounds 5 --benchmark_min_time=0.001 \
		--json results/bench.json >/dev/null 2>log || { cat log && fail "llfree-bench"; }
	"$hvsim" inflate --technique llfree-manual,virtio-mem --memory 64M --target 32M --iterations 2 --json results/reclaim.json >log 2>&1 ||
		{ cat log && fail "hvsim"; }
	expect 0 "$report" --no-plots -o page results
	says "Allocation: llfree"
	says "Reclaim: llfree-manual"
	traced page
	cat out
	for name in latency-bulk-get scaling-bulk-get fill-get fragmentation reclaim-touched; do
		[[ -s page/plots/$name.dat ]] || fail "no plot $name"
	done
	code=0
	"$report" --compare --no-page results/bench.json results/bench.json >out || code=$?
	((code == 0)) || fail "a run differs from itself"
	(($(rows "  no difference beyond noise") > 5)) || { cat out && fail "passes are not compared"; }
}

"$check"
echo "ok: $check"
