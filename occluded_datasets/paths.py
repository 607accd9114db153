"""The one name rule, containment, and where data lives."""

from __future__ import annotations

import os
import re
import unicodedata
from functools import lru_cache
from pathlib import Path

from .errors import UnsafeNameError

MAX_SEGMENT_BYTES = 255
MAX_NAME_BYTES = 1024
MAX_DEPTH = 16
_FORBIDDEN = re.compile(r"[\\:\x00-\x1f\x7f-\x9f]")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(?:\.|$)", re.IGNORECASE)


def safe_name(name: str) -> str:
    r"""Return `name` in NFC if it is safe below a root on every platform, else raise.

    The same rule judges archive members, manifest rows and catalogue targets.

    Parameters
    ----------
    name : str
        A relative name with ``/`` between its segments.

    Returns
    -------
    str
        The name in Unicode normal form C.

    Raises
    ------
    UnsafeNameError
        For an empty name or segment, ``.``, ``..``, a leading ``/``, a drive, a backslash, a colon, a control
        or unpaired surrogate character, a trailing dot or space, a Windows device name, a segment over 255
        bytes, a name over 1024 bytes, or more than 16 segments.

    Examples
    --------
    >>> safe_name("whole_body_images/001_001.jpg")
    'whole_body_images/001_001.jpg'
    >>> safe_name("../001.jpg")
    Traceback (most recent call last):
    ...
    occluded_datasets.errors.UnsafeNameError: Unsafe name '../001.jpg': it has a '..' segment.
    """
    fault = _fault(name)
    if fault:
        raise UnsafeNameError(f"Unsafe name {_shown(name)}: {fault}.")
    return unicodedata.normalize("NFC", name)


def contained(root: Path, name: str) -> Path:
    """Return ``root/name``, sure that it lies inside `root` with no symbolic link on the way.

    Parameters
    ----------
    root : Path
        An existing folder; it may itself be reached through a link.
    name : str
        A relative name that obeys `safe_name`.

    Raises
    ------
    UnsafeNameError
        If the name is unsafe, or a segment of it is a symbolic link.
    """
    name = safe_name(name)
    path = root
    for segment in name.split("/"):
        path = path / segment
        if path.is_symlink():
            raise UnsafeNameError(
                f"{name}: {segment!r} is a symbolic link.", "Expected regular files and folders inside the root."
            )
    return path


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder that holds all datasets: `root`, else ``$OCCREID_ROOT``, else the platform's own."""
    if root is not None:
        return Path(root).expanduser()
    if os.environ.get("OCCREID_ROOT"):
        return Path(os.environ["OCCREID_ROOT"]).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("occluded-datasets", appauthor=False))


def _fault(name: str) -> str:
    """Return why `name` is unsafe, or an empty string."""
    if not name:
        return "it is empty"
    if name.startswith("/"):
        return "it is absolute"
    try:
        data = unicodedata.normalize("NFC", name).encode()
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    if len(data) > MAX_NAME_BYTES:
        return f"it has {len(data)} bytes, at most {MAX_NAME_BYTES} are allowed"
    segments = unicodedata.normalize("NFC", name).split("/")
    if len(segments) > MAX_DEPTH:
        return f"it is {len(segments)} levels deep, at most {MAX_DEPTH} are allowed"
    return next((fault for fault in map(_segment_fault, segments) if fault), "")


@lru_cache(maxsize=1 << 14)
def _segment_fault(segment: str) -> str:
    """Return why one segment is unsafe, or an empty string."""
    if segment in ("", ".", ".."):
        return f"it has a {segment!r} segment"
    if _FORBIDDEN.search(segment):
        return "it has a backslash, a colon or a control character"
    if segment[-1] in ". ":
        return f"segment {_shown(segment)} ends in a dot or a space"
    if _DEVICE.match(segment):
        return f"segment {_shown(segment)} is a Windows device name"
    size = len(segment.encode())
    if size > MAX_SEGMENT_BYTES:
        return f"a segment has {size} bytes, at most {MAX_SEGMENT_BYTES} are allowed"
    return ""


def _shown(name: str) -> str:
    """Return `name` quoted, in ASCII and cut to a readable length."""
    text = ascii(name)
    return text if len(text) <= 120 else f"{text[:100]}...'"
