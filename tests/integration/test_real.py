"""Real pictures, where they are: Partial-REID and the training part of Market-1501, from archive to splits.

The pictures show real people. They are read from ``../shared/data``, copied to pytest's own folder alone, and these
tests skip where they are absent. Names, sizes and hashes are facts.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import occluded_datasets as od
from occluded_datasets.images import decode, encode

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
PARTIAL = SHARED / "partial-reid" / "Partial-REID_Dataset.zip"
MARKET = SHARED / "market-1501-train" / "Market-1501-train.zip"
FINGERPRINT = "fba064e616ed52f3d1fbfecd58b24ceab9c3b828df17c577132dcf3d8f288540"
MARKET_FINGERPRINT = "b2f484c594fda2a56e1705451b35e32eab18d08333e6aa83cbb8ea84a1fb5db3"

pytestmark = pytest.mark.skipif(not PARTIAL.is_file(), reason="the real pictures of ../shared/data are not here")

NONE = "bfd8f64e0f6296aeee61eb7cb1c5e1f81bbcb23d0fbb2de075fc3430462623be"
OCCLUDED = "608e1f5ee7b521a184db26798b1aa4e0b89272442f4f8649b3a2dc3048fc0ba8"
CROPPED = "92e02430ce3ac7ce9c091bf1aaa3d975c85d2ce0dc31e3d0d13eb422e050137f"
WHOLE = "734e5e01aff08279ebc92d7dec2251d14c707bdcb4976dda060b561c94c027a2"
HALVES = (
    "8e572e67057254910e7c7f6be04f2b6ba0dfe63958c70513e574debe52597900",
    "176fbf0a9c032b99dd5eb9dbff62b29f910f00a660e66107d42514e68d7e5c66",
    "699cfa907531290b5d82596d62884ee377935aac1200c40f884b46353060716d",
)
SINGLE = "51e245daca4d72ac8d813d48d3878bc5cfde23190b42064037f114f9a818f0f4"

# protocol: rows, identities, draws, sha256 of train.csv, probe.csv, gallery.csv and draws.csv
SPLITS = {
    "transfer-all-occluded-probe": ((0, 300, 300), (0, 60, 60), 0, (NONE, OCCLUDED, WHOLE, None)),
    "transfer-all-partial-probe": ((0, 300, 300), (0, 60, 60), 0, (NONE, CROPPED, WHOLE, None)),
    "single-shot-occluded-probe": ((0, 300, 300), (0, 60, 60), 1000, (NONE, OCCLUDED, WHOLE, SINGLE)),
    "single-shot-partial-probe": ((0, 300, 300), (0, 60, 60), 1000, (NONE, CROPPED, WHOLE, SINGLE)),
    "afpb-nshot-1": (
        (300, 150, 150), (30, 30, 30), 1000,
        (*HALVES, "9b5c04f69e73d43537e5f2c9f0808d4090c6aa737612785bf4fcce1a90c53a81"),
    ),
    "afpb-nshot-2": (
        (300, 150, 150), (30, 30, 30), 1000,
        (*HALVES, "409ea0e77d9f1f6a38433f41e517afe23f4ff033e3340113f3c47b8774313600"),
    ),
    "afpb-nshot-5": (
        (300, 150, 150), (30, 30, 30), 1000,
        (*HALVES, "594a6e7b754dc912a0fc334a6023f8b3fadf678432aea449d824366f5e74b026"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data root where Partial-REID is built from its zip."""
    root = tmp_path_factory.mktemp("data")
    built = od.build("partial-reid", PARTIAL, root)
    assert built.to_dict() | {"manifest": ""} == {
        "dataset": "partial-reid", "variant": "full", "manifest": "", "rows": 900, "identities": 60,
        "verdict": "complete", "fingerprint": FINGERPRINT, "reference": "same pixels as the verified copy",
        "known_as": (), "skipped": {"system files": 3, "text files": 1},
        "detail": "partial-reid: 900 of 900 images, 60 of 60 identities.", "unchanged": False,
    }  # fmt: skip
    return root


