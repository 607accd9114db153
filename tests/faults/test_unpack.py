"""Hostile and broken archives: the named cases, each judged by the same promise."""

from __future__ import annotations

import os
import stat
import sys
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

import hostile
import pytest
from faultkit import Sandbox, cli, holds_on_the_command_line, holds_the_promise, snapshot
from hostile import (
    LAST,
    MIDDLE,
    TREE,
    aes,
    crypted,
    flipped,
    rar_renamed,
    rarred,
    tar_entry,
    tarred,
    without,
    zip_link,
    zipped,
)
from tinyset import ID

from occluded_datasets import prepare
from occluded_datasets.acquire import Limits
from occluded_datasets.errors import (
    ArchiveError,
    ImageError,
    IncompleteError,
    LayoutError,
    MissingReaderError,
    OccludedDatasetsError,
    PasswordError,
    UnsafeNameError,
)

FIRST = next(iter(TREE))
TEXT = b"planted"


class Case(NamedTuple):
    """An archive that must be refused, with which error and what it says."""

    make: Callable[[Sandbox], bytes]
    error: type[OccludedDatasetsError]
    says: str
    options: dict[str, Any] = {}  # noqa: RUF012 - never changed


def _rar(old: str, new: str) -> Callable[[Sandbox], bytes]:
    return lambda box: rar_renamed(rarred((old, TEXT)), old.encode(), new.encode())


