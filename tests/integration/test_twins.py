"""The generic suite: every catalogued set and variant on its twin, from raw copy to splits."""

from __future__ import annotations

import io
import random
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import occluded_datasets as od
from occluded_datasets import catalog
from occluded_datasets.errors import ProtocolError
from occluded_datasets.images import decode, encode
from occluded_datasets.manifest import from_frame, read, validate
from occluded_datasets.protocol import protocols

IDS = 6
SETS = [(dataset, variant.name) for dataset in catalog.ids() for variant in catalog.get(dataset).variants]

# set, variant: pictures, identities
SIZES = {
    ("occluded-reid", "full"): (60, 6),
    ("p-dukemtmc-reid", "full"): (219, 12),
    ("p-ethz", "full"): (276, 6),
    ("partial-reid", "full"): (90, 6),
    ("partial-ilids", "full"): (18, 6),
    ("partial-ilids", "probe-gallery"): (12, 6),
    ("occluded-dukemtmc", "full"): (191, 10),
    ("occluded-market", "full"): (208, 10),
    ("mars", "full"): (817, 2),
    ("market-1501", "full"): (307, 12),
    ("market-1501", "train-only"): (103, 6),
    ("dukemtmc-reid", "full"): (196, 10),
}

# protocol: train, probe and gallery pictures, rows of draws, sides short of shots; or why it refuses
Sizes = tuple[int, ...] | str
_HALF: dict[str, Sizes] = {
    "afpb-nshot-1": (30, 15, 15, 6000, 0),
    "afpb-nshot-2": (30, 15, 15, 12000, 0),
    "afpb-nshot-5": (30, 15, 15, 30000, 0),
}
SPLITS: dict[tuple[str, str], dict[str, Sizes]] = {
    ("occluded-reid", "full"): {**_HALF, "transfer-all": (0, 30, 30, 0, 0)},
    ("p-dukemtmc-reid", "full"): {
        "afpb-nshot-1": (117, 20, 82, 12000, 0),
        "afpb-nshot-2": (117, 20, 82, 24000, 0),
        "supervised": (117, 20, 82, 0, 0),
        "transfer": (0, 20, 82, 0, 0),
    },
    ("p-ethz", "full"): {
        "afpb-nshot-1": (135, 72, 69, 6000, 0),
        "afpb-nshot-2": (135, 72, 69, 12000, 0),
        "afpb-nshot-5": (135, 72, 69, 30000, 0),
        "transfer-all": (0, 138, 138, 0, 0),
    },
    ("partial-reid", "full"): {
        **_HALF,
        "single-shot-occluded-probe": (0, 30, 30, 6000, 0),
        "single-shot-partial-probe": (0, 30, 30, 6000, 0),
        "transfer-all-occluded-probe": (0, 30, 30, 0, 0),
        "transfer-all-partial-probe": (0, 30, 30, 0, 0),
    },
    ("partial-ilids", "full"): {"single-shot": (0, 6, 6, 6, 0)},
    ("partial-ilids", "probe-gallery"): {"single-shot": (0, 6, 6, 6, 0)},
    ("occluded-dukemtmc", "full"): {"standard": (84, 12, 95, 0, 0)},
    ("occluded-market", "full"): {"standard": (70, 18, 120, 0, 0)},
    ("mars", "full"): {},
    ("market-1501", "full"): {"standard": (103, 27, 127, 0, 0)},
    ("market-1501", "train-only"): {"standard": "this manifest has no probe picture for it."},
    ("dukemtmc-reid", "full"): {"standard": (89, 12, 95, 0, 0)},
}


class Made(NamedTuple):
    """A cheap twin and what a build of it said."""

    dataset: str
    variant: str
    tree: Path
    manifest: Path
    fingerprint: str


def build(dataset: str, variant: str, raw: Path, root: Path) -> od.Built:
    """Return the build of a copy that is allowed to be a subset."""
    return od.build(dataset, raw, root, variant, allow_subset=True)


