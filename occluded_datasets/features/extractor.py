"""What a model is to the rest of the package: a name, a hash and a function from images to vectors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from ..errors import MissingPackageError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MODELS = ("histogram", "efficientnet-lite0", "timm:NAME", "onnx:FILE")
"""What ``--model`` takes; NAME is a model of timm, FILE an ONNX model."""

PERSON = (256, 128)
"""Height and width that re-identification networks are usually given."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

NORMALISATIONS = {
    "imagenet": "(x / 255 - mean) / std; mean 0.485 0.456 0.406, std 0.229 0.224 0.225",
    "unit": "x / 255",
    "none": "x, 0 to 255",
}
"""What is done to the pixels x of a network, by the name that an option gives it."""


class Extractor(Protocol):
    """A model: uint8 images in, float32 vectors out.

    Anything with these members can be given to `extract`; a model of your own is a small class.
    """

    @property
    def name(self) -> str:
        """What the model is called, e.g. ``efficientnet-lite0``."""

    @property
    def weights_sha256(self) -> str:
        """The sha256 of the weights; empty where there are none."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the images it takes, pixels."""

    @property
    def normalisation(self) -> str:
        """What it does to the pixels first, as a formula."""

    @property
    def runtime(self) -> str:
        """Which library computes it, with its version: another one may differ in the last bits."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def rowwise(self) -> bool:
        """Whether a vector depends on its image alone to the last bit, not on the rest of the batch.

        Such a model is called from several threads at once; any other from one.
        """

    def __call__(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the features, shape (B, dim), of RGB images, shape (B, H, W, 3)."""


def parse_size(text: str) -> tuple[int, int]:
    """Return (height, width) from ``HxW``.

    Raises
    ------
    UsageError
        If it is spelt otherwise, or a side is not within 1 to 4096.

    Examples
    --------
    >>> parse_size("256x128")
    (256, 128)
    """
    found = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", text, re.ASCII)
    if not found or max(map(int, found.groups())) > 4096:
        raise UsageError(f"size {text!r}: not a picture's size.", "Expected HEIGHTxWIDTH in pixels, as in 256x128.")
    return int(found[1]), int(found[2])


def missing(what: str, package: str, *requirements: str) -> MissingPackageError:
    """Return the error for a model whose package is not installed, with the command that installs it."""
    wanted = " ".join(f'"{one}"' for one in requirements)
    return MissingPackageError(f"{what}: {package} is not installed.", "It is optional.", f"pip install {wanted}")
