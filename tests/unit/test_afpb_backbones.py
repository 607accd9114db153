"""Backbones: a map of features from pictures, and weights that are theirs by name and shape or an error."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from occluded_datasets.afpb.backbones import MOBILENET, backbone  # noqa: E402
from occluded_datasets.errors import UsageError  # noqa: E402


@pytest.mark.parametrize(
    ("name", "package", "channels", "cells"),
    [
        ("tiny", "torch", 64, (8, 4)),
        ("efficientnet-lite0", "efficientnet_lite_pytorch", 1280, (2, 1)),
        ("resnet18", "torchvision", 512, (2, 1)),
        ("resnet50", "torchvision", 2048, (2, 1)),
        ("mobilenet-v2", "torchvision", 1280, (2, 1)),
        ("timm:mobilenetv3_small_050", "timm", 288, (2, 1)),
    ],
)
def test_a_backbone_gives_a_map(name: str, package: str, channels: int, cells: tuple[int, int]) -> None:
    """With gradients for all that it learns: processes that train together wait for each of them."""
    pytest.importorskip(package, reason=f"{package} is not installed")
    found = backbone(name, "none")
    out = found.module.train()(torch.rand(2, 3, 64, 32))
    assert (found.channels, found.source, found.sha256) == (channels, "none", "")
    assert tuple(out.shape) == (2, channels, *cells)
    out.mean().backward()
    assert all(one.grad is not None for one in found.module.parameters() if one.requires_grad)
    assert sum(one.numel() for one in found.module.parameters() if one.grad is not None) > 10_000


def flat(name: str) -> str:
    """Return the name that older files of MobileNetV2 have for a tensor of torchvision's."""
    found = re.fullmatch(r"(features\.(\d+)\.conv)\.(\d)(?:\.([01]))?\.(\w+)", name)
    if found is None:
        return name
    start, block, pair, part, tensor = found.groups()
    last = 1 if block == "1" else 2
    place = 3 * int(pair) + int(part) if part else 3 * last + int(pair) - last
    return f"{start}.{place}.{tensor}"


@pytest.mark.parametrize("kind", ["torchvision", "flat"])
def test_mobilenets_weights_go_where_they_belong(kind: str, tmp_path: Path) -> None:
    """By torchvision's names and by older ones: every tensor, in its place; a classifier's are left out."""
    models = pytest.importorskip("torchvision", reason="torchvision is not installed").models
    whole = models.mobilenet_v2(weights=None).state_dict()
    torch.save({flat(key) if kind == "flat" else key: one for key, one in whole.items()}, tmp_path / "w.pt")
    found = backbone("mobilenet-v2", str(tmp_path / "w.pt"))
    own = found.module.state_dict()
    assert len(own) == sum(key.startswith("features.") for key in whole)
    for key, one in own.items():
        torch.testing.assert_close(one, whole[f"features.{key.removeprefix('0.')}"], rtol=0, atol=0)
    del whole["features.17.conv.2.weight"]
    torch.save(whole, tmp_path / "w.pt")
    with pytest.raises(UsageError, match="1 tensors are missing, 0 unknown"):
        backbone("mobilenet-v2", str(tmp_path / "w.pt"))


def test_mobilenets_weights_of_a_package() -> None:
    """Where the package is installed, `imagenet` is its file."""
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    try:
        version = metadata.version(MOBILENET[0])
    except metadata.PackageNotFoundError:
        pytest.skip(f"{MOBILENET[0]} is not installed")
    found = backbone("mobilenet-v2", "imagenet")
    assert found.source == f"{MOBILENET[0]} {version}"
    assert len(found.sha256) == 64
