"""Time k-reciprocal re-ranking, sparse against dense, and write docs/benchmarks.md.

    python tests/benchmarks/bench_rerank.py [--quick] [--repeat N] [--dense-at-full-size] [--write]

The dense side is a plain transcription of the published algorithm, written from the paper, with matrices of everything
by everything in float32 as the public implementations keep them. Every measurement is a fresh process; sides take
turns. At full size the dense side needs about 9 GiB and is left out unless asked for.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

FULL = (3368, 15913, 512, 751)
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
HEADING = "## re-ranking: k-reciprocal encoding\n"
BEGIN, END = "<!-- rerank: begin -->\n", "<!-- rerank: end -->\n"
TEXT = """
Random unit vectors in clusters, as many as Market-1501 has test identities; k1 = 20, k2 = 6, lambda 0.3. *Dense* is a
plain transcription of the published algorithm in NumPy with the full N x N matrices, distances in float32; *sparse* is
`evaluation.rerank.k_reciprocal`, distances in float64. Memory is what the process grew by over its input.

"""

RUN = """
import importlib.util, json, resource, sys, time
import numpy as np
spec = importlib.util.spec_from_file_location("bench_rerank", sys.argv[1])
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)
side, probes, gallery, dim, people, out = sys.argv[2], *map(int, sys.argv[3:7]), sys.argv[7]
probe, others = bench.clustered(probes, gallery, dim, people)
from occluded_datasets.evaluation.scoring.k_reciprocal import k_reciprocal
bench.small(k_reciprocal), bench.small(bench.dense)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
result = (k_reciprocal if side == "sparse" else bench.dense)(probe, others)
spent = time.perf_counter() - start
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
if out:
    np.save(out, result)
print(json.dumps({"seconds": spent, "mib": grown}))
"""


def dense(
    probe: Any, gallery: Any, k1: int = 20, k2: int = 6, lambda_value: float = 0.3, distance: str = "cosine"
) -> Any:
    """Return the re-ranked distances (P, G), from the paper, with every matrix in full.

    The paper's N(p, k), R(p, k), R*(p, k), V and d*, in this order, one person after the other; the free choices are
    those that `occluded_datasets.evaluation.scoring.k_reciprocal.k_reciprocal` names.
    """
    features = np.concatenate([probe, gallery]).astype(np.float64)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    features /= lengths if distance == "cosine" else lengths.max() or 1
    count, probes, half = len(features), len(probe), round(k1 / 2)
    original = features @ features.T
    squares = np.diagonal(original).copy()
    original *= -2
    original += squares
    original += squares[:, None]
    original = np.maximum(np.round(original, 9, out=original), 0)
    np.fill_diagonal(original, -1)  # each is its own first neighbour
    ranking = np.argsort(original, axis=1, kind="stable").astype(np.int32)
    np.fill_diagonal(original, 0)
    original = (original / np.maximum(original.max(axis=1, keepdims=True), 1e-300)).astype(np.float32)

    weights = np.zeros((count, count), np.float32)
    for one in range(count):
        base = _reciprocal(ranking, one, k1)
        expanded = [base]
        for candidate in base:
            own = _reciprocal(ranking, candidate, half)
            if 3 * len(np.intersect1d(own, base)) > 2 * len(own):
                expanded.append(own)
        members = np.unique(np.concatenate(expanded))
        near = np.exp(-original[one, members])
        weights[one, members] = near / near.sum()
    original = original[:probes, probes:].copy()
    if k2 > 1:
        averaged = np.zeros_like(weights)
        for one in range(count):
            averaged[one] = weights[ranking[one, :k2]].mean(axis=0)
        weights = averaged
    del ranking
    holders = [np.flatnonzero(weights[:, one]) for one in range(count)]
    jaccard = np.empty((probes, count - probes), np.float32)
    for one in range(probes):
        least = np.zeros(count, np.float32)
        for member in np.flatnonzero(weights[one]):
            rows = holders[member]
            least[rows] += np.minimum(weights[one, member], weights[rows, member])
        jaccard[one] = 1 - least[probes:] / (2 - least[probes:])
    return jaccard * (1 - lambda_value) + original * lambda_value


def _reciprocal(ranking: Any, one: int, k: int) -> Any:
    nearest = ranking[one, : k + 1]
    return nearest[(ranking[nearest, : k + 1] == one).any(axis=1)]


def clustered(probes: int, gallery: int, dim: int, people: int) -> tuple[Any, Any]:
    """Return random float32 features of as many people, probes and gallery."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(people, dim)).astype(np.float32)
    features = centres[random.integers(people, size=probes + gallery)]
    features += 1.5 * random.normal(size=features.shape).astype(np.float32)
    return features[:probes], features[probes:]


