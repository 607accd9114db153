"""Promises of the bank: exact sizes, one map, the same bytes, and nothing that is not as it was written."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from occluded_datasets.errors import BankError
from occluded_datasets.hashing import pixel_digest
from occluded_datasets.images import decode, decode_rgba, encode
from occluded_datasets.manifest import read
from occluded_datasets.occlusion.sources.bank import Bank
from occluded_datasets.occlusion.sources.bank_build import build_bank, write_drawn_bank
from occluded_datasets.occlusion.sources.pyramid import LONGEST, MOST_PIXELS, base_level, level_sizes, pyramid, trimmed
from occluded_datasets.prepare import build
from occluded_datasets.twin import twin

Pixels = np.ndarray


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    """Return premultiplied noise, shape (height, width, 4), opaque at the corners."""
    rgba = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    rgba[0, 0, 3] = rgba[-1, -1, 3] = 255
    rgba[..., :3] = np.minimum(rgba[..., :3], rgba[..., 3:])
    return rgba


@pytest.mark.parametrize(("height", "width"), [(64, 32), (33, 17), (16, 200), (9, 9), (1, 1), (255, 101)])
def test_each_level_is_the_rounded_mean_of_the_one_before(height: int, width: int) -> None:
    """(a + b + c + d + 2) >> 2 of each 2 x 2, the last line of an odd side repeated; checked pixel by pixel."""
    levels = pyramid(noise(height, width))
    assert [level.shape[1::-1] for level in levels] == level_sizes(width, height)
    for big, small in pairwise(levels):
        rows, columns = big.shape[:2]
        for y in range(small.shape[0]):
            for x in range(small.shape[1]):
                ys, xs = (2 * y, min(2 * y + 1, rows - 1)), (2 * x, min(2 * x + 1, columns - 1))
                total = sum(big[a, b].astype(int) for a in ys for b in xs)
                assert (small[y, x] == (total + 2) >> 2).all()


def test_levels_end_at_a_side_of_about_eight() -> None:
    """The last level's shorter side is 8 to 15, or the item was smaller from the start."""
    for width in (1, 7, 8, 15, 16, 17, 100, 255, 256):
        last = level_sizes(width, 215)[-1]
        assert min(last) < 16
        assert min(last) >= min(8, width)


@pytest.mark.parametrize(("height", "width"), [(3000, 200), (257, 1), (256, 256), (240, 229), (700, 699)])
def test_a_base_level_fits(height: int, width: int) -> None:
    """No side beyond the limit, no more pixels, never halved without need, colours never above their alpha."""
    base = base_level(noise(height, width))
    assert max(base.shape[:2]) <= LONGEST
    assert base.shape[0] * base.shape[1] <= MOST_PIXELS
    assert (base[..., :3] <= base[..., 3:]).all()
    doubled = (base.shape[0] * 2, base.shape[1] * 2)
    assert base.shape[0] == height or max(doubled) > LONGEST or doubled[0] * doubled[1] > MOST_PIXELS - 600


