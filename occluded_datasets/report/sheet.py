"""A contact sheet: a few identities of a manifest, one row each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..files import storage_errors, write_atomic
from ..images import decode, encode
from ..manifest import Manifest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

HEIGHT = 128
WIDTH = 64
GAP = 3
PAPER = 250
BODIES = ("full", "unknown", "occluded", "partial")


def contact_sheet(manifest: Manifest, out: str | os.PathLike[str], identities: int = 8, each: int = 4) -> Path:
    """Write a sheet with some identities of `manifest`, one row each, and return its path.

    From left to right come `each` full-body (or unknown), occluded and partial images, as far as the set has
    them. Images are fitted into 64x128 pixels (width x height) without changing their shape.

    Parameters
    ----------
    manifest : Manifest
        Whose images to show; they are read from its roots.
    out : path
        An image file to write, ``.png`` or ``.jpg``.
    identities : int
        Rows: identities spread evenly over the set.
    each : int
        Images of each body kind in a row.

    Raises
    ------
    UsageError
        If the manifest has no row.
    """
    import numpy as np

    out = Path(out)
    frame = manifest.frame
    bodies = [body for body in BODIES if (frame["body"] == body).any()]
    if not bodies:
        raise UsageError(f"{manifest.dataset}: no picture to show.")
    pids = sorted(frame.loc[frame["role"] != "junk", "pid"].unique())
    pids = pids[:: max(1, len(pids) // identities)][:identities]
    sheet = np.full(
        (len(pids) * (HEIGHT + GAP) + GAP, len(bodies) * each * (WIDTH + GAP) + GAP, 3), PAPER, dtype=np.uint8
    )
    for row, pid in enumerate(pids):
        own = frame[frame["pid"] == pid]
        for block, body in enumerate(bodies):
            names = own.loc[own["body"] == body, "image_id"].tolist()[:each]
            for column, name in enumerate(names):
                _paste(sheet, manifest.file(name).read_bytes(), row, block * each + column)
    with storage_errors(str(out)):
        write_atomic(out, encode(sheet, out.suffix.lower()))
    return out


def _paste(sheet: npt.NDArray[np.uint8], data: bytes, row: int, column: int) -> None:
    """Fit one image into its cell, centred."""
    picture, down, across = fit_in_cell(decode(data))
    top, left = GAP + row * (HEIGHT + GAP) + down, GAP + column * (WIDTH + GAP) + across
    sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture


def fit_in_cell(pixels: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], int, int]:
    """Return an image, shape (H, W, 3), fitted into a cell without changing its shape, and what is above and left."""
    import cv2

    scale = min(HEIGHT / pixels.shape[0], WIDTH / pixels.shape[1])
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    picture = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return picture, (HEIGHT - size[1]) // 2, (WIDTH - size[0]) // 2  # type: ignore[return-value]
