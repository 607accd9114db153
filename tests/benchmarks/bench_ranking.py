"""Time ranks and scores on given distances against a full argsort, and from features against the matrix product.

    python tests/benchmarks/bench_ranking.py [--quick] [--repeat N] [--write]

The peer is a transcription of torchreid's rule (`eval_market1501`, plain Python and `np.argsort`), written here from the
rule; it is not their code. Sides take turns and ratios are of medians; the plain rule, a minute long, runs once.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from occluded_datasets.evaluation.scoring.ap_cmc import score_ranks
from occluded_datasets.evaluation.scoring.counts import MatchPlan, count
from occluded_datasets.evaluation.scoring.matching import Labels, pointer_of, relate
from occluded_datasets.evaluation.scoring.similarity import FeatureRows, FeatureSource, MatrixSource, measure

SIZES = ((2163, 9053), (3368, 15913))
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- ranking: begin -->\n", "<!-- ranking: end -->\n"
MATCHES, CAMERAS, LENGTH = 20, 6, 512


def main() -> None:
    """Run all measurements and print the tables; with --write put them into docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the probes, one repetition")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write the tables into docs/benchmarks.md")
    options = parser.parse_args()
    repeat = 1 if options.quick else options.repeat
    sizes = [(probes // 10 if options.quick else probes, gallery) for probes, gallery in SIZES]
    text = _head(repeat) + _given([_distances(*size, repeat) for size in sizes])
    text += _made([_features(*size, repeat) for size in sizes])
    sys.stdout.write(text)
    if options.write:
        page = PAGE.read_text("utf-8")
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(before + BEGIN + text + END + after, "utf-8")


def plain(distances: Any, probe: Labels, gallery: Labels) -> tuple[float, float]:
    """Return (rank-1, mAP) by an argsort of everything and a loop over probes."""
    order = np.argsort(distances, axis=1)
    hits = (gallery.pid[order] == probe.pid[:, None]).astype(np.int32)
    firsts, precisions = [], []
    for index in range(len(distances)):
        row = order[index]
        keep = ~((gallery.pid[row] == probe.pid[index]) & (gallery.camid[row] == probe.camid[index]))
        kept = hits[index][keep]
        if not np.any(kept):
            continue
        found = kept.cumsum()
        firsts.append(float(kept[0]))
        steps = np.asarray([value / (place + 1.0) for place, value in enumerate(found)]) * kept
        precisions.append(steps.sum() / kept.sum())
    return float(np.mean(firsts)), float(np.mean(precisions))


def ours(source: Any, probe: Labels, gallery: Labels, threads: int) -> tuple[float, float]:
    """Return (rank-1, mAP) by counting."""
    found = relate(probe, gallery, camera_rule=True, group_rule=False)
    pointer = pointer_of(found.match_probe, source.probes)
    counts = count(
        source, MatchPlan(pointer, found.match_column, found.hidden_probe, found.hidden_column), None, threads
    )
    answered = np.flatnonzero(np.diff(pointer))
    scores = score_ranks(np.append(pointer[answered], pointer[-1]), counts.nearer, counts.equal).expected
    return float(scores.cmc[:, 0].mean()), float(scores.ap.mean())


def _labels(rng: Any, number: int, people: int) -> Labels:
    none = np.full(number, -1)
    return Labels(rng.integers(0, people, number), rng.integers(0, CAMERAS, number), none)


def _distances(probes: int, gallery: int, repeat: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    sides = [_labels(rng, number, gallery // MATCHES) for number in (probes, gallery)]
    matrix = rng.random((probes, gallery), np.float32)
    source = MatrixSource(matrix, np.arange(probes), np.arange(gallery), smaller_is_nearer=True)
    runs: dict[str, Callable[[], object]] = {
        "plain": lambda: plain(matrix, *sides),
        "argsort": lambda: np.argsort(matrix, axis=1),
        "one": lambda: ours(source, *sides, 1),
        "two": lambda: ours(source, *sides, 2),
    }
    memory = {name: _peak(run) for name, run in runs.items() if name != "plain"}
    # The plain rule takes a minute, so it runs once timed and once watched.
    memory["plain"], expected = _watched(runs["plain"])
    # A few float32 values are equal; the argsort breaks such ties by position, hence no exact equality.
    assert np.allclose(np.array(expected), ours(source, *sides, 1), rtol=0, atol=1e-5)
    assert ours(source, *sides, 1) == ours(source, *sides, 2)
    seconds = _turns({"plain": runs.pop("plain")}, 1)
    return {"size": (probes, gallery), "seconds": {**seconds, **_turns(runs, repeat)}, "memory": memory}


def _features(probes: int, gallery: int, repeat: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    sides = [_labels(rng, number, gallery // MATCHES) for number in (probes, gallery)]
    values = rng.standard_normal((probes + gallery, LENGTH), np.float32)
    rows = FeatureRows(values, np.arange(probes)), FeatureRows(values, np.arange(probes, probes + gallery))
    double = values.astype(np.float64)

    def product() -> None:
        for start in range(0, probes, 256):
            double[start : min(start + 256, probes)] @ double[probes:].T

    def score() -> None:
        ours(FeatureSource(measure("cosine", rows), *rows), *sides, len(os.sched_getaffinity(0)))

    runs: dict[str, Callable[[], object]] = {"product": product, "ours": score}
    return {"size": (probes, gallery), "seconds": _turns(runs, repeat), "memory": {"ours": _peak(score)}}


def _turns(runs: dict[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeat):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            spent[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in spent.items()}


def _watched(run: Callable[[], Any]) -> tuple[float, Any]:
    """Return the largest extra memory of a run, in MiB, and what it returned."""
    tracemalloc.start()
    result = run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20, result


def _peak(run: Callable[[], object]) -> float:
    return _watched(run)[0]


def _head(repeat: int) -> str:
    from this_machine import machine

    return machine() + (
        f"Python {platform.python_version()}, numpy {np.__version__}; medians of {repeat}, the plain rule once.\n\n"
    )


def _given(lines: list[dict[str, Any]]) -> str:
    text = (
        "| given distances (float32) | plain Python rule | `np.argsort` alone | ours, 1 thread | ours, 2 threads |"
        " extra memory: plain / ours, 1 / 2 threads |\n|---|---|---|---|---|---|\n"
    )
    for line in lines:
        spent, memory = line["seconds"], line["memory"]
        cells = ["{:,} x {:,}".format(*line["size"]), f"{spent['plain']:.2f} s", f"{spent['argsort']:.2f} s"]
        cells += [f"{spent[name]:.3f} s ({spent['plain'] / spent[name]:.0f}x)" for name in ("one", "two")]
        cells.append(f"{memory['plain']:,.0f} / {memory['one']:.1f} / {memory['two']:.1f} MiB")
        text += "| " + " | ".join(cells) + " |\n"
    return text


def _made(lines: list[dict[str, Any]]) -> str:
    text = (
        f"\n| from features ({LENGTH}-d float32) | float64 matrix product alone | features to scores |"
        " extra memory |\n|---|---|---|---|\n"
    )
    for line in lines:
        spent = line["seconds"]
        ratio = spent["ours"] / spent["product"]
        text += (
            f"| {line['size'][0]:,} x {line['size'][1]:,} | {spent['product']:.2f} s | {spent['ours']:.2f} s "
            f"({ratio:.2f}x) | {line['memory']['ours']:.0f} MiB |\n"
        )
    return text


if __name__ == "__main__":
    main()