def small(function: Any) -> None:
    """Call `function` once, so that imports and thread pools are not measured."""
    function(*clustered(20, 80, 16, 10))


def main() -> None:
    """Run all measurements and print the table; with --write put it into docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, one repetition")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--dense-at-full-size", action="store_true", help="needs about 9 GiB")
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    options = parser.parse_args()
    sizes = [_part(10)] if options.quick else [_part(3), FULL]
    repeat = 1 if options.quick else options.repeat
    lines = [_measure(size, repeat, size != FULL or options.dense_at_full_size) for size in sizes]
    text = _table(lines, repeat)
    sys.stdout.write(text)
    if options.write:
        _write(text)


def _part(share: int) -> tuple[int, int, int, int]:
    return (FULL[0] // share, FULL[1] // share, FULL[2], FULL[3] // share)


def _measure(size: tuple[int, int, int, int], repeat: int, both: bool) -> dict[str, Any]:
    runs: dict[str, list[dict[str, float]]] = {side: [] for side in (("dense", "sparse") if both else ("sparse",))}
    apart = None
    with tempfile.TemporaryDirectory() as folder:
        for number in range(repeat):
            for side, found in runs.items():
                out = str(Path(folder) / f"{side}.npy") if both and not number else ""
                found.append(_run(side, size, out))
        if both:
            results = [np.load(Path(folder) / f"{side}.npy", mmap_mode="r") for side in runs]
            apart = max(float(np.abs(a - b).max()) for a, b in zip(*results, strict=True))
    medians = {
        f"{side} {what}": statistics.median(run[what] for run in found)
        for side, found in runs.items()
        for what in ("seconds", "mib")
    }
    return {"size": size, "apart": apart, **medians}


def _run(side: str, size: tuple[int, ...], out: str) -> dict[str, float]:
    line = [sys.executable, "-c", RUN, __file__, side, *map(str, size), out]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _table(lines: list[dict[str, Any]], repeat: int) -> str:
    from this_machine import machine

    text = machine() + (
        f"Python {platform.python_version()}, numpy {np.__version__}; medians of {repeat}.\n\n"
        "| probes x gallery x numbers | dense | sparse | faster | dense, memory | sparse, memory | less | largest"
        " difference |\n|---|---|---|---|---|---|---|---|\n"
    )
    for line in lines:
        cells = [f"{line['size'][0]:,} x {line['size'][1]:,} x {line['size'][2]}"]
        for what, unit in (("seconds", "{:.1f} s"), ("mib", "{:,.0f} MiB")):
            ours, theirs = line[f"sparse {what}"], line.get(f"dense {what}")
            cells.append(unit.format(theirs) if theirs else "not run")
            cells += [unit.format(ours), f"{theirs / ours:.1f}x" if theirs else ""]
        cells.append("" if line["apart"] is None else f"{line['apart']:.0e}")
        text += "| " + " | ".join(cells) + " |\n"
    return text


def _write(text: str) -> None:
    page = PAGE.read_text("utf-8")
    if BEGIN not in page:
        page = f"{page.rstrip()}\n\n{HEADING}{TEXT}{BEGIN}{END}"
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    PAGE.write_text(before + BEGIN + text + END + after, "utf-8")


if __name__ == "__main__":
    main()
