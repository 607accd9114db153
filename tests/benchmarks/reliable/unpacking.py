"""The hostile and broken archives against unpackers, each judged by what then lies on the disk."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from .box import FAULTS, Outcome, Verdict, ended, started

ALLOWED = 1 << 26
LAYOUT = {"extra_files", "extra_pictures", "missing_files", "truncated_picture"}  # of sets, not of archives
HONEST = ("plain_zip", "plain_targz", "plain_tarxz")


def archives(outside: Path) -> dict[str, bytes]:
    """Return every archive of the tests that any tool here may read, and three that are as they should be."""
    sys.path.insert(0, str(FAULTS))
    import hostile
    import test_unpack
    from faultkit import Sandbox

    box = Sandbox(outside.parent, outside, b"", "")
    made = {name: case.make(box) for name, case in test_unpack.REFUSED.items() if _readable(name, case)}
    return made | {
        "plain_zip": hostile.zipped(), "plain_targz": hostile.tarred(mode="w:gz"), "plain_tarxz": hostile.tarred(mode="w:xz"),
    }  # fmt: skip


def _readable(name: str, case: Any) -> bool:
    return name not in LAYOUT and "rar" not in name.replace("rar_", "rar") and not case.options


def listed(data: bytes) -> dict[str, bytes] | None:
    """Return what an archive lists, name by name; None where it is damaged, ambiguous or lists other than files."""
    try:
        if data[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                infos = [info for info in archive.infolist() if not info.is_dir()]
                plain = all((info.external_attr >> 28) in (0, 8) for info in infos)
                names = [info.orig_filename for info in infos]
                found = {info.orig_filename: archive.read(info) for info in infos if info.file_size < ALLOWED}
        else:
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                members = archive.getmembers()
                plain = all(member.isreg() or member.isdir() for member in members)
                names = [member.name for member in members if member.isreg()]
                found = {one.name: archive.extractfile(one).read() for one in members if one.isreg()}  # type: ignore[union-attr]
    except Exception:  # whatever its reader says, it is not what it should be
        return None
    return found if plain and len(set(names)) == len(names) == len(found) else None


def tree(folder: Path) -> dict[str, bytes | None]:
    """Return every file below a folder by name; None where it is a link or no regular file."""
    found: dict[str, bytes | None] = {}
    for place, folders, files in os.walk(folder):
        for name in files + [name for name in folders if Path(place, name).is_symlink()]:
            path = Path(place, name)
            regular = path.is_file() and not path.is_symlink()
            small = regular and path.stat().st_size <= ALLOWED
            found[path.relative_to(folder).as_posix()] = path.read_bytes() if small else None
    return found


def play(case: str, data: bytes, tool: str, python: str, path: Path) -> Verdict:
    """Let one tool unpack one archive in a folder of its own and judge what came of it."""
    for name in ("home", "tmp", "inbox", "outside", "root"):
        (path / name).mkdir(parents=True)
    (path / "outside" / "victim.txt").write_text("as it was")
    archive = path / "inbox" / f"set{_suffix(data)}"
    archive.write_bytes(data)
    kept = _outside(path)
    job = {"archive": str(archive), "to": str(path / "root" / "set")}
    outcome = ended(started(python, f"{tool}-unpack", job, path, ""))
    return _judged(case, outcome, listed(data), tree(path / "root" / "set"), kept != _outside(path))


def _outside(path: Path) -> dict[str, bytes]:
    kept = [file for file in path.rglob("*") if file.relative_to(path).parts[0] not in ("home", "tmp", "root")]
    return {str(file): file.read_bytes() if file.is_file() else b"" for file in kept}


def _suffix(data: bytes) -> str:
    magic = {b"PK": ".zip", b"\x1f\x8b": ".tar.gz", b"\xfd7": ".tar.xz"}
    return magic.get(data[:2], ".tar")


def _judged(
    case: str, outcome: Outcome, truth: dict[str, bytes] | None, found: dict[str, bytes | None], escaped: bool
) -> Verdict:
    size = sum(ALLOWED + 1 if data is None else len(data) for data in found.values())
    burst = case.startswith("bomb") and size > ALLOWED
    flags = {
        "not ended": not outcome.ended,
        "escape": escaped,
        "silent wrong": outcome.ok and not burst and (truth is None or found != truth),
        "wrong file left": outcome.ended and not outcome.ok and bool(found),
        "no bound": burst,
        "refused what is right": case in HONEST and not outcome.ok,
    }
    said = outcome.text.strip().rpartition("\n")[2][:300]
    return Verdict(tuple(name for name, up in flags.items() if up), said)
