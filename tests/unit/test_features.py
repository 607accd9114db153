"""Features: exact numbers, the same bytes however the work was cut, and files that are what the manifest says."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from math import floor, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from featurekit import ROWS, Network, eleven, sha256

from occluded_datasets import errors, features
from occluded_datasets._version import __version__
from occluded_datasets.evaluation.feature_file import read_features
from occluded_datasets.features import Histogram, extract, reading, work
from occluded_datasets.images import encode
from occluded_datasets.manifest import Manifest

DATA = Path(__file__).parents[3] / "shared" / "data"
RESIZE = "OpenCV INTER_AREA where no side grows, else INTER_LINEAR"


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of four rows, so that eleven pictures make three."""
    monkeypatch.setattr(work, "SHARD", 4)


@pytest.fixture
def manifest(tmp_path: Path, make_manifest: Callable[..., Manifest]) -> Manifest:
    """Eleven pictures of noise on disk, one of them junk, and the manifest of them."""
    return eleven(tmp_path / "set", make_manifest)


# ---- the histogram


BINS = {
    (255, 0, 0): 15,
    (255, 0, 60): 15,
    (255, 0, 100): 103,
    (255, 128, 0): 23,
    (0, 255, 0): 47,
    (0, 0, 255): 79,
    (128, 96, 96): 10,
    (128, 128, 128): 4,
    (255, 230, 230): 7,
    (24, 0, 0): 0,
    (255, 255, 255): 7,
    (0, 0, 0): 0,
}


@pytest.mark.parametrize(("colour", "index"), BINS.items())
def test_the_bin_of_a_colour(colour: tuple[int, int, int], index: int) -> None:
    """By hand from the definition: hue, strength and value, or a grey."""
    vector = Histogram()(np.full((1, 6, 8, 3), colour, np.uint8))[0].reshape(6, 104)
    assert [np.flatnonzero(row).tolist() for row in vector] == [[index]] * 6
    np.testing.assert_allclose(vector[:, index], 0.40824828, rtol=1e-7)


def test_golden_histogram() -> None:
    """Six rows, six stripes; the outer columns do not count; a stripe of two colours is shared."""
    picture = np.zeros((6, 8, 3), np.uint8)
    picture[:, [0, 7]] = (0, 255, 0)
    picture[0, 1:7] = (255, 0, 0)
    picture[1, 1:4], picture[1, 4:7] = (0, 0, 255), (255, 255, 255)
    picture[5, 1:3], picture[5, 3:7] = (255, 128, 0), (128, 128, 128)
    vector = Histogram()(picture[None])[0]
    found = {int(index): round(float(vector[index]), 7) for index in np.flatnonzero(vector)}
    assert found == {
        15: 0.4082483,
        104 + 7: 0.2886751, 104 + 79: 0.2886751,
        2 * 104: 0.4082483, 3 * 104: 0.4082483, 4 * 104: 0.4082483,
        5 * 104 + 4: 0.3333333, 5 * 104 + 23: 0.2357023,
    }  # fmt: skip
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


def test_golden_bytes_of_noise() -> None:
    """The same bytes on every platform and with every NumPy."""
    vectors = Histogram()(noise())
    assert hashlib.sha256(vectors.astype("<f4").tobytes()).hexdigest()[:16] == "dd8abb26dbf3e3a6"


