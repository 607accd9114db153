"""What a copy is, against the declared counts and names: complete, subset, superset or different."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..catalog.files import published_files
from ..catalog.spec import Dataset, Part, Variant
from .names import read_list, stem_of
from .parse import Row


def missing_from_list(listed: Sequence[str], part: Part, rows: Iterable[Row]) -> list[str]:
    """Return the names of a published list for `part` that have no row, in list order.

    Parameters
    ----------
    listed : sequence of str
        Published names. Only the last component counts, without its extension.
    part : Part
        The part that the list makes; rows of other parts are not looked at.
    rows : iterable of Row
        What was found. A name has a row if the row's file name or its image_id has the same stem.
    """
    own = [row for row in rows if f"/{part.folder}/" in row.image_id]
    # Both: a known renaming of a set has file names that differ from its image_ids.
    stems = {stem_of(name.rsplit("/", 1)[-1]) for row in own for name in (row.name, row.image_id)}
    return [name for name in listed if stem_of(name.rsplit("/", 1)[-1]) not in stems]


class PartCount(NamedTuple):
    """Found against declared numbers of one part."""

    folder: str
    images: int
    identities: int
    declared_images: int | None
    declared_identities: int | None
    certainty: str


class Verdict(NamedTuple):
    """What a copy is, against what is declared: ``complete``, ``subset``, ``superset`` or ``different``."""

    kind: str
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    parts: tuple[PartCount, ...]
    sentence: str


def compare_with_declared(
    rows: Iterable[Row], dataset: Dataset, variant: Variant, listed: Iterable[str] = ()
) -> Verdict:
    """Return the verdict on `rows` against the declared counts and names of `variant`.

    Names are compared where every published name is known and the copy keeps them; else counts are. Numbers of
    certainty ``inferred`` are not judged by. Junk rows are not counted.

    Parameters
    ----------
    rows : iterable of Row
        What was found.
    listed : iterable of str
        Published names below the top of the tree, with extension, where a list ships with the package.
    """
    by_part: Mapping[str, list[Row]] = _by_part(rows, dataset, variant)
    known = {f"{dataset.id}/{stem_of(name)}" for name in listed}
    missing: list[str] = []
    extra: list[str] = []
    signs: set[int] = set()
    sentences, parts = [], []
    for folder in variant.parts:
        part, found = dataset.part(folder), by_part[folder]
        ids = {row.image_id for row in found}
        count = PartCount(folder, len(found), len({row.pid for row in found}), *_declared(part))
        parts.append(count)
        names = _expected(dataset, part, known)
        if names & ids:
            missing += sorted(names - ids)
            extra += sorted(ids - names)
            signs |= {-1} if names - ids else set()
            signs |= {1} if ids - names else set()
        else:
            signs |= _signs(count)
        sentences.append(_sentence(count, dataset, sorted(names - ids), sorted(ids - names), bool(names & ids)))
    if all(part.declared_images is None for part in parts):
        signs |= _total_signs(parts, variant, by_part)
        if variant.count.images is None or variant.count.certainty == "inferred":
            sentences.append("no number is declared that the copy could be judged by")
            signs |= {-1, 1}
    kind = {(): "complete", (-1,): "subset", (1,): "superset"}.get(tuple(sorted(signs)), "different")
    sentence = f"{dataset.id}: {'; '.join(s for s in sentences if s) or _total(parts, variant, by_part)}."
    return Verdict(kind, tuple(missing), tuple(extra), tuple(parts), sentence)


def judge_copy(
    rows: Iterable[Row], dataset: Dataset, variant: Variant, lists: Mapping[str, str] | None = None
) -> Verdict:
    """Return the verdict by published names, declared counts and the texts of the name lists found in the tree.

    Parameters
    ----------
    rows : iterable of Row
        What was found; all rows are of parts of `variant`.
    dataset : Dataset
        The set, with its name lists.
    variant : Variant
        The parts, counts and published files to judge by.
    lists : mapping of str to str, optional
        The text of each name list that the tree holds, by the list's name. Lists that are not in it are not judged by.

    Returns
    -------
    Verdict
        As `compare_with_declared` returns. If a name of a list has no row, the kind is ``subset``, and `missing` holds
        the missing names of the first such list.
    """
    rows = list(rows)
    verdict = compare_with_declared(rows, dataset, variant, [file.name for file in published_files(variant.files)])
    for name, folder in dataset.lists:
        if folder in variant.parts and name in (lists or {}):
            absent = missing_from_list(read_list((lists or {})[name]), dataset.part(folder), rows)
            if absent:
                sentence = f"{dataset.id}: {name} lists {absent[0]}, which is not there ({len(absent)} such)."
                # A copy that lacks listed images and has other ones besides is no part of the set.
                kind = "subset" if verdict.kind in ("complete", "subset") else "different"
                return verdict._replace(kind=kind, missing=tuple(absent), sentence=sentence)
    return verdict


def _by_part(rows: Iterable[Row], dataset: Dataset, variant: Variant) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    folders = sorted(variant.parts, key=len, reverse=True)
    for row in rows:
        inner = row.image_id[len(dataset.id) + 1 :]
        folder = next(folder for folder in folders if inner.startswith(f"{folder}/"))
        if row.role != "junk":
            found[folder].append(row)
    return found


def _declared(part: Part) -> tuple[int | None, int | None, str]:
    if part.count.certainty == "inferred":
        return None, None, part.count.certainty
    return part.count.images, part.count.identities, part.count.certainty


def _expected(dataset: Dataset, part: Part, known: set[str]) -> set[str]:
    prefix = f"{dataset.id}/{part.folder}/"
    if known:
        return {name for name in known if name.startswith(prefix)}
    return {prefix + name for name in part.numbering.names()} if part.numbering else set()


def _signs(count: PartCount) -> set[int]:
    pairs = ((count.images, count.declared_images), (count.identities, count.declared_identities))
    return {(found > declared) - (found < declared) for found, declared in pairs if declared is not None} - {0}


def _total_signs(parts: Sequence[PartCount], variant: Variant, by_part: Mapping[str, list[Row]]) -> set[int]:
    identities = len({row.pid for rows in by_part.values() for row in rows})
    images = sum(part.images for part in parts)
    count = variant.count
    if count.certainty == "inferred":
        return set()
    return _signs(PartCount("", images, identities, count.images, count.identities, count.certainty))


def _total(parts: Sequence[PartCount], variant: Variant, by_part: Mapping[str, list[Row]]) -> str:
    identities = len({row.pid for rows in by_part.values() for row in rows})
    images = sum(part.images for part in parts)
    declared = f" of {variant.count.identities}" if variant.count.identities else ""
    return f"{images} of {variant.count.images} images, {identities}{declared} identities"


def _sentence(count: PartCount, dataset: Dataset, missing: list[str], extra: list[str], by_name: bool) -> str:
    """Return what is wrong with one part, or an empty string."""
    if not (missing or extra) if by_name else not _signs(count):
        return ""
    text = f"{count.images} of {count.declared_images} images in {count.folder}"
    if not by_name:
        return text + (
            f" ({count.identities} of {count.declared_identities} identities)" * bool(count.declared_identities)
        )
    notes = [
        f"{word} {names[0].rsplit('/', 1)[-1]}{dataset.extension}" + (f" and {len(names) - 1} more" * (len(names) > 1))
        for word, names in (("missing", missing), ("extra", extra))
        if names
    ]
    return f"{text} ({', '.join(notes)})"