def test_the_python_journey(data: Path) -> None:
    """List, look, load and split, as a notebook does it."""
    assert "partial-reid" in od.list_datasets()
    assert od.info("partial-reid").variants[0].count.images == 900
    m = od.load("partial-reid", root=data)
    assert repr(m) == "<Manifest partial-reid (full): 900 rows, 60 identities, complete, fba064e616ed52f3>"
    assert m.frame["body"].value_counts().to_dict() == {"occluded": 300, "partial": 300, "full": 300}
    assert m.frame.groupby("pid").size().unique().tolist() == [15]
    assert m.frame["camid"].isna().all()
    assert m.frame.groupby("body")["width"].agg(["min", "max"]).loc["occluded"].tolist() == [37, 92]
    assert od.verify(m, full=True).ok
    s = od.split(m, "single-shot-partial-probe")
    assert (len(s.train), len(s.probe), len(s.gallery), len(s.draws)) == (0, 300, 300, 60000)
    first = m.file(s.probe["image_id"].iloc[0])
    assert first.name == "001_001.jpg"
    assert hashlib.sha256(first.read_bytes()).hexdigest() == s.probe["sha256"].iloc[0]


def test_a_crop_shares_its_photos_group(data: Path) -> None:
    """Each partial picture is of one group with the occluded picture of its name, and with no other."""
    frame = od.load("partial-reid", root=data).frame
    groups = frame.dropna(subset=["group"]).groupby("group")["body"].apply(sorted)
    assert len(groups) == 300
    assert groups.map(tuple).unique().tolist() == [("occluded", "partial")]
    assert frame.loc[frame["body"] == "full", "group"].isna().all()


@pytest.mark.parametrize("protocol", SPLITS)
def test_splits(data: Path, tmp_path: Path, command: Callable[..., Any], protocol: str) -> None:
    """Rows, identities and draws of every protocol, byte for byte."""
    manifest = data / "partial-reid" / "manifest.csv"
    record = command("split", manifest, "--protocol", protocol, "--out", tmp_path / "s", "--json").json()
    rows, identities, draws, digests = SPLITS[protocol]
    assert tuple(record["rows"].values()) == rows
    assert tuple(record["identities"].values()) == identities
    assert record["draws"] == draws
    files = ("train.csv", "probe.csv", "gallery.csv", "draws.csv")
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "s").glob("*.csv")}
    assert found == {name: digest for name, digest in zip(files, digests, strict=True) if digest}
    assert (record["identities_short_of_shots"], record["probes_without_match"]) == (0, 0)


def test_the_half_that_is_tested(data: Path) -> None:
    """The 30 test identities of the n-shot protocols, by number."""
    s = od.split(od.load("partial-reid", root=data), "afpb-nshot-1")
    test = [
        1,
        3,
        4,
        5,
        12,
        14,
        16,
        17,
        18,
        19,
        24,
        26,
        30,
        31,
        33,
        34,
        35,
        36,
        37,
        38,
        41,
        43,
        48,
        49,
        51,
        52,
        53,
        54,
        59,
        60,
    ]
    assert sorted(s.probe["pid"].unique()) == sorted(s.gallery["pid"].unique()) == test
    assert sorted(s.train["pid"].unique()) == sorted(set(range(1, 61)) - set(test))
    assert set(s.train["body"]) == {"occluded", "full"}


@pytest.fixture(scope="module")
def members() -> dict[str, bytes]:
    """Return name and bytes of every member of the archive."""
    with zipfile.ZipFile(PARTIAL) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}


def spread(members: dict[str, bytes], out: Path) -> Path:
    """Write members as plain files."""
    for name, content in members.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(content)
    return out


