"""`normalized`: the images of a batch as floats, by channel; the same bits on every way."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError
from ..images import looked_up
from .buffers import Buffers
from .datasets import require_torch

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
VIEWS = ("image", "clean", "occluded")
"""What is normalised of a batch."""

PATIENCE = 4096
"""Pictures that are normalised before the compiled kernel is loaded, which takes a second the first time."""


class Normalizer:
    """Makes the images of batches float32, times a scale plus a shift by channel, each rounded.

    On a CPU this is a table of 256 values, or the compiled kernel once it is worth loading; on other devices two
    operations. All give the same bits.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        figures = np.array(mean, np.float64), np.array(std, np.float64)
        self.scale: Floats = (1 / (255 * figures[1])).astype(np.float32)
        self.shift: Floats = (-figures[0] / figures[1]).astype(np.float32)
        values = np.arange(256, dtype=np.float32)[None, :, None]
        self._table: Floats = values * self.scale + self.shift
        self._done, self._buffers = 0, Buffers()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the batch with its images normalised, in the memory order that they have."""
        torch = require_torch("normalized")
        new = dict(batch)
        for name in VIEWS:
            value = batch.get(name)
            if value is not None and value.dtype == torch.uint8:
                on_cpu = value.device.type == "cpu" and value.numel()
                new[name] = self._looked_up(value) if on_cpu else self._computed(value)
        return new

    def _looked_up(self, value: Any) -> Any:
        """Return images, (B, 3, H, W), on a CPU: one pass, without the interpreter's lock."""
        import torch

        last = value.permute(0, 2, 3, 1)
        if not last.is_contiguous():
            planes, done = value.contiguous(), torch.from_numpy(self._buffers.empty(value.shape, np.float32))
            for channel in range(3):
                own = np.ascontiguousarray(self._table[..., channel])
                for one, out in zip(planes[:, channel].numpy(), done[:, channel].numpy(), strict=True):
                    looked_up(one, own, out)
            return done
        pixels, out, width = last.numpy(), self._buffers.empty(last.shape, np.float32), last.shape[2]
        self._done += len(pixels)
        kernel = _kernel() if self._done > PATIENCE else None
        if kernel is None:
            looked_up(pixels.reshape(-1, width, 3), self._table, out.reshape(-1, width, 3))
        else:
            # Rows of pixels as one axis: three channels innermost are too short a loop.
            scale, shift = np.tile(self.scale, width), np.tile(self.shift, width)
            kernel.scaled(pixels.reshape(-1, width * 3), scale, shift, out.reshape(-1, width * 3))
        return torch.from_numpy(out).permute(0, 3, 1, 2)

    def _computed(self, value: Any) -> Any:
        """Return images, (B, 3, H, W), on any device."""
        import torch

        scale, shift = (torch.from_numpy(one).to(value.device).view(3, 1, 1) for one in (self.scale, self.shift))
        return value.float().mul_(scale).add_(shift)


def normalized(batch: dict[str, Any], mean: Sequence[float], std: Sequence[float]) -> dict[str, Any]:
    """Return the batch with its images float32, (x / 255 - mean) / std by channel, on the device where they are.

    Examples
    --------
    >>> import torch  # doctest: +SKIP
    >>> batch = {"image": torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)}  # doctest: +SKIP
    >>> normalized(batch, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))["image"].unique()  # doctest: +SKIP
    tensor([1.])
    """
    return Normalizer(mean, std)(batch)


def parse_mean_std(normalize: Any) -> tuple[Any, Any] | None:
    """Return mean and std of what `loader` was told.

    Raises
    ------
    UsageError
        If they are none.
    """
    if normalize is None or normalize is False:
        return None
    if normalize is True:
        return IMAGENET
    try:
        mean, std = (np.asarray(one, np.float64) for one in normalize)
        fit = mean.shape == std.shape == (3,) and bool((std > 0).all())
    except (TypeError, ValueError):
        fit = False
    if not fit:
        raise UsageError(f"normalize {normalize!r}: expected True or (mean, std), three numbers each.")
    return tuple(mean.tolist()), tuple(std.tolist())


@cache
def _kernel() -> Any:
    """Return the compiled kernel, or None without numba."""
    try:
        from . import kernel
    except ImportError:
        return None
    return kernel