@pytest.fixture(scope="module", params=SETS, ids="/".join)
def made(
    request: pytest.FixtureRequest, cheap_tree: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Made]:
    """Return the twin of one set and variant, built from its folder."""
    dataset, variant = request.param
    folder = tmp_path_factory.mktemp(dataset)
    tree = cheap_tree(dataset, variant, 1 if dataset == "mars" else IDS, folder / "twin")  # 816 frames of one person
    built = build(dataset, variant, tree, folder / "data")
    yield Made(dataset, variant, tree, Path(built.manifest), built.fingerprint)
    shutil.rmtree(folder)


def test_a_twin_becomes_a_verified_manifest(made: Made) -> None:
    """Every cell is valid, every file as vouched for, and a copy of six identities is called a subset."""
    manifest = od.load(made.dataset, root=made.manifest.parents[1])
    assert (len(manifest), manifest.header["identities"]) == SIZES[made.dataset, made.variant]
    assert manifest.verdict == "subset"
    validate(from_frame(manifest.frame))
    assert od.verify(manifest, full=True).ok
    assert manifest.header["skipped"]["system files"] == 1
    assert manifest.header["redistributable"] is False
    assert manifest.header["withdrawn_parent"] is (
        made.dataset in {"p-dukemtmc-reid", "occluded-dukemtmc", "dukemtmc-reid"}
    )
    assert od.diff(manifest, manifest).same


def test_every_protocol_splits_or_says_why_not(made: Made) -> None:
    """Sizes of train, probe, gallery and draws for each protocol that ships, or the reason it refuses."""
    manifest = read(made.manifest)
    found: dict[str, Sizes] = {}
    for protocol in protocols(made.dataset):
        try:
            s = od.split(manifest, protocol)
        except ProtocolError as error:
            found[protocol.name] = error.what.partition(": ")[2]
        else:
            assert not set(s.probe["image_id"]) & set(s.gallery["image_id"])
            assert not set(s.train["pid"]) & set(s.probe["pid"])
            found[protocol.name] = len(s.train), len(s.probe), len(s.gallery), len(s.draws), s.short
    assert found == SPLITS[made.dataset, made.variant]


def names_of(tree: Path) -> list[str]:
    """Return the names of all files of a twin, below the folder that holds it, in order."""
    return sorted(path.relative_to(tree.parent).as_posix() for path in tree.rglob("*") if path.is_file())


