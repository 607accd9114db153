"""A simulated set from end to end on a twin: the same for anyone, replayed from its rows, and scored."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simulatekit import tree

import occluded_datasets as od
from occluded_datasets.errors import ProtocolError, UsageError
from occluded_datasets.images import decode, encode
from occluded_datasets.manifest import Manifest, read, verify
from occluded_datasets.occlusion import Recipe, replay, simulate

KILLS = int(os.environ.get("OCCREID_KILLS", "5"))


@pytest.mark.parametrize("preset", ["afpb", "person", "mixed", "random-erasing"])
def test_the_same_folder_for_any_workers(source: Manifest, tmp_path: Path, preset: str) -> None:
    """0, 1, 2 and 4 workers, processes, and any order of the source's rows write the same bytes."""
    if preset == "mixed":
        pytest.importorskip("occluded_datasets.occlusion.sources.bank")
    shuffled = source.with_rows(source.frame.sample(frac=1, random_state=3))
    found = []
    for number, options in enumerate([{"workers": 0}, {"workers": 1}, {"workers": 2}, {"workers": 4}, {}]):
        given = shuffled if number == 4 else source
        simulate(given, tmp_path / str(number), recipe=preset, seed=7, **options)  # type: ignore[arg-type]
        found.append(tree(tmp_path / str(number)))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        simulate(source, tmp_path / "p", recipe=preset, seed=7, executor=executor)
    assert all(files == found[0] for files in (*found, tree(tmp_path / "p")))


def test_a_subset_has_the_same_pictures(source: Manifest, tmp_path: Path) -> None:
    """A few rows, other copies or levels beside them: each picture that both sets have is the same."""
    whole = read(Path(simulate(source, tmp_path / "a", recipe="noise", seed=7, levels=[0.2, 0.5]).manifest))
    some = source.frame["image_id"].tolist()[::5]
    part = simulate(source, tmp_path / "b", recipe="noise", seed=7, levels=[0.5], copies=2, rows=some)
    frame = read(Path(part.manifest)).frame
    both = frame[(frame["boxes"] != "") & (frame["copy"] == 0)].set_index("image_id")["pixel_sha256"]
    assert len(both) == len(some)
    assert both.equals(whole.frame.set_index("image_id").loc[both.index, "pixel_sha256"])


def test_the_manifest_is_whole(source: Manifest, tmp_path: Path) -> None:
    """It is read, verified and found again with no --source; clean rows are referred to, nothing is copied."""
    done = simulate(source, tmp_path / "occ", recipe="afpb", seed=7)
    manifest = od.load(done.manifest)
    assert verify(manifest, full=True).ok
    frame = manifest.frame
    assert (len(frame), done.pictures, done.referred) == (2 * len(source), len(source), len(source))
    clean = frame[frame["root"] == "market-1501"]
    assert set(clean["pixel_sha256"]) == set(source.frame["pixel_sha256"])
    occluded = frame[frame["root"] == ""]
    assert set(occluded["key"]) == set(source.frame["pixel_sha256"])
    assert set(occluded["group"]) == set(source.frame["image_id"])
    assert (occluded["body"] == "occluded").all()
    assert abs(occluded["requested_fraction"] - occluded["occluded_fraction"]).max() <= 0.01
    for row in occluded.itertuples():
        mask = decode((tmp_path / "occ" / str(row.mask_path)).read_bytes())[..., 0]
        assert round((mask > 0).mean(), 6) == pytest.approx(row.occluded_fraction, abs=2e-6)
    header = manifest.header
    assert header["recipe"]["families"][0]["recipe"]["id"] == Recipe.of("afpb").id
    assert header["roots"] == {"market-1501": source.fingerprint}
    assert not header["redistributable"]
    assert header["twin"]


def test_a_picture_left_alone_is_referred_to(source: Manifest, tmp_path: Path) -> None:
    """With probability 0.5 the others have no picture of their own; the header counts them."""
    done = simulate(source, tmp_path / "occ", recipe="random-erasing", seed=7)
    assert 0 < done.untouched < len(source)
    assert done.pictures + done.untouched == len(source)
    assert len(list((tmp_path / "occ" / "images").rglob("*.png"))) == done.pictures
    assert replay(od.load(done.manifest), source).ok


def test_rows_alone_become_pictures(source: Manifest, tmp_path: Path) -> None:
    """Rows without pictures and a replay give the set that was never sent, to the byte here."""
    rows = simulate(source, tmp_path / "rows", recipe="person", seed=7, levels=[0.2, 0.4], rows_only=True)
    whole = simulate(source, tmp_path / "whole", recipe="person", seed=7, levels=[0.2, 0.4])
    assert sorted(path.name for path in (tmp_path / "rows").iterdir()) == [
        ".places.json", "manifest.csv", "manifest.json",
    ]  # fmt: skip
    assert rows.fingerprint == whole.fingerprint
    done = replay(od.load(rows.manifest), source, out=tmp_path / "again")
    assert done.ok
    assert tree(tmp_path / "again") == tree(tmp_path / "whole")
    assert replay(od.load(rows.manifest), source).ok
    with pytest.raises(UsageError, match="already there"):
        replay(od.load(rows.manifest), source, out=tmp_path / "again")


