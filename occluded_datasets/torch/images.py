"""Pictures of PIL, NumPy, PyTorch and torchvision as arrays, and back.

A type is looked for only in modules that are loaded already: whoever holds such an image has loaded them, so nothing
is imported here, and images of PIL and NumPy need no PyTorch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import UsageError

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

EXPECTED = "Expected an RGB picture of PIL, a uint8 array (H, W, 3), or a uint8 tensor or tv_tensors.Image (3, H, W)"
NEXT = "occlude before ToTensor, v2.ToDtype and Normalize"


class Opened(NamedTuple):
    """An image's pixels, shape (H, W, 3), uint8, and what makes pixels and masks, (H, W), of its type again."""

    pixels: Pixels
    picture: Callable[[Pixels], Any]
    mask: Callable[[Pixels], Any]


def type_of(value: Any) -> str:
    """Return ``pil``, ``image`` (tv_tensors.Image), ``shape`` (other tv_tensors), ``tensor``, ``array`` or nothing."""
    if isinstance(value, np.ndarray):
        return "array"
    loaded = sys.modules
    if "PIL.Image" in loaded and isinstance(value, loaded["PIL.Image"].Image):
        return "pil"
    if "torch" not in loaded or not isinstance(value, loaded["torch"].Tensor):
        return ""
    known = loaded.get("torchvision.tv_tensors")
    if known is None or not isinstance(value, known.TVTensor):
        return "tensor"
    return "image" if isinstance(value, known.Image) else "shape"


def opened(value: Any) -> Opened:
    """Return an image as an array.

    Raises
    ------
    UsageError
        If it is none, or one of another type, shape or mode.
    """
    kind = type_of(value)
    if kind == "pil":
        return _pil(value)
    if kind == "array":
        if value.dtype != np.uint8 or value.ndim != 3 or value.shape[2] != 3:
            raise _wrong(f"a {value.dtype} array {value.shape}")
        return Opened(value, _same, _same)
    if kind in ("tensor", "image"):
        return _tensor(value, kind)
    raise _wrong(f"{type(value).__module__}.{type(value).__qualname__}")


def pictures(sample: Any) -> list[Any]:
    """Return the images in a sample: those of PIL in RGB and tv_tensors.Image, else its first array or tensor.

    It is torchvision's rule, but that a plain tensor counts only with three dimensions: a label is no image.
    """
    leaves = list({id(leaf): leaf for leaf in _leaves(sample)}.values())  # one that is there twice is one image
    sure = [leaf for leaf in leaves if (type_of(leaf) == "pil" and leaf.mode == "RGB") or type_of(leaf) == "image"]
    if sure:
        return sure
    plain = [leaf for leaf in leaves if type_of(leaf) in ("tensor", "array") and leaf.ndim == 3]
    return plain[:1]


def has_shapes(sample: Any) -> bool:
    """Return whether there are masks, boxes or keypoints of torchvision in a sample."""
    return any(type_of(leaf) == "shape" for leaf in _leaves(sample))


def replaced(sample: Any, new: dict[int, Any]) -> Any:
    """Return the sample with each leaf whose ``id`` is in `new` replaced; its tuples, lists and mappings are new."""
    if id(sample) in new:
        return new[id(sample)]
    if isinstance(sample, dict):
        return {key: replaced(value, new) for key, value in sample.items()}
    if isinstance(sample, tuple) and hasattr(sample, "_fields"):
        return type(sample)(*(replaced(value, new) for value in sample))
    if isinstance(sample, (tuple, list)):
        return type(sample)(replaced(value, new) for value in sample)
    return sample


def _leaves(sample: Any) -> Iterator[Any]:
    if isinstance(sample, dict):
        for value in sample.values():
            yield from _leaves(value)
    elif isinstance(sample, (tuple, list)):
        for value in sample:
            yield from _leaves(value)
    else:
        yield sample


def _pil(value: Any) -> Opened:
    if value.mode != "RGB":
        raise UsageError(f"{EXPECTED}.", f"Found one of PIL in mode {value.mode}.", 'image.convert("RGB") before it')
    make = sys.modules["PIL.Image"].fromarray
    return Opened(np.asarray(value), make, make)


def _tensor(value: Any, kind: str) -> Opened:
    torch = sys.modules["torch"]
    if value.dtype != torch.uint8 or value.ndim != 3 or value.shape[0] != 3:
        raise _wrong(f"a {value.dtype} tensor {tuple(value.shape)}")

    def made(pixels: Pixels) -> Any:
        return torch.from_numpy(channels_first(pixels)).to(value.device)

    def plain(mask: Pixels) -> Any:
        return torch.from_numpy(mask).to(value.device)

    pixels = channels_last(value.detach().as_subclass(torch.Tensor).cpu().numpy())
    if kind == "tensor":
        return Opened(pixels, made, plain)
    tv = sys.modules["torchvision.tv_tensors"]
    return Opened(pixels, lambda out: tv.wrap(made(out), like=value), lambda out: tv.Mask(plain(out)))


def channels_last(pixels: Pixels) -> Pixels:
    """Return pixels, shape (..., 3, H, W), as a new array (..., H, W, 3); a copy by channel is the fastest here."""
    out = np.empty((*pixels.shape[:-3], *pixels.shape[-2:], 3), np.uint8)
    for channel in range(3):
        out[..., channel] = pixels[..., channel, :, :]
    return out


def channels_first(pixels: Pixels) -> Pixels:
    """Return pixels, shape (..., H, W, 3), as a new array (..., 3, H, W)."""
    return np.ascontiguousarray(np.moveaxis(pixels, -1, -3))


def _same(pixels: Pixels) -> Pixels:
    return pixels


def _wrong(found: str) -> UsageError:
    return UsageError(f"{EXPECTED}.", f"Found {found}.", NEXT)
