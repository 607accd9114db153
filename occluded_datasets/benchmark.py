"""Occlusion benchmarks that are cited by id: which images, occluded how, and the scores by family and level.

A benchmark is data, ``manifests/benchmarks/<name>.json``: a parent set, its probes and gallery, families of recipes
with levels, and a seed. No image belongs to it: whoever holds the parent rebuilds it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import IncompleteError, UnknownNameError, UsageError
from .evaluation import Score, evaluate
from .hashing import key
from .manifest import Manifest, fingerprint, from_frame
from .occlusion import Recipe, Simulated
from .occlusion.sets.render import RecipeLevels
from .occlusion.sets.selection import select
from .occlusion.sets.simulate import SetOccluders, SetOptions, write_set
from .protocol import Protocol, find_protocol, split
from .scan import Progress

if TYPE_CHECKING:
    import pandas as pd

PACKAGE = "occluded_datasets.manifests"
UNVERIFIED = "unverified"
ROW = ("level", "source_image_id", "boxes", "occluders", "occluded_fraction", "pixel_sha256")


@dataclass(frozen=True)
class Benchmark:
    """A benchmark's rules, as its JSON file says them.

    Examples
    --------
    >>> find_benchmark("market-1501-occ-v1").cells["noise/10"]
    'unverified'
    """

    rules: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.rules["name"])

    @property
    def families(self) -> list[RecipeLevels]:
        """The families with their recipes and levels."""
        return [
            RecipeLevels(Recipe.of(one["recipe"]), tuple(one["levels"]), one["name"]) for one in self.rules["families"]
        ]

    @property
    def cells(self) -> dict[str, str]:
        """The id of each cell, ``family/level in per cent``; ``unverified`` where nobody has made it yet."""
        names = [f"{family.name}/{100 * level:g}" for family in self.families for level in family.levels]
        return {name: str(self.rules["cells"].get(name, UNVERIFIED)) for name in names}

    @property
    def headline(self) -> tuple[str, ...]:
        """The families whose cells the mean is over."""
        return tuple(one["name"] for one in self.rules["families"] if one["headline"])


class BenchmarkParts(NamedTuple):
    """The images of a benchmark: probes and gallery as rows, and the training rows that give occluders."""

    probe: pd.DataFrame
    gallery: pd.DataFrame
    train: pd.DataFrame


class BenchmarkBuild(NamedTuple):
    """A benchmark that was made of one's own copy of the parent.

    Parameters
    ----------
    simulated : Simulated
        The set.
    cells : dict of str to str
        The id of each cell as made here.
    verdict : str
        ``verified`` if all are the published ones, ``different`` if not, ``unverified`` if none are published.
    differing : tuple of str
        Cells, or source images, that are not as published.
    """

    simulated: Simulated
    cells: dict[str, str]
    verdict: str
    differing: tuple[str, ...] = ()


@cache
def benchmarks() -> tuple[str, ...]:
    """Return the names of the benchmarks that ship.

    Examples
    --------
    >>> benchmarks()
    ('market-1501-occ-v1', 'market-1501-occ-v1-dev')
    """
    folder = resources.files(PACKAGE).joinpath("benchmarks")
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".json")))


def find_benchmark(name: str) -> Benchmark:
    """Return a benchmark by name.

    Raises
    ------
    UnknownNameError
        If there is none of that name, with the nearest ones.
    """
    if name not in benchmarks():
        raise UnknownNameError.of("benchmark", name, benchmarks(), "occreid-prepare simulate --help")
    text = resources.files(PACKAGE).joinpath("benchmarks", f"{name}.json").read_text("utf-8")
    return Benchmark(json.loads(text))


def benchmark_parts(benchmark: Benchmark, source: Manifest) -> BenchmarkParts:
    """Return the images of a benchmark in a copy of its parent.

    Raises
    ------
    UsageError
        If the manifest is of another set.
    IncompleteError
        If it has another number of probes or of gallery images.
    """
    rules = benchmark.rules
    if source.dataset != rules["dataset"]:
        raise UsageError(
            f"{benchmark.name} is made of {rules['dataset']}.", f"Found a manifest of {source.dataset}.",
            f"occreid-prepare build {rules['dataset']} --raw PATH",
        )  # fmt: skip
    frame = source.frame.sort_values("image_id", ignore_index=True)
    train = frame[frame["split"] == "train"]
    if rules["identities"] is None:
        done = split(source, rules["part"])
        parts = BenchmarkParts(done.probe, done.gallery, train)
    else:
        parts = _keyed(train, rules["identities"], rules["seed"])
    for side, rows in (("probe", parts.probe), ("gallery", parts.gallery)):
        wanted = rules["probes" if side == "probe" else "gallery"]
        if wanted is not None and len(rows) != wanted:
            raise IncompleteError(
                f"{benchmark.name}: {len(rows):,} {side} pictures.", f"Expected {wanted:,}: the copy is not whole.",
                "occreid-prepare doctor PATH",
            )  # fmt: skip
    return parts


def _keyed(train: pd.DataFrame, identities: int, seed: int) -> BenchmarkParts:
    """Return the first identities by key; of each camera of theirs the first image by key is a probe."""
    pids = sorted(set(train["pid"]), key=lambda pid: key(seed, "identities", 0, pid))[:identities]
    own = train[train["pid"].isin(pids)]
    order = own.assign(order=[key(seed, "probe", 0, pixels) for pixels in own["pixel_sha256"]])
    first = order.sort_values(["order", "image_id"]).drop_duplicates(["pid", "camid"])["image_id"]
    chosen = own["image_id"].isin(set(first))
    return BenchmarkParts(own[chosen], own[~chosen], train[~train["pid"].isin(pids)])


def make(
    benchmark: Benchmark,
    source: Manifest,
    out: str | os.PathLike[str],
    *,
    rows_only: bool = False,
    replace_other: bool = False,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> BenchmarkBuild:
    """Make a benchmark of one's own copy of its parent, and say whether it is the published one.

    Parameters
    ----------
    benchmark : Benchmark
        What to make.
    source : Manifest
        The parent.
    out : path
        The folder for the set.
    rows_only, replace_other, workers, executor, progress
        As for `occluded_datasets.occlusion.simulate`; `replace_other` is its `replace`.
    """
    parts = benchmark_parts(benchmark, source)
    selection = select(source, set(parts.probe["image_id"]), set(parts.gallery["image_id"]))
    pool = source.with_rows(parts.train)
    options = SetOptions(benchmark.rules["seed"], rows_only=rows_only)
    done = write_set(
        source, Path(out), benchmark.families, selection, SetOccluders(pool), options, name=benchmark.name,
        replace=replace_other, workers=workers, executor=executor, progress=progress,
    )  # fmt: skip
    rows = benchmark_rows(done)
    found = cell_ids(benchmark, parent_of(benchmark, source), rows)
    published = {name: one for name, one in benchmark.cells.items() if one != UNVERIFIED}
    if not published:
        return BenchmarkBuild(done, found, UNVERIFIED)
    cells = tuple(name for name, one in published.items() if found[name] != one)
    return BenchmarkBuild(done, found, "different" if cells else "verified", cells + differing_rows(benchmark, rows))


def parent_of(benchmark: Benchmark, source: Manifest) -> str:
    """Return the fingerprint of the rows of the parent that the benchmark rests on."""
    if benchmark.rules["identities"] is None:
        return source.fingerprint
    return fingerprint(from_frame(source.frame[source.frame["split"] == "train"]))


def benchmark_rows(done: Simulated) -> list[dict[str, str]]:
    """Return what identifies each occluded image of a set, by level and source image."""
    from .manifest import read

    texts = from_frame(read(Path(done.manifest)).frame)
    rows = [{name: texts[name][at] for name in ROW} for at, boxes in enumerate(texts["boxes"]) if boxes]
    return sorted(rows, key=lambda row: (row["level"], row["source_image_id"]))


def cell_ids(benchmark: Benchmark, parent: str, rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the id of each cell: ``<benchmark>/<family>/<per cent>@<8 hex>``.

    The digest is sha256 over the lines recipe id, seed, level, the parent's fingerprint, and the pixel_sha256 of the
    occluded probes in the order of their source's image_id.
    """
    found = {}
    for family in benchmark.families:
        for level, column in zip(family.levels, family.level_names(), strict=True):
            hashes = [row["pixel_sha256"] for row in rows if row["level"] == column]
            lines = [family.recipe.id, str(benchmark.rules["seed"]), f"{level:g}", parent, *hashes]
            digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]
            cell = f"{family.name}/{100 * level:g}"
            found[cell] = f"{benchmark.name}/{cell}@{digest}"
    return found


