"""Maps of a run, or of two, on the same images: drawn, and measured where masks are known."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import UsageError
from ...files import storage_errors, write_atomic
from ...manifest import Manifest
from ...scan import Progress
from ...torch import ReidDataset
from ..runs import Run, write_json
from ..study.figures import require_figures
from .energy import AGAINST, DIFFERENCE, DIGITS, RUN, measure_energy, measured
from .figure import NEEDED, draw_maps
from .maps import Way, maps_of
from .regions import choose_images, regions

if TYPE_CHECKING:
    import pandas as pd

LIMIT, PICTURES = 500, 8
FIGURE, RECORD = "saliency.png", "energy.json"


class Saliency(NamedTuple):
    """What maps of a run, or of two, show.

    Parameters
    ----------
    record : dict
        What ``energy.json`` holds: how maps were made, and what `measure_energy` found; null where no mask is known.
    figure : Path
        The image that was drawn.
    """

    record: dict[str, Any]
    figure: Path


def saliency(
    run: Run,
    manifest: Manifest,
    out: str | os.PathLike[str],
    *,
    against: Run | None = None,
    bodies: str | os.PathLike[str] | None = None,
    way: Way | None = None,
    pictures: int = PICTURES,
    limit: int = LIMIT,
    progress: Progress | None = None,
) -> Saliency:
    """Draw maps of some images, measure maps of more where masks are known, and write both below `out`.

    Parameters
    ----------
    run : Run
        A finished run.
    manifest : Manifest
        Whose images are looked at: of a simulated set the occluded ones, else all people.
    out : path
        Folder of ``saliency.png`` and ``energy.json``.
    against : Run, optional
        Another run of the same input size, on the same images with the same noise.
    bodies : path, optional
        Person masks, as `regions` takes them.
    way : Way, optional
        How maps are made.
    pictures, limit : int
        How many are drawn, and how many are measured; the first by key.
    progress : callable, optional
        Called with (maps made, in all).

    Raises
    ------
    UsageError
        If the runs are of different input sizes, or there is no image.
    MissingPackageError
        If matplotlib is not installed.
    InputError
        If an image or a mask is missing or changed.
    """
    require_figures(*NEEDED)
    runs = {RUN: run} if against is None else {RUN: run, AGAINST: against}
    _require_one_size(run, against)
    way, size = way or Way(), run.config.size
    chosen = choose_images(manifest, max(limit, pictures))
    known = regions(manifest, chosen, size, Path(bodies) if bodies else None)
    rows = chosen.rows if known else chosen.rows.iloc[:pictures]
    maps = {
        name: maps_of(one, manifest, rows, way, _part(progress, number, len(runs)))
        for number, (name, one) in enumerate(runs.items())
    }
    table = measured(rows, maps, known) if known else None
    record = {
        **_facts(runs, manifest, way, rows, chosen.available),
        "energy": None if table is None else measure_energy(table),
        "per_picture": None if table is None else _columns(table),
    }
    shown = ReidDataset(rows.iloc[:pictures], size=size, manifest=manifest, kind="array")
    drawn = [shown.pixels(index) for index in range(len(shown))]
    figure = draw_maps(drawn, maps, known, record["energy"], names_of(record))
    folder = Path(out)
    write_json(folder / RECORD, record)
    with storage_errors(str(folder)):
        write_atomic(folder / FIGURE, figure)
    return Saliency(record, folder / FIGURE)


def lines(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a record says, to read: how many images, and a Markdown table of what was measured."""
    names, energy = names_of(record), record["energy"]
    counts = [one["identities_trained_on"] for one in record["runs"].values()]
    trained = " and ".join(f"{count:,} of them by {name}" for count, name in zip(counts, names.values(), strict=True))
    yield (
        f"{record['pictures']:,} of {record['of']:,} pictures, {record['identities']:,} identities; trained on: "
        + (trained if any(counts) else "none of them")
    )
    if energy is None:
        yield "no mask is known, so nothing is measured: a set of `simulate` has masks, and --bodies names a folder"
        return
    if AGAINST in names:
        names[DIFFERENCE] = "difference"
    yield ""
    yield "| region | map of | energy, per cent | energy / area |"
    yield "|---|---|---|---|"
    for region, one in energy.items():
        area = f"{region}, {_said(one['area'], 100, 1)} per cent of the picture"
        for name, label in names.items():
            shown = area if name == RUN else ""
            yield f"| {shown} | {label} | {_said(one['energy'][name], 100, 1)} | {_said(one['ratio'][name], 1, 2)} |"


def names_of(record: Mapping[str, Any]) -> dict[str, str]:
    """Return by role what a record's runs are called: their folders' names, and their paths where those are equal."""
    folders = {role: Path(one["run"]) for role, one in record["runs"].items()}
    short = {role: folder.name for role, folder in folders.items()}
    return short if len(set(short.values())) == len(short) else {role: str(one) for role, one in folders.items()}


def _facts(runs: Mapping[str, Run], manifest: Manifest, way: Way, rows: pd.DataFrame, available: int) -> dict[str, Any]:
    return {
        "dataset": manifest.dataset,
        "variant": manifest.variant,
        "fingerprint": manifest.fingerprint,
        "pictures": len(rows),
        "of": available,
        "identities": int(rows["pid"].nunique()),
        "way": asdict(way),
        "runs": {role: _run_facts(run, manifest, rows) for role, run in runs.items()},
    }


def _run_facts(run: Run, manifest: Manifest, rows: pd.DataFrame) -> dict[str, Any]:
    """Return what a run is, and how many of the identities that are looked at it was trained on."""
    training = run.record["training"]
    same = training["dataset"] in {manifest.dataset, *(one["parent"] for one in manifest.header.get("lineage", ()))}
    return {
        "run": str(run.folder),
        "training_set": f"{training['dataset']} {training['rows_fingerprint']}",
        "identities_trained_on": len(set(rows["pid"].tolist()) & set(run.label_map)) if same else 0,
        "steps": run.record["steps"],
        "config": asdict(run.config),
    }


def _columns(table: pd.DataFrame) -> dict[str, list[Any]]:
    """Return a table as lists by column, ready for JSON: what is undefined is null."""
    rounded = table.round(DIGITS).astype(object)
    return {str(name): rounded[name].where(table[name].notna(), None).tolist() for name in table}


def _require_one_size(run: Run, against: Run | None) -> None:
    if against is not None and against.config.size != run.config.size:
        own, other = ("x".join(map(str, one.config.size)) for one in (run, against))
        raise UsageError(
            f"{against.folder}: a run of another input size.", f"Expected {own}, found {other}.",
            "compare runs of one --size",
        )  # fmt: skip


def _part(progress: Progress | None, number: int, count: int) -> Progress | None:
    return None if progress is None else lambda done, total: progress(number * total + done, count * total)


def _said(one: Mapping[str, Any] | None, scale: float, digits: int) -> str:
    if one is None:
        return "undefined"
    ends = "" if one["low"] is None else f" [{scale * one['low']:.{digits}f}, {scale * one['high']:.{digits}f}]"
    return f"{scale * one['mean']:.{digits}f}{ends}"
