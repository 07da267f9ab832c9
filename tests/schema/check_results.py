#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check results against their JSON schema and against their own samples.

Usage: check_results.py RESULTS_SCHEMA BENCH_SCHEMA FILE_OR_FOLDER...
Exit code 0 fine, 1 a result is wrong, 2 nothing to check, 77 no validator (python3-jsonschema).

Beside the schema: the median and its interval, computed anew from the samples with whole numbers; a confidence that is
not what the binomial says; checks that failed. Then each file is mutated in many ways that a reader could not tell from
a result, and each mutation must be refused: a schema that lets everything pass would not."""
import copy
import functools
import json
import math
import pathlib
import sys

try:
    from jsonschema import validators
except ImportError:
    print("skipped: no python3-jsonschema here")
    sys.exit(77)


def validator_of(path):
    schema = json.loads(pathlib.Path(path).read_text())
    kind = validators.validator_for(schema)
    if kind.META_SCHEMA.get("$id") != schema["$schema"]:
        print(f"skipped: this jsonschema does not know {schema['$schema']}")
        sys.exit(77)
    kind.check_schema(schema)
    return kind(schema)


@functools.lru_cache(None)
def interval(n):
    """Ends (from 0) and confidence for n sorted samples: the narrowest pair that reaches 95 %, else the extremes."""
    best, below = None, 0
    for k in range(n // 2):
        below += math.comb(n, k)
        confidence = 1 - 2 * below / 2**n
        if best is not None and confidence < 0.95:
            break
        best = (k, n - 1 - k, confidence)
    return best or (0, n - 1, 0.0)


def close(a, b):
    return math.isclose(a, b, rel_tol=2e-3, abs_tol=1e-12)


def median(values):
    values = sorted(values)
    return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2


def figures_problem(row, values, is_repeated):
    ordered = sorted(values)
    low, high, confidence = interval(len(values)) if is_repeated else (0, len(values) - 1, 0)
    if not close(row["median"], median(values)):
        return f"median is {row['median']}, of the samples {median(values)}"
    if not close(row["low"], ordered[low]) or not close(row["high"], ordered[high]):
        return f"interval is {row['low']} to {row['high']}, of the samples {ordered[low]} to {ordered[high]}"
    if not close(row.get("confidence", 0), confidence):
        return f"confidence is {row.get('confidence')}, of {len(values)} values {confidence}"
    return None


def row_problem(row):
    """Repetitions leave out the first sample and have a confidence, from 3 samples on; a series or instants neither."""
    samples = row["samples"]
    if not close(row["first"], samples[0]):
        return "first is not the first sample"
    as_series = figures_problem(row, samples, False)
    as_repeated = figures_problem(row, samples[1:] or samples, True)
    if "interval_s" in row:
        return as_series
    return as_repeated if "confidence" in row else as_series and as_repeated


def run_problem(run):
    if run["run_type"] != "iteration":
        return None
    for name in [key[: -len("_samples")] for key in run if key.endswith("_samples")]:
        n = int(run[name + "_samples"])
        if name not in run:
            return f"{name}_samples without {name}"
        passes = [run[key] for key in sorted(run) if key.startswith(name + "_pass_")]
        if n == 1:
            continue
        if not run[name + "_low"] <= run[name] <= run[name + "_high"]:
            return f"{name} is not in its interval"
        kept = min(n, 1024)
        if not math.isclose(run[name + "_confidence"], interval(kept)[2], abs_tol=1e-6):
            return f"{name}_confidence is {run[name + '_confidence']}, of {kept} values {interval(kept)[2]}"
        if len(passes) != min(n, 32):
            return f"{len(passes)} passes of {name}, samples {n}"
        if n <= 32 and not math.isclose(median(passes), run[name], rel_tol=1e-9):
            return f"{name} is {run[name]}, of its passes {median(passes)}"
    return None


def repetitions_problem(runs):
    """Of rows with repetitions: median, interval and confidence over them, for the time and every counter."""
    names = {run["run_name"] for run in runs if run["run_type"] == "aggregate"}
    for name in sorted(names):
        of_row = [run for run in runs if run["run_name"] == name]
        repeated = [run for run in of_row if run["run_type"] == "iteration"]
        figures = {run["aggregate_name"]: run for run in of_row if run["run_type"] == "aggregate"}
        low, high, confidence = interval(len(repeated))
        for key in ("real_time", *(k for k in repeated[0] if k.endswith(("_ns", "_x_cas")))) if repeated else ():
            values = sorted(run[key] for run in repeated)
            wanted = {"median": median(values), "low": values[low], "high": values[high], "confidence": confidence}
            for figure, value in wanted.items():
                if not math.isclose(figures[figure][key], value, rel_tol=1e-6, abs_tol=1e-9):
                    return f"{name}: {figure} of {key} is {figures[figure][key]}, of the repetitions {value}"
    return None


def problems(document, validator):
    found = [f"{'/'.join(map(str, e.absolute_path)) or 'top'}: {e.message[:300]}" for e in validator.iter_errors(document)]
    if found:
        return found
    for at, row in enumerate(document.get("rows", [])):
        problem = row_problem(row)
        if problem:
            found.append(f"rows/{at}: {problem}")
    for at, run in enumerate(document.get("benchmarks", [])):
        problem = run_problem(run)
        if problem:
            found.append(f"benchmarks/{at} ({run['name']}): {problem}")
    problem = repetitions_problem(document.get("benchmarks", []))
    return found + ([problem] if problem else [])


def mutations(document):
    """Name and mutated copy, each wrong in one place."""

    def mutate(name, change):
        mutated = copy.deepcopy(document)
        change(mutated)
        return name, mutated

    is_bench = "benchmarks" in document
    environment = "context" if is_bench else "environment"
    for key in ("cpu", "governor", "turbo", "thp", "numa_balancing", "load", "virtual", "compiler", "commit", "seed"):
        yield mutate(f"no {environment} {key}", lambda d, k=key: d[environment].pop(k))
    yield mutate("turbo is nonsense", lambda d: d[environment].update(turbo="perhaps"))
    yield mutate("time is no time", lambda d: d[environment].update(time="yesterday"))
    if is_bench:
        runs = document["benchmarks"]
        plain = next((i for i, run in enumerate(runs) if run["run_type"] == "iteration"), None)
        yield mutate("unknown warning", lambda d: d["context"].update(warning_nonsense="x"))
        yield mutate("no benchmarks", lambda d: d.pop("benchmarks"))
        if plain is not None:
            yield mutate("a name without order", lambda d: d["benchmarks"][plain].update(run_name="bulk/llfree"))
            yield mutate("a counter that is a text", lambda d: d["benchmarks"][plain].update(some_counter="fast"))
        repeated = [
            (i, key[: -len("_samples")])
            for i, run in enumerate(runs)
            for key in run
            if key.endswith("_samples") and run[key] > 1 and run["run_type"] == "iteration"
        ]
        if repeated:
            i, name = repeated[0]
            yield mutate("a confidence above 1", lambda d: d["benchmarks"][i].update({name + "_confidence": 1.5}))
            yield mutate("another confidence", lambda d: d["benchmarks"][i].update({name + "_confidence": 0.1234}))
            yield mutate("an interval beside its median", lambda d: d["benchmarks"][i].update({name + "_low": 1e12}))
        return
    for key in document:
        yield mutate(f"no {key}", lambda d, k=key: d.pop(k))
    yield mutate("unknown top key", lambda d: d.update(extra=1))
    yield mutate("unknown warning", lambda d: d["warnings"].append({"name": "nonsense", "detail": "x"}))
    yield mutate("interrupted is a text", lambda d: d["parameters"].update(interrupted="no"))
    yield mutate("a check without outcome", lambda d: d["checks"].append({"name": "x", "detail": "y"}))
    if not document["rows"]:
        return
    for key in ("median", "samples", "unit", "first", "metric"):
        yield mutate(f"no {key} in a row", lambda d, k=key: d["rows"][0].pop(k))
    yield mutate("unknown key in a row", lambda d: d["rows"][0].update(speed=1))
    yield mutate("median is a text", lambda d: d["rows"][0].update(median="fast"))
    yield mutate("another median", lambda d: d["rows"][0].update(median=d["rows"][0]["median"] * 2 + 1))
    yield mutate("another end", lambda d: d["rows"][0].update(high=d["rows"][0]["high"] * 2 + 1))
    yield mutate("a null sample", lambda d: d["rows"][0]["samples"].append(None))
    yield mutate("bytes freed without proof", lambda d: (d["rows"][0].update(bytes_freed=1), d["rows"][0].pop("proof", 0)))
    yield mutate("another confidence", lambda d: d["rows"][0].update(confidence=0.1234))


def shortened(document):
    """The same with few rows: what is wrong in one row is as wrong among many."""
    short = dict(document)
    if "rows" in short:
        short["rows"] = short["rows"][:1]
    else:
        runs = short["benchmarks"]
        repeated = [run for run in runs if any(key.endswith("_low") for key in run)]
        short["benchmarks"] = runs[:1] + repeated[:1]
    return short


def files_of(arguments):
    for argument in map(pathlib.Path, arguments):
        yield from sorted(argument.glob("*.json")) if argument.is_dir() else [argument]


def main():
    results, bench = validator_of(sys.argv[1]), validator_of(sys.argv[2])
    failed, n_files, n_mutations, scenarios = False, 0, 0, set()
    for path in files_of(sys.argv[3:]):
        document = json.loads(path.read_text())
        validator = bench if "benchmarks" in document else results
        n_files += 1
        wrong = problems(document, validator)
        for problem in wrong[:5]:
            print(f"{path}: {problem}")
        if wrong:
            print(f"{path}: {len(wrong)} problems; a new key belongs into the schema and into the docs")
            failed = True
        for check in document.get("checks", []):
            if not check["ok"]:
                print(f"{path}: failed check: {check['name']}: {check['detail']}")
                failed = True
        scenarios.add(document["parameters"]["scenario"] if "parameters" in document else "llfree-bench")
        for name, mutated in mutations(shortened(document)):
            n_mutations += 1
            if not problems(mutated, validator):
                print(f"{path}: a mutation is not refused: {name}")
                failed = True
    print(f"{n_files} files ({', '.join(sorted(scenarios))}), {n_mutations} mutations")
    if n_files == 0:
        return 2
    return 1 if failed else 0


sys.exit(main())