def _in(name: str, data: bytes) -> bytes:
    """Return an archive of stored members with one bit of one of them flipped, in its second chunk."""
    return flipped(data, data.index(TREE[name]) + len(TREE[name]) // 2)


def _gz_stored() -> bytes:
    """Return a gzip of stored blocks, where a flipped bit breaks no Huffman code: only the checksum tells."""
    import gzip

    return gzip.compress(tarred(), compresslevel=0, mtime=0)


UNSAFE = {
    "zip_dotdot": Case(lambda box: zipped(("../../outside/evil.txt", TEXT)), UnsafeNameError, "'..'"),
    "zip_dotdot_inside": Case(lambda box: zipped(("Tiny/../../../outside/victim.txt", TEXT)), UnsafeNameError, "'..'"),
    "zip_absolute": Case(lambda box: zipped((f"{box.outside}/evil.txt", TEXT)), UnsafeNameError, "absolute"),
    "zip_backslash": Case(lambda box: zipped(("..\\..\\outside\\evil.txt", TEXT)), UnsafeNameError, "backslash"),
    "zip_drive": Case(lambda box: zipped(("C:evil.txt", TEXT)), UnsafeNameError, "colon"),
    "zip_control": Case(lambda box: zipped(("Tiny/\x1b[2Jevil.txt", TEXT)), UnsafeNameError, "control"),
    "zip_trailing_dot": Case(lambda box: zipped(("Tiny/x./evil.txt", TEXT)), UnsafeNameError, "ends in a dot"),
    "zip_symlink": Case(lambda box: zipped(zip_link("Tiny/link", "../../../outside")), ArchiveError, "symbolic link"),
    "tar_dotdot": Case(lambda box: tarred(("../../outside/evil.txt", TEXT)), UnsafeNameError, "'..'"),
    "tar_absolute": Case(lambda box: tarred((f"{box.outside}/evil.txt", TEXT)), UnsafeNameError, "absolute"),
    "tar_symlink_through": Case(
        lambda box: tarred(
            tar_entry("Tiny/link", tarfile.SYMTYPE, str(box.outside)), ("Tiny/link/victim.txt", TEXT)
        ), ArchiveError, "symbolic link",
    ),
    "tar_hardlink_outside": Case(
        lambda box: tarred(tar_entry("Tiny/link.txt", tarfile.LNKTYPE, f"{box.outside}/victim.txt")),
        ArchiveError, "hard link",
    ),
    "tar_device_fifo": Case(lambda box: tarred(tar_entry("Tiny/pipe", tarfile.FIFOTYPE)), ArchiveError, "special file"),
    "tar_device_char": Case(
        lambda box: tarred(tar_entry("Tiny/null", tarfile.CHRTYPE, devmajor=1, devminor=3)), ArchiveError, "special",
    ),
    "duplicate_member": Case(lambda box: zipped((FIRST, TEXT)), ArchiveError, "there twice"),
    "case_collision": Case(lambda box: zipped((FIRST.replace(".jpg", ".JPG"), TEXT)), ArchiveError, "by case alone"),
    "case_collision_folder": Case(
        lambda box: zipped(("tiny/x.txt", TEXT)), ArchiveError, "by case alone"
    ),
    "form_collision": Case(
        lambda box: zipped(("Tiny/\u00e9.txt", TEXT), ("Tiny/e\u0301.txt", TEXT)), ArchiveError, "there twice"
    ),
    "file_and_dir_same_name": Case(lambda box: zipped((f"{FIRST}/x.txt", TEXT)), ArchiveError, "a file and a folder"),
    "windows_device_name": Case(lambda box: zipped(("Tiny/con.txt", TEXT)), UnsafeNameError, "device name"),
    "name_too_long": Case(lambda box: zipped(("Tiny/" + "n" * 252 + ".txt", TEXT)), UnsafeNameError, "256 bytes"),
    "path_too_deep": Case(lambda box: zipped(("x/" * 20 + "a.txt", TEXT)), UnsafeNameError, "levels deep"),
    "rar_dotdot": Case(_rar("xx/xx/evil.txt", "../../evil.txt"), UnsafeNameError, "'..'"),
    "rar_absolute": Case(_rar("xtmp/evil.txt", "/tmp/evil.txt"), UnsafeNameError, "absolute"),
    "rar_symlink": Case(lambda box: rarred(link="../../../outside"), ArchiveError, "symbolic link"),
    "rar_duplicate": Case(lambda box: rar_renamed(rarred(("a.txt", TEXT), ("b.txt", TEXT)), b"b.txt", b"a.txt"),
                          ArchiveError, "there twice"),
    "nested_dotdot": Case(lambda box: zipped(("Tiny/in.zip", zipped(("../../evil.txt", TEXT), files={}))),
                          UnsafeNameError, "'..'"),
    "nested_symlink": Case(
        lambda box: zipped(("in.zip", zipped(zip_link("x/link", "../../outside"), ("x/link/victim.txt", TEXT), files={}))),
        ArchiveError, "symbolic link",
    ),
}  # fmt: skip
BOMBS = {
    "bomb_ratio": Case(lambda box: hostile.bomb(), ArchiveError, "unpacks to over"),
    "bomb_tar": Case(
        lambda box: tarred(("Tiny/a.txt", hostile.zeros()), mode="w:gz", files={}), ArchiveError, "unpacks to over"
    ),
    "bomb_rar": Case(lambda box: rarred(("Tiny/a.txt", hostile.zeros()), files={}), ArchiveError, "unpacks to over"),
    "bomb_overlap": Case(lambda box: hostile.overlapping(), ArchiveError, "overlap"),
    "bomb_nested": Case(lambda box: zipped(("in.zip", hostile.bomb()), files={}), ArchiveError, "unpacks to over"),
    "bomb_matryoshka": Case(
        lambda box: zipped(("in.zip", zipped(("in.zip", zipped(files={})), files={}))), ArchiveError, "another zip"
    ),
    "lying_size": Case(lambda box: zipped(("a.txt", TEXT), spoil=hostile.lying(3)), ArchiveError, "damaged"),
    "lying_size_up": Case(lambda box: zipped(("a.txt", TEXT), spoil=hostile.lying(1 << 40)), ArchiveError, ""),
    "lying_size_deflated": Case(
        lambda box: zipped(("a.txt", TEXT * 99), method=zipfile.ZIP_DEFLATED, spoil=hostile.lying(1 << 40)),
        ArchiveError, "its header says",
    ),
}  # fmt: skip
BROKEN = {
    "crc_middle": Case(lambda box: _in(MIDDLE, zipped()), ArchiveError, "CRC"),
    "crc_last": Case(lambda box: _in(LAST, zipped()), ArchiveError, "CRC"),
    "crc_targz": Case(lambda box: flipped(_gz_stored(), len(_gz_stored()) - 20000), ArchiveError, "damaged"),
    "crc_rar": Case(lambda box: flipped(rarred(store=True), 3_000_000), ArchiveError, "damaged"),
    "truncated_zip": Case(lambda box: zipped()[:-10], ArchiveError, "cut off"),
    "truncated_zip_half": Case(lambda box: zipped()[: 2 << 20], ArchiveError, "cut off"),
    "truncated_targz": Case(lambda box: tarred(mode="w:gz")[: 3 << 20], ArchiveError, "cut off"),
    "truncated_targz_trailer": Case(lambda box: tarred(mode="w:gz")[:-4], ArchiveError, "cut off"),
    "truncated_tar": Case(lambda box: tarred()[: 3 << 20], ArchiveError, "cut off"),
    "truncated_tar_at_a_member": Case(lambda box: tarred()[: hostile.member_offset(tarred(), 3)], ArchiveError, "cut off"),
    "tar_header_flipped": Case(lambda box: flipped(tarred(), tarred().rindex(b"002_001")),
                               ArchiveError, "damaged"),
    "truncated_rar": Case(lambda box: rarred()[: 2 << 20], ArchiveError, "cut off"),
    "encrypted": Case(lambda box: crypted(), PasswordError, "No password"),
    "encrypted_aes": Case(lambda box: aes(), PasswordError, "No password"),
    "encrypted_rar": Case(lambda box: rarred(password="secret"), PasswordError, "No password"),
    "encrypted_rar_names": Case(lambda box: rarred(password="secret", encrypt_headers=True), PasswordError, "No password"),
    "wrong_password": Case(lambda box: crypted(), PasswordError, "password", {"password": b"guess"}),
    "wrong_password_aes": Case(lambda box: aes(), PasswordError, "password", {"password": b"guess"}),
    "wrong_password_rar": Case(lambda box: rarred(password="secret"), PasswordError, "password", {"password": b"guess"}),
    "wrong_password_rar_names": Case(lambda box: rarred(password="secret", encrypt_headers=True), PasswordError,
                                     "password", {"password": b"guess"}),
    "wrong_password_not_text": Case(lambda box: rarred(password="secret"), PasswordError, "ASCII", {"password": b"\xff"}),
    "extra_files": Case(lambda box: zipped(("Tiny/setup.exe", TEXT)), LayoutError, "unknown file Tiny/setup.exe"),
    "extra_pictures": Case(lambda box: zipped((FIRST.replace("001_001", "003_001"), TREE[FIRST])), IncompleteError,
                           "extra 003_001"),
    "missing_files": Case(lambda box: zipped(files=without(FIRST)), IncompleteError, "missing 001_001"),
    "truncated_picture": Case(lambda box: zipped(files=hostile.replaced(LAST, TREE[LAST][:-1])), ImageError, LAST),
}  # fmt: skip
REFUSED = {**UNSAFE, **BOMBS, **BROKEN}


@pytest.mark.parametrize("case", REFUSED)
def test_a_hostile_or_broken_archive_changes_nothing(box: Sandbox, case: str) -> None:
    """A typed error, nothing outside touched, nothing half-written, earlier builds whole, the good archive works."""
    make, error, says, options = REFUSED[case]
    data = make(box)
    holds_the_promise(box, lambda: box.raw.write_bytes(data), error, says, **options)
    if not options:
        holds_on_the_command_line(box, lambda: box.raw.write_bytes(data), error, says)


def test_many_members(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list without end stops at the limit."""
    assert Limits().members <= 250_000
    monkeypatch.setattr(sys.modules["occluded_datasets.acquire.unpack"], "Limits", lambda: Limits(members=20))
    data = zipped(*hostile.names("Tiny/", 20))
    holds_the_promise(box, lambda: box.raw.write_bytes(data), ArchiveError, "over 20 members")


def test_rar_without_reader(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rar where no reader is installed says what to install; a zip still builds."""
    monkeypatch.setitem(sys.modules, "unrar", None)
    monkeypatch.setitem(sys.modules, "unrar.cffi", None)
    data = b"Rar!\x1a\x07\x01\x00" + bytes(64)
    holds_the_promise(box, lambda: box.raw.write_bytes(data), MissingReaderError, "occluded-datasets[rar]")


def test_second_archive_through_first(box: Sandbox) -> None:
    """A link that a first archive would leave cannot carry the files of a second one outside."""
    before = snapshot(box.outside)
    box.raw.write_bytes(zipped(zip_link("Tiny/link", str(box.outside))))
    with pytest.raises(ArchiveError):
        box.build()
    box.raw.write_bytes(zipped(("Tiny/link/victim.txt", TEXT)))
    assert box.build().fingerprint == box.fingerprint
    assert snapshot(box.outside) == before
    assert (box.home / "raw/Tiny/link/victim.txt").read_bytes() == TEXT


def test_a_link_that_waits_in_the_root_is_not_followed(box: Sandbox) -> None:
    """Links where staging and results go are replaced or refused, never written through."""
    before = snapshot(box.outside)
    box.home.mkdir(parents=True)
    for name in (".building", ".old"):
        (box.home / name).symlink_to(box.outside, target_is_directory=True)
    box.plant_good()
    assert box.build().fingerprint == box.fingerprint
    box.assert_good()
    assert snapshot(box.outside) == before


def test_a_link_in_a_tree_built_in_place_is_refused(box: Sandbox) -> None:
    """Without an archive too, a link is refused, not followed."""
    for name, data in TREE.items():
        place = box.home / "raw" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    (box.home / "raw" / FIRST).rename(box.outside / "moved.jpg")
    (box.home / "raw" / FIRST).symlink_to(box.outside / "moved.jpg")
    with pytest.raises(OccludedDatasetsError, match="symbolic link"):
        prepare.build(ID, None, box.root)


GOOD = {
    "macosx_junk": lambda: zipped(("__MACOSX/Tiny/._001_001.jpg", TEXT), ("Tiny/.DS_Store", TEXT), ("Thumbs.db", TEXT)),
    "non_utf8_names": lambda: tarred(("Tiny/r\udce9adme.txt", TEXT)),
    "non_utf8_names_zip": lambda: zipped(("Tiny/xxxx.txt", TEXT)).replace(b"Tiny/xxxx", "Tiny/说明".encode("gbk")),
    "extra_text": lambda: zipped(("Tiny/Readme.txt", TEXT)),
    "nested_zip": lambda: zipped(("Tiny.zip", zipped()), files={}),
    "targz": lambda: tarred(mode="w:gz"),
    "tarxz": lambda: tarred(mode="w:xz"),
    "rar": rarred,
    "rar30": lambda: rarred(format="rar30"),
    "password": crypted,
    "password_aes": aes,
    "password_rar": lambda: rarred(password="secret", encrypt_headers=True),
}


@pytest.mark.parametrize("case", GOOD)
def test_an_odd_but_honest_archive_builds(box: Sandbox, case: str) -> None:
    """Clutter, old spellings, nesting, and every format with its password give the same fingerprint."""
    box.raw.write_bytes(GOOD[case]())
    assert box.build(password=b"secret").fingerprint == box.fingerprint
    assert (box.home / "manifest.csv").exists()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_tar_setuid_mode(box: Sandbox) -> None:
    """Modes, owners and times of an archive are not taken over."""
    info = tar_entry("Tiny/run.txt", tarfile.REGTYPE, mode=0o6777, uid=12345, mtime=1)
    box.raw.write_bytes(tarred((info, TEXT)))
    box.build()
    status = (box.home / "raw/Tiny/run.txt").stat()
    assert not stat.S_IMODE(status.st_mode) & 0o6111
    assert status.st_uid == os.getuid()
    assert status.st_mtime > 1


def test_the_password_is_never_an_argument_or_a_record(box: Sandbox) -> None:
    """It comes from a file or the environment, and no file of the build holds it."""
    box.raw.write_bytes(crypted(b"hunter-two"))
    done = cli("build", ID, "--raw", box.raw, "--root", box.root,
               env={**os.environ, "OCCREID_ARCHIVE_PASSWORD": "hunter-two"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    held = [path for path in box.root.rglob("*") if path.is_file() and b"hunter-two" in path.read_bytes()]
    assert not held
    assert "hunter-two" not in done.stdout + done.stderr
