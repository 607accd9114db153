"""Bad input, rubbish, kills and full disks: what `simulate` and `replay` do with them."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simulatekit import tree

import occluded_datasets as od
from occluded_datasets.errors import InputError, StorageError, UnsafeNameError, UsageError
from occluded_datasets.images import decode, encode
from occluded_datasets.manifest import Manifest, verify
from occluded_datasets.occlusion import Recipe, replay, simulate
from occluded_datasets.occlusion.sets import render as versions

KILLS = int(os.environ.get("OCCREID_KILLS", "5"))


def test_a_changed_source_is_named(source: Manifest, home: Path, tmp_path: Path) -> None:
    """A clean picture with other bytes: both hashes, nothing published; put back, the same call succeeds."""
    path = source.file(str(source.frame["image_id"].iloc[40]))
    good = path.read_bytes()
    try:
        path.write_bytes(encode(np.zeros((128, 64, 3), np.uint8), ".jpg"))
        with pytest.raises(InputError, match=r"Expected sha256 [0-9a-f]{64}, found [0-9a-f]{64}"):
            simulate(source, tmp_path / "occ", recipe="noise", seed=7)
        assert not (tmp_path / "occ" / "manifest.json").exists()
        path.unlink()
        with pytest.raises(InputError, match="cannot be read"):
            simulate(source, tmp_path / "occ", recipe="noise", seed=8)
    finally:
        path.write_bytes(good)
    assert simulate(source, tmp_path / "occ", recipe="noise", seed=7).pictures == len(source)
    assert not (tmp_path / "occ" / ".simulating").exists()


def test_a_full_disk_is_survived(source: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills in the middle: a clear error, nothing published, and the same call goes on from there."""
    simulate(source, tmp_path / "clean", recipe="noise", seed=7)
    real, written = versions.encode, []

    def full(*arguments: Any, **options: Any) -> bytes:
        written.append(1)
        if len(written) == 2 * 64 + 40:
            raise OSError(28, "No space left on device", "a file")
        return real(*arguments, **options)

    monkeypatch.setattr(versions, "encode", full)
    with pytest.raises(StorageError, match="the disk is full"):
        simulate(source, tmp_path / "occ", recipe="noise", seed=7, workers=1)
    assert not (tmp_path / "occ" / "manifest.json").exists()
    done = len(written)
    simulate(source, tmp_path / "occ", recipe="noise", seed=7, workers=1)
    assert len(written) - done == 2 * (len(source) - 64)  # the first shard was kept
    assert tree(tmp_path / "occ") == tree(tmp_path / "clean")


def test_another_set_is_never_replaced_unasked(source: Manifest, home: Path, tmp_path: Path) -> None:
    """Another recipe, somebody's folder and a built set are kept; --replace replaces a simulated set alone."""
    first = simulate(source, tmp_path / "occ", recipe="noise", seed=7)
    again = simulate(source, tmp_path / "occ", recipe="noise", seed=7)
    assert again == replace(first, unchanged=True)
    before = tree(tmp_path / "occ")
    with pytest.raises(UsageError, match="another set is published here"):
        simulate(source, tmp_path / "occ", recipe="noise", seed=8)
    assert tree(tmp_path / "occ") == before
    simulate(source, tmp_path / "occ", recipe="noise", seed=8, rows_only=True, replace=True)
    assert not (tmp_path / "occ" / "images").exists()
    for place in (home / "market-1501", home / "market-1501" / "raw"):
        with pytest.raises(UsageError, match="It is inside the source"):
            simulate(source, place, recipe="noise", replace=True)
    shutil.copytree(home / "market-1501", tmp_path / "built")
    with pytest.raises(UsageError, match="market-1501 is published here"):
        simulate(source, tmp_path / "built", recipe="noise", replace=True)
    (tmp_path / "mine" / "images").mkdir(parents=True)
    with pytest.raises(UsageError, match="no simulated set's"):
        simulate(source, tmp_path / "mine", recipe="noise")


