"""Rows from the names in a raw tree, or a refusal that names the file."""

from __future__ import annotations

import fnmatch
import glob
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..catalog.spec import Dataset, Form, Part, Variant
from ..errors import LayoutError
from .names import ignore_option, is_clutter, is_picture, same_folder, stem_of

MAX_TOP = 4


class Row(NamedTuple):
    """What a name alone says of an image."""

    image_id: str
    name: str
    pid: int
    camid: int | None
    body: str
    split: str
    role: str
    group: str | None
    extra: tuple[tuple[str, str], ...]


class ParsedTree(NamedTuple):
    """The rows of a tree, where its top is, and what was left aside."""

    rows: tuple[Row, ...]
    top: str
    known_as: tuple[str, ...]
    skipped: dict[str, int]


class _Place(NamedTuple):
    """A reading of one folder: this part in this form, below this top."""

    part: Part
    form: Form
    top: str
    depth: int
    pid: str


def parse_tree(
    names: Iterable[str],
    dataset: Dataset,
    variant: Variant | None = None,
    *,
    extension: str = "",
    ignore: Sequence[str] = (),
) -> ParsedTree:
    """Return the rows that the files `names` make under `dataset`'s layout.

    Parameters
    ----------
    names : iterable of str
        Every file below the raw folder, POSIX, relative to it.
    dataset : Dataset
        The facts to read the names by.
    variant : Variant, optional
        The parts that are wanted; the first variant by default. Images of other parts are skipped and counted.
    extension : str
        Read images of this extension alone, for a tree that holds two encodings.
    ignore : sequence of str
        Shell patterns of names to leave aside.

    Raises
    ------
    LayoutError
        If a file is unknown, two encodings or two spellings of one image exist, a pid disagrees with its folder,
        two copies of the set lie side by side, or no image is found.

    Examples
    --------
    >>> from occluded_datasets.catalog import get
    >>> rows = parse_tree(["x/whole_body_images/001_002.jpg", "x/Readme.txt"], get("partial-reid")).rows
    >>> rows[0].image_id, rows[0].pid, rows[0].body
    ('partial-reid/whole_body_images/001_002', 1, 'full')
    """
    variant = variant or dataset.variant()
    kept, skipped = filter_names(names, dataset, extension.lower(), ignore)
    places = FolderMatcher(dataset)
    matches, unknown = [], []
    for name in kept:
        match = places.match(name)
        if match is None:
            unknown.append(name)
        else:
            matches.append((name, *match))
    _refuse_nothing(dataset, matches, unknown)
    _refuse_unknown(dataset, unknown)
    tops = {place.top for _, place, _ in matches}
    _refuse_two_trees(dataset, tops)
    wanted = [match for match in matches if match[1].part.folder in variant.parts]
    if len(matches) > len(wanted):
        skipped[f"outside variant {variant.name}"] = len(matches) - len(wanted)
    _refuse_twins(dataset, [name for name, _, _ in wanted])
    rows = tuple(sorted(row_of(dataset, *match) for match in wanted))
    _refuse_same_id(dataset, rows)
    renamed = {place.form.known_as for _, place, _ in wanted if place.form.known_as}
    return ParsedTree(rows, tops.pop(), tuple(sorted(renamed)), dict(sorted(skipped.items())))


