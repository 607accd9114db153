"""Unpack a foreign archive into an empty folder of ours, or raise; our own loop, never ``extractall``."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ..errors import ArchiveError, StorageError, UnsafeNameError
from ..layouts import is_clutter
from ..paths import safe_name
from .archives import kind_of, members
from .member import Limits, Member, reading

RESERVE = 1 << 24
FOLDER_MEMBERS = 1 << 22


class Unpacked(NamedTuple):
    """Names of the files written, in stored order, and how many were skipped."""

    names: list[str]
    skipped: dict[str, int]


def unpack(
    path: Path,
    folder: Path,
    *,
    password: bytes | None = None,
    limits: Limits | None = None,
    copy: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Unpacked:
    """Write every regular file of an archive or folder below `folder` and return their names.

    Zips inside are unpacked one level deep, in place. What systems leave beside data is skipped and counted. Modes,
    owners and times of the archive are not taken over. A plain folder on the same file system is hard-linked, so
    that it costs no space; `copy` writes its files anew.

    Parameters
    ----------
    path : Path
        A zip, tar, rar or folder.
    folder : Path
        A new, empty folder. On an error it is left for the caller to remove.
    password : bytes, optional
        For encrypted members.
    progress : callable, optional
        Called with the number of files written so far.

    Raises
    ------
    UnsafeNameError
        If a name could leave `folder` or cannot be held by every file system.
    ArchiveError
        If a member is a link or a device, two names collide, a limit is passed, or the archive is damaged.
    StorageError
        If the disk has too little room.
    """
    with _whole_answer(path):
        limits = limits or Limits()
        if path.is_dir():  # what lies there already is no amplification: a set of video frames has a million files
            limits = replace(limits, members=max(limits.members, FOLDER_MEMBERS))
        writer = _Writer(folder, limits, max(_size(path), 1), path.name, copy, progress)
        _require_room(path, folder, writer.allowed)
        for member in members(path, password):
            writer.take(member)
        for name in [one for one in writer.names if one.lower().endswith(".zip") and zipfile.is_zipfile(folder / one)]:
            _unpack_nested(folder, name, writer, password)
    return Unpacked(writer.names, dict(sorted(writer.skipped.items())))


@contextmanager
def _whole_answer(path: Path) -> Iterator[None]:
    """Have every refusal of an archive name it, say what was expected, and what to do next."""
    try:
        yield
    except (ArchiveError, UnsafeNameError) as error:
        what = error.what if path.name in error.what else f"{path.name}: {error.what}"
        why = error.why or "Expected names that stay inside their folder and that every file system can hold."
        advice = "get it again from its authors, or unpack what you trust by hand and name the folder as --raw"
        raise type(error)(what, why, error.next_command or advice) from error


def _unpack_nested(folder: Path, name: str, writer: _Writer, password: bytes | None) -> None:
    """Unpack one zip found inside: beside itself if it holds a folder, else into a folder of its own name."""
    path = folder / name
    stored = [member.name for member in members(path, password) if not is_clutter(member.name)]
    parent = name.rpartition("/")[0]
    prefix = f"{parent}/" if parent else ""
    if any("/" not in entry for entry in stored):
        prefix = f"{name[: -len('.zip')]}/"
    writer.forget(name)
    for member in members(path, password):
        if member.kind == "file" and member.name.lower().endswith(".zip") and not is_clutter(member.name):
            raise ArchiveError(
                f"{writer.label}: {name} holds another zip, {member.name}.",
                "Zips are read one level deep.",
                "unpack it by hand and name the folder as --raw",
            )
        writer.take(member._replace(name=prefix + member.name), label=f"{writer.label}/{name}")
    path.unlink()


class _Writer:
    """Judges and writes members one after the other, within one budget."""

    def __init__(
        self, folder: Path, limits: Limits, size: int, label: str, copy: bool, progress: Callable[[int], None] | None
    ) -> None:
        self.folder, self.limits, self.label, self.copy = folder, limits, label, copy
        self.names: list[str] = []
        self.skipped: Counter[str] = Counter()
        self.allowed = min(limits.total_bytes, max(limits.ratio_from, limits.ratio * size))
        self._written = 0
        self._members = 0
        self._taken: dict[str, tuple[str, bool]] = {}
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._progress = progress

    def forget(self, name: str) -> None:
        """Take a file that was written out of the list of names."""
        self.names.remove(name)

    def take(self, member: Member, label: str = "") -> None:
        """Judge one member and write it, or raise."""
        label = label or self.label
        self._members += 1
        if self._members > self.limits.members:
            raise ArchiveError(
                f"{label}: over {self.limits.members} members.",
                "Expected the files of one set.",
                "unpack what you need by hand and name the folder as --raw",
            )
        name = safe_name(member.name.removesuffix("/") if member.kind == "folder" else member.name)
        if is_clutter(name):
            self.skipped["system files"] += 1
            return
        if member.kind not in ("file", "folder"):
            raise ArchiveError(f"{label}: {name} is a {member.kind}.", "Expected regular files and folders only.")
        self._claim(name, member.kind == "file", label)
        if member.kind == "folder":
            return
        self._write(name, member, label)
        self.names.append(name)
        if self._progress:
            self._progress(len(self.names))

    def _claim(self, name: str, is_file: bool, label: str) -> None:
        """Refuse a name that meets another one on some file system: equal, equal but for case, or file and folder."""
        parent = name.rpartition("/")[0]
        if parent and parent not in self._folders:
            self._claim_folder(parent, label)
        if is_file:
            self._claim_one(name, True, label)
            if name in self._files:
                raise ArchiveError(f"{label}: {name} is there twice.", "Expected each name once.")
            self._files.add(name)
        elif name not in self._folders:
            self._claim_folder(name, label)

    def _claim_folder(self, name: str, label: str) -> None:
        """Claim a folder and those above it, and make it."""
        segments = name.split("/")
        for depth in range(1, len(segments) + 1):
            self._claim_one("/".join(segments[:depth]), False, label)
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._folders.add(name)

    def _claim_one(self, name: str, is_file: bool, label: str) -> None:
        spelled, was_file = self._taken.setdefault(name.casefold(), (name, is_file))
        if spelled != name:
            raise ArchiveError(f"{label}: {spelled} and {name} differ by case alone.", "Expected one of them.")
        if was_file != is_file:
            raise ArchiveError(f"{label}: {name} is both a file and a folder.", "Expected one of them.")

    def _write(self, name: str, member: Member, label: str) -> None:
        target = f"{self.folder}/{name}"
        if member.path and not self.copy and _link(member.path, target):
            return
        written = 0
        with open(target, "xb") as stream:

            def sink(chunk: bytes) -> None:
                nonlocal written
                written += len(chunk)
                self._written += len(chunk)
                if written > self.limits.member_bytes:
                    raise ArchiveError(
                        f"{label}: {name} is over {self.limits.member_bytes} bytes.", "Expected pictures and lists."
                    )
                if self._written > self.allowed and not member.path:
                    raise ArchiveError(
                        f"{label}: it unpacks to over {self.allowed} bytes.",
                        f"At most {self.limits.ratio} times its own size is expected of pictures.",
                    )
                stream.write(chunk)

            with reading(Path(label)):
                member.pour(sink)
        if written != member.size:
            raise ArchiveError(
                f"{label}: {name} has {written} bytes, its header says {member.size}.", "Expected the two to agree."
            )


def _link(source: str, target: str) -> bool:
    """Hard-link a file where the file system can, and say whether it was done."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        return False
    return True


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _require_room(path: Path, folder: Path, allowed: int) -> None:
    """Raise before the first byte is written if the disk is too full for what the archive's list declares."""
    if kind_of(path) != "zip":
        return
    needed = min(sum(member.size for member in members(path)), allowed) + RESERVE
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StorageError(
            f"{path.name}: it needs {needed:,} bytes and {free:,} are free where it would go.",
            "Nothing was written.",
            "free some space or choose another folder with --root",
        )
