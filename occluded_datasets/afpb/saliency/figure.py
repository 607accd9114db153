"""A figure of maps: images with the occluder's outline, one row of maps a run, and energy against area."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..study.figures import require_figures
from .energy import shares
from .regions import OCCLUDER

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

CELL, BESIDE = 0.95, 3.4
"""Inches: an image's width, and that of the panel at the right."""
BRIGHTEST = 99
"""Percentile of a map that is drawn brightest: a few pixels would leave the rest dark."""
COLOURS = ("#35618f", "#d9822b")
OUTLINE = "#00e5ff"
NEEDED = ("saliency", "It draws the maps.")
"""What needs matplotlib, and for what."""


def draw_maps(
    pictures: Sequence[Array],
    maps: Mapping[str, Array],
    known: Mapping[str, Array],
    energy: Mapping[str, Any] | None,
    labels: Mapping[str, str],
) -> bytes:
    """Return a PNG: a column an image, a row of maps a run, and at the right energy per area where it was measured.

    Parameters
    ----------
    pictures : sequence of numpy.ndarray
        uint8, each (H, W, 3).
    maps : mapping of str to numpy.ndarray
        By run, (N, H, W), N as many as images or more.
    known : mapping of str to numpy.ndarray
        By region, bool, (N, H, W); empty where no mask is known.
    energy : mapping, optional
        What `measure` found.
    labels : mapping of str to str
        By run, what to call it.
    """
    height, width = pictures[0].shape[:2]
    across = CELL * len(pictures) + 0.5
    size = across + (BESIDE if energy else 0), max(CELL * height / width + 0.2, 1) * (1 + len(maps))
    figure = require_figures(*NEEDED)(figsize=size, layout="constrained")
    left, *right = figure.subfigures(1, 2, width_ratios=(across, BESIDE)) if energy else [figure]
    grid = left.subplots(1 + len(maps), len(pictures), squeeze=False)
    for axes, label in zip(grid[:, 0], ("picture", *(labels[name] for name in maps)), strict=True):
        axes.set_ylabel(label)
    for axes, picture in zip(grid[0], pictures, strict=True):
        axes.imshow(picture)
    for row, own in zip(grid[1:], maps.values(), strict=True):
        _maps(row, own[: len(pictures)], known)
    for column, mask in zip(grid.T, known.get(OCCLUDER, ()), strict=False):
        for axes in column:
            _outline(axes, mask)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
    if energy:
        _ratios(right[0].subplots(), energy, {name: labels[name] for name in maps})
    return _png(figure)


def _maps(row: Sequence[Any], maps: Array, known: Mapping[str, Array]) -> None:
    """Draw a run's maps, each from 0 to nearly its own largest value, with what it puts on the occluder below it."""
    found = shares(maps, {name: mask[: len(maps)] for name, mask in known.items()})
    for number, (axes, one) in enumerate(zip(row, maps, strict=True)):
        axes.imshow(one, cmap="inferno", vmin=0, vmax=np.percentile(one, BRIGHTEST) or 1)
        if OCCLUDER in found:
            axes.set_xlabel(f"{100 * found[OCCLUDER][number]:.0f} %", fontsize="small", labelpad=2)


def _outline(axes: Any, mask: Array) -> None:
    """Draw a mask's border; where it reaches the image's edge it is closed there."""
    padded = np.pad(mask.astype(float), 1)
    down, across = (np.arange(-1, length + 1) for length in mask.shape)
    if mask.any():
        axes.contour(across, down, padded, levels=[0.5], colors=OUTLINE, linewidths=1)
    axes.set(xlim=(-1, mask.shape[1]), ylim=(mask.shape[0], -1))


def _ratios(axes: Any, energy: Mapping[str, Any], labels: Mapping[str, str]) -> None:
    """Draw energy per area by region and run, with intervals where there are any."""
    for (name, label), colour, shift in zip(labels.items(), COLOURS, (-0.11, 0.11), strict=False):
        for place, one in enumerate(energy.values()):
            own = one["ratio"][name]
            if own is not None:
                low, high = (own["mean"] if own[end] is None else own[end] for end in ("low", "high"))
                axes.plot([low, high], [place + shift] * 2, color=colour, linewidth=2)
                axes.plot(own["mean"], place + shift, "o", color=colour, label=None if place else label)
    axes.axvline(1, color="#999999", linewidth=1)
    shown = [f"{name}\n{100 * one['area']['mean']:.0f} % of area" for name, one in energy.items()]
    axes.set_yticks(range(len(energy)), shown)
    axes.set(ylim=(len(energy) - 0.5, -0.5), xlabel="energy / area")
    axes.legend(frameon=False)


def _png(figure: Any) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    return stream.getvalue()