def filter_names(
    names: Iterable[str], dataset: Dataset, extension: str, ignore: Sequence[str]
) -> tuple[list[str], Counter[str]]:
    """Return the names to read, and how many names were skipped for each reason.

    Parameters
    ----------
    names : iterable of str
        Every file below the raw folder, POSIX, relative to it.
    dataset : Dataset
        Its ignored folders and its name lists are skipped.
    extension : str
        Lower case, such as ``.jpg``: images of other extensions are skipped. The empty text keeps all.
    ignore : sequence of str
        Shell patterns of names to skip. Case counts; a pattern is of the whole name, and ``*`` includes ``/``.

    Returns
    -------
    list of str
        The names to read, in the order given.
    collections.Counter
        How many names were skipped, by reason.
    """
    kept: list[str] = []
    skipped: Counter[str] = Counter()
    ignored = {same_folder(folder) for folder in dataset.ignored}
    lists = {name.lower() for name, _ in dataset.lists}
    for name in names:
        basename = name.rsplit("/", 1)[-1]
        # A name is counted once, for the first reason that holds.
        if is_clutter(name):
            skipped["system files"] += 1
        elif ignore and any(fnmatch.fnmatchcase(name, pattern) for pattern in ignore):
            skipped["ignored on request"] += 1
        elif basename.lower().endswith(".txt") or basename.lower() in lists:
            skipped["text files"] += 1
        elif ignored and ignored & {same_folder(segment) for segment in name.split("/")[:-1]}:
            skipped["folders outside the set"] += 1
        elif extension and is_picture(name) and not name.lower().endswith(extension):
            skipped["other encodings"] += 1
        else:
            kept.append(name)
    return kept, skipped


class FolderMatcher:
    """The readings of each folder, worked out once a folder."""

    def __init__(self, dataset: Dataset) -> None:
        self._known: dict[str, list[_Place]] = {}
        self._forms = [
            (
                part,
                form,
                re.compile(form.pattern, re.ASCII),
                [[same_folder(x) for x in f.split("/") if x] for f in form.folders],
            )
            for part in dataset.parts
            for form in part.forms
        ]
        self._patterns = {id(form): pattern for _, form, pattern, _ in self._forms}

    def match(self, name: str) -> tuple[_Place, re.Match[str]] | None:
        """Return the most specific reading of an image's name, or None."""
        folder, _, basename = name.rpartition("/")
        if not is_picture(basename):
            return None
        if folder not in self._known:
            self._known[folder] = sorted(self._read(folder), key=lambda place: -place.depth)
        stem = stem_of(basename)
        for place in self._known[folder]:
            match = self._patterns[id(place.form)].fullmatch(stem)
            if match:
                return place, match
        return None

    def _read(self, folder: str) -> Iterable[_Place]:
        segments = folder.split("/") if folder else []
        plain = [same_folder(segment) for segment in segments]
        for part, form, _, spellings in self._forms:
            end = len(segments) - form.pid_folder
            if end < 0 or (form.pid_folder and not re.fullmatch(r"-?[0-9]+", segments[-1])):
                continue
            pid = segments[-1] if form.pid_folder else ""
            for spelling in spellings:
                start = end - len(spelling)
                if 0 <= start <= MAX_TOP and plain[start:end] == spelling:
                    yield _Place(part, form, "/".join(segments[:start]), len(spelling) + form.pid_folder, pid)


def row_of(dataset: Dataset, name: str, place: _Place, match: re.Match[str]) -> Row:
    """Return the row of an image whose name was read.

    Parameters
    ----------
    dataset : Dataset
        The set that `place` is a part of.
    name : str
        The image's name, POSIX, relative to the raw folder.
    place : _Place
        The reading of its folder: the part and the form, as `FolderMatcher.match` returns it.
    match : re.Match
        The match of the form's pattern with the name's stem; its groups are `pid`, `camid` where there is one, and
        ``x_*`` for extra columns.

    Raises
    ------
    LayoutError
        If the name says one identity and its folder another.
    """
    part, groups = place.part, match.groupdict()
    pid = int(groups["pid"])
    if place.pid and int(place.pid) != pid:
        raise LayoutError(
            f"{dataset.id}: {name} says identity {pid} and lies in the folder of identity {int(place.pid)}.",
            "Expected the two to agree.",
            f"move the file, or leave it aside with {ignore_option(name)}",
        )
    fields = {"pid": pid, "pid_text": place.pid or groups["pid"], "stem": stem_of(name.rsplit("/", 1)[-1])}
    stem = part.stem.format(**fields) if part.stem else fields["stem"]
    folder = f"{part.folder}/{part.id_folder.format(**fields)}" if part.id_folder else part.folder
    return Row(
        image_id=f"{dataset.id}/{folder}/{stem}",
        name=name,
        pid=pid,
        camid=int(groups["camid"]) if groups.get("camid") else None,
        body=part.body,
        split=part.split,
        role=dict(part.roles).get(str(pid), part.role),
        group=f"{dataset.id}/{part.group.format(**fields)}" if part.group else None,
        extra=tuple((key, value) for key, value in groups.items() if key.startswith("x_")),
    )


