#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Two small VMs beside each other by each technique, of which each fills memory once, in a budget that is too small for two
# of which nothing is taken: of these one is lost and the other one goes on, while a technique that acts by itself keeps
# both. The result file is as documented, and usage errors are said before anything boots.
# Usage: vm_multivm.sh LLFREE_QEMU CHECK_RESULTS DOCS_FOLDER TECHNIQUE
set -euo pipefail
program=$1 check=$2 docs=$3 technique=$4
command -v qemu-system-x86_64 >/dev/null || { echo "no qemu-system-x86_64 here" && exit 77; }
"$program" image --quiet || { echo "no image of a guest here" && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run() {
	"$program" run --scenario multivm --memory 512M "$@"
}
for bad in "--vms 0" "--vms 17" "--fill 400M" "--peaks sometimes" "--hold -1" "--memory 256M" "--fit --no-enforce" "more"; do
	status=0
	# shellcheck disable=SC2086
	run $bad >"$work/out" 2>&1 || status=$?
	((status == 2)) || { echo "run --scenario multivm $bad ended with $status" && exit 1; }
done
run --fit --vms 2 --budget 510M --fill 192M --iterations 1 --hold 0 --pause 6 --technique "none,$technique" --json "$work/multi.json"
python3 "$check" "$docs/results.schema.json" "$docs/bench.schema.json" "$work/multi.json" || (($? == 77))
python3 - "$work/multi.json" "$technique" <<'CHECK'
import json, sys

result = json.load(open(sys.argv[1]))
rows, other = result["rows"], sys.argv[2]
budget = result["parameters"]["budget_bytes"]


def row(metric, technique, phase="fill, staggered, 2 VMs"):
    return next(r for r in rows if (r["metric"], r["technique"], r["phase"]) == (metric, technique, phase))


def verified(technique, n_vms):
    name = f"{technique}, staggered, {n_vms} VMs: no wrong byte in a guest (H1)"
    return int(next(c["detail"] for c in result["checks"] if c["name"] == name).split()[0])


def vms(technique):
    return [row("resident", technique, f"fill, staggered, 2 VMs, VM {vm}") for vm in (1, 2)]


# one of two is lost, with all of its memory, and the other one comes to its end; alone it fits
assert row("failed", "none")["median"] == 1 and row("resident-peak", "none")["median"] > budget
lost = [vm for vm in vms("none") if "budget was used up" in vm["note"]]
kept = [vm for vm in vms("none") if vm not in lost]
assert len(lost) == 1 and max(lost[0]["samples"]) > 64 << 20 and lost[0]["samples"][-1] == 0, lost
assert len(kept) == 1 and kept[0]["samples"][-1] > 64 << 20, kept
assert verified("none", 2) == 1 and verified("none", 1) == 1, result["checks"]
assert row("fit", "none", "fill, staggered")["median"] == 1
# one VM is compared with one; nothing with VMs that did not live to their end
compared = {(r["metric"], r["phase"]) for r in rows if r["note"].startswith("against none")}
assert compared == {(f"{m}-ratio", "fill, staggered, 1 VMs") for m in ("footprint", "peak", "runtime")}, compared

assert verified(other, 1) == 1 and row("failed", other)["median"] == 0 and row("resident-peak", other)["median"] <= budget
assert verified(other, 2) == 2 and all(vm["samples"][-1] > 64 << 20 for vm in vms(other))
fit = row("fit", other, "fill, staggered")
assert fit["median"] == 2 and "at least" in fit["note"], fit

for technique in ("none", other):
    parts = vms(technique)
    for at, total in enumerate(row("resident", technique)["samples"]):
        assert abs(total - sum(p["samples"][at] for p in parts)) < total * 2e-3
CHECK
