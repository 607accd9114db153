"""A contact sheet of a simulated set: clean image, occluded image, mask, realised fraction."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..files import storage_errors, write_atomic
from ..images import decode, encode
from ..manifest import Manifest
from .sheet import GAP, HEIGHT, PAPER, WIDTH, fit_in_cell

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LINE = 14
CELL = 3 * WIDTH + 2 * GAP


def occlusion_sheet(
    simulated: Manifest,
    source: Manifest,
    out: str | os.PathLike[str],
    pictures: int = 40,
    columns: int = 5,
) -> Path:
    """Write a sheet of a simulated set and return its path.

    A cell shows the clean image, the occluded one and the mask side by side, and below them the kind of occluder with
    the realised fraction in per cent, preceded by the level where there is one. The rows shown are spread evenly over
    the set.

    Parameters
    ----------
    simulated : Manifest
        A set whose images were written.
    source : Manifest
        The set it was made of.
    out : path
        An image file to write, ``.png`` or ``.jpg``.
    pictures : int
        Cells.
    columns : int
        Cells in a row.

    Raises
    ------
    UsageError
        If the set has no occluded image, or is of rows alone.
    """
    import numpy as np

    out = Path(out)
    rows = simulated.frame[simulated.frame["boxes"] != ""]
    if rows.empty or simulated.path is None or simulated.header.get("recipe", {}).get("rows_only"):
        raise UsageError(
            f"{simulated.variant}: no occluded picture to show.", "A sheet needs a set whose pictures were written.",
            "occreid-prepare replay MANIFEST --clean SOURCE --out DIR",
        )  # fmt: skip
    shown = rows.iloc[np.linspace(0, len(rows) - 1, min(pictures, len(rows))).astype(int)]
    lines = -(-len(shown) // columns)
    height, width = HEIGHT + LINE + 2 * GAP, CELL + 3 * GAP
    sheet = np.full((lines * height + GAP, min(columns, len(shown)) * width + GAP, 3), PAPER, np.uint8)
    for number, row in enumerate(shown.itertuples()):
        line, column = divmod(number, columns)
        views = [
            decode(source.file(str(row.source_image_id)).read_bytes()),
            decode(simulated.file(str(row.image_id)).read_bytes()),
            decode((simulated.path.parent / str(row.mask_path)).read_bytes()),
        ]
        fraction = f"{100 * float(str(row.occluded_fraction)):.1f} %"
        words = " ".join(filter(None, [str(row.level), str(row.x_occluder), fraction]))
        _cell(sheet, views, words, line * height + GAP, column * width + GAP)
    with storage_errors(str(out)):
        write_atomic(out, encode(sheet, out.suffix.lower()))
    return out


def _cell(sheet: npt.NDArray[np.uint8], views: list[npt.NDArray[np.uint8]], words: str, top: int, left: int) -> None:
    import cv2

    for place, pixels in enumerate(views):
        picture, down, across = fit_in_cell(pixels)
        y, x = top + down, left + place * (WIDTH + GAP) + across
        sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    cv2.putText(
        sheet, words, (left, top + HEIGHT + LINE - 3), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (40, 40, 40), 1, cv2.LINE_AA
    )