def _refuse_nothing(dataset: Dataset, matches: Sequence[object], unknown: Sequence[str]) -> None:
    if not matches:
        folders = ", ".join(f"{part.folder}/" for part in dataset.parts)
        found = f"found {len(unknown)} other files, the first is {unknown[0]}" if unknown else "found no file"
        raise LayoutError(f"{dataset.id}: no picture of the set is here.", f"Expected {folders}; {found}.")


def _refuse_unknown(dataset: Dataset, unknown: Sequence[str]) -> None:
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        one = len(unknown) == 1 or is_picture(unknown[0]) or "." not in unknown[0]
        option = ignore_option(unknown[0]) if one else f"--ignore '*{unknown[0][unknown[0].rfind('.') :]}'"
        raise LayoutError(
            f"{dataset.id}: unknown file {unknown[0]}{more}.",
            f"Expected {dataset.extension} pictures named as the set names them.",
            f"remove it, or leave it aside with {option}",
        )


def _refuse_two_trees(dataset: Dataset, tops: set[str]) -> None:
    if len(tops) > 1:
        first, second = sorted(tops)[:2]
        raise LayoutError(
            f"{dataset.id}: two copies of the set are here, below {first or '.'}/ and below {second or '.'}/.",
            "Expected one.",
            f"name one of them as --raw, or leave one aside with --ignore {shlex.quote(glob.escape(second) + '/*')}",
        )


def _refuse_twins(dataset: Dataset, names: Iterable[str]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for name in names:
        folder, _, basename = name.rpartition("/")
        other = seen.setdefault((folder, stem_of(basename).casefold()), name)
        if other != name:
            raise LayoutError(
                f"{dataset.id}: two encodings of one picture, {other} and {name}.",
                "Expected one file a picture; each would count twice.",
                f"read one of them with --extension {dataset.extension}",
            )


def _refuse_same_id(dataset: Dataset, rows: Iterable[Row]) -> None:
    seen: dict[str, str] = {}
    for row in rows:
        other = seen.setdefault(row.image_id, row.name)
        if other != row.name:
            raise LayoutError(
                f"{dataset.id}: {other} and {row.name} are both {row.image_id}.",
                "Expected one file a picture.",
                f"remove one, or leave it aside with {ignore_option(row.name)}",
            )


class Labels(NamedTuple):
    """What the catalog reads from an image_id."""

    pid: int
    camid: int | None
    body: str
    split: str
    role: str


class LabelReader:
    """Reads labels from the image_ids of one dataset, whichever known renaming their stems are of.

    Examples
    --------
    >>> from occluded_datasets.catalog import get
    >>> LabelReader(get("partial-reid"))("partial-reid/whole_body_images/001_002")
    [Labels(pid=1, camid=None, body='full', split='', role='gallery')]
    """

    def __init__(self, dataset: Dataset) -> None:
        self._prefix = f"{dataset.id}/"
        parts = sorted(dataset.parts, key=lambda part: -len(part.folder))
        self._parts = [
            (part, [re.compile(form.pattern, re.ASCII) for form in part.forms], f"{self._prefix}{part.folder}/")
            for part in parts
        ]

    def __call__(self, image_id: str) -> list[Labels]:
        """Return the labels of each way to read an image_id; none where the catalog cannot read it."""
        for part, patterns, folder in self._parts:
            if image_id.startswith(folder):
                stem = image_id.rpartition("/")[2]
                matches = (pattern.fullmatch(stem) for pattern in patterns)
                return [_labels(part, match) for match in matches if match]
        return []


def _labels(part: Part, match: re.Match[str]) -> Labels:
    groups = match.groupdict()
    pid, camid = int(groups["pid"]), groups.get("camid")
    role = dict(part.roles).get(str(pid), part.role)
    return Labels(pid, int(camid) if camid else None, part.body, part.split, role)