def test_the_definition_in_plain_python() -> None:
    """Hue as an exact fraction of the circle, pixel by pixel."""
    for picture, vector in zip(noise().tolist(), Histogram()(noise()), strict=True):
        counts = [0] * 624
        for y, row in enumerate(picture):
            for red, green, blue in row[2:14]:
                r, g, b = red // 8, green // 8, blue // 8
                v, c = max(r, g, b), max(r, g, b) - min(r, g, b)
                if 5 * c < v or v < 4:
                    place = v // 4
                else:
                    sixths = (
                        Fraction(g - b, c) if v == r else 2 + Fraction(b - r, c) if v == g else 4 + Fraction(r - g, c)
                    )
                    place = 8 + (2 * (floor(2 * sixths + Fraction(1, 2)) % 12) + (2 * c >= v)) * 4 + v // 8
                counts[y * 6 // 24 * 104 + place] += 1
        assert vector.tolist() == [float(np.float32(sqrt(n / (24 * 12)))) for n in counts]


def test_a_picture_does_not_feel_its_batch() -> None:
    """The descriptor is rowwise, as it says."""
    batch = np.random.default_rng(1).integers(0, 256, (5, 31, 17, 3), np.uint8)
    whole = Histogram()(batch)
    assert all(np.array_equal(Histogram()(batch[[n]])[0], whole[n]) for n in range(5))


def noise() -> Any:
    """Return two pictures of 24 x 16 pixels, of a fixed sequence that needs no generator."""
    code = np.arange(2 * 24 * 16 * 3, dtype=np.uint32) * np.uint32(2654435761) >> np.uint32(24)
    return code.astype(np.uint8).reshape(2, 24, 16, 3)


# ---- extraction


def test_every_row_in_order_with_a_whole_header(manifest: Manifest, tmp_path: Path) -> None:
    """Junk included; the header says what another lab needs to make the file again."""
    done = extract(manifest, "histogram", tmp_path / "F.npz")
    file = read_features(done.path)
    assert list(file.image_id) == [f"s/{number}" for number in range(ROWS)]
    assert (file.features.shape, file.features.dtype) == ((ROWS, 624), np.float32)
    assert file.header == done.header == {
        "model": "histogram",
        "weights_sha256": "",
        "input_size": [128, 64],
        "normalisation": "counts / pixels, then square root",
        "resize": RESIZE,
        "manifest_fingerprint": manifest.fingerprint,
        "tool_version": __version__,
    }  # fmt: skip
    assert not done.path.with_name("F.npz.partial").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["F.npz", "set"]


def test_a_networks_header_says_runtime_and_batch(manifest: Manifest, tmp_path: Path) -> None:
    """They may change its last bits."""
    header = extract(manifest, Network(), tmp_path / "F.npz", batch=3).header
    assert (header["runtime"], header["batch"], header["weights_sha256"]) == ("none 1", 3, "ab" * 32)


@pytest.mark.parametrize("make", [Histogram, Network])
def test_the_same_bytes_for_any_workers(manifest: Manifest, tmp_path: Path, small_shards: None, make: Any) -> None:
    """One thread, two, seven, or another's executor; bars get every step."""
    told: list[tuple[int, int]] = []
    extract(manifest, make(), tmp_path / "1.npz", batch=3, workers=1, progress=lambda *at: told.append(at))
    extract(manifest, make(), tmp_path / "2.npz", batch=3, workers=2)
    extract(manifest, make(), tmp_path / "7.npz", batch=3, workers=7)
    with ThreadPoolExecutor(2) as pool:
        extract(manifest, make(), tmp_path / "x.npz", batch=3, executor=pool)
    assert len({sha256(tmp_path / f"{name}.npz") for name in "127x"}) == 1
    assert told == [(done, ROWS) for done in (0, 3, 4, 7, 8, 11)]


def test_the_histogram_does_not_depend_on_the_batch(manifest: Manifest, tmp_path: Path, small_shards: None) -> None:
    """Its file neither."""
    for batch in (1, 64):
        extract(manifest, "histogram", tmp_path / f"{batch}.npz", batch=batch)
    assert sha256(tmp_path / "1.npz") == sha256(tmp_path / "64.npz")


def stopped(manifest: Manifest, model: Any, out: Path, at: int) -> None:
    """Run an extraction that is interrupted once `at` rows are done."""

    def stop(done: int, total: int) -> None:
        if done >= at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(manifest, model, out, batch=3, progress=stop)
    assert not out.exists()


def test_an_interrupted_run_goes_on(manifest: Manifest, tmp_path: Path, small_shards: None) -> None:
    """Whole shards are kept, the rest is done in the same batches, and the bytes are those of one run."""
    extract(manifest, Network(), tmp_path / "whole.npz", batch=3)
    out = tmp_path / "F.npz"
    stopped(manifest, Network(), out, 10)
    again = Network()
    done = extract(manifest, again, out, batch=3)
    assert (done.resumed, again.seen) == (8, [3])
    assert sha256(out) == sha256(tmp_path / "whole.npz")


@pytest.mark.parametrize("harm", ["missing", "cut", "flipped", "empty"])
def test_a_harmed_shard_is_done_again(manifest: Manifest, tmp_path: Path, small_shards: None, harm: str) -> None:
    """A shard ends in its own digest."""
    extract(manifest, Network(), tmp_path / "whole.npz", batch=3)
    out = tmp_path / "F.npz"
    stopped(manifest, Network(), out, 10)
    (shard,) = out.with_name("F.npz.partial").glob("*/00000.f32")
    data = bytearray(shard.read_bytes())
    if harm == "missing":
        shard.unlink()
    else:
        data[0] ^= 1
        shard.write_bytes({"cut": bytes(data[:-5]), "flipped": bytes(data), "empty": b""}[harm])
    done = extract(manifest, Network(), out, batch=3)
    assert done.resumed == 4
    assert sha256(out) == sha256(tmp_path / "whole.npz")


def test_work_of_other_settings_is_not_taken_up(manifest: Manifest, tmp_path: Path, small_shards: None) -> None:
    """Another size, another weight, another batch: from the start, and all leftovers go with the end."""
    out = tmp_path / "F.npz"
    stopped(manifest, Network(), out, 10)
    for model, batch in ((Network(input_size=(8, 5)), 3), (Network(weights_sha256="cd" * 32), 3), (Network(), 2)):
        stopped(manifest, Network(), out, 10)
        assert extract(manifest, model, out, batch=batch).resumed == 0
        assert not out.with_name("F.npz.partial").exists()
        out.unlink()


def test_a_killed_run_goes_on(manifest: Manifest, tmp_path: Path) -> None:
    """SIGKILL in the middle, then the same call: the bytes of an undisturbed run."""
    if os.name != "posix":
        pytest.skip("no SIGKILL on this platform")
    code = (
        "import os, signal, sys, occluded_datasets as od\n"
        "from occluded_datasets.features import extract, work\n"
        "work.SHARD = 2\n"
        "at = int(sys.argv[3])\n"
        "stop = lambda done, total: os.kill(os.getpid(), signal.SIGKILL) if done == at else None\n"
        "print(extract(od.load(sys.argv[1]), 'histogram', sys.argv[2], batch=1, progress=stop).resumed)\n"
    )

    def run(out: str, at: int) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-c", code, str(manifest.path), str(tmp_path / out), str(at)]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    assert run("F.npz", 7).returncode == -signal.SIGKILL
    assert not (tmp_path / "F.npz").exists()
    again, whole = run("F.npz", -1), run("whole.npz", -1)
    assert (again.returncode, again.stdout.strip()) == (0, "6"), again.stderr
    assert (whole.returncode, whole.stdout.strip()) == (0, "0"), whole.stderr
    assert sha256(tmp_path / "F.npz") == sha256(tmp_path / "whole.npz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["F.npz", "set", "whole.npz"]


def test_a_changed_picture_is_an_error(manifest: Manifest, tmp_path: Path) -> None:
    """What, why, next; nothing is published and nothing left behind."""
    assert manifest.path
    path = manifest.path.parent / "raw/5.png"
    path.write_bytes(encode(np.zeros((12, 9, 3), np.uint8), ".png"))
    with pytest.raises(errors.InputError) as error:
        extract(manifest, "histogram", tmp_path / "F.npz")
    assert error.value.what == f"s/5: {path} changed since its manifest was built."
    assert error.value.why.startswith("Expected sha256 ")
    assert error.value.next_command == "occreid-prepare verify MANIFEST --full, then build the set again"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["set"]


@pytest.mark.parametrize("kind", ["missing", "link"])
def test_a_missing_picture_is_an_error(manifest: Manifest, tmp_path: Path, kind: str) -> None:
    """By its id and place; a link is never followed."""
    assert manifest.path
    path = manifest.path.parent / "raw/5.png"
    data = path.read_bytes()
    path.unlink()
    if kind == "link":
        (tmp_path / "elsewhere.png").write_bytes(data)
        path.symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(errors.InputError, match="s/5: its picture cannot be read"):
        extract(manifest, "histogram", tmp_path / "F.npz")


def test_two_runs_do_not_write_one_file(manifest: Manifest, tmp_path: Path) -> None:
    """The second is told to wait."""
    out = tmp_path / "F.npz"

    def second(done: int, total: int) -> None:
        with pytest.raises(errors.StorageError, match="another run is at work here"):
            extract(manifest, "histogram", out)

    extract(manifest, "histogram", out, progress=second)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (np.zeros((ROWS, 3), np.float32), r"Expected \(11, 2\) float32, found \(11, 3\) float32"),
        (np.zeros((ROWS, 2)), r"found \(11, 2\) float64"),
        (
            np.where(np.arange(ROWS)[:, None] == 4, np.nan, np.zeros((1, 2))).astype(np.float32),
            "features of s/4 are not",
        ),
        (np.full((ROWS, 2), np.inf, np.float32), "features of s/0 are not finite"),
    ],
)
def test_a_models_mistakes_are_named(manifest: Manifest, tmp_path: Path, output: Any, message: str) -> None:
    """A wrong shape, another type, NaN and infinity never reach the file."""

    class Wrong(Network):
        def __call__(self, batch: Any) -> Any:
            return output

    with pytest.raises(errors.InputError, match=message):
        extract(manifest, Wrong(), tmp_path / "F.npz", batch=64)


