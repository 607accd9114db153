"""What the tests of `simulate` share."""

from __future__ import annotations

from pathlib import Path


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file of a set but where its roots are."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in (".places.json", ".lock"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
