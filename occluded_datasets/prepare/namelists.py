"""Published name lists: where they are, whether they are the published text, and what they name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..acquire.fetch import LIST_BYTES as MOST_BYTES
from ..catalog.spec import Dataset, Derivation, Variant
from ..errors import InputError, UnsafeNameError, UsageError
from ..files import storage_errors
from ..layouts import read_list, stem_of
from ..paths import safe_name

Bring = Callable[[str], Path]
"""Called with the name of a list that is nowhere; returns where it was brought to."""


class ListedName(NamedTuple):
    """One name of a list: the name in the new set and the parent's, which differ where the list relabels."""

    name: str
    old: str


class NameList(NamedTuple):
    """A list that was read: its published name, the sha256 of the file, whether it is as pinned, its entries.

    `published` is None where no hash of the list is known.
    """

    file: str
    sha256: str
    published: bool | None
    entries: tuple[ListedName, ...]
    repeated: int

    def to_dict(self) -> dict[str, object]:
        """Return what a manifest's header says of it."""
        return {"name": self.file, "kind": "list", "sha256": self.sha256, "published": self.published}


def read_lists(
    dataset: Dataset,
    variant: Variant,
    given: Sequence[Path],
    places: Iterable[Path],
    *,
    accept_unpinned: bool = False,
    bring: Bring | None = None,
) -> list[NameList]:
    """Return the lists that `variant` is made by, from the files `given`, else from the first of `places`.

    A list that is nowhere is asked of `bring`.

    Parameters
    ----------
    dataset : Dataset
        The catalogue's entry of the set.
    variant : Variant
        Which of its variants; only lists of its parts are read.
    given : sequence of Path
        Files that the user named. Each is recognised by its name, else by its text.
    places : iterable of Path
        Folders to look in, in order. A file of the published text is taken before any other of that name.
    accept_unpinned : bool
        Whether a list whose text is not the published one is taken too.
    bring : callable, optional
        From the name of a list to the file that it was brought to; called only where the catalogue has an address.

    Returns
    -------
    list of NameList
        In the catalogue's order.

    Raises
    ------
    UsageError
        If a given file is none of the lists, or a list is nowhere.
    InputError
        If a list is not the published text, or names what the set cannot have.
    """
    files = [file for file, folder in dataset.lists if folder in variant.parts]
    paths = _given(dataset, files, given)
    for file in files:
        if file not in paths:
            paths[file] = _found(dataset, file, list(places), bring)
    return [_read(dataset, file, paths[file], accept_unpinned) for file in files]


def derivation_of(dataset: Dataset) -> Derivation:
    """Return the rule that `dataset` is made by, or raise `UsageError` if it is not made by lists."""
    if dataset.derivation is None:
        raise UsageError(
            f"{dataset.id}: it is not made of another set's pictures by name lists.",
            "Only such a set is built with --from-parent.",
            f"occreid-prepare build {dataset.id} --raw PATH",
        )
    return dataset.derivation


def _given(dataset: Dataset, files: Sequence[str], given: Sequence[Path]) -> dict[str, Path]:
    """Return which list each given file is: by its name, else by its content."""
    paths: dict[str, Path] = {}
    for path in given:
        same = [file for file in files if file.lower() == path.name.lower()]
        same = same or [file for file in files if _pin(dataset, file) in _digests(_bytes(dataset, path))]
        if len(same) != 1:
            raise UsageError(
                f"{dataset.id}: {path} is none of its name lists.",
                f"Expected a file named {', '.join(files)}, or one of their text.",
                "name the file as the list is published and run the command again",
            )
        if same[0] in paths:
            raise UsageError(f"{dataset.id}: {paths[same[0]]} and {path} are both {same[0]}.", "Expected one of each.")
        paths[same[0]] = path
    return paths


def _found(dataset: Dataset, file: str, places: Sequence[Path], bring: Bring | None) -> Path:
    """Return the first file of that name in `places`, one of the published text before any other, or bring it."""
    found = [place / file for place in dict.fromkeys(places) if (place / file).is_file()]
    pin = _pin(dataset, file)
    published = (path for path in found if pin and pin in _digests(_bytes(dataset, path)))
    path = next(published, next(iter(found), None))
    if path is None and bring and any(source.name == file and source.urls for source in dataset.sources):
        return bring(file)
    if path is None:
        raise UsageError(
            f"{dataset.id}: the name list {file} was not given and is not here.",
            f"Looked beside the parent and in the working folder. It is published at "
            f"{derivation_of(dataset).published}.",
            f"download it and add --list {file}",
        )
    return path


def _read(dataset: Dataset, file: str, path: Path, accept_unpinned: bool) -> NameList:
    """Return one list, its names checked one by one."""
    data = _bytes(dataset, path)
    sha256, pin = hashlib.sha256(data).hexdigest(), _pin(dataset, file)
    published = None if not pin else pin in _digests(data)
    if published is False and not accept_unpinned:
        raise InputError(
            f"{dataset.id}: {path} is not the published {file}.",
            f"Expected sha256 {pin[:16]}, found {sha256[:16]}, in any line ends.",
            f"get it from {derivation_of(dataset).published}, or take this one with --accept-unpinned-lists",
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{dataset.id}: {path}: byte {error.start} is not UTF-8.", "Expected a list of names."
        ) from error
    entries = _entries(dataset, file, path, text)
    unique = tuple(dict.fromkeys(entries))
    return NameList(file, sha256, published, unique, len(entries) - len(unique))


def _entries(dataset: Dataset, file: str, path: Path, text: str) -> list[ListedName]:
    part = dataset.part(dict(dataset.lists)[file])
    relabel = derivation_of(dataset).relabel
    patterns = [re.compile(form.pattern, re.ASCII) for form in part.forms]
    entries = []
    for number, line in enumerate(read_list(text), start=1):
        name, _, old = line.partition(relabel) if relabel else (line, "", "")
        entry = ListedName(name.rsplit("/", 1)[-1], (old or name).rsplit("/", 1)[-1])
        if not _safe(name, old or name) or not any(p.fullmatch(stem_of(entry.name)) for p in patterns):
            raise InputError(
                f"{dataset.id}: {path} name {number}: {line[:100]!a} is no name of {part.folder}.",
                f"Expected one such as {_example(dataset, part.twin)}.",
                f"get the list from {derivation_of(dataset).published}",
            )
        entries.append(entry)
    return entries


def _safe(*names: str) -> bool:
    try:
        return all(safe_name(name) for name in names)
    except UnsafeNameError:
        return False


def _example(dataset: Dataset, template: str) -> str:
    stem = template.format(pid=1, index=1, camera=1) if template else "the set's"
    return stem + dataset.extension


def _bytes(dataset: Dataset, path: Path) -> bytes:
    """Return a list's bytes, or raise if it is no file or larger than any list."""
    with storage_errors(str(path), reading=True):
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            fault = "too large for a name list" if path.is_file() else "not a file"
            raise InputError(
                f"{dataset.id}: {path} is {fault}.",
                f"Expected names, at most {MOST_BYTES >> 20} MiB.",
                "check the path of --list",
            )
        return path.read_bytes()


def _pin(dataset: Dataset, file: str) -> str:
    return next((source.sha256 for source in dataset.sources if source.name == file), "")


def _digests(data: bytes) -> set[str]:
    r"""Return the sha256 of a text as it is and with ``\n`` or ``\r\n`` line ends, with and without the last one."""
    lines = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n")
    texts = [end.join(lines) + last for end in (b"\n", b"\r\n") for last in (b"", end)]
    return {hashlib.sha256(text).hexdigest() for text in (data, *texts)}
