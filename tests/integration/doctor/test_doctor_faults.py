"""Copies with something wrong: what it is, and a next command that mends it or says that nothing here can."""

from __future__ import annotations

import shlex
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from doctorkit import BUILD, ILIDS, INFO, See, Trees, codes, picture, put, tarred, zipped

import occluded_datasets as od

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
