"""The doctor: every situation is named, and the next command, run as it is printed, works."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import occluded_datasets as od
from occluded_datasets import catalog
from occluded_datasets.catalog.files import published_files
from occluded_datasets.errors import UsageError
from occluded_datasets.images import encode
from occluded_datasets.prepare import build
from occluded_datasets.scan import walk
from occluded_datasets.twin import twin

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
BUILD = "occreid-prepare build partial-reid --raw"
ILIDS = "occreid-prepare build partial-ilids --raw"
INFO = "occreid-prepare info partial-reid"
Trees = Callable[[str], Path]
See = Callable[..., dict[str, Any]]


def picture(extension: str, seed: str = "") -> bytes:
    """Return the file of an 8x16 picture of noise."""
    noise = hashlib.sha256(seed.encode()).digest() * 12
    return encode(np.frombuffer(noise, np.uint8)[:384].reshape(16, 8, 3).copy(), extension)


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory, cheap_tree: Callable[..., Path]) -> Trees:
    """Return a function from a dataset to its whole tree with the true names, written once."""
    made: dict[str, Path] = {}

    def original(dataset: str) -> Path:
        if dataset not in made:
            made[dataset] = cheap_tree(dataset, None, 200, tmp_path_factory.mktemp(dataset))
        return made[dataset]

    return original


@pytest.fixture
def tree(originals: Trees, tmp_path: Path) -> Trees:
    """Return a function from a dataset to a copy of its tree that a test may break."""

    def copy(dataset: str) -> Path:
        source = originals(dataset)
        return Path(shutil.copytree(source, tmp_path / "in" / source.name, copy_function=os.link))

    return copy


def put(path: Path, data: bytes) -> Path:
    """Write a file anew, so that one that shares its bytes is left alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    return path


def zipped(folder: Path, path: Path, mode: int = zipfile.ZIP_STORED) -> Path:
    """Write a folder as a zip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", mode) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{folder.name}/{file.relative_to(folder).as_posix()}")
    return path


def tarred(folder: Path, path: Path, mode: Any = "w:gz") -> Path:
    """Write a folder as a tar."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode, compresslevel=1) if mode == "w:gz" else tarfile.open(path, mode) as archive:
        archive.add(folder, folder.name)
    return path


def state(folder: Path) -> list[tuple[str, int, int]]:
    """Return the name, size and time of everything below a folder."""
    found = ((name, entry.stat(follow_symlinks=False)) for name, entry in walk(folder))
    return [(name, status.st_size, status.st_mtime_ns) for name, status in found]


