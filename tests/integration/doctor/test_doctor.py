"""The doctor: every situation is named, and the next command, run as it is printed, works."""

from __future__ import annotations

import os
import shlex
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from doctorkit import BUILD, ILIDS, See, Trees, codes, picture, put, tarred, zipped

import occluded_datasets as od
from occluded_datasets import catalog
from occluded_datasets.catalog.files import published_files
from occluded_datasets.errors import UsageError
from occluded_datasets.prepare import build
from occluded_datasets.twin import twin

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


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
