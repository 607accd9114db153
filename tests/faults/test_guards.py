"""Each guard is switched off once, and its attack must then get through: so each case can fail.

"Through" means that the promise breaks: the build succeeds, something other than the right error comes, or a file
that was there before changes.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tarfile
from collections.abc import Callable
from typing import Any, NamedTuple

import hostile
import pytest
from faultkit import Sandbox, failing_at, no_space, snapshot
from hostile import LAST, TREE, crypted, rarred, tar_entry, tarred, zip_link, zipped
from test_interrupted import killed
from test_manifests import CELLS, Cells, forge, leak
from test_readers import JPEG, REFUSED

from occluded_datasets import acquire, files, images, paths
from occluded_datasets.errors import ArchiveError, ImageError, ManifestError, OccludedDatasetsError, UnsafeNameError
from occluded_datasets.hashing import CHUNK
from occluded_datasets.images import decode
from occluded_datasets.manifest import core, read, schema, validate
from occluded_datasets.prepare import workspace

ZIPS, TARS, RARS = (sys.modules[f"occluded_datasets.acquire.{name}"] for name in ("zips", "tars", "rars"))
UNPACK = sys.modules["occluded_datasets.acquire.unpack"]
VALIDATE = sys.modules["occluded_datasets.manifest.validate"]
FIRST = next(iter(TREE))
pytestmark = pytest.mark.guards


def nothing(*args: object, **options: object) -> None:
    """Stand where a check stood."""


class Guard(NamedTuple):
    """What stands for the check when it is off, and an archive that it refuses with `error`."""

    place: object
    name: str
    off: Any
    make: Callable[[Sandbox], bytes]
    error: type[OccludedDatasetsError]


def unlinked(info: Any, name: str) -> str:
    """Take every zip member for a file."""
    return "folder" if name.endswith("/") else "file"


def followed(info: tarfile.TarInfo) -> str:
    """Take every odd tar member for a folder, as a loop without the check would pass over it."""
    return "folder"


def no_overlap(path: object, infos: list[Any], end: int) -> None:
    """Switch off our check and the one of newer standard libraries."""
    for info in infos:
        with contextlib.suppress(AttributeError):
            info._end_offset = None


def no_claim(self: Any, name: str, is_file: bool, label: str) -> None:
    """Make the folders and compare no names."""
    (self.folder / name).parent.mkdir(parents=True, exist_ok=True)


def endless(**changes: int) -> Callable[[], acquire.Limits]:
    return lambda: acquire.Limits(**{"ratio": 1 << 40, "ratio_from": 1 << 40, **changes})


def as_is(name: str) -> str:
    return name


def open_tail(path: object, stream: Any) -> None:
    """Leave the checksum of a compressed tar unread."""


def any_code(*args: object, **options: object) -> None:
    """Take any answer of the rar library for success."""


GUARDS: dict[str, Guard] = {
    "name_rule": Guard(UNPACK, "safe_name", as_is, lambda b: zipped(("Tiny/con.txt", b"")), UnsafeNameError),
    "name_rule_dotdot": Guard(UNPACK, "safe_name", as_is, lambda b: zipped(("../escaped.txt", b"")), UnsafeNameError),
    "link_zip": Guard(ZIPS, "_zip_kind", unlinked, lambda b: zipped(zip_link("Tiny/a.txt", "../x")), ArchiveError),
    "link_tar": Guard(TARS, "_tar_kind", followed,
                      lambda b: tarred(tar_entry("Tiny/link", tarfile.SYMTYPE, "../x")), ArchiveError),
    "device_tar": Guard(TARS, "_tar_kind", followed,
                        lambda b: tarred(tar_entry("Tiny/pipe", tarfile.FIFOTYPE)), ArchiveError),
    "link_rar": Guard(RARS, "_rar_kind", lambda *a: "folder", lambda b: rarred(link="../x", files={}), ArchiveError),
    "collision_of_case": Guard(UNPACK._Writer, "_claim", no_claim,
                               lambda b: zipped(("Tiny/a.txt", b""), ("Tiny/A.txt", b"")), ArchiveError),
    "collision_of_file_and_folder": Guard(UNPACK._Writer, "_claim_one", nothing,
                                          lambda b: zipped(("Tiny/a", b""), ("Tiny/a/b.txt", b"")), ArchiveError),
    "duplicates": Guard(UNPACK._Writer, "_claim", no_claim, lambda b: zipped((FIRST, b"x")), ArchiveError),
    "limit_members": Guard(UNPACK, "Limits", endless(), lambda b: zipped(*hostile.names("Tiny/", 30)), ArchiveError),
    "limit_member_bytes": Guard(UNPACK, "Limits", endless(), lambda b: zipped(), ArchiveError),
    "limit_ratio": Guard(UNPACK, "Limits", endless(), lambda b: zipped(("Tiny/a.txt", hostile.zeros()), method=8), ArchiveError),
    "overlap": Guard(ZIPS, "_refuse_overlap", no_overlap, lambda b: hostile.overlapping(), ArchiveError),
    "tar_tail": Guard(TARS, "_drain", open_tail, lambda b: tarred(mode="w:gz")[:-4], ArchiveError),
    "tar_headers": Guard(TARS, "_TarInfo", tarfile.TarInfo,
                         lambda b: tarred()[: hostile.member_offset(tarred(), 3) + 100], ArchiveError),
    "rar_checksum": Guard(RARS, "_require_rar_code", any_code,
                          lambda b: hostile.flipped(rarred(store=True), 3_000_000), ArchiveError),
    "password": Guard(ZIPS, "_pour_zip", lambda path, archive, info, word, sink: sink(bytes(info.file_size)),
                      lambda b: crypted(), ArchiveError),
    "picture_decode": Guard(sys.modules["occluded_datasets.scan"], "decode", lambda data, name: images.decode(JPEG),
                            lambda b: zipped(files=hostile.replaced(LAST, TREE[LAST][:-1])), ImageError),
}  # fmt: skip
TIGHT = {
    "limit_members": {"members": 30},
    "limit_member_bytes": {"member_bytes": CHUNK},
    "limit_ratio": {"ratio": 1, "ratio_from": 1 << 20},
}


def outcome(box: Sandbox) -> type[BaseException] | None:
    """Return the class of the error that the build ends in, None if it succeeds."""
    try:
        box.build(allow_different=True)
    except (OccludedDatasetsError, OSError) as error:
        return type(error)
    return None


@pytest.mark.parametrize("case", GUARDS)
def test_an_archive_guard_switched_off_lets_its_attack_through(box: Sandbox, case: str) -> None:
    """With the guard its error comes; without it another outcome does."""
    guard = GUARDS[case]
    box.raw.write_bytes(guard.make(box))
    with pytest.MonkeyPatch.context() as patch:
        if case in TIGHT:
            patch.setattr(UNPACK, "Limits", lambda: acquire.Limits(**TIGHT[case]))
        expected = outcome(box)
    assert expected is not None
    assert issubclass(expected, guard.error)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guard.place, guard.name, guard.off)
        found = outcome(box)
    assert found is not expected


def stored_length(self: Any, name: str, member: Any, label: str) -> None:
    """Write without comparing lengths."""
    with open(f"{self.folder}/{name}", "xb") as stream:
        member.pour(stream.write)


def test_the_length_guard(box: Sandbox) -> None:
    """A member shorter than its header says passes once its length is not compared."""
    make = lambda: zipped(("Tiny/a.txt", b"x" * 99), method=8, spoil=hostile.lying(1 << 30))  # noqa: E731
    box.raw.write_bytes(make())
    assert outcome(box) is ArchiveError
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UNPACK._Writer, "_write", stored_length)
        assert outcome(box) is None


PICTURES: dict[str, tuple[str, Any, str]] = {
    "jpeg_end": ("_jpeg_end", len, "jpeg_trailing_jpeg"),
    "png_end": ("_PNG_END", REFUSED["png_trailing_garbage"][-12:], "png_trailing_garbage"),
    "pixel_limit": ("_check_size", nothing, "png_bomb_just_over"),
    "alpha_refusal": ("_check_kind", nothing, "alpha"),
    "frames_refusal": ("_check_kind", nothing, "frames"),
    "sixteen_bit_refusal": ("_check_kind", nothing, "sixteen_bit_rgb"),
    "formats": ("FORMATS", ("GIF", "PNG"), "other_format"),
}


@pytest.mark.parametrize("case", PICTURES)
def test_a_picture_guard_switched_off_lets_its_picture_through(case: str) -> None:
    """Without the check the picture decodes, or fails for another reason than the check's."""
    name, off, picture = PICTURES[case]
    with pytest.raises(ImageError) as refused:
        decode(REFUSED[picture])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, name, off)
        with contextlib.suppress(ImageError):
            decode(REFUSED[picture])
            return
        with pytest.raises(ImageError) as other:
            decode(REFUSED[picture])
    assert str(other.value) != str(refused.value)