def renamed(tree: Path, out: Path, rename: Callable[[str], str]) -> Path:
    """Return a copy of a twin with other names."""
    for name in names_of(tree):
        target = out / rename(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((tree.parent / name).read_bytes())
    return out


def respelled(name: str) -> str:
    """Return a name with all folders but those of identities in capitals and with spaces."""
    *folders, basename = name.split("/")
    return "/".join([*(folder.upper().replace("_", " ") for folder in folders), basename])


def upper_case(name: str) -> str:
    """Return a name with its extension in capitals."""
    stem, dot, extension = name.rpartition(".")
    return stem + dot + extension.upper()


def reencoded(tree: Path, out: Path) -> Path:
    """Return a copy of a twin with every picture saved in another lossless format."""
    for name in names_of(tree):
        source = tree.parent / name
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix in (".jpg", ".png", ".tif"):
            other = ".bmp" if source.suffix == ".png" else ".png"
            target.with_suffix(other).write_bytes(encode(decode(source.read_bytes()), other))
        else:
            target.write_bytes(source.read_bytes())
    return out


def zipped(tree: Path, out: Path, names: list[str]) -> Path:
    """Return a zip of a twin with its members in the order of `names`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, (tree.parent / name).read_bytes())
    return out


def nested(tree: Path, out: Path) -> Path:
    """Return a zip that holds a zip of a twin and what a Mac leaves beside it."""
    inner = zipped(tree, out.with_name("inner.zip"), names_of(tree))
    with zipfile.ZipFile(out, "w") as archive:
        archive.write(inner, f"{tree.name}.zip")
        archive.writestr(f"__MACOSX/._{tree.name}.zip", b"\0")
    return out


def tarred(tree: Path, out: Path) -> Path:
    """Return a gzipped tar of a twin, named as if it were something else."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(out, "w:gz") as archive:
        for name in names_of(tree):
            info = tarfile.TarInfo(f"./{name}")
            data = (tree.parent / name).read_bytes()
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out


def rarred(tree: Path, out: Path) -> Path:
    """Return a RAR of a twin."""
    rars = pytest.importorskip("rars", reason="nothing here writes RAR")
    pytest.importorskip("unrar.cffi", reason="nothing here reads RAR")
    out.parent.mkdir(parents=True, exist_ok=True)
    builder = rars.RarBuilder(store=True)
    for name in names_of(tree):
        builder.add_bytes((tree.parent / name).read_bytes(), name)
    builder.write(str(out))
    return out


def shuffled(tree: Path) -> list[str]:
    """Return the names of a twin in no order."""
    return random.Random(7).sample(names_of(tree), len(names_of(tree)))


WAYS: dict[str, Callable[[Path, Path], Path]] = {
    "one level deeper": lambda tree, out: renamed(tree, out / "raw", lambda name: f"download/{name}"),
    "zip": lambda tree, out: zipped(tree, out / "a.zip", names_of(tree)),
    "zip in no order": lambda tree, out: zipped(tree, out / "a.zip", shuffled(tree)),
    "tar.gz": lambda tree, out: tarred(tree, out / "set.rar"),
    "zip in a zip": lambda tree, out: nested(tree, out / "a.zip"),
    "rar": lambda tree, out: rarred(tree, out / "a.rar"),
    "folders respelled": lambda tree, out: renamed(tree, out / "raw", respelled),
    "extensions in capitals": lambda tree, out: renamed(tree, out / "raw", upper_case),
    "saved without loss": lambda tree, out: reencoded(tree, out / "raw"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_fingerprint_survives(made: Made, way: str, tmp_path: Path) -> None:
    """The same pictures give the same fingerprint and the same names, however they come."""
    (tmp_path / "in").mkdir()
    raw = WAYS[way](made.tree, tmp_path / "in")
    built = build(made.dataset, made.variant, raw, tmp_path / "data")
    assert built.fingerprint == made.fingerprint
    changed = od.diff(read(made.manifest), read(Path(built.manifest)))
    assert changed.same
    assert bool(changed.reencoded) is (way == "saved without loss")


def test_another_picture_is_another_fingerprint(made: Made, tmp_path: Path) -> None:
    """One pixel more or less is not the same set."""
    raw = renamed(made.tree, tmp_path / "raw", lambda name: name)
    first = next(path for path in sorted(raw.rglob("*")) if path.suffix in (".jpg", ".png", ".tif"))
    pixels = decode(first.read_bytes()).copy()
    pixels[0, 0] ^= 128
    first.write_bytes(encode(pixels, first.suffix))
    assert build(made.dataset, made.variant, raw, tmp_path / "data").fingerprint != made.fingerprint


def test_a_rendered_twin_goes_all_the_way(tmp_path: Path) -> None:
    """A real rendering of three identities: drawn pictures, crops of the same photo, and a split."""
    from occluded_datasets.twin import twin

    rendered = twin("partial-reid", tmp_path / "twin", ids=3)
    assert (rendered.images, rendered.identities) == (45, 3)
    built = build("partial-reid", "full", Path(rendered.tree), tmp_path / "data")
    assert (built.rows, built.identities, built.verdict) == (45, 3, "subset")
    manifest = od.load("partial-reid", root=tmp_path / "data")
    assert od.verify(manifest, full=True).ok
    groups = manifest.frame.dropna(subset=["group"]).groupby("group")["body"].apply(sorted)
    assert groups.tolist() == [["occluded", "partial"]] * 15
    s = od.split(manifest, "transfer-all-partial-probe")
    assert (len(s.train), len(s.probe), len(s.gallery)) == (0, 15, 15)
