"""Figures of a score record: the CMC curve, and scores against the occluded fraction where it is known."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import MissingPackageError
from ...files import storage_errors, write_atomic


def figures(record: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write ``cmc.png``, and ``occlusion.png`` where the record has buckets, and return their paths.

    Parameters
    ----------
    record : mapping
        A score record.
    folder : Path
        Made where it is missing.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    StorageError
        If the disk refuses.
    """
    made = {"cmc.png": _cmc(record)}
    buckets = [row for row in record["buckets"] if row["from"] is not None]
    if buckets:
        made["occlusion.png"] = _occlusion(record, buckets)
    paths = []
    with storage_errors(str(folder)):
        for name, data in made.items():
            write_atomic(folder / name, data)
            paths.append(folder / name)
    return paths


def _axes() -> tuple[Any, Any]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError(
            "Figures: matplotlib is not installed.", "It is optional.", 'pip install "occluded-datasets[figures]"'
        ) from error
    figure = Figure(figsize=(5, 3.4), dpi=150, layout="constrained")
    return figure, figure.subplots()


def _cmc(record: Mapping[str, Any]) -> bytes:
    figure, axes = _axes()
    ranks = [int(rank) for rank in record["cmc"]]
    axes.plot(ranks, [100 * value for value in record["cmc"].values()], marker="o")
    if record["intervals"]:
        bounds = list(record["intervals"]["cmc"].values())
        axes.fill_between(ranks, [100 * low for low, _ in bounds], [100 * high for _, high in bounds], alpha=0.2)
    axes.set(xlabel="rank", ylabel="probes found by then (%)", ylim=(0, 100), xticks=ranks)
    return _png(figure, axes, record)


def _occlusion(record: Mapping[str, Any], buckets: list[Mapping[str, Any]]) -> bytes:
    figure, axes = _axes()
    middles = [50 * (row["from"] + row["to"]) for row in buckets]
    axes.plot(middles, [100 * row["map"] for row in buckets], marker="o", label="mAP")
    axes.plot(middles, [100 * row["cmc"]["1"] for row in buckets], marker="s", label="rank-1")
    for middle, row in zip(middles, buckets, strict=True):
        axes.annotate(str(row["probes"]), (middle, 2), ha="center", fontsize="x-small")
    axes.set(xlabel="occluded fraction (%), probes below each point", ylabel="%", xlim=(0, 100), ylim=(0, 100))
    axes.legend()
    return _png(figure, axes, record)


def _png(figure: Any, axes: Any, record: Mapping[str, Any]) -> bytes:
    axes.set_title(record["protocol"], fontsize="small")
    axes.grid(visible=True, alpha=0.3)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
