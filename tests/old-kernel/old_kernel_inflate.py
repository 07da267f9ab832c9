#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""hvsim inflate, every technique, here and as on another kernel: the same rows, all checks hold, and the result says
which way was taken.

Usage: old_kernel_inflate.py HERE.json here HVSIM                                   first: what this kernel gives
       old_kernel_inflate.py HERE.json MODE HVSIM LAUNCHER [LAUNCHER_OPTION...]     MODE: 5.10, 4.4 or thp-off
Exit code 0 fine, 1 not, 77 the launcher can't take anything from this kernel."""
import json
import pathlib
import subprocess
import sys
import tempfile

ARGUMENTS = ["inflate", "--memory", "64M", "--target", "40M", "--iterations", "1", "--vcpus", "1",
             "--backing", "all"]
DISABLED = "disabled for this process"
failures = []


def check(holds, what):
    if not holds:
        failures.append(what)
        print(f"FAILED: {what}")


def run(file, name, prefix, hvsim):
    done = subprocess.run([*prefix, hvsim, *ARGUMENTS, "--json", str(file)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode == 77:
        print(done.stdout)
        sys.exit(77)
    check(done.returncode == 0, f"{name}: exit code {done.returncode}: {done.stdout}")
    return json.loads(file.read_text())


def kinds(result, backings):
    return {(row["backing"], row["technique"], row["phase"], row["metric"], row["unit"])
            for row in result["rows"] if row["backing"] in backings}


def check_old(result):
    check(result["environment"]["discard"] == "madvise, coalesced", "the environment names the way to discard")
    check(result["environment"]["pagemap_scan"] is False, "the environment tells that residency has no PAGEMAP_SCAN")
    for row in result["rows"]:
        name = f"{row['technique']} on {row['backing']}, {row['phase']}"
        check("process_madvise" not in row.get("discard", ""), f"{name}: discard '{row.get('discard')}'")
        check("PAGEMAP" not in row.get("proof", ""), f"{name}: proof '{row.get('proof')}'")
    check(any(row.get("discard", "").startswith("madvise, coalesced") for row in result["rows"]), "rows name madvise")
    check(any(row.get("proof", "").startswith("mincore:") for row in result["rows"]), "rows are proven by mincore")


def check_thp_off(result):
    environment = result["environment"]
    check(environment["thp"] == DISABLED and environment["shmem_thp"] == DISABLED, "the environment tells it")
    check(any(each["name"] == "thp-off" for each in result["warnings"]), "there is a warning")
    for name in ("anon-thp", "tmpfs-huge"):
        why = [each["why"] for each in result["skipped"] if each["what"] == name]
        check(why and DISABLED in why[0], f"{name} is skipped with the reason: {why}")
    shares = [row["median"] for row in result["rows"] if row["phase"] == "huge-page-share"]
    check(shares and not any(shares), f"no touched memory was in huge pages: {shares}")


def main():
    here_file, mode, hvsim, launcher = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
    if mode == "here":
        here_file.unlink(missing_ok=True)
        run(here_file, mode, [], hvsim)
        return 1 if failures else 0
    here = json.loads(here_file.read_text())
    with tempfile.TemporaryDirectory() as folder:
        changed = run(pathlib.Path(folder) / "result.json", mode, launcher, hvsim)
    check(changed["checks"] and all(each["ok"] for each in changed["checks"]), "all checks hold")
    backings = {row["backing"] for row in here["rows"]}
    if mode == "thp-off":
        check_thp_off(changed)
        backings -= {"anon-thp", "tmpfs-huge"}
    else:
        check_old(changed)
    check(backings and kinds(changed, backings) == kinds(here, backings),
          f"not the same rows: {sorted(kinds(changed, backings) ^ kinds(here, backings))}")
    print("all passed" if not failures else f"{len(failures)} failed")
    return 1 if failures else 0


sys.exit(main())
