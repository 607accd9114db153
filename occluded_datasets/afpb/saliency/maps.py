"""Where a trained model looks: how much each pixel moves the largest identity logit.

Gradients after Simonyan, Vedaldi, Zisserman, arXiv 1312.6034, section 3: of the logit with respect to the pixels,
absolute, greatest over channels. Their mean over noisy copies is after SmoothGrad (Smilkov et al., arXiv 1706.03825).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...errors import UnknownNameError, UsageError
from ...hashing import key
from ...manifest import Manifest
from ...scan import Progress
from ...torch import ReidDataset
from ...torch.normalizing import IMAGENET
from ..model import Afpb
from ..runs import Run

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

BATCH = 32
GRADIENT, GRAD_CAM = "gradient", "grad-cam"
METHODS = (GRADIENT, GRAD_CAM)
HELP = "occreid-afpb saliency --help"


@dataclass(frozen=True)
class Way:
    """How maps are made.

    Parameters
    ----------
    method : str
        ``gradient``, or ``grad-cam`` (Selvaraju et al., arXiv 1610.02391) on the last map, which has 1/32 of the
        image's sides: 4x2 at 128x64.
    samples : int
        Noisy copies of each image that a gradient is averaged over; 0: the image itself.
    noise : float
        Their standard deviation, where a pixel goes from 0 to 1.
    seed : int
        Of the noise.

    Raises
    ------
    UsageError
        If a value cannot be.
    """

    method: str = GRADIENT
    samples: int = 16
    noise: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UnknownNameError.of("method", self.method, METHODS, HELP)
        if self.samples < 0 or not 0 <= self.noise < float("inf"):
            raise UsageError(f"samples {self.samples}, noise {self.noise}: expected 0 or more.", "", HELP)


def gradient(score: Callable[[Any], Any], pictures: Any, noise: Iterable[Any] = ()) -> Any:
    """Return by pixel how steeply the largest score rises or falls with it.

    Parameters
    ----------
    score : callable
        From images to scores, (B, K). It must treat each image by itself.
    pictures : torch.Tensor
        Float32, (B, 3, H, W).
    noise : iterable of torch.Tensor
        Each (B, 3, H, W), added to the images; the maps are averaged. Without any, the images stay as they are.
        Which score is the largest is decided on the images without noise.

    Returns
    -------
    torch.Tensor
        Float32, (B, H, W), 0 or more.

    Examples
    --------
    >>> weights = torch.tensor([[0.0, 0.0, 0.0], [1.0, -3.0, 2.0]])
    >>> gradient(lambda x: x.mean(dim=(2, 3)) @ weights.T + torch.tensor([0.0, 9.0]), torch.zeros(1, 3, 1, 2))
    tensor([[[1.5000, 1.5000]]])
    """
    with torch.no_grad():
        largest = score(pictures).argmax(dim=1, keepdim=True)
    total, count = torch.zeros_like(pictures[:, 0]), 0
    for added in noise:
        total += _slope(score, pictures + added, largest)
        count += 1
    return total / count if count else _slope(score, pictures, largest)


def grad_cam(body: Callable[[Any], Any], head: Callable[[Any], Any], pictures: Any) -> Any:
    """Return Grad-CAM of the largest score on a network's last map, enlarged to the images by bilinear sampling.

    Parameters
    ----------
    body, head : callable
        From images to a map (B, C, h, w), and from that to scores (B, K).
    pictures : torch.Tensor
        Float32, (B, 3, H, W).

    Returns
    -------
    torch.Tensor
        Float32, (B, H, W), 0 or more.
    """
    found = body(pictures).detach().requires_grad_()
    scores = head(found)
    (slope,) = torch.autograd.grad(scores.amax(dim=1).sum(), found)
    weighted = (slope.mean(dim=(2, 3), keepdim=True) * found).sum(dim=1, keepdim=True).relu().detach()
    enlarged = torch.nn.functional.interpolate(weighted, size=pictures.shape[2:], mode="bilinear", align_corners=False)
    return enlarged[:, 0]


def noise_of(pixels: Sequence[str], copy: int, size: tuple[int, int], way: Way) -> Any:
    """Return the noise of one copy of images, float32, (B, 3, H, W): keyed by their pixels, the same in any batch.

    Parameters
    ----------
    pixels : sequence of str
        The sha256 of each image's pixels, in hex, B of them.
    copy : int
        The number of the copy, from 0. Each copy has its own noise.
    size : tuple of int
        Height and width, in pixels.
    way : Way
        Its ``seed`` and ``noise`` are used: the noise is normal, with mean 0 and standard deviation ``noise``.
    """
    drawn = np.empty((len(pixels), 3, *size), np.float32)
    for number, one in enumerate(pixels):
        word = int.from_bytes(key(way.seed, "saliency-noise", copy, one), "big")
        drawn[number] = np.random.default_rng(word).standard_normal((3, *size), np.float32)
    return torch.from_numpy(drawn * np.float32(way.noise))


def maps_of(
    run: Run, manifest: Manifest, rows: pd.DataFrame, way: Way | None = None, progress: Progress | None = None
) -> npt.NDArray[np.float32]:
    """Return the maps of rows under a run's model, at the run's size, (N, H, W), on a GPU where there is one.

    Parameters
    ----------
    run : Run
        A finished run.
    manifest : Manifest
        It knows where the images of the rows are.
    rows : pandas.DataFrame
        N rows of the manifest, at least one.
    way : Way, optional
        How maps are made; ``Way()`` by default.
    progress : callable, optional
        Called with (maps made, in all), once a batch.

    Returns
    -------
    numpy.ndarray
        Float32, shape (N, H, W), 0 or more, in the order of the rows.
    """
    way = way or Way()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = run.model(device).requires_grad_(requires_grad=False)
    dataset = ReidDataset(rows, size=run.config.size, manifest=manifest)
    found = []
    for start in range(0, len(dataset), BATCH):
        indices = range(start, min(start + BATCH, len(dataset)))
        pictures = dataset.batch(indices)["image"].to(device).float() / 255
        pixels = [str(dataset.pixel_sha256[index]) for index in indices]
        copies = (noise_of(pixels, copy, run.config.size, way).to(device) for copy in range(way.samples))
        found.append(_maps(model, pictures, copies, way.method).cpu().numpy())
        if progress is not None:
            progress(indices.stop, len(dataset))
    return np.concatenate(found)


def _maps(model: Afpb, pictures: Any, copies: Iterable[Any], method: str) -> Any:
    mean, std = (torch.tensor(one, device=pictures.device).view(3, 1, 1) for one in IMAGENET)

    def body(given: Any) -> Any:
        return model.body((given - mean) / std)

    def head(last: Any) -> Any:
        return model.identity(model.neck(last.mean(dim=(2, 3)).float()))

    if method == GRAD_CAM:
        return grad_cam(body, head, pictures)
    return gradient(lambda given: head(body(given)), pictures, copies)


def _slope(score: Callable[[Any], Any], pictures: Any, which: Any) -> Any:
    pictures = pictures.detach().requires_grad_()
    (slope,) = torch.autograd.grad(score(pictures).gather(1, which).sum(), pictures)
    return slope.abs().amax(dim=1)
