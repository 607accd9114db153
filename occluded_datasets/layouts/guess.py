"""Which dataset a tree most likely is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..catalog.files import published_files
from ..catalog.spec import Dataset, Variant
from ..errors import LayoutError
from .names import is_clutter, is_picture, same_folder
from .parse import FolderMatcher, ParsedTree, parse_tree
from .verdict import Verdict, compare_with_declared


class Guess(NamedTuple):
    """A dataset that names may be of: how many of their images it places, and its rows or why it refuses them."""

    dataset: Dataset
    variant: Variant
    matched: int
    pictures: int
    arrangement: ParsedTree | None
    verdict: Verdict | None
    refusal: LayoutError | None


def guess(names: Sequence[str], datasets: Iterable[Dataset]) -> list[Guess]:
    """Return the readings of `names` that place any image, the most likely first.

    A reading that is not refused comes before one that is, then more images placed, then the better verdict, then
    fewer parts without an image, then a set whose published folder name is met (two sets may share all others).
    """
    guesses = [_guess(names, dataset, variant) for dataset in datasets for variant in dataset.variants]
    order = {"complete": 0, "subset": 1, "superset": 2, "different": 3}
    folders = {
        same_folder(folder) for path in {name.rpartition("/")[0] for name in names} for folder in path.split("/")
    }

    def rank(one: Guess) -> tuple[bool, int, int, int, bool]:
        kind = order[one.verdict.kind] if one.verdict else 4
        lost = one.arrangement.skipped.get(f"outside variant {one.variant.name}", 0) if one.arrangement else 0
        empty = sum(part.images == 0 for part in one.verdict.parts) if one.verdict else 0
        return (one.refusal is not None, lost - one.matched, kind, empty, same_folder(one.dataset.tree) not in folders)

    return sorted((one for one in guesses if one.matched), key=rank)


def _guess(names: Sequence[str], dataset: Dataset, variant: Variant) -> Guess:
    pictures = [name for name in names if is_picture(name) and not is_clutter(name)]
    places = FolderMatcher(dataset)
    matched = sum(places.match(name) is not None for name in pictures)
    if not matched:
        return Guess(dataset, variant, 0, len(pictures), None, None, None)
    try:
        found = parse_tree(names, dataset, variant)
    except LayoutError as error:
        return Guess(dataset, variant, matched, len(pictures), None, None, error)
    verdict = compare_with_declared(
        found.rows, dataset, variant, [file.name for file in published_files(variant.files)]
    )
    return Guess(dataset, variant, matched, len(pictures), found, verdict, None)
