"""What two attestations say of two copies that were never side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .attest import GROUPED
from .difference_sketch import difference

SAME = "same"
RENAMED = "same pixels, other names"
SUBSET = "subset"
DIFFERENT = "different"
RELABELLED = "same pixels, other labels"
OTHER_PIXELS = "same names and labels, other pixels"
MINE_WITHIN, THEIRS_WITHIN = "mine lacks pictures", "theirs lacks pictures"
NOT_MINE, NOT_THEIRS = "not in mine", "not in theirs"


@dataclass(frozen=True)
class PartSaid:
    """One part: the verdict on it, both counts, and how many images one side alone has (None: not to be said)."""

    verdict: str
    mine: int
    theirs: int
    only_mine: int | None
    only_theirs: int | None


@dataclass(frozen=True)
class Attested:
    """The verdict on two copies, part by part.

    `verdict` is ``same``, ``same pixels, other names``, ``subset`` or ``different``; `within` says which of the two
    is the smaller one of a subset (``mine`` or ``theirs``); `groups` names the values of body, split and role whose
    images or labels differ.
    """

    verdict: str
    within: str
    parts: Mapping[str, PartSaid]
    groups: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether images, labels and names are the same."""
        return self.verdict == SAME

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return {**asdict(self), "same": self.same}


def compare_attestations(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Attested:
    """Return what two checked attestations say of each other.

    That one copy lies within the other is said of a part that one of them lacks, and of parts that differ in few
    images (about 80): their sketches say how many each alone has. Of more, no more than that they differ is said.

    Examples
    --------
    >>> import tempfile
    >>> import occluded_datasets as od
    >>> from occluded_datasets.manifest import attest
    >>> from occluded_datasets.twin import twin
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tree = twin("partial-reid", folder, ids=2).tree
    ...     m = od.load(od.build("partial-reid", tree, f"{folder}/data", allow_subset=True).manifest)
    >>> compare_attestations(attest(m), attest(m)).verdict
    'same'
    """
    names = sorted({*mine["parts"], *theirs["parts"]})
    parts = {name: _part(mine["parts"].get(name), theirs["parts"].get(name)) for name in names}
    verdict, within = _verdict(_same(mine, theirs), {part.verdict for part in parts.values()})
    groups = {column: _differing(mine["groups"][column], theirs["groups"][column]) for column in GROUPED}
    return Attested(verdict, within, parts, groups, tuple(_notes(mine, theirs, parts)))


def _verdict(whole: str, parts: set[str]) -> tuple[str, str]:
    """Return (verdict, which copy is within the other)."""
    if whole in (SAME, RENAMED):
        return whole, ""
    if parts <= {SAME, RENAMED, MINE_WITHIN, NOT_MINE}:
        return SUBSET, "mine"
    if parts <= {SAME, RENAMED, THEIRS_WITHIN, NOT_THEIRS}:
        return SUBSET, "theirs"
    return DIFFERENT, ""


def _same(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """Return in what the digests of two tables or parts agree."""
    if a["labels"] == b["labels"]:
        return SAME if a["named_pixels"] == b["named_pixels"] else RENAMED
    if a["pixels"] == b["pixels"]:
        return RELABELLED
    return OTHER_PIXELS if a["named_labels"] == b["named_labels"] else DIFFERENT


def _part(a: Mapping[str, Any] | None, b: Mapping[str, Any] | None) -> PartSaid:
    if a is None or b is None:
        rows = int((a or b or {})["rows"])
        return PartSaid(NOT_THEIRS, rows, 0, rows, 0) if a else PartSaid(NOT_MINE, 0, rows, 0, rows)
    said = _same(a, b)
    apart = (0, 0) if said in (SAME, RENAMED) else difference(a["sketch"], b["sketch"])
    if apart is not None and apart[0] - apart[1] != a["rows"] - b["rows"]:
        apart = None  # a sketch that contradicts its counts says nothing
    if said == DIFFERENT and apart is not None and 0 in apart:
        said = MINE_WITHIN if apart[0] == 0 else THEIRS_WITHIN
    return PartSaid(said, a["rows"], b["rows"], *(apart or (None, None)))


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        value for value in sorted({*a, *b}) if a.get(value, {}).get("labels") != b.get(value, {}).get("labels")
    )


def _notes(mine: Mapping[str, Any], theirs: Mapping[str, Any], parts: Mapping[str, PartSaid]) -> list[str]:
    notes = [
        f"{key}: mine is {mine[key]}, theirs is {theirs[key]}"
        for key in ("dataset", "variant", "verdict")
        if mine[key] != theirs[key]
    ]
    notes += [
        f"{name}: too many pictures differ to say whether one copy lies within the other"
        for name, part in parts.items()
        if part.only_mine is None
    ]
    if mine["fingerprint"] == theirs["fingerprint"] and mine["labels"] != theirs["labels"]:
        notes.append("equal fingerprints, other cameras")
    return notes
