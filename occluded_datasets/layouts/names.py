"""What a name alone says: an image, clutter, its stem, its folder."""

from __future__ import annotations

import glob
import re
import shlex

from ..images import EXTENSIONS

TWIN_MARK = "A twin of "  # how the readme of a drawn tree begins
_CLUTTER = (".ds_store", "thumbs.db", "desktop.ini")


def is_readme(name: str) -> bool:
    """Return whether a file is a tree's readme, which says so where the tree is a twin."""
    return name.rsplit("/", 1)[-1].lower() == "readme.txt"


def read_list(text: str) -> list[str]:
    """Return the names in a published list, whatever its line ends and with or without a final newline.

    Examples
    --------
    >>> read_list("Probe/1.jpg\\r\\nProbe/2.jpg")
    ['Probe/1.jpg', 'Probe/2.jpg']
    """
    return [line.strip() for line in text.removeprefix("\ufeff").splitlines() if line.strip()]


def is_picture(name: str) -> bool:
    """Return whether `name` ends in an image's extension, in any case."""
    return name.lower().endswith(EXTENSIONS)


def stem_of(basename: str) -> str:
    """Return `basename` without its image extensions, also when there are two (``.jpg.jpg``)."""
    while is_picture(basename):
        basename = basename.rsplit(".", 1)[0]
    return basename


def is_clutter(name: str) -> bool:
    """Return whether `name` is what systems leave beside data: never part of a set, skipped and counted."""
    segments = name.lower().split("/")
    return "__macosx" in segments or segments[-1].startswith("._") or segments[-1] in _CLUTTER


def same_folder(name: str) -> str:
    """Return a folder name as folder names are compared: without case, ``-``, ``_`` and spaces."""
    return re.sub(r"[-_ ]", "", name.casefold())


def ignore_option(*names: str) -> str:
    """Return the options that leave the files `names` aside, quoted for a shell and taken literally.

    Examples
    --------
    >>> ignore_option("a [1].jpg")
    "--ignore 'a [[]1].jpg'"
    """
    return " ".join(f"--ignore {shlex.quote(glob.escape(name))}" for name in names)