@pytest.fixture
def see(command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> See:
    """Return a function that has a path diagnosed, checks that nothing changed, and runs the next command.

    `verdict` is what the built manifest must say; `file` takes the place of the placeholder FILE.
    """
    monkeypatch.setenv("OCCREID_ROOT", str(tmp_path / "nothing"))
    monkeypatch.delenv("OCCREID_ARCHIVE_PASSWORD", raising=False)

    def run(path: object, code: int, dataset: str | None, file: str = "FILE") -> dict[str, Any]:
        out = tmp_path / f"out {len(list(tmp_path.glob('out *')))}"
        before = state(tmp_path)
        said = command("doctor", path, "--json")
        assert said.code == code, said.out + said.err
        assert state(tmp_path) == before
        found: dict[str, Any] = said.json()
        assert found["dataset"] == dataset
        assert found["ok"] is (code == 0)
        words = shlex.split(found["next_command"])
        assert words[0] == "occreid-prepare"
        words = [file if word == "FILE" else word for word in words[1:]]
        rooted = words[0] in ("build", "verify", "split")
        done = command(*words, *(["--root", out] if rooted else []))
        assert done.code == 0, done.err
        if words[0] == "build":
            assert od.load(found["dataset"], out).verdict == found["verdict"]
            assert (found["verdict"] == "complete") or code
        return found

    return run


def codes(found: dict[str, Any], note: bool = False) -> list[str]:
    """Return the codes of what is wrong, or of the notes."""
    return [one["code"] for one in found["findings"] if one["note"] is note]


# ---------------------------------------------------------------- copies that are fine


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_a_complete_copy(kind: str, tree: Trees, tmp_path: Path, see: See) -> None:
    """A whole folder, zip or tar is named, called complete and simply built."""
    path = tree("partial-reid")
    path = {"folder": path, "zip": tmp_path / "a copy.zip", "tar": tmp_path / "copy.tar.gz"}[kind]
    if kind == "zip":
        zipped(tmp_path / "in" / "Partial-REID_Dataset", path)
    elif kind == "tar":
        tarred(tmp_path / "in" / "Partial-REID_Dataset", path)
    found = see(path, 0, "partial-reid")
    assert found["next_command"] == f"{BUILD} {shlex.quote(str(path))}"
    assert (found["kind"], found["variant"], found["verdict"], found["findings"]) == (kind, "full", "complete", [])
    assert found["why"] == "900 of 900 pictures have the folders and names of Partial-REID"


def test_a_rar(tree: Trees, tmp_path: Path, see: See) -> None:
    """A rar is read; one that is called .zip is read as what it is."""
    rars = pytest.importorskip("rars", reason="rars, which writes rar archives, is not installed")
    pytest.importorskip("unrar.cffi", reason="unrar2-cffi, which reads rar archives, is not installed")
    source = tree("partial-ilids")
    builder = rars.RarBuilder()
    for file in source.rglob("*"):
        if file.is_file():
            builder.add_bytes(file.read_bytes(), str(file.relative_to(source.parent)))
    path = put(tmp_path / "Partial_iLIDS.zip", bytes(builder.to_bytes()))
    found = see(path, 0, "partial-ilids")
    assert (found["kind"], codes(found, note=True)) == ("rar", ["wrong-extension"])
    assert found["next_command"] == f"{ILIDS} {path}"


def test_a_tar_called_zip(tree: Trees, tmp_path: Path, see: See) -> None:
    """The content counts, not the extension, and that is said."""
    path = tarred(tree("partial-reid"), tmp_path / "p.zip", "w")
    found = see(path, 0, "partial-reid")
    assert (found["kind"], codes(found, note=True)) == ("tar", ["wrong-extension"])
    assert found["next_command"] == f"{BUILD} {path}"


def test_an_extra_level(tree: Trees, tmp_path: Path, see: See) -> None:
    """A folder or two around the set is nothing wrong."""
    path = tmp_path / "level"
    (path / "again").mkdir(parents=True)
    tree("partial-reid").rename(path / "again" / "Partial-REID_Dataset")
    assert see(path, 0, "partial-reid")["next_command"] == f"{BUILD} {path}"


def test_folders_respelled(tree: Trees, see: See) -> None:
    """Folders in another spelling are the set's."""
    path = tree("partial-reid")
    for name, other in (("occluded", "Occluded-Images"), ("partial", "PARTIAL"), ("whole", "full body images")):
        (path / f"{name}_body_images").rename(path / other)
    path = path.rename(path.with_name("my partial reid"))
    assert see(path, 0, "partial-reid")["next_command"] == f"{BUILD} '{path}'"


def test_upper_case_extensions(tree: Trees, see: See) -> None:
    """JPG is jpg."""
    path = tree("partial-reid")
    for file in path.rglob("*.jpg"):
        file.rename(file.with_suffix(".JPG"))
    assert see(path, 0, "partial-reid")["next_command"] == f"{BUILD} {path}"


@pytest.mark.parametrize("dataset", catalog.ids())
def test_every_set_is_known(dataset: str, cheap_tree: Callable[..., Path], tmp_path: Path, see: See) -> None:
    """A few people of any set are known by names and folders; where sets share those, by the name of the copy."""
    path = cheap_tree(dataset, None, 3, tmp_path / "in")
    found = see(path, 1, dataset)
    assert (found["variant"], codes(found, note=True)) == ("full", [])
    unnamed = od.diagnose(path.rename(tmp_path / "copy"))
    said = [one.text for one in unnamed.findings if one.code == "other-set"]
    assert unnamed.dataset == dataset or dataset in said[0]


@pytest.mark.parametrize("form", ["market", "flat"])
def test_renamed_occluded_reid(form: str, originals: Trees, tmp_path: Path, see: See) -> None:
    """Copies that known scripts renamed are read back, and not taken for another set."""
    path = tmp_path / "copy"
    for part, camera, flat in (("occluded", "c1s1", "query"), ("whole", "c3s3", "gallery")):
        for file in sorted(originals("occluded-reid").glob(f"{part}_body_images/*/*.tif")):
            pid, index = file.stem.split("_")
            name = f"{flat}/{file.name}" if form == "flat" else f"{int(pid):04d}_{camera}_{int(index):06d}_00.tif"
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            os.link(file, path / name)
    found = see(path, 0, "occluded-reid")
    assert found["next_command"] == f"occreid-prepare build occluded-reid --raw {path}"
    assert codes(found, note=True) == ["renamed"]


def test_a_zip_of_zips(tree: Trees, tmp_path: Path, see: See) -> None:
    """Partial-iLIDS as it goes round, a zip of zips with what a Mac leaves, is read in place."""
    source = tree("partial-ilids")
    path = tmp_path / "iLIDS.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__MACOSX/._Partial_iLIDS", b"x")
        for part in ("Probe", "Gallery", "partial_iLIDS_Probe_nocrop"):
            archive.write(zipped(source / part, tmp_path / "parts" / f"{part}.zip"), f"Partial_iLIDS/{part}.zip")
    shutil.rmtree(tmp_path / "parts")
    found = see(path, 0, "partial-ilids")
    assert found["next_command"] == f"{ILIDS} {path}"
    assert (codes(found, note=True), found["variant"]) == (["nested"], "full")