def published_rows(benchmark: Benchmark) -> list[dict[str, str]]:
    """Return the rows that ship with a benchmark; none where nobody has made it yet."""
    name = benchmark.rules["rows"]
    if not name:
        return []
    text = resources.files(PACKAGE).joinpath("benchmarks", name).read_text("utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def benchmark_rows_text(rows: Sequence[Mapping[str, str]]) -> str:
    """Return rows as the CSV file that ships."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, ROW, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def differing_rows(benchmark: Benchmark, rows: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Return the level and source image of every row that is not as published."""
    published = {(row["level"], row["source_image_id"]): row for row in published_rows(benchmark)}
    if not published:
        return ()
    own = {(row["level"], row["source_image_id"]): dict(row) for row in rows}
    return tuple(
        " ".join(name) for name in sorted(published.keys() | own.keys()) if published.get(name) != own.get(name)
    )


class BenchmarkScore(NamedTuple):
    """The scores of one model on a benchmark.

    Parameters
    ----------
    clean : Score
        Of the clean probes.
    cells : dict of str to Score
        By cell.
    mean : float
        Mean mAP over the cells of the headline's families.
    retention : float
        `mean` as a share of the clean mAP.
    """

    clean: Score
    cells: dict[str, Score]
    mean: float
    retention: float


def score(
    benchmark: Benchmark,
    simulated: Manifest,
    source: Manifest,
    features: Any,
    *,
    declare: Mapping[str, Any] | None = None,
    bootstrap: int = 1000,
) -> BenchmarkScore:
    """Return a model's scores by family and level, and the headline.

    Parameters
    ----------
    benchmark : Benchmark
        Which one.
    simulated, source : Manifest
        The set that `make` wrote, and its parent.
    features : mapping of str to numpy.ndarray
        image_id -> vector (D,), of the occluded probes and of the parent's clean probes and gallery.
    declare : mapping, optional
        What is stated of the model. Track A of a benchmark is ``occlusion_augmentation: none``; track B names the
        families that were trained with.
    bootstrap : int
        Replicates of the intervals.
    """
    parts = benchmark_parts(benchmark, source)
    base = find_protocol("simulated", "source-gallery")
    cells = {}
    for family in benchmark.families:
        for level, column in zip(family.levels, family.level_names(), strict=True):
            own = simulated.frame[simulated.frame["level"].isin(("", column))]
            given = {name: features[name] for name in own["image_id"]}
            protocol = base.at_level(column)
            cells[f"{family.name}/{100 * level:g}"] = evaluate(
                simulated, protocol, given, rows="all", declare=declare, bootstrap=bootstrap
            )
    clean = _clean(benchmark, source, parts, features, declare, bootstrap)
    counted = [one.record["map"] for name, one in cells.items() if name.partition("/")[0] in benchmark.headline]
    mean = sum(counted) / len(counted)
    return BenchmarkScore(clean, cells, mean, mean / clean.record["map"])


def _clean(
    benchmark: Benchmark, source: Manifest, parts: BenchmarkParts, features: Any, declare: Any, bootstrap: int
) -> Score:
    """Return the score of the clean probes under the same rules."""
    standard = find_protocol(source.dataset, "standard")
    if benchmark.rules["identities"] is None:
        given = {name: features[name] for side in (parts.probe, parts.gallery) for name in side["image_id"]}
        return evaluate(source, standard, given, declare=declare, bootstrap=bootstrap)
    import pandas as pd

    sides = [parts.probe.assign(role="probe"), parts.gallery.assign(role="gallery")]
    manifest = source.with_rows(pd.concat(sides, ignore_index=True))
    protocol = Protocol({**standard.rules, "name": f"{benchmark.name}-clean"})
    given = {name: features[name] for name in manifest.frame["image_id"]}
    return evaluate(manifest, protocol, given, declare=declare, bootstrap=bootstrap)