def test_replay_finds_renamed_clean_pictures(source: Manifest, tmp_path: Path) -> None:
    """A copy of the source under other names gives the same pictures: the key is the pixels."""
    done = simulate(source, tmp_path / "occ", recipe="noise", seed=7)
    frame = source.frame.assign(image_id=["other/" + name for name in source.frame["image_id"]])
    assert replay(od.load(done.manifest), source.with_rows(frame)).ok


def test_replay_sees_what_was_changed(source: Manifest, tmp_path: Path) -> None:
    """A pixel of a picture, a mask, a box in a row, a clean picture that is gone: each is named."""
    done = simulate(source, tmp_path / "occ", recipe="noise", seed=7)
    manifest = od.load(done.manifest)
    first, second, third = manifest.frame[manifest.frame["boxes"] != ""]["image_id"].tolist()[:3]
    rows = manifest.frame.set_index("image_id")
    picture = tmp_path / "occ" / str(rows.loc[first, "path"])
    pixels = decode(picture.read_bytes()).copy()
    pixels[0, 0, 0] ^= 1
    picture.write_bytes(encode(pixels, ".png"))
    (tmp_path / "occ" / str(rows.loc[second, "mask_path"])).write_bytes(encode(pixels[..., 0].copy(), ".png"))
    frame = manifest.frame.copy()
    frame.loc[frame["image_id"] == third, "boxes"] = "0:0:5:5"
    found = replay(manifest.with_rows(frame), source)
    assert not found.ok
    assert found.differing == {
        first: f"file {rows.loc[first, 'path']}", second: f"file {rows.loc[second, 'mask_path']}", third: "boxes",
    }  # fmt: skip
    fewer = source.with_rows(source.frame.iloc[1:])
    assert replay(manifest, fewer).missing == ("simulated/" + str(source.frame["image_id"].iloc[0]) + "-noise-0",)


def test_replay_refuses_another_pool(source: Manifest, home: Path, tmp_path: Path) -> None:
    """Occluders from other pictures would be other occluders."""
    done = simulate(source, tmp_path / "occ", recipe="person", seed=7, rows=source.frame["image_id"][:3])
    fewer = source.with_rows(source.frame.iloc[5:])
    with pytest.raises(UsageError, match="The pool is another one"):
        replay(od.load(done.manifest), source, pool=fewer)
    with pytest.raises(UsageError, match="no simulated set"):
        replay(source, source)


def test_jpeg_is_compared_before_encoding(source: Manifest, tmp_path: Path) -> None:
    """A JPEG set says so, verifies, and is replayed by the pixels that were encoded."""
    done = simulate(source, tmp_path / "occ", recipe="noise", seed=7, format="jpeg", quality=80)
    manifest = od.load(done.manifest)
    assert verify(manifest, full=True).ok
    found = replay(manifest, source)
    assert found.ok
    assert found.before_encoding


def test_masks_of_persons_give_visible_fractions(source: Manifest, tmp_path: Path) -> None:
    """With masks the row says how much of the person is left, and the fraction may be of the person."""
    masks = tmp_path / "masks"
    for path, width, height in zip(*(source.frame[name] for name in ("path", "width", "height")), strict=True):
        person = np.zeros((height, width), np.uint8)
        person[10:-4, 16:-16] = 255
        (masks / path).parent.mkdir(parents=True, exist_ok=True)
        (masks / path).with_suffix(".png").write_bytes(encode(person, ".png"))
    done = simulate(source, tmp_path / "occ", recipe=Recipe.of("noise", of="person"), levels=[0.4], masks=masks)
    frame = od.load(done.manifest).frame
    occluded = frame[frame["boxes"] != ""]
    assert (occluded["visibility_source"] == "simulated").all()
    assert abs(occluded["visible_fraction"] + occluded["occluded_fraction"] - 1).max() <= 2e-6
    assert abs(occluded["occluded_fraction"] - 0.4).max() <= 0.02
    assert replay(od.load(done.manifest), source, masks=masks).ok
    next(masks.rglob("*.png")).unlink()
    with pytest.raises(UsageError, match="no mask at"):
        simulate(source, tmp_path / "other", recipe="noise", masks=masks)