@pytest.mark.parametrize(("out", "given"), [("F.npy", {}), ("F.npz", {"batch": 0}), ("F.npz", {"workers": 0})], ids=str)
def test_arguments_that_cannot_be(manifest: Manifest, tmp_path: Path, out: str, given: dict[str, int]) -> None:
    """They are usage errors."""
    with pytest.raises(errors.UsageError):
        extract(manifest, "histogram", tmp_path / out, **given)  # type: ignore[arg-type]


def test_resizing_names_its_kernel() -> None:
    """A checkerboard shrinks to its mean and a ramp grows linearly."""
    board = np.zeros((4, 4, 3), np.uint8)
    board[::2, ::2], board[1::2, 1::2] = 200, 200
    assert reading.resize(board, (2, 2)).tolist() == [[[100] * 3] * 2] * 2
    ramp = np.array([[[0] * 3, [100] * 3]], np.uint8)
    assert reading.resize(ramp, (1, 4))[0, :, 0].tolist() == [0, 25, 75, 100]
    assert reading.resize(board, (4, 4)) is board
    assert reading.RESIZE == RESIZE


@pytest.mark.parametrize("text", ["256", "256*128", "0x4", "256x", "x128", "5000x2", "-1x2", "256x128x3", "२x३"])
def test_sizes_that_are_none(text: str) -> None:
    """HEIGHTxWIDTH in plain digits."""
    with pytest.raises(errors.UsageError, match="Expected HEIGHTxWIDTH"):
        features.parse_size(text)


# ---- real pictures


def test_real_partial_reid(tmp_path: Path) -> None:
    """The complete Partial-REID: 900 vectors of length 1, the same bytes for one thread and two."""
    archive = DATA / "partial-reid" / "Partial-REID_Dataset.zip"
    if not archive.is_file():
        pytest.skip("the real Partial-REID is not at hand")
    import occluded_datasets as od

    od.build("partial-reid", archive, tmp_path)
    loaded = od.load("partial-reid", tmp_path)
    one, two = (extract(loaded, "histogram", tmp_path / f"{n}.npz", workers=n) for n in (1, 2))
    assert sha256(one.path) == sha256(two.path)
    vectors = read_features(one.path).features.astype(np.float64)
    assert vectors.shape == (900, 624)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