def test_partial_ilids_without_its_uncut_probes(tree: Trees, see: See) -> None:
    """Most copies lack a part; that is a variant, not a fault."""
    path = tree("partial-ilids")
    shutil.rmtree(path / "partial_iLIDS_Probe_nocrop")
    found = see(path, 0, "partial-ilids")
    assert found["next_command"] == f"{ILIDS} {path} --variant probe-gallery"


def test_the_training_part_of_market_1501(tmp_path: Path, see: See) -> None:
    """The training part alone is a variant; of many pictures some are decoded, and that is said."""
    data = picture(".jpg")
    path = tmp_path / "market.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in published_files("market-1501-train-only"):
            archive.writestr(f"Market-1501-v15.09.15/{file.name}", data)
    found = see(path, 0, "market-1501")
    assert found["next_command"] == f"occreid-prepare build market-1501 --raw {path} --variant train-only"
    assert codes(found, note=True) == ["variant", "sampled"]
    assert "3,000 of 12,936 pictures were decoded" in found["findings"][1]["text"]


def test_what_a_build_made(tree: Trees, tmp_path: Path, see: See) -> None:
    """A manifest and the folder of a build are verified, not built again."""
    built = Path(od.build("partial-reid", tree("partial-reid"), tmp_path / "data").manifest)
    assert see(built, 0, "partial-reid")["next_command"] == f"occreid-prepare verify {built}"
    assert see(built.parent, 0, "partial-reid")["next_command"] == f"occreid-prepare verify {built.parent}"
    assert see(built.parents[1], 0, "partial-reid")["next_command"] == f"occreid-prepare verify {built.parent}"
    assert see(built.with_suffix(".json"), 0, "partial-reid")["next_command"] == f"occreid-prepare verify {built}"


# ---------------------------------------------------------------- a path that is wrong


@pytest.mark.parametrize(
    ("dataset", "part"),
    [
        ("partial-reid", "occluded_body_images"),
        ("partial-ilids", "Probe"),
        ("occluded-reid", "whole_body_images/017"),
        ("partial-reid", "whole_body_images/001_001.jpg"),
    ],
)
def test_a_level_too_deep(dataset: str, part: str, tree: Trees, see: See) -> None:
    """A part of the set, or one picture of it, leads to the whole."""
    path = tree(dataset)
    found = see(path / part, 1, dataset)
    assert found["next_command"] == f"occreid-prepare build {dataset} --raw {path}"
    assert (codes(found)[0], found["verdict"]) == ("too-deep", "complete")