def without(name: str) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(VALIDATE, name, lambda *args: iter(()))


def no_path_rule(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(VALIDATE, "safe_name", as_is)


def no_agreement(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(core, "_agree", nothing)


def future(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(core, "SCHEMA_VERSION", 99)


def same(texts: Cells) -> None:
    """Change nothing."""


MANIFESTS: dict[str, tuple[Callable[[Cells], object], dict[str, object], Callable[[pytest.MonkeyPatch], None]]] = {
    "formula_cell": (CELLS["formula_cell"][0], {}, without("_cells")),
    "path_rule": (CELLS["row_dotdot"][0], {}, no_path_rule),
    "duplicates": (CELLS["duplicate_key"][0], {}, without("_duplicates")),
    "split_leak": (leak, {}, without("_leaks")),
    "boxes": (CELLS["box_outside_image"][0], {}, without("_boxes")),
    "table_sha256": (same, {"table_sha256": "0" * 64}, no_agreement),
    "schema_version": (same, {"schema_version": 99}, future),
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_a_manifest_guard_switched_off_lets_its_manifest_through(box: Sandbox, case: str) -> None:
    """With the check the manifest is refused; without it, it reads."""
    change, facts, off = MANIFESTS[case]
    path = forge(box, change, "csv", **facts)
    with pytest.raises(ManifestError):
        read(path)
    with pytest.MonkeyPatch.context() as patch:
        off(patch)
        assert len(read(path)) == len(TREE)
    assert schema.SCHEMA_VERSION == 1
    assert validate is VALIDATE.validate


def test_the_containment_guard(box: Sandbox) -> None:
    """Without the look for links on the way, a linked picture is handed out."""
    box.publish()
    manifest = read(box.home / "manifest.csv")
    place = manifest.file(manifest.frame["image_id"][0])
    place.rename(box.outside / "moved.jpg")
    place.symlink_to(box.outside / "moved.jpg")
    with pytest.raises(UnsafeNameError):
        manifest.file(manifest.frame["image_id"][0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core, "contained", lambda root, name: root / name)
        assert stat.S_ISLNK(os.lstat(manifest.file(manifest.frame["image_id"][0])).st_mode)
    assert paths.contained is core.contained


@contextlib.contextmanager
def no_lock(lock: object) -> Any:
    yield


KEEPERS: dict[str, tuple[object, str, Any]] = {
    "staging_cleanup": (workspace, "remove_tree", nothing),
    "rollback": (workspace.Workspace, "_recover", nothing),
}


@pytest.mark.parametrize("case", KEEPERS)
def test_a_keeper_of_the_root_switched_off_leaves_a_mess(box: Sandbox, case: str) -> None:
    """Without cleanup or rollback a full disk in mid-publication changes what was there before."""
    place, name, off = KEEPERS[case]
    box.publish()
    box.plant_good()
    before = snapshot(box.path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, name, off)
        patch.setattr(os, "replace", failing_at(os.replace, 9, no_space))
        assert outcome(box) is not None
    assert snapshot(box.path) != before


def test_the_lock_guard(box: Sandbox) -> None:
    """Without the lock a second run works in the folder of the first."""
    box.plant_good()
    with files.exclusive(box.home / ".lock"):
        assert outcome(box) is not None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(workspace, "exclusive", no_lock)
            assert outcome(box) is None


def test_the_unpacked_marker(box: Sandbox) -> None:
    """If a folder that exists counted as unpacked, a killed build would publish a part of the set."""
    box.plant_good()
    assert killed(box, UNPACK._Writer, "take", 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workspace.Workspace, "staged", lambda self, source: {})
        assert box.build(allow_subset=True).rows < len(TREE)


def test_typed_storage_errors(box: Sandbox) -> None:
    """If the disk's words were not known, they would come out raw."""
    box.plant_good()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_STORAGE", {})
        patch.setattr(os, "replace", failing_at(os.replace, 2, no_space))
        assert outcome(box) is OSError
