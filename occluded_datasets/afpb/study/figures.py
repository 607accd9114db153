"""Figures of an ablation: contrasts with their intervals, and mAP against the level of occlusion."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from ...errors import MissingPackageError
from .contrasts import METRICS
from .levels import CLEAN
from .tables import brackets


def require_figures(what: str, why: str) -> Any:
    """Return matplotlib's figure.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError(
            f"{what}: matplotlib is not installed.", why, 'pip install "occluded-datasets[afpb]"'
        ) from error
    return Figure


def ablation_figures(found: Mapping[str, Any]) -> dict[str, bytes]:
    """Return PNG files by name: contrasts with their intervals, and mAP against the level.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    """
    figure = require_figures("figures", "It is optional.")
    made = {"contrasts.png": _contrast_figure(figure, found)} if found["tests"] else {}
    if found["levels"]:
        made["levels.png"] = _level_figure(figure, found)
    return made


def _contrast_figure(figure_class: Any, found: Mapping[str, Any]) -> bytes:
    rows = [
        (f"{contrast}\n{name.partition('/')[2]}", one)
        for name, test in found["tests"].items()
        for contrast, one in test["contrasts"].items()
    ]
    thin = "\nthin: over seeds alone (t)" if found["seeds"] > 1 else ""
    figure = figure_class(figsize=(9, 1.2 + 0.55 * len(rows)), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2, sharey=True), METRICS, strict=True):
        for place, (_, one) in enumerate(rows):
            own = one[metric]
            seeds = one["over_seeds"][metric]
            if seeds is not None:
                ends = [100 * seeds["low"], 100 * seeds["high"]]
                axes.plot(ends, [place, place], "|-", color="#c0803a", linewidth=1)
            axes.plot([100 * own["low"], 100 * own["high"]], [place, place], color="#35618f", linewidth=3)
            axes.plot(100 * own["mean"], place, "o", color="#35618f")
        axes.axvline(0, color="#999999", linewidth=1)
        axes.set_xlabel(f"{metric}, points\n95 %, thick: over {brackets(found['seeds'])}{thin}", fontsize=9)
        axes.set_yticks(range(len(rows)), [label for label, _ in rows], fontsize=8)
    axes.invert_yaxis()  # both share it
    return _png(figure)


def _level_figure(figure_class: Any, found: Mapping[str, Any]) -> bytes:
    levels = found["levels"]["cells"]
    families = list(dict.fromkeys(cell.partition("/")[0] for cell in levels if cell != CLEAN))
    arms = [arm for arm in found["arms"] if arm not in found["undefined"] and ":" not in arm]
    figure = figure_class(figsize=(4.2 * len(families), 3.8), layout="constrained")
    grid = figure.subplots(1, len(families), sharey=True, squeeze=False)[0]
    for axes, family in zip(grid, families, strict=True):
        cells = {CLEAN: 0.0}
        cells |= {cell: float(cell.partition("/")[2]) for cell in levels if cell.startswith(f"{family}/")}
        for number, arm in enumerate(arms):
            own = [levels[cell][arm] for cell in cells]
            colour = f"C{number}"
            axes.plot(list(cells.values()), [100 * one["mean"] for one in own], marker="o", color=colour, label=arm)
            low, high = ([100 * one[side] for one in own] for side in ("low", "high"))
            axes.fill_between(list(cells.values()), low, high, color=colour, alpha=0.12, linewidth=0)
        axes.set_title(family)
        axes.set_xlabel("occluded, per cent of the picture")
    grid[0].set_ylabel("mAP, per cent")
    grid[0].legend()
    return _png(figure)


def _png(figure: Any) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    return stream.getvalue()
