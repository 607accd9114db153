"""What is at the place that a result is to be written to, and whether the result may take that place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ...errors import FeatureError, UsageError
from ...files import storage_errors
from ..feature_file import Matrix, read_any

SCORE, PROBES, FEATURES = "a score record", "a table of scores by probe", "a feature file"
REPLACE = "add --replace, or choose another --out"
_RECORD = {"schema", "protocol", "rows_sha256", "per_probe"}
_HEADER = {"schema_version", "table_sha256", "fingerprint"}


def kind_of_file(path: Path) -> str:
    """Return in words what kind of file is at `path`, empty where there is none.

    Examples
    --------
    >>> kind_of_file(Path("/nowhere")), kind_of_file(Path("/"))
    ('', 'a folder')
    """
    if path.is_dir():
        return "a folder"
    if not path.is_file():
        return "no regular file" if path.exists() else ""
    with storage_errors(str(path), reading=True), path.open("rb") as stream:
        head = stream.read(64)
    if head.startswith((b"PK", b"PAR1")):
        return _archive_kind(path)
    if head.startswith(b"{"):
        return _json_kind(path)
    if head.startswith(b"image_id,root,path,"):
        return "a manifest's table"
    return PROBES if head.startswith((b"image_id,pid,ap,", b"pid,ap,")) else "a file of another kind"


def _archive_kind(path: Path) -> str:
    try:
        return "a matrix file" if isinstance(read_any(path), Matrix) else FEATURES
    except FeatureError:
        return "a manifest's table or another archive"


def _json_kind(path: Path) -> str:
    try:
        found = set(json.loads(path.read_bytes()))
    except (ValueError, RecursionError):
        return "a file of another kind"
    return SCORE if found >= _RECORD else "a manifest's header" if found >= _HEADER else "a JSON file of another kind"


def require_kind(path: Path, kind: str) -> None:
    """Raise if anything but a file of this kind is at `path`: that is never replaced.

    Raises
    ------
    UsageError
        With the kind of file that is there.
    """
    found = kind_of_file(path)
    if found and found != kind:
        raise UsageError(f"{path} is {found}.", f"Only {kind} can be replaced by another one.", "choose another --out")


def require_free(path: Path, kind: str, differs: Callable[[], str], replace: bool) -> bool:
    """Return whether the very result is at `path`; raise if another file is, unless it may be replaced.

    Parameters
    ----------
    path : Path
        Where the result is to be written.
    kind : str
        What the result is: `SCORE`, `PROBES` or `FEATURES`.
    differs : callable
        Returns in a sentence how the file of that kind that is there differs from the result, empty if it does not.
    replace : bool
        Whether another file of that kind may be replaced.

    Raises
    ------
    UsageError
        If a file of another kind is there, or another one of this kind that may not be replaced.
    """
    require_kind(path, kind)
    if not path.exists():
        return False
    why = differs()
    if why and not replace:
        raise UsageError(f"{path} is {kind} already, and another one.", why, REPLACE)
    return not why
