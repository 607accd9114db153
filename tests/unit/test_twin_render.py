"""Promises of the twin renderer: same shot, same pixels; honest boxes; people one can tell apart."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

cv2 = pytest.importorskip("cv2")

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402

from occluded_datasets.twin import render as module  # noqa: E402
from occluded_datasets.twin.occluder import sprite  # noqa: E402
from occluded_datasets.twin.render import Rendered, Shot, render  # noqa: E402

Floats = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]

ROOT = Path(module.__file__).resolve().parents[2]
KINDS = (
    "car", "bicycle", "bush", "planter", "trunk", "pillar", "sign", "bench", "bin", "umbrella", "walker",
    "luggage", "wall", "fence",
)  # fmt: skip
SIZES = ((20, 36), (64, 128), (110, 260), (128, 384), (400, 600), (300, 90), (16, 16), (7, 5))


def shot(pid: int = 3, index: int = 0, body: str = "full", camera: int = 0, size: tuple[int, int] = (64, 128)) -> Shot:
    """Return a shot with defaults."""
    return Shot(pid, index, body, camera, *size)


def print_of(result: Rendered) -> str:
    """Return a digest of everything a rendering says."""
    text = repr((result.visible_box, round(result.visible_fraction, 6))).encode()
    return hashlib.sha256(result.image.tobytes() + text).hexdigest()


def occluded(count: int, size: tuple[int, int] = (64, 128)) -> list[Rendered]:
    """Render `count` occluded pictures of different people."""
    return [render(shot(pid, pid % 4, "occluded", pid % 11, size)) for pid in range(count)]


def stripes(image: Image) -> Floats:
    """Describe a picture by hue and colour histograms of six stripes of its middle columns."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    height, width = hsv.shape[:2]
    parts = []
    for k in range(6):
        band = np.ascontiguousarray(hsv[k * height // 6 : (k + 1) * height // 6, width // 5 : -width // 5])
        parts.append(cv2.calcHist([band], [0, 1, 2], None, [12, 6, 6], [0, 180, 0, 256, 0, 256]).ravel())
    joined = np.concatenate(parts)
    return np.asarray(np.sqrt(joined / joined.sum()), np.float32)


@pytest.mark.parametrize("body", ["full", "occluded"])
def test_same_shot_gives_the_same_pixels_in_another_process(body: str) -> None:
    """Another process, with another hash seed and other pictures before, renders the same bytes."""
    code = (
        "import hashlib;from occluded_datasets.twin.render import Shot,render;"
        "render(Shot(9,9,'occluded',5,50,90));"
        f"r=render(Shot(3,1,{body!r},2,64,128),7);"
        "t=repr((r.visible_box,round(r.visible_fraction,6))).encode();"
        "print(hashlib.sha256(r.image.tobytes()+t).hexdigest())"
    )
    env = {**os.environ, "PYTHONHASHSEED": "123", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == print_of(render(shot(3, 1, body, 2), 7))


def test_order_of_rendering_does_not_matter() -> None:
    """Pictures rendered backwards equal pictures rendered forwards."""
    shots = [shot(pid, 0, body, pid) for pid in range(6) for body in ("full", "occluded")]
    forwards = [print_of(render(s)) for s in shots]
    backwards = [print_of(render(s)) for s in reversed(shots)]
    assert forwards == backwards[::-1]


def test_every_part_of_the_key_changes_the_picture() -> None:
    """Person, index, body, camera and seed each give another picture."""
    others = [shot(pid=4), shot(index=1), shot(body="occluded"), shot(camera=1)]
    prints = {print_of(render(s)) for s in [shot(), *others]} | {print_of(render(shot(), 1))}
    assert len(prints) == 6


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("body", ["full", "occluded"])
def test_any_size_renders(size: tuple[int, int], body: str) -> None:
    """The image has the size asked for, as contiguous RGB bytes, and its box lies inside."""
    for pid in range(4):
        result = render(shot(pid, 0, body, pid, size))
        assert result.image.shape == (size[1], size[0], 3)
        assert result.image.dtype == np.uint8
        assert result.image.flags["C_CONTIGUOUS"]
        x, y, w, h = result.visible_box
        assert 0 <= x < x + w <= size[0]
        assert 0 <= y < y + h <= size[1]
        assert w >= min(16, size[0])
        assert h >= min(16, size[1])


def test_a_full_body_is_wholly_visible() -> None:
    """A full picture reports fraction 1 and a box nearly as high as the picture."""
    for pid in range(20):
        result = render(shot(pid, 0, "full", pid))
        assert result.visible_fraction == 1.0
        assert result.visible_box[3] > 0.75 * 128


@pytest.mark.parametrize("size", [(64, 128), (110, 260)])
def test_occluders_hide_a_fair_share(size: tuple[int, int]) -> None:
    """Between a fifth and seven tenths of the person are hidden."""
    fractions = [r.visible_fraction for r in occluded(80, size)]
    assert min(fractions) > 0.3
    assert max(fractions) < 0.8
    assert 0.45 < sum(fractions) / len(fractions) < 0.65


def test_the_visible_box_holds_person_not_occluder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside the box little is covered, and most of what can be seen of the person is inside."""
    seen: list[tuple[Floats, Floats]] = []
    original = module._visible

    def spy(cover: Floats, hidden: Floats) -> tuple[tuple[int, int, int, int], float]:
        seen.append((cover, hidden))
        return original(cover, hidden)

    monkeypatch.setattr(module, "_visible", spy)
    results = occluded(60)
    covered, kept, person = [], [], []
    for result, (cover, hidden) in zip(results, seen, strict=True):
        x, y, w, h = result.visible_box
        inside = np.s_[y : y + h, x : x + w]
        visible = cover * (1 - hidden)
        covered.append(float(hidden[inside].mean()))
        kept.append(float(visible[inside].sum() / visible.sum()))
        person.append(float(visible[inside].mean()))
    assert sum(covered) / len(covered) < 0.12
    assert sum(kept) / len(kept) > 0.75
    assert sum(person) / len(person) > 0.4


def test_colour_tells_people_apart_but_not_perfectly() -> None:
    """Nearest neighbours of colour stripes do far better than chance and far from perfectly."""
    people = range(30)
    gallery = [(p, stripes(render(shot(p, i, "full", (3 * p + i) % 8)).image)) for p in people for i in range(5)]
    labels = np.array([p for p, _ in gallery])
    features = np.array([f for _, f in gallery])
    hits = []
    for p in people:
        for i in range(4):
            probe = stripes(render(shot(p, i, "occluded", (3 * p + 5 + i) % 8)).image)
            hits.append(labels[(features @ probe).argmax()] == p)
    assert 10 / 30 < np.mean(hits) < 0.85


def test_cameras_look_different_and_stay_the_same() -> None:
    """Eleven cameras show different places; one camera shows the same place in picture after picture."""
    means = []
    for camera in range(11):
        pictures = [render(shot(pid, 0, "full", camera)).image[:90, :8].mean(axis=(0, 1)) for pid in range(6)]
        means.append(np.mean(pictures, axis=0))
    table = np.array(means)
    gaps = np.abs(table[:, None] - table[None]).sum(axis=2)
    assert gaps[np.triu_indices(11, 1)].min() > 3
    assert np.median(gaps[np.triu_indices(11, 1)]) > 40


@pytest.mark.parametrize("kind", KINDS)
def test_every_occluder_is_premultiplied(kind: str) -> None:
    """No sprite is brighter than its cover, or its rim would glow when it is laid over a person."""
    painted = sprite(kind, 0.0).levels[0]
    assert painted[:, :, 3].max() == 255
    assert (painted[:, :, :3].max(axis=2).astype(int) <= painted[:, :, 3].astype(int) + 1).all()


@pytest.mark.parametrize(("body", "size"), [("half", (64, 128)), ("full", (0, 128)), ("occluded", (64, -1))])
def test_senseless_shots_are_refused(body: str, size: tuple[int, int]) -> None:
    """An unknown body or an empty picture raises ValueError."""
    with pytest.raises(ValueError, match=r"body must be|at least one pixel"):
        render(shot(body=body, size=size))


def test_a_mask_is_the_person_that_is_seen() -> None:
    """0 and 255 alone, of the picture's size; its share of the whole person is the visible fraction, nearly."""
    for pid in range(12):
        whole, part = (render(shot(pid, 0, body, pid)) for body in ("full", "occluded"))
        assert whole.mask.shape == whole.image.shape[:2]
        assert set(np.unique(whole.mask)) == {0, 255}
        assert 0.1 < (whole.mask > 0).mean() < 0.6
        x, y, w, h = whole.visible_box
        inside = whole.mask[y : y + h, x : x + w]
        assert (inside > 0).sum() == (whole.mask > 0).sum()
        assert (part.mask > 0).any()


def test_masks_change_no_picture(tmp_path: Path) -> None:
    """A twin with masks has the same files; a mask for each picture, by its name, of its size."""
    from occluded_datasets.images import decode
    from occluded_datasets.twin import twin

    twin("partial-reid", tmp_path / "a", ids=2)
    twin("partial-reid", tmp_path / "b", ids=2, masks=tmp_path / "masks")
    files = {path.relative_to(tmp_path / "a"): path.read_bytes() for path in (tmp_path / "a").rglob("*.*")}
    assert files == {path.relative_to(tmp_path / "b"): path.read_bytes() for path in (tmp_path / "b").rglob("*.*")}
    pictures = {Path(*path.parts[1:]): data for path, data in files.items() if path.suffix == ".jpg"}
    found = {path.relative_to(tmp_path / "masks"): path for path in (tmp_path / "masks").rglob("*.png")}
    assert set(found) == {path.with_suffix(".png") for path in pictures}
    for path, data in pictures.items():
        mask = decode(found[path.with_suffix(".png")].read_bytes())[..., 0]
        assert mask.shape == decode(data).shape[:2]
        assert set(np.unique(mask)) <= {0, 255}
        assert (mask > 0).any()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "masks"]


def test_masks_never_replace_anything(tmp_path: Path) -> None:
    """A folder that is there is an error before anything is drawn."""
    from occluded_datasets.errors import UsageError
    from occluded_datasets.twin import twin

    (tmp_path / "masks").mkdir()
    with pytest.raises(UsageError, match="masks is already there"):
        twin("partial-reid", tmp_path / "a", ids=2, masks=tmp_path / "masks")
    assert not (tmp_path / "a").exists()
