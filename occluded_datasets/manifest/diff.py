"""What changed between two manifests, by name and by pixels."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from .core import Manifest

LABELS = ("pid", "camid", "body", "split", "role")


class Difference(NamedTuple):
    """Pictures by what happened to them from A to B, each a sorted list.

    ``renamed`` holds (image_id in A, image_id in B) of equal pixels; ``relabelled`` holds (image_id, column,
    value in A, value in B); ``reencoded`` has other bytes and equal pixels.
    """

    added: list[str]
    removed: list[str]
    changed: list[str]
    relabelled: list[tuple[str, str, str, str]]
    renamed: list[tuple[str, str]]
    reencoded: list[str]

    @property
    def same(self) -> bool:
        """Whether the two have the same images under the same names and labels; encodings may differ."""
        return not any(self[:5])


def diff(a: Manifest, b: Manifest) -> Difference:
    """Return the difference from manifest `a` to manifest `b`.

    An image that has another name and equal pixels is renamed, not removed and added; its labels are compared too.

    Examples
    --------
    >>> import tempfile
    >>> import occluded_datasets as od
    >>> from occluded_datasets.twin import twin
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tree = twin("partial-reid", folder, ids=2).tree
    ...     m = od.load(od.build("partial-reid", tree, f"{folder}/data", allow_subset=True).manifest)
    >>> diff(m, m).same
    True
    """
    rows_a, rows_b = _rows(a), _rows(b)
    pairs = [(name, name) for name in rows_a if name in rows_b]
    renamed = _renamed(rows_a, rows_b)
    gone, come = {old for old, _ in renamed}, {new for _, new in renamed}
    return Difference(
        added=sorted(set(rows_b) - set(rows_a) - come),
        removed=sorted(set(rows_a) - set(rows_b) - gone),
        changed=sorted(old for old, new in pairs if rows_a[old]["pixel_sha256"] != rows_b[new]["pixel_sha256"]),
        relabelled=sorted(
            (new, label, rows_a[old][label], rows_b[new][label])
            for old, new in [*pairs, *renamed]
            for label in LABELS
            if rows_a[old][label] != rows_b[new][label]
        ),
        renamed=renamed,
        reencoded=sorted(
            new
            for old, new in [*pairs, *renamed]
            if rows_a[old]["sha256"] != rows_b[new]["sha256"]
            and rows_a[old]["pixel_sha256"] == rows_b[new]["pixel_sha256"]
        ),
    )


def _rows(manifest: Manifest) -> dict[str, dict[str, str]]:
    from .table import from_frame

    texts = from_frame(manifest.frame)
    keys = (*LABELS, "sha256", "pixel_sha256")
    rows = zip(*(texts[key] for key in keys), strict=True)
    return {name: dict(zip(keys, row, strict=True)) for name, row in zip(texts["image_id"], rows, strict=True)}


def _renamed(rows_a: dict[str, dict[str, str]], rows_b: dict[str, dict[str, str]]) -> list[tuple[str, str]]:
    """Return pairs of names that are in one manifest alone and have equal pixels, matched in name order."""
    waiting: dict[str, list[str]] = defaultdict(list)
    for name in sorted(set(rows_b) - set(rows_a), reverse=True):
        waiting[rows_b[name]["pixel_sha256"]].append(name)
    pairs = []
    for name in sorted(set(rows_a) - set(rows_b)):
        candidates = waiting.get(rows_a[name]["pixel_sha256"])
        if candidates:
            pairs.append((name, candidates.pop()))
    return pairs