def tarred(members: dict[str, bytes], out: Path) -> Path:
    """Write members as a tar."""
    with tarfile.open(out, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out


def rarred(members: dict[str, bytes], out: Path) -> Path:
    """Write members as the RAR that the authors publish."""
    rars = pytest.importorskip("rars", reason="nothing here writes RAR")
    pytest.importorskip("unrar.cffi", reason="nothing here reads RAR")
    builder = rars.RarBuilder(compression=1)
    for name, content in members.items():
        builder.add_bytes(content, name)
    builder.write(str(out))
    return out


def saved_again(members: dict[str, bytes]) -> dict[str, bytes]:
    """Return the pictures as PNG in folders of other names."""
    return {
        name.replace("_body_images", "").replace("Partial-REID_Dataset", "P").replace(".jpg", ".PNG"): encode(
            decode(content), ".png"
        )
        for name, content in members.items()
        if name.endswith(".jpg")
    }


WAYS: dict[str, Callable[[dict[str, bytes], Path], Path]] = {
    "folder": lambda members, out: spread(members, out / "raw"),
    "inner folder": lambda members, out: spread(members, out / "raw") / "Partial-REID_Dataset",
    "one level deeper": lambda members, out: spread({f"new/{name}": v for name, v in members.items()}, out / "raw"),
    "tar": lambda members, out: tarred(members, out / "a.tar"),
    "rar": lambda members, out: rarred(members, out / "Partial-REID_Dataset.rar"),
    "renamed folders, saved as PNG": lambda members, out: spread(saved_again(members), out / "raw"),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_fingerprint_survives(members: dict[str, bytes], tmp_path: Path, way: str) -> None:
    """However the pictures come, they are the published set."""
    built = od.build("partial-reid", WAYS[way](members, tmp_path), tmp_path / "data")
    assert (built.rows, built.verdict, built.fingerprint) == (900, "complete", FINGERPRINT)
    assert built.reference == "same pixels as the verified copy"


def test_a_picture_less_is_a_subset(members: dict[str, bytes], tmp_path: Path, command: Callable[..., Any]) -> None:
    """The picture that is missing is named, nothing is published, and it exits 1."""
    less = {name: v for name, v in members.items() if not name.endswith("occluded_body_images/017_003.jpg")}
    raw = spread(less, tmp_path / "raw")
    said = command("build", "partial-reid", "--raw", raw, "--root", tmp_path / "data")
    assert said.code == 1
    assert "299 of 300 images in occluded_body_images (missing 017_003.jpg). The copy is a subset." in said.err
    assert "--allow-subset" in said.err
    assert not (tmp_path / "data").exists()


@pytest.mark.skipif(not MARKET.is_file(), reason="the real pictures of ../shared/data are not here")
def test_market_1501_train(tmp_path: Path) -> None:
    """12,936 rows of 751 identities by 6 real cameras; a second build finds nothing to do."""
    first = od.build("market-1501", MARKET, tmp_path, "train-only")
    assert (first.rows, first.identities, first.verdict, first.unchanged) == (12936, 751, "complete", False)
    assert (first.fingerprint, first.reference) == (MARKET_FINGERPRINT, "same pixels as the verified copy")
    before = Path(first.manifest).stat()
    again = od.build("market-1501", MARKET, tmp_path, "train-only")
    assert again.to_dict() == {**first.to_dict(), "unchanged": True}
    assert Path(first.manifest).stat() == before
    m = od.load("market-1501", root=tmp_path)
    assert sorted(m.frame["camid"].unique()) == [1, 2, 3, 4, 5, 6]
    assert set(m.frame["camid_source"]) == {"filename"}
    assert (set(m.frame["split"]), set(m.frame["role"]), set(m.frame["body"])) == ({"train"}, {"train"}, {"full"})
    assert set(zip(m.frame["width"], m.frame["height"], strict=True)) == {(64, 128)}
    with pytest.raises(od.OccludedDatasetsError, match="no probe picture"):
        od.split(m, "standard")


@pytest.mark.skipif(not MARKET.is_file(), reason="the real pictures of ../shared/data are not here")
def test_the_development_benchmark_is_the_published_one(tmp_path: Path) -> None:
    """Every one of its 12,114 rows is made again from the real pictures: pixels, boxes, occluders, ids."""
    from occluded_datasets.benchmark import find_benchmark, make

    od.build("market-1501", MARKET, tmp_path, "train-only")
    part = find_benchmark("market-1501-occ-v1-dev")
    made = make(part, od.load("market-1501", root=tmp_path), tmp_path / "occ", rows_only=True)
    assert (made.verdict, made.differing) == ("verified", ())
    assert made.cells == part.cells


@pytest.mark.skipif(not MARKET.is_file(), reason="the real pictures of ../shared/data are not here")
def test_market_1501_train_is_not_the_whole_set(tmp_path: Path, command: Callable[..., Any]) -> None:
    """The default variant refuses with exit 1 and names the variant that this copy is complete for."""
    said = command("build", "market-1501", "--raw", MARKET, "--root", tmp_path / "data", "--json")
    assert said.code == 1
    error = said.json()["error"]
    assert "0 of 3368 images in query" in error["what"]
    assert "--variant train-only" in error["next"]
    assert not (tmp_path / "data").exists()