def test_hygiene(source: Manifest, home: Path, tmp_path: Path) -> None:
    """Occluders come from train rows of other identities; occluded and junk rows are skipped and counted."""
    frame = source.frame.copy()
    pids = sorted(frame["pid"].unique())
    test = frame["pid"].isin(pids[6:])
    frame.loc[test, "split"], frame.loc[test, "role"] = "test", "gallery"
    frame.loc[frame["pid"] == pids[0], "body"] = "occluded"
    frame.loc[frame["pid"] == pids[-1], "role"] = "junk"
    given = source.with_rows(frame)
    done = simulate(given, tmp_path / "occ", recipe="person", seed=7)
    rows = od.load(done.manifest).frame
    rows = rows[rows["boxes"] != ""]
    known = frame.set_index("image_id")
    givers = known.loc[rows["occluders"]]
    assert (givers["split"] == "train").all()
    assert (givers["body"] == "full").all()
    assert (givers["pid"].to_numpy() != rows["pid"].to_numpy()).all()
    counts = frame["pid"].value_counts()
    assert done.skipped == {"body occluded": int(counts[pids[0]]), "role junk": int(counts[pids[-1]])}
    more = simulate(given, tmp_path / "more", recipe="noise", seed=7, allow_occluded=True)
    assert more.skipped == {"role junk": int(counts[pids[-1]])}
    frame["split"] = "test"
    with pytest.raises(UsageError, match="no occluders can be cut"):
        simulate(source.with_rows(frame), tmp_path / "none", recipe="person")


def test_scores_of_a_simulated_set(source: Manifest, tmp_path: Path) -> None:
    """source-gallery removes the probe's own photo and camera; a level is a protocol of its own, and harder."""
    done = simulate(source, tmp_path / "occ", recipe="noise", seed=7, levels=[0.1, 0.7])
    manifest = od.load(done.manifest)
    from occluded_datasets.features import extract
    from occluded_datasets.protocol import find_protocol

    extract(manifest, "histogram", tmp_path / "F.npz")
    protocol = find_protocol("simulated", "source-gallery")
    records = [od.evaluate(manifest, one, tmp_path / "F.npz", rows="all", bootstrap=0).record
               for one in (protocol, protocol.at_level("0.1"), protocol.at_level("0.7"))]  # fmt: skip
    with pytest.raises(ProtocolError, match=r"no probe picture.*of the split train.*--rows all"):
        od.evaluate(manifest, protocol, tmp_path / "F.npz")
    assert records[0]["audit"]["probes"] == 2 * len(source)
    assert records[1]["audit"]["probes"] == records[2]["audit"]["probes"] == len(source)
    assert records[0]["audit"]["removed_same_camera"] > 2 * len(source) - 1
    assert records[1]["map"] > records[2]["map"]
    assert len({record["protocol"] for record in records}) == 3
    assert not od.compare(records[1], records[2]).comparable


def test_the_commands(source: Manifest, tmp_path: Path, command: Callable[..., Any]) -> None:
    """simulate, replay and evaluate as the documentation has them; the answers of replay are exit codes."""
    out, path = tmp_path / "occ", source.path
    ran = command("simulate", path, "--out", out, "--seed", 7, "--levels", 0.1, 0.3, "--occluder", "noise", "--json",
                  "--sheet", tmp_path / "sheet.png")  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.json()["pictures"] == 2 * len(source)
    assert decode((tmp_path / "sheet.png").read_bytes()).shape[0] > 1000
    assert command("replay", out / "manifest.csv", "--clean", path).code == 0
    picture = next((out / "images").rglob("*.png"))
    picture.write_bytes(encode(np.zeros((128, 64, 3), np.uint8), ".png"))
    ran = command("replay", out / "manifest.csv", "--clean", path, "--json")
    assert ran.code == 1
    assert len(ran.json()["differing"]) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--preset", "afbp"), "Did you mean afpb"),
        (("--occluder", "noize"), "Did you mean noise"),
        (("--placement", "lowerbody"), "Did you mean lower-body"),
        (("--fraction", "0", "0.3"), "more than 0"),
        (("--levels", "1"), "less than 1"),
        (("--levels", "0.1", "0.1"), "each once"),
        (("--protocol", "standard"), "no probe picture"),
        (("--pool", "nowhere.csv", "--preset", "person"), "no manifest header"),
        (("--levels", "x"), "unexpected extra argument"),
    ],
)
def test_mistakes_on_the_command_line(
    source: Manifest, tmp_path: Path, command: Callable[..., Any], options: tuple[str, ...], words: str
) -> None:
    """Exit 2, one message, no traceback, and no folder."""
    ran = command("simulate", source.path, "--out", tmp_path / "occ", *options)
    assert ran.code == 2
    assert words in ran.err
    assert "Traceback" not in ran.err
    assert not (tmp_path / "occ").exists()