def test_an_item_with_all_its_levels_is_below_300_kilobytes() -> None:
    """So a thousand items stay below 300 MB whatever their shape."""
    sizes = [(w, min(LONGEST, MOST_PIXELS // w)) for w in range(215, LONGEST + 1)]
    assert max(sum(4 * w * h for w, h in level_sizes(*size)) for size in sizes) < 300_000


def test_margins_are_cut_off() -> None:
    """Rows and columns that are transparent go; what is transparent altogether leaves nothing."""
    rgba = np.zeros((20, 30, 4), np.uint8)
    rgba[4:9, 7:21] = 3
    assert (trimmed(rgba) == 3).all()
    assert trimmed(rgba).shape == (5, 14, 4)
    assert trimmed(np.zeros((5, 6, 4), np.uint8)).size == 0


def test_the_drawn_bank_keeps_its_promises() -> None:
    """Sorted ids, premultiplied read-only levels of the sizes said, and coverage counted."""
    bank = Bank.drawn()
    items = [bank[index] for index in range(len(bank))]
    assert [item.id for item in items] == sorted({item.id for item in items})
    for item in items:
        assert [level.shape[1::-1] for level in item.levels] == level_sizes(*item.levels[0].shape[1::-1])
        assert all((level[..., :3] <= level[..., 3:]).all() for level in item.levels)
        assert item.coverage == (item.levels[0][..., 3] >= 128).sum()
        assert not any(level.flags.writeable or level.flags.owndata for level in item.levels)
        assert trimmed(item.levels[0]).shape == item.levels[0].shape
    assert bank.kinds() == tuple(sorted({item.kind for item in items}))
    assert bank[-1] is items[-1]
    with pytest.raises(IndexError):
        bank[len(bank)]


def test_the_drawn_bank_is_drawn_once_and_crosses_processes() -> None:
    """Cached in a process; what a worker unpickles is its own cached one."""
    assert Bank.drawn() is Bank.drawn()
    assert pickle.loads(pickle.dumps(Bank.drawn())) is Bank.drawn()


def cut_outs(folder: Path, count: int = 3) -> Path:
    """Write `count` RGBA cut-outs of two classes, and return their folder."""
    for number in range(count):
        rgba = np.zeros((40 + number, 30, 4), np.uint8)
        rgba[5:-5, 4:-4] = noise(30 + number, 22, number)
        rgba[8:20, 8:20, 3] = 255
        home = folder / ("car" if number % 2 else "bush")
        home.mkdir(parents=True, exist_ok=True)
        (home / f"thing-{number}.png").write_bytes(encode(rgba, ".png"))
    return folder


def pair(folder: Path, name: str = "a", mask: Pixels | None = None) -> Path:
    """Write a picture and its mask beside it, and return the picture's path."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(3).integers(0, 256, (20, 12, 3), np.uint8)
    if mask is None:
        mask = np.zeros((20, 12), np.uint8)
        mask[4:15, 3:9] = 255
    (folder / f"{name}.png").write_bytes(encode(pixels, ".png"))
    (folder / f"{name}_mask.png").write_bytes(encode(mask, ".png"))
    return folder / f"{name}.png"


def test_a_bank_is_what_was_cut_out(tmp_path: Path) -> None:
    """Premultiplied by the exact rule, margins off, sorted by id, what was stated written down."""
    bank = build_bank(cut_outs(tmp_path / "in"), tmp_path / "bank", licence="CC0-1.0", source_note="ours")
    assert [(item.id, item.kind) for item in bank] == [("thing-0", "bush"), ("thing-1", "car"), ("thing-2", "bush")]
    source = decode_rgba((tmp_path / "in/car/thing-1.png").read_bytes()).astype(int)
    product = source[..., :3] * source[..., 3:] + 128
    expected = np.dstack([(product + (product >> 8)) >> 8, source[..., 3]])
    assert (bank[1].levels[0] == trimmed(expected.astype(np.uint8))).all()
    entry = bank.entries[1]
    assert (entry.licence, entry.source, entry.pid) == ("CC0-1.0", "ours", None)
    assert entry.sha256 == hashlib.sha256((tmp_path / "in/car/thing-1.png").read_bytes()).hexdigest()
    record = json.loads((tmp_path / "bank/bank.json").read_bytes())
    assert (record["schema"], record["redistributable"], record["hash"]) == (1, False, bank.hash)
    assert record["sha256"] == hashlib.sha256((tmp_path / "bank/bank.bin").read_bytes()).hexdigest()


def test_building_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """In another folder, in another order of files, and where it is already."""
    source = cut_outs(tmp_path / "in", 5)
    first, second = (build_bank(source, tmp_path / name) for name in ("a", "b"))
    assert first.hash == second.hash
    stamp = (tmp_path / "a/bank.json").stat().st_mtime_ns
    build_bank(source, tmp_path / "a")
    assert (tmp_path / "a/bank.json").stat().st_mtime_ns == stamp
    for name in ("bank.bin", "bank.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "in"]


def test_a_bank_is_one_read_only_map(tmp_path: Path) -> None:
    """Items are views into the map; a spawned worker opens it again, and refuses another one."""
    bank = build_bank(cut_outs(tmp_path / "in"), tmp_path / "bank")
    level = bank[0].levels[0]
    assert not level.flags.owndata
    assert not level.flags.writeable
    assert bank[0] is bank[0]
    again = pickle.loads(pickle.dumps(bank))
    assert again.hash == bank.hash
    assert all(
        (a == b).all() for one, other in zip(again, bank, strict=True) for a, b in zip(one[2], other[2], strict=True)
    )
    kept = pickle.dumps(bank)
    build_bank(cut_outs(tmp_path / "other", 2), tmp_path / "bank", replace=True)
    with pytest.raises(BankError, match="was replaced"):
        pickle.loads(kept)


def test_the_drawn_bank_on_disk_is_the_drawn_bank(tmp_path: Path) -> None:
    """The same items by the same hash, free to be passed on."""
    written = write_drawn_bank(tmp_path / "bank")
    assert (written.hash, written.redistributable) == (Bank.drawn().hash, True)
    assert all((a.levels[1] == b.levels[1]).all() for a, b in zip(written, Bank.drawn(), strict=True))


@pytest.mark.parametrize("place", ["car/a_mask.png", "car/masks/a.png", "masks/car/a.png"])
def test_a_mask_may_lie_in_three_places(tmp_path: Path, place: str) -> None:
    """Beside the picture, in a folder masks beside it, or below a folder masks of the whole."""
    pair(tmp_path / "car")
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "car/a_mask.png").rename(tmp_path / place)
    bank = build_bank(tmp_path, tmp_path.with_name("bank"))
    assert (bank[0].id, bank[0].kind, bank[0].levels[0].shape, bank[0].coverage) == ("a", "car", (11, 6, 4), 66)


def _two_of_one_id(folder: Path) -> None:
    pair(folder / "bush")
    pair(folder / "car")


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda folder: folder.mkdir(exist_ok=True), "no picture to cut out"),
    "missing": (shutil.rmtree, "no such folder"),
    "no class": (pair, "a.png: of no class"),
    "opaque": (lambda folder: pair(folder / "car", mask=np.full((20, 12), 255, np.uint8)), "nothing is cut out"),
    "transparent": (lambda folder: pair(folder / "car", mask=np.zeros((20, 12), np.uint8)), "nothing is shown"),
    "zero and one": (lambda folder: pair(folder / "car", mask=np.eye(20, 12, dtype=np.uint8)), "found 1 at most"),
    "other size": (lambda folder: pair(folder / "car", mask=np.eye(9, dtype=np.uint8)), "Expected 12x20, found 9x9"),
    "coloured": (
        lambda folder: pair(folder / "car", mask=np.random.default_rng(1).integers(0, 256, (20, 12, 3), np.uint8)),
        "has colours",
    ),
    "no mask": (lambda folder: pair(folder / "car").with_name("a_mask.png").unlink(), "car/a.png: it has no transp"),
    "no picture": (lambda folder: (pair(folder / "car"), pair(folder / "car", "b").unlink()), "car/b_mask.png: a mask"),
    "two of one id": (_two_of_one_id, "car/a.png: its id 'a' is taken"),
    "rubbish": (lambda folder: pair(folder / "car").write_bytes(b"\x89PNG rubbish"), "car/a.png"),
    "cut off": (lambda folder: (p := pair(folder / "car")).write_bytes(p.read_bytes()[:-9]), "car/a.png"),
    "no id": (lambda folder: pair(folder / "car", "猫"), "gives no id"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_cut_out_is_named(tmp_path: Path, command: Callable[..., Any], case: str) -> None:
    """Exit 2, the file, what was expected, and nothing is written."""
    (tmp_path / "in").mkdir()
    BAD[case][0](tmp_path / "in")
    done = command("bank", "build", "--from", tmp_path / "in", "--out", tmp_path / "deep" / "bank")
    assert done.code == 2
    assert BAD[case][1] in done.err
    assert "Traceback" not in done.err
    assert {path.name for path in tmp_path.iterdir()} <= {"in"}


def test_an_opaque_rgba_is_refused(tmp_path: Path, command: Callable[..., Any]) -> None:
    """An alpha channel that is 255 throughout cuts nothing out."""
    (tmp_path / "in/car").mkdir(parents=True)
    (tmp_path / "in/car/a.png").write_bytes(encode(np.full((9, 9, 4), 255, np.uint8), ".png"))
    done = command("bank", "build", "--from", tmp_path / "in", "--out", tmp_path / "bank", "--json")
    assert (done.code, done.json()["error"]["type"]) == (2, "BankError")
    assert "car/a.png: nothing is cut out" in done.err


def test_test_pictures_are_refused_by_their_pixels(tmp_path: Path, make_manifest: Callable[..., Any]) -> None:
    """Whatever the file is called; train rows are no obstacle."""
    path = pair(tmp_path / "in" / "person")
    digest = pixel_digest(decode(path.read_bytes()))
    for facts in ({"split": "test"}, {"role": "probe"}, {"role": "gallery"}):
        manifest = make_manifest([{"image_id": "s/x", "pixel_sha256": digest, **facts}])
        with pytest.raises(BankError, match=r"person/a.png: a picture of a test identity.*s/x"):
            build_bank(tmp_path / "in", tmp_path / "bank", refuse=[manifest])
        assert not (tmp_path / "bank").exists()
    train = make_manifest([{"image_id": "s/x", "pixel_sha256": digest, "split": "train", "role": "train"}])
    assert len(build_bank(tmp_path / "in", tmp_path / "bank", refuse=[train])) == 1


def test_people_come_from_training_rows_alone(tmp_path: Path, command: Callable[..., Any]) -> None:
    """Cut by the twin's own masks, with their identities; the test part, junk and distractors give nobody."""
    twin("market-1501", tmp_path / "t", ids=4, masks=tmp_path / "masks")
    raw = next((tmp_path / "t").iterdir())
    built = build("market-1501", raw, tmp_path / "data", allow_subset=True)
    done = command(
        "bank", "build", "--from-manifest", built.manifest, "--masks", tmp_path / "masks", "--out", tmp_path / "people",
        "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    frame = read(Path(built.manifest)).frame
    train = frame[frame["split"] == "train"]
    bank = Bank.open(tmp_path / "people")
    assert done.json()["count"] == len(bank) == len(train)
    assert {item.id: item.pid for item in bank} == dict(zip(train["image_id"], train["pid"], strict=True))
    assert bank.kinds() == ("person",)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Expected one of --from, --from-manifest, --drawn, found none"),
        (["--drawn", "--from", "x"], "found --from and --drawn"),
        (["--from-manifest", "x"], "go together"),
        (["--from", "x", "--kind-from", "A Car"], "no name of a class"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, command: Callable[..., Any], arguments: list[str], says: str) -> None:
    """One source at a time, masks with a manifest, and a class that is a name."""
    done = command("bank", "build", *arguments, "--out", tmp_path / "bank")
    assert (done.code, says in done.err) == (2, True)


def test_list_says_what_is_there(tmp_path: Path, command: Callable[..., Any]) -> None:
    """Classes with their numbers for people, every item for programs; no bank is exit 2."""
    build_bank(cut_outs(tmp_path / "in"), tmp_path / "bank", licence="CC BY 4.0")
    done = command("bank", "list", tmp_path / "bank")
    assert "bush" in done.out
    assert "CC BY 4.0" in done.out
    assert "not to be passed on" in done.out
    record = command("bank", "list", tmp_path / "bank", "--json").json()
    assert (record["kinds"], len(record["items"])) == ({"bush": 2, "car": 1}, 3)
    done = command("bank", "list", tmp_path / "nowhere")
    assert (done.code, "no bank" in done.err) == (2, True)


@pytest.mark.parametrize("arguments", [["bank"], ["bank", "build"], ["bank", "list"]])
def test_every_bank_command_has_help_with_an_example(command: Callable[..., Any], arguments: list[str]) -> None:
    """What to type stands in the help."""
    assert "Example:\n" in command(*arguments, "--help").out
