"""Where the set is when the path that was named is a level or a letter wrong."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from ..catalog import get, ids
from ..layouts import is_picture
from ..layouts.parse import MAX_TOP, FolderMatcher
from ..scan import walk
from .fixes import likely, readings

LEVELS = 3
LOOKED = 2000
DEEPEST = 12


def above(path: Path, levels: int) -> Path:
    """Return the folder `levels` above `path`, relative if `path` is."""
    return Path(os.path.normpath(os.path.join(path, *[".."] * levels)))


def own_name(path: Path) -> str:
    """Return the last name of `path`, also where it is ``.`` or ends in ``..``."""
    return above(path.absolute(), 0).name


def levels_too_deep(path: Path) -> int:
    """Return how many levels above the folder `path` the whole set is: 0 if `path` itself reads as well.

    Only names are looked at: those of its images, with and without the folders that lead to it.
    """
    names = [name for name in islice((name for name, _ in walk(path)), LOOKED) if is_picture(name)]
    own = above(path.absolute(), 0).parts[1:]
    placed = []
    for level in range(min(LEVELS, len(own)) + 1):
        prefix = "".join(f"{part}/" for part in own[len(own) - level :])
        placed.append(_placed([prefix + name for name in names]))
    return placed.index(max(placed))


def _placed(names: Sequence[str]) -> int:
    """Return how many images the set that places most of them places."""
    return max(sum(places.match(name) is not None for name in names) for places in map(FolderMatcher, map(get, ids())))


def far_below(path: Path, names: Iterable[str]) -> Path | None:
    """Return the folder of a set that lies deeper below the folder `path` than a build looks, or None."""
    for depth in range(MAX_TOP + 1, DEEPEST):
        cut = {"/".join(name.split("/")[depth:]): name for name in names if name.count("/") >= depth}
        best = likely(list(cut), [])
        if best is not None:
            reads, _ = readings(cut, best.dataset)
            heads = Counter(cut[one.name][: -len(one.name)] + one.place.top for one in reads)
            return Path(path, heads.most_common(1)[0][0])
    return None


def nearest_path(path: Path) -> Path | None:
    """Return the existing path whose spelling is nearest to `path`, or None.

    Each missing folder or file on the way is taken for the closest name that is there.
    """
    parts = path.parts
    place = Path(parts[0]) if path.is_absolute() else Path()
    for part in parts[1:] if path.is_absolute() else parts:
        if not (place / part).exists():
            there = [one.name for one in place.iterdir()] if place.is_dir() else []
            spelled = {name.casefold(): name for name in there}
            close = difflib.get_close_matches(part.casefold(), spelled, n=1, cutoff=0.75)
            if not close:
                return None
            part = spelled[close[0]]  # noqa: PLW2901
        place /= part
    return place


def find_table(path: Path) -> Path | None:
    """Return the manifest table that `path` is, stands beside as its header, or holds as a built folder; else None."""
    if path.is_dir():
        return path / "manifest.csv" if (path / "manifest.csv").is_file() else None
    if path.name == "manifest.json":
        return next((one for one in map(path.with_suffix, (".csv", ".parquet")) if one.is_file()), None)
    return path if path.suffix in (".csv", ".parquet") else None


def built_around(path: Path) -> Path:
    """Return the folder of a build whose ``raw/`` holds `path`, or `path` itself."""
    homes = (one.parent for one in (path, *path.parents[:2]) if one.name == "raw")
    return next((home for home in homes if (home / "manifest.json").is_file()), path)
