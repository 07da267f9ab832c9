#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One small VM for each technique of QEMU's own devices: memory goes and comes back, the result file is as documented.
# Usage: vm_inflate.sh LLFREE_QEMU CHECK_RESULTS DOCS_FOLDER TECHNIQUES
set -euo pipefail
program=$1 check=$2 docs=$3 techniques=$4
command -v qemu-system-x86_64 >/dev/null || { echo "no qemu-system-x86_64 here" && exit 77; }
"$program" image --quiet || { echo "no image of a guest here" && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$program" run --scenario inflate --technique "$techniques" --memory 512M --target 384M --iterations 1 \
	--json "$work/result.json"
python3 "$check" "$docs/results.schema.json" "$docs/bench.schema.json" "$work/result.json" || (($? == 77))
# what each reclaim was made of
python3 - "$work/result.json" <<'END'
import json, sys
rows = json.load(open(sys.argv[1]))["rows"]
seen = {}
for row in rows:
    if row["phase"] == "shrink-touched":
        seen.setdefault(row["technique"], set()).add(row["metric"])
for technique, metrics in seen.items():
    missing = {"time", "discards", "messages", "host-time"} - metrics
    assert not missing, f"{technique}: no {missing}"
END
