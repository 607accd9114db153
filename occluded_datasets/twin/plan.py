"""Which images a twin has: names, identities, cameras and sizes, from a dataset's facts alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..catalog.spec import Dataset, Part, Variant
from ..errors import UsageError

CAMERAS = 8
JUNK = 50
DISTRACTORS = 0.15
OCCLUDED_AMONG_UNKNOWN = 0.1
MOST_OF_UNKNOWN = 30
EACH = 20  # images an identity, where nobody says how many identities a part has


class PlannedImage(NamedTuple):
    """One file of a twin: its name and what to draw; images of equal pid, photo and body are of one moment."""

    name: str
    pid: int
    photo: int
    body: str
    camera: int
    width: int
    height: int
    crop: bool


def plan(dataset: Dataset, variant: Variant, ids: int | None, seed: int) -> list[PlannedImage]:
    """Return every image of the twin, in name order within each part.

    Parameters
    ----------
    ids : int, optional
        Identities of the largest part; its images and the other parts shrink in proportion. All declared ones by
        default.
    seed : int
        Other counts an identity, cameras and sizes.

    Raises
    ------
    UsageError
        If the dataset's facts have no naming to make a twin by.
    """
    parts = [dataset.part(folder) for folder in variant.parts]
    totals = _totals(parts, variant)
    most = max(identities for _, identities in totals)
    share = 1.0 if ids is None else min(ids / most, 1.0)
    bases = _bases(parts, totals)
    pictures: list[PlannedImage] = []
    for part, (images, identities) in zip(parts, totals, strict=True):
        pids = range(bases[part.split] + 1, bases[part.split] + 1 + max(1, round(identities * share)))
        pictures += _part(dataset, part, pids, max(len(pids), round(images * share)), seed)
    return pictures


def unknown_totals(dataset: Dataset, variant: Variant) -> bool:
    """Return whether a number of this twin's parts is ours because nobody says."""
    return any(
        part.count.images is None or part.count.certainty == "inferred" for part in map(dataset.part, variant.parts)
    )


def _totals(parts: Sequence[Part], variant: Variant) -> list[tuple[int, int]]:
    """Return (images, identities) of each part; what is undeclared is shared out evenly."""
    known = sum(part.count.images or 0 for part in parts)
    open_parts = [part for part in parts if part.count.images is None]
    left = max(0, (variant.count.images or 0) - known)
    totals = []
    for part in parts:
        images = part.count.images
        if images is None:
            images = left // len(open_parts) + (left % len(open_parts) if part == open_parts[-1] else 0)
        same = [other.count.identities or 0 for other in parts if other.split == part.split]
        people = part.count.identities or max(same) or variant.count.identities or max(1, images // EACH)
        totals.append((images, people))
    return totals


def _bases(parts: Sequence[Part], totals: Sequence[tuple[int, int]]) -> dict[str, int]:
    """Return the last pid before those of each split: test identities follow train identities."""
    train = max((count[1] for part, count in zip(parts, totals, strict=True) if part.split == "train"), default=0)
    return {"": 0, "train": 0, "test": train}


def _part(dataset: Dataset, part: Part, pids: range, images: int, seed: int) -> Iterator[PlannedImage]:
    template = part.numbering.template if part.numbering else part.twin
    if not template:
        raise UsageError(f"{dataset.id}: its facts have no twin naming for {part.folder}.", "", "set Part.twin")
    for pid, count in _counts(dataset, part, pids, images, seed):
        for index in range(1, count + 1):
            photo = _photo(dataset, part)
            camera = 1 + _number(CAMERAS if dataset.camid_source == "none" else 6, seed, photo.folder, pid, index)
            stem = template.format(pid=pid, index=index, camera=camera)
            if pid < 0:  # published as -1, whatever the width of other identities
                stem = template.replace("{pid:04d}", str(pid)).format(index=index, camera=camera)
            name = f"{dataset.tree}/{part.folder}/{stem}"
            width, height = _size(photo, seed, pid, index)
            body = _body(photo, seed, pid, index)
            moment = index + 10_000 * dataset.parts.index(photo)
            crop = part.body == "partial"
            yield PlannedImage(name + dataset.extension, pid, moment, body, camera, width, height, crop)


def _photo(dataset: Dataset, part: Part) -> Part:
    """Return the part whose images `part` was cropped from; itself where it is no crop."""
    if part.body != "partial":
        return part
    return next((other for other in dataset.parts if other.body == "occluded"), part)


def _body(part: Part, seed: int, pid: int, index: int) -> str:
    """Return ``full`` or ``occluded``; where the set does not say, a tenth are occluded."""
    if part.body == "unknown":
        occluded = _number(1000, seed, "body", part.folder, pid, index) < 1000 * OCCLUDED_AMONG_UNKNOWN
        return "occluded" if occluded else "full"
    return "full" if part.body == "full" else "occluded"


def _counts(dataset: Dataset, part: Part, pids: range, images: int, seed: int) -> Iterator[tuple[int, int]]:
    """Yield (pid, images) of a part; they add up to `images`, junk apart."""
    if part.numbering:
        yield from ((pid, part.numbering.each) for pid in pids)
        return
    roles = dict(part.roles)
    distractors = round(images * DISTRACTORS) if "0" in roles else 0
    if "-1" in roles:
        yield -1, JUNK
    if distractors:
        yield 0, distractors
    most = MOST_OF_UNKNOWN if part.count.images is None else images
    yield from zip(pids, _shares(images - distractors, pids, most, f"{seed}|{dataset.id}|{part.folder}"), strict=True)


def _shares(total: int, pids: range, most: int, key: str) -> list[int]:
    """Return `total` in parts of at least 1 and at most `most`, uneven but repeatable."""
    weights = [0.35 + _fraction(f"{key}|{pid}") for pid in pids]
    left = total - len(pids)
    shares = [min(most, 1 + int(left * weight / sum(weights))) for weight in weights]
    position = 0
    while sum(shares) < total:
        shares[position % len(shares)] += shares[position % len(shares)] < most
        position += 1
    return shares


def _size(part: Part, seed: int, pid: int, index: int) -> tuple[int, int]:
    """Return width and height within the part's range, the two growing together."""
    low_width, high_width, low_height, high_height = part.size
    scale = _fraction(f"{seed}|size|{part.folder}|{pid}|{index}")
    slack = 0.85 + 0.15 * _fraction(f"{seed}|slack|{part.folder}|{pid}|{index}")
    width = low_width + (high_width - low_width) * scale * slack
    return round(width), round(low_height + (high_height - low_height) * scale)


def _fraction(key: str) -> float:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "big") / 2**48


def _number(below: int, *key: object) -> int:
    return int(_fraction("|".join(map(str, key))) * below)