def test_a_level_too_deep_from_inside(tree: Trees, see: See, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths stay relative."""
    path = tree("partial-reid")
    monkeypatch.chdir(path / "partial_body_images")
    assert see(".", 1, "partial-reid")["next_command"] == f"{BUILD} .."


def test_two_copies_side_by_side(tree: Trees, originals: Trees, tmp_path: Path, see: See) -> None:
    """Of two copies in a folder the more complete is named; in an archive the other is left aside."""
    path = tree("partial-reid").rename(tmp_path / "in" / "b").parent
    shutil.copytree(originals("partial-reid"), path / "a", copy_function=os.link)
    (path / "a" / "whole_body_images" / "001_001.jpg").unlink()
    found = see(path, 1, "partial-reid")
    assert found["next_command"] == f"{BUILD} {path / 'b'}"
    assert codes(found) == ["too-high"]
    archive = zipped(path, tmp_path / "two.zip")
    found = see(archive, 1, "partial-reid")
    assert found["next_command"] == f"{BUILD} {archive} --ignore 'in/a/*.jpg'"
    assert codes(found) == ["two-copies"]


def test_a_folder_of_downloads(tree: Trees, tmp_path: Path, see: See) -> None:
    """The set is found among other things, the archive beside what was unpacked from it, and far down."""
    path = tree("partial-reid").parent
    put(path / "invoice.pdf", b"%PDF-1.4")
    put(path / "holiday" / "IMG_0001.jpg", picture(".jpg"))
    assert see(path, 1, "partial-reid")["next_command"] == f"{BUILD} {path / 'Partial-REID_Dataset'}"
    shutil.rmtree(path / "holiday")
    zipped(path / "Partial-REID_Dataset", path / "Partial-REID_Dataset.zip")
    (path / "Partial-REID_Dataset" / "whole_body_images" / "001_001.jpg").unlink()
    assert see(path, 1, "partial-reid")["next_command"] == f"{BUILD} {path / 'Partial-REID_Dataset.zip'}"
    deep = tmp_path / "1" / "2" / "3" / "4" / "5" / "6"
    deep.parent.mkdir(parents=True)
    path.rename(deep)
    (deep / "Partial-REID_Dataset.zip").unlink()
    found = see(tmp_path / "1", 1, "partial-reid")
    assert found["next_command"] == f"{BUILD} {deep / 'Partial-REID_Dataset'} --allow-subset"


def test_a_path_that_is_not_there(tree: Trees, tmp_path: Path, see: See) -> None:
    """The nearest existing name is looked at instead; without one, what the name says is all there is."""
    path = tree("partial-reid")
    found = see(path.with_name("partial-ried_dataset"), 2, "partial-reid")
    assert found["next_command"] == f"{BUILD} {path}"
    assert str(path) in found["findings"][0]["text"]
    assert see(tmp_path / "nowhere" / "Occluded_REID.zip", 2, "occluded-reid")["kind"] == "missing"
    assert see(tmp_path / "nowhere" / "x", 2, None)["next_command"] == "occreid-prepare list"


# ---------------------------------------------------------------- copies that a build can mend


def test_missing_pictures(tree: Trees, see: See) -> None:
    """A subset is built when it is allowed; the first missing name is said."""
    path = tree("partial-reid")
    (path / "occluded_body_images" / "017_003.jpg").unlink()
    found = see(path, 1, "partial-reid")
    assert found["next_command"] == f"{BUILD} {path} --allow-subset"
    assert found["findings"][0]["text"] == "299 of 300 images in occluded_body_images (missing 017_003.jpg)"


def test_a_part_of_the_tree(tree: Trees, see: See) -> None:
    """A copy without one of its folders is a subset of the same set, not of another."""
    path = tree("partial-reid")
    shutil.rmtree(path / "partial_body_images")
    assert see(path, 1, "partial-reid")["next_command"] == f"{BUILD} {path} --allow-subset"


def test_a_name_list_that_names_more(tree: Trees, see: See) -> None:
    """The lists that the set ships with are believed."""
    path = tree("partial-ilids")
    put(path / "Probe.txt", (path / "Probe.txt").read_bytes() + b"\r\nProbe/120.jpg")
    found = see(path, 1, "partial-ilids")
    assert found["next_command"] == f"{ILIDS} {path} --allow-subset"
    assert found["findings"][0]["text"] == "Probe.txt lists Probe/120.jpg, which is not there (1 such)"


def test_a_name_list_beside_names_with_zeros(tree: Trees, see: See) -> None:
    """A list that says 1.jpg is met by 001.jpg, which the set reads as the same picture."""
    path = tree("partial-ilids")
    for file in [*path.glob("Probe/*.jpg"), *path.glob("Gallery/*.jpg")]:
        file.rename(file.with_name(f"{int(file.stem):03d}.jpg"))
    assert see(path, 0, "partial-ilids")["next_command"] == f"{ILIDS} {path}"


def test_extra_pictures(tree: Trees, see: See) -> None:
    """A superset is built when it is allowed."""
    path = tree("partial-reid")
    put(path / "whole_body_images" / "061_001.jpg", picture(".jpg"))
    found = see(path, 1, "partial-reid")
    assert found["next_command"] == f"{BUILD} {path} --allow-different"
    assert codes(found) == ["superset"]


def test_stray_files(tree: Trees, see: See) -> None:
    """Unknown files are left aside: one by its name, many by a pattern that no picture of the set meets."""
    path = tree("partial-reid")
    put(path / "my [old] notes.docx", b"x")
    found = see(path, 1, "partial-reid")
    assert found["next_command"] == f"{BUILD} {path} --ignore 'my [[]old] notes.docx'"
    for name in ("a.docx", "whole_body_images/b.docx", "augmented/flip_1.jpg", "augmented/flip_2.jpg", "paper.pdf"):
        put(path / name, b"x")
    found = see(path, 1, "partial-reid")
    flags = "--ignore 'augmented/flip_*.jpg' --ignore '*.docx' --ignore paper.pdf"
    assert found["next_command"] == f"{BUILD} {path} {flags}".replace("'augmented", "'augmented")
    assert (codes(found), found["verdict"]) == (["unknown-file"], "complete")


def test_two_encodings(tree: Trees, see: See) -> None:
    """Pictures that were converted and kept are read in the published encoding alone."""
    path = tree("occluded-reid")
    data = picture(".jpg")
    for file in path.rglob("*.tif"):
        put(file.with_suffix(".jpg"), data)
    found = see(path, 1, "occluded-reid")
    assert found["next_command"] == f"occreid-prepare build occluded-reid --raw {path} --extension .tif"
    assert found["findings"][0]["text"].startswith("2,000 pictures are there twice, as .tif and as .jpg")


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_unreadable_pictures(kind: str, tree: Trees, tmp_path: Path, see: See) -> None:
    """Pictures that cannot be decoded are named with why, and left aside."""
    path = tree("partial-reid")
    cut = path / "whole_body_images" / "002_003.jpg"
    put(cut, cut.read_bytes()[:-20])
    put(path / "whole_body_images" / "044_001.jpg", b"")
    top = "" if kind == "folder" else "Partial-REID_Dataset/"
    path = path if kind == "folder" else zipped(path, tmp_path / "p.zip")
    found = see(path, 1, "partial-reid")
    names = [f"{top}whole_body_images/{name}.jpg" for name in ("002_003", "044_001")]
    ignored = " ".join(f"--ignore {name}" for name in names)
    assert found["next_command"] == f"{BUILD} {path} {ignored} --allow-subset"
    assert found["findings"][0]["code"] == "unreadable"
    assert f"{names[0]} (truncated JPEG" in found["findings"][0]["text"]


def test_pointers_in_place_of_pictures(tree: Trees, see: See) -> None:
    """A clone without its large files says so; there is no set to build from it."""
    path = tree("partial-reid")
    for file in path.rglob("*.jpg"):
        put(file, b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    found = see(path, 1, "partial-reid")
    assert found["next_command"] == INFO
    assert "Git LFS pointer" in found["findings"][0]["text"]


def test_an_identity_that_disagrees_with_its_folder(cheap_tree: Callable[..., Path], tmp_path: Path, see: See) -> None:
    """A picture in another identity's folder is left aside, not believed."""
    path = cheap_tree("p-ethz", None, 3, tmp_path)
    put(path / "whole_body_images" / "001" / "002_91.png", picture(".png"))
    found = see(path, 1, "p-ethz")
    flags = "--ignore whole_body_images/001/002_91.png --allow-subset"
    assert found["next_command"] == f"occreid-prepare build p-ethz --raw {path} {flags}"
    assert codes(found) == ["pid-folder", "subset"]


def test_one_picture_under_two_names(tree: Trees, see: See) -> None:
    """Of 1.jpg and 001.jpg the published spelling is kept."""
    path = tree("partial-ilids")
    put(path / "Probe" / "001.jpg", picture(".jpg"))
    found = see(path, 1, "partial-ilids")
    assert found["next_command"] == f"{ILIDS} {path} --ignore Probe/001.jpg"
    for number in range(2, 100):
        put(path / "Probe" / f"{number:03d}.jpg", picture(".jpg"))
    found = see(path, 1, "partial-ilids")
    assert found["next_command"] == f"{ILIDS} {path} --ignore 'Probe/0*.jpg'"
    assert (codes(found), found["verdict"]) == (["two-names"], "complete")


def test_several_faults_at_once(tree: Trees, see: See) -> None:
    """One command mends all of them."""
    path = tree("occluded-reid")
    (path / "whole_body_images" / "007" / "007_01.tif").unlink()
    put(path / "whole_body_images" / "001" / "001_01.tif", b"")
    put(path / "whole_body_images" / "001" / "001_02.jpg", picture(".jpg"))
    put(path / "notes.docx", b"x")
    found = see(path, 1, "occluded-reid")
    flags = "--extension .tif --ignore notes.docx --ignore whole_body_images/001/001_01.tif --allow-subset"
    assert found["next_command"] == f"occreid-prepare build occluded-reid --raw {path} {flags}"
    assert codes(found) == ["two-encodings", "unknown-file", "unreadable", "subset"]


def test_an_encrypted_zip(tree: Trees, tmp_path: Path, see: See, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its names tell the set, the command has a place for the password, and one in the environment is used."""
    pyzipper = pytest.importorskip("pyzipper", reason="pyzipper, which writes AES zips, is not installed")
    source, path = tree("partial-ilids"), tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in source.rglob("[!1]*.jpg"):
            archive.write(file, str(file.relative_to(source)))
    with pyzipper.AESZipFile(path, "a", encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(b"word")
        for file in source.rglob("1*.jpg"):
            archive.write(file, str(file.relative_to(source)))
    shutil.rmtree(source)
    secret = put(tmp_path / "secret.txt", b"word\n")
    found = see(path, 1, "partial-ilids", file=str(secret))
    assert found["next_command"] == f"{ILIDS} {path} --password-file FILE"
    assert codes(found) == ["encrypted"]
    monkeypatch.setenv("OCCREID_ARCHIVE_PASSWORD", "word")
    assert see(path, 0, "partial-ilids")["next_command"] == f"{ILIDS} {path}"
    monkeypatch.setenv("OCCREID_ARCHIVE_PASSWORD", "wrong")
    assert codes(see(path, 1, "partial-ilids", file=str(secret))) == ["encrypted"]


def test_a_build_that_was_damaged(tree: Trees, tmp_path: Path, see: See) -> None:
    """A built folder that lost a picture is built again where it is."""
    built = Path(od.build("partial-reid", tree("partial-reid"), tmp_path / "data").manifest)
    (built.parent / "raw" / "whole_body_images" / "001_001.jpg").unlink()
    found = see(built, 1, "partial-reid")
    raw = built.parent / "raw"
    assert found["next_command"] == f"{BUILD} {raw} --allow-subset --root {tmp_path / 'data'}"
    assert codes(found) == ["manifest", "subset"]


def test_another_copy_is_published(tree: Trees, tmp_path: Path, command: Callable[..., Any]) -> None:
    """A better copy under the data root is kept; a worse one is replaced, and the command says so."""
    path, root = tree("partial-reid"), tmp_path / "data"
    lost = path / "whole_body_images" / "001_001.jpg"
    data = lost.read_bytes()
    lost.unlink()
    od.build("partial-reid", path, root, allow_subset=True)
    put(lost, data)
    found = command("doctor", path, "--root", root, "--json").json()
    assert found["next_command"] == f"{BUILD} {path} --replace --root {root}"
    assert command(*shlex.split(found["next_command"])[1:]).code == 0
    lost.unlink()
    found = command("doctor", path, "--root", root, "--json").json()
    assert found["next_command"] == f"occreid-prepare verify {root / 'partial-reid' / 'manifest.csv'}"
    assert command(*shlex.split(found["next_command"])[1:]).code == 0


# ---------------------------------------------------------------- copies that nothing here can mend


@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        (b"<!DOCTYPE html><title>Google Drive -\n Quota exceeded</title>", "web-page", "Google Drive - Quota exceeded"),
        (b'{"message": "Not Found"}', "json", '"Not Found"'),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "lfs-pointer", "git lfs pull"),
        (b"", "empty-file", "an empty file"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "seven-zip", "7-Zip"),
        (b"\0\1\2\3", "not-an-archive", "00 01 02 03"),
    ],
    ids=["html", "json", "lfs", "empty", "7z", "bytes"],
)
def test_what_is_no_archive(data: bytes, code: str, text: str, tmp_path: Path, see: See) -> None:
    """What was saved under an archive's name is named, and where to get the set again."""
    found = see(put(tmp_path / "Partial-REID_Dataset.zip", data), 1, "partial-reid")
    assert (found["kind"], codes(found), found["next_command"]) == ("other", [code], INFO)
    assert text in found["findings"][0]["text"]
    assert see(put(tmp_path / "download.zip", data), 1, None)["next_command"] == "occreid-prepare list"


def test_a_pointer_to_a_known_archive(tmp_path: Path, see: See) -> None:
    """A Git LFS pointer to a published archive is known by its hash."""
    sha256 = next(source.sha256 for source in od.info("occluded-reid").sources)
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize 41900000\n"
    found = see(put(tmp_path / "x.zip", text.encode()), 1, "occluded-reid")
    assert found["next_command"] == "occreid-prepare info occluded-reid"


@pytest.mark.parametrize("kind", ["zip", "tar", "crc"])
def test_a_damaged_archive(kind: str, tree: Trees, tmp_path: Path, see: See) -> None:
    """Half a download or a flipped bit: the set is still named, from the names that can be read."""
    source, path = tree("partial-reid"), tmp_path / "download.bin"
    data = bytearray((tarred(source, path) if kind == "tar" else zipped(source, path)).read_bytes())
    if kind == "crc":
        data[data.index(b"whole_body_images/030_001.jpg") + 100] ^= 0xFF
    put(path, bytes(data) if kind == "crc" else bytes(data[: len(data) // 2]))
    found = see(path, 1, "partial-reid")
    assert (found["kind"], found["next_command"], codes(found)) == (
        "tar" if kind == "tar" else "zip", INFO, ["damaged"],
    )  # fmt: skip
    assert ("030_001.jpg" in found["findings"][0]["text"]) is (kind == "crc")


@pytest.mark.parametrize("member", ["../x.jpg", "/etc/x", "Partial-REID_Dataset/README.TXT", "a\\b.jpg"])
def test_an_unsafe_archive(member: str, tree: Trees, tmp_path: Path, see: See) -> None:
    """A member that could leave its folder, or meets another one, is named; nothing is built from it."""
    path = zipped(tree("partial-reid"), tmp_path / "p.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, b"x")
    found = see(path, 1, "partial-reid")
    assert found["next_command"] == INFO
    assert codes(found) == ["same-name" if member.endswith("TXT") else "unsafe-name"]


def test_links(tree: Trees, tmp_path: Path, see: See) -> None:
    """Links are never followed: in the set they stop it, beside it they do not."""
    path = tree("partial-reid")
    (path.parent / "link").symlink_to(path)
    assert see(path.parent, 1, "partial-reid")["next_command"] == f"{BUILD} {path}"
    lost = path / "whole_body_images" / "001_001.jpg"
    lost.rename(tmp_path / "elsewhere.jpg")
    lost.symlink_to(tmp_path / "elsewhere.jpg")
    found = see(path, 1, "partial-reid")
    assert (found["next_command"], codes(found)[0]) == (INFO, "link")


def test_the_data_root_inside_the_copy(tree: Trees, command: Callable[..., Any]) -> None:
    """A root inside the folder that is read is refused by a build, so the doctor says it first."""
    path = tree("partial-reid")
    found = command("doctor", path, "--root", path / "data", "--json").json()
    assert (codes_of := [one["code"] for one in found["findings"]]) == ["root-inside"], codes_of
    assert found["next_command"] == INFO
    found = command("doctor", path.parent, "--root", path.parent / "data", "--json").json()
    assert found["next_command"] == f"{BUILD} {path} --root {path.parent / 'data'}"


def test_pictures_of_no_known_set(tmp_path: Path, see: See) -> None:
    """Holiday pictures are no set; under a set's name they are at least called by it."""
    for number in range(3):
        put(tmp_path / "holiday" / f"IMG_{number}.jpg", picture(".jpg"))
    found = see(tmp_path / "holiday", 1, None)
    assert (found["next_command"], codes(found)) == ("occreid-prepare list", ["unknown-set"])
    named = (tmp_path / "holiday").rename(tmp_path / "P-DukeMTMC-reid")
    assert see(named, 1, "p-dukemtmc-reid")["next_command"] == "occreid-prepare info p-dukemtmc-reid"


def test_nothing_in_it(tmp_path: Path, see: See) -> None:
    """An empty folder says so."""
    (tmp_path / "empty").mkdir()
    found = see(tmp_path / "empty", 1, None)
    assert (found["next_command"], found["findings"][0]["text"]) == (
        "occreid-prepare list", "the folder holds no file",
    )  # fmt: skip
    put(tmp_path / "empty" / "readme.md", b"x")
    assert see(tmp_path / "empty", 1, None)["findings"][0]["text"] == "the folder holds 1 files and no picture"


def test_a_table_that_is_no_manifest(tmp_path: Path, see: See) -> None:
    """Any other table is said to be none."""
    found = see(put(tmp_path / "results.csv", b"a,b\n"), 1, None)
    assert (found["kind"], codes(found)) == ("manifest", ["manifest"])


# ---------------------------------------------------------------- what people read


def test_what_people_read(tree: Trees, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Short, aligned lines: the set, why, what is wrong, the next command."""
    path = tree("partial-reid")
    put(path / "notes.docx", b"x")
    (path / "whole_body_images" / "060_005.jpg").unlink()
    monkeypatch.chdir(path.parent)
    said = command("doctor", path.name)
    assert said.out == (
        "Partial-REID_Dataset: partial-reid (full), subset\n"
        "  because  899 of 899 pictures have the folders and names of Partial-REID\n"
        "  wrong    1 file is not of the set: notes.docx\n"
        "  wrong    299 of 300 images in whole_body_images (missing 060_005.jpg)\n"
        "Next: occreid-prepare build partial-reid --raw Partial-REID_Dataset --ignore notes.docx --allow-subset\n"
    )
    assert (said.code, said.err) == (1, "")


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("partial-reid/Partial-REID_Dataset.zip", "occreid-prepare build partial-reid --raw {}"),
        ("market-1501-train/Market-1501-train.zip", "occreid-prepare build market-1501 --raw {} --variant train-only"),
    ],
    ids=["partial-reid", "market-1501"],
)
def test_the_real_archives(file: str, command: str) -> None:
    """The archives that researchers hold are called complete."""
    if not (DATA / file).is_file():
        pytest.skip(f"the real archive {file} is not here")
    found = od.diagnose(DATA / file)
    assert (found.ok, found.verdict, found.next_command) == (True, "complete", command.format(DATA / file))


def test_a_data_root_a_cut_off_build_and_a_twin_are_known(tmp_path: Path) -> None:
    """A data root is told by its sets, a build that was killed as such, and a twin as drawn."""
    drawn = twin("partial-reid", tmp_path / "twin", ids=3)
    found = od.diagnose(drawn.tree)
    assert [one.note for one in found.findings if one.code == "twin"] == [True]
    build("partial-reid", drawn.tree, tmp_path / "data", allow_subset=True)
    found = od.diagnose(tmp_path / "data")
    assert found.ok
    assert [one.code for one in found.findings] == ["data-root", "built"]
    (tmp_path / "data" / "partial-reid" / ".building").mkdir()
    (tmp_path / "data" / "partial-reid" / "manifest.json").unlink()
    found = od.diagnose(tmp_path / "data" / "partial-reid")
    assert (found.dataset, [one.code for one in found.findings], found.ok) == ("partial-reid", ["unfinished"], False)


def test_a_copy_inside_a_build_is_refused_and_kept(tmp_path: Path) -> None:
    """A build never clears a folder that was named as the copy to build."""
    drawn = Path(twin("partial-reid", tmp_path / "data" / "partial-reid" / ".building" / "raw", ids=3).tree)
    with pytest.raises(UsageError, match="which a build may clear"):
        build("partial-reid", drawn, tmp_path / "data", allow_subset=True)
    assert drawn.is_dir()