def test_what_vanishes_is_made_again(source: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures gone from a run at work are an error; gone, emptied or forged in a killed or a finished one, they are made
    again by the same call.
    """
    simulate(source, tmp_path / "clean", recipe="noise", seed=7)
    expected, out = tree(tmp_path / "clean"), tmp_path / "occ"

    def stop(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    for damage in ("remove", "empty", "mask", "rows", "link"):
        with monkeypatch.context() as patched:
            patched.setattr("occluded_datasets.occlusion.sets.simulate.simulated_table", stop)
            with pytest.raises(KeyboardInterrupt):
                simulate(source, out, recipe="noise", seed=7)
        staging = out / ".simulating"
        first = next((staging / "images").rglob("*.png"))
        if damage == "remove":
            first.unlink()
        elif damage == "empty":
            first.write_bytes(bytes(first.stat().st_size))
        elif damage == "mask":
            next((staging / "masks").rglob("*.png")).write_bytes(b"")
        elif damage == "rows":
            (staging / "rows" / "000000.json").write_text('{"made": [], "names": []}')
            (staging / "rows" / "000001.json").write_text("[1]")
        else:
            shutil.move(staging / "masks", tmp_path / "elsewhere")
            (staging / "masks").symlink_to(tmp_path / "elsewhere")
        simulate(source, out, recipe="noise", seed=7)
        assert tree(out) == expected, damage
        assert not (out / "masks").is_symlink()
        shutil.rmtree(out)
    simulate(source, out, recipe="noise", seed=7)
    next((out / "images").rglob("*.png")).unlink()
    assert replay(od.load(out), source).differing
    assert not simulate(source, out, recipe="noise", seed=7).unchanged
    assert tree(out) == expected
    for lost in ("simulation", "skipped", "tool_version"):
        header = json.loads((out / "manifest.json").read_bytes())
        del header[lost]
        (out / "manifest.json").write_text(json.dumps(header))
        again = simulate(source, out, recipe="noise", seed=7, replace=lost == "tool_version")
        assert not again.unchanged, lost
        assert tree(out) == expected


def test_a_strangers_rows_and_header_are_judged(source: Manifest, tmp_path: Path) -> None:
    """Every cell that scoring rests on is compared; a plan that is none is refused in words."""
    done = simulate(source, tmp_path / "occ", recipe="noise", seed=7, levels=[0.2], rows=source.frame["image_id"][:6])
    manifest = od.load(done.manifest)
    name = manifest.frame.loc[manifest.frame["root"] == "", "image_id"].iloc[0]
    edits = {"pid": 5_000_000, "camid": 7, "group": "other", "boxes": "", "visible_fraction": 0.5, "body": "partial",
             "occluders": "noise/1", "x_placement": "sides", "split": "test"}  # fmt: skip
    for column, value in edits.items():
        frame = manifest.frame.copy()
        frame.loc[frame["image_id"] == name, column] = value
        found = replay(manifest.with_rows(frame), source).differing
        assert set(found) == {name}, column
    plan = manifest.header["recipe"]
    rubbish: list[Any] = [5, {}, {**plan, "families": 5}, {**plan, "families": [1]}, {**plan, "copies": 10**9},
                          {**plan, "copies": "1"}, {**plan, "seed": None}, {**plan, "bank": "x"}, {**plan, "pool": {}},
                          {**plan, "format": "gif"}, {**plan, "families": [{**plan["families"][0], "levels": ["a"]}]},
                          {**plan, "families": [{**plan["families"][0], "recipe": "noise"}]}]  # fmt: skip
    for one in rubbish:
        with pytest.raises(UsageError, match=r"simulated set|recipe"):
            replay(Manifest(manifest.frame, {**manifest.header, "recipe": one}), source)
    with pytest.raises(InputError, match="Missing columns: x_note"):
        replay(manifest.with_rows(manifest.frame.drop(columns=["x_note"])), source)


def test_names_never_leave_the_folder(source: Manifest, tmp_path: Path) -> None:
    """A recipe's name is plain words, and an image_id that is no safe name is refused before anything is written."""
    for name in ("x/../../y", "", ["a"], "x\0y", "a" * 65, "A"):
        with pytest.raises(UsageError, match="recipe"):
            Recipe.of({**Recipe.of("noise").to_dict(), "name": name})
    frame = source.frame.copy()
    frame.loc[0, "image_id"] = "market-1501/../../escaped"
    with pytest.raises(UnsafeNameError):
        simulate(source.with_rows(frame), tmp_path / "occ", recipe="noise")
    assert not (tmp_path / "occ").exists()


def test_masks_are_verified(source: Manifest, tmp_path: Path) -> None:
    """A mask that is gone is found, with --full one of other pixels or none; the same pixels encoded again are equal."""
    done = simulate(source, tmp_path / "occ", recipe="noise", seed=7, rows=source.frame["image_id"][:4])
    manifest = od.load(done.manifest)
    paths = manifest.frame["mask_path"].dropna().tolist()
    assert verify(manifest).checked == verify(manifest, full=True).checked == len(manifest) + 4
    again, other, rubbish, gone = (tmp_path / "occ" / path for path in paths)
    pixels = decode(again.read_bytes(), again.name)[..., 0].copy()
    again.write_bytes(encode(pixels, ".png", effort=9))
    assert verify(manifest, full=True, workers=1).ok
    other.write_bytes(encode(255 - pixels, ".png"))
    rubbish.write_bytes(b"no image")
    gone.unlink()
    quick, full = verify(manifest), verify(manifest, full=True)
    assert (quick.missing, quick.changed) == ((paths[3],), ())
    assert (full.missing, full.changed, full.refused) == ((paths[3],), tuple(sorted(paths[1:3])), ())


def test_rebuilt_rows_are_scored_at_once(source: Manifest, tmp_path: Path) -> None:
    """What replay writes knows where its clean pictures are."""
    rows = simulate(source, tmp_path / "rows", recipe="noise", seed=7, rows_only=True)
    replay(od.load(rows.manifest), source, out=tmp_path / "again")
    assert verify(od.load(tmp_path / "again"), full=True).ok


def test_what_a_kill_left_of_a_finished_run_is_removed(source: Manifest, tmp_path: Path) -> None:
    """Killed while its work folder was removed, its plan first; the work of another plan stays."""
    out = tmp_path / "occ"
    simulate(source, out, recipe="noise", seed=7, rows_only=True)
    expected = tree(out)
    (out / ".simulating" / "rows").mkdir(parents=True)
    (out / ".simulating" / "ready").write_bytes(b"")
    assert simulate(source, out, recipe="noise", seed=7, rows_only=True).unchanged
    assert tree(out) == expected
    (out / ".simulating").mkdir()
    (out / ".simulating" / "plan.json").write_text('{"another": 1}')
    assert simulate(source, out, recipe="noise", seed=7, rows_only=True).unchanged
    assert (out / ".simulating" / "plan.json").exists()


@pytest.mark.kills
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_random_kills_are_healed(source: Manifest, tmp_path: Path) -> None:
    """Killed at any moment, the same command gives the same folder; what is published in between is whole."""
    path = str(source.path)
    began = time.monotonic()
    simulate(od.load(path), tmp_path / "clean", recipe="afpb", seed=7)
    length = time.monotonic() - began
    expected, out, chance, died = tree(tmp_path / "clean"), tmp_path / "occ", random.Random(5), 0
    code = ("import sys, occluded_datasets as od\nfrom occluded_datasets.occlusion import simulate\n"
            "m = od.load(sys.argv[1])\nprint('up', flush=True)\nsimulate(m, sys.argv[2], recipe='afpb', seed=7)\n")  # fmt: skip
    for _ in range(KILLS):
        process = subprocess.Popen([sys.executable, "-c", code, path, str(out)], stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        time.sleep(chance.uniform(0, length * 1.2))
        process.kill()
        died += process.wait() == -signal.SIGKILL
        process.stdout.close()
        if (out / "manifest.json").exists():
            assert tree(out) == expected or (out / ".simulating").exists()
            assert verify(od.load(out), full=True).ok
        if chance.random() < 0.5:
            simulate(od.load(path), out, recipe="afpb", seed=7)
            assert tree(out) == expected
            shutil.rmtree(out)
    simulate(od.load(path), out, recipe="afpb", seed=7)
    assert tree(out) == expected
    assert died or KILLS < 5


def test_masks_that_are_none_are_named(source: Manifest, tmp_path: Path) -> None:
    """A mask of another size, or one that shows nobody in the pool, is an error that names the picture; other masks
    are another pool.
    """
    rows = source.frame["image_id"][:4]
    for folder, pixels in (("small", np.full((20, 20), 255, np.uint8)), ("empty", np.zeros((128, 64), np.uint8)),
                           ("left", np.repeat([[255] * 32 + [0] * 32], 128, 0).astype(np.uint8)),
                           ("right", np.repeat([[0] * 32 + [255] * 32], 128, 0).astype(np.uint8))):  # fmt: skip
        for path in source.frame["path"]:
            (tmp_path / folder / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / path).with_suffix(".png").write_bytes(encode(pixels, ".png"))
    with pytest.raises(InputError, match=r"market-1501/.*Expected 64x128 pixels, found 20x20"):
        simulate(source, tmp_path / "a", recipe="noise", masks=tmp_path / "small", rows=rows)
    with pytest.raises(InputError, match=r"market-1501/.*Expected 64x128 pixels, found 20x20"):
        simulate(source, tmp_path / "b", recipe="person", pool_masks=tmp_path / "small", rows=rows)
    with pytest.raises(InputError, match="It shows nobody"):
        simulate(source, tmp_path / "c", recipe="person", pool_masks=tmp_path / "empty", rows=rows)
    done = simulate(source, tmp_path / "d", recipe="person", pool_masks=tmp_path / "left", rows=rows)
    assert replay(od.load(done.manifest), source, pool_masks=tmp_path / "left").ok
    for other in (tmp_path / "right", None):
        with pytest.raises(UsageError, match="The pool is another one"):
            replay(od.load(done.manifest), source, pool_masks=other)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
def test_a_pipe_is_no_picture(source: Manifest, tmp_path: Path) -> None:
    """A pipe where a picture was is an error at once, not a wait."""
    path = source.file(str(source.frame["image_id"].iloc[2]))
    path.rename(tmp_path / "kept")
    try:
        os.mkfifo(path)
        with pytest.raises(InputError, match="no regular file"):
            simulate(source, tmp_path / "occ", recipe="noise", rows=source.frame["image_id"][:3])
    finally:
        path.unlink()
        (tmp_path / "kept").rename(path)
