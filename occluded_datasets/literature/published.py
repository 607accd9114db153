"""What papers report, as data, and which of it may stand beside a score of ours."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib import resources
from typing import Any

from ..errors import ManifestError
from ..manifest.claims import OTHER_PIXELS

PACKAGE = "occluded_datasets.manifests"
FILE = "published_results.csv"
UNSTATED = "unstated"
CERTAINTIES = ("authors-table", "paper-table", "second-hand")
CONDITIONS = ("training_set", "backbone", "input_size", "pretraining", "extra_inputs")


@dataclass(frozen=True)
class Published:
    """One number of a paper. `value` is in per cent, as printed; what the paper does not say is ``unstated``.

    `protocol` is the name of a protocol of ours (``<dataset>/<name>``) where the paper's rules are the same, else
    ``unstated``.
    """

    dataset: str
    method: str
    paper: str
    year: str
    table: str
    protocol: str
    probe_set: str
    setting: str
    training_set: str
    backbone: str
    input_size: str
    pretraining: str
    extra_inputs: str
    metric: str
    value: float
    certainty: str
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return asdict(self)


@dataclass(frozen=True)
class PublishedMatch:
    """Whether a published number may stand beside a score: ``yes``, ``with care`` or ``no``, and why."""

    row: Published
    verdict: str
    reasons: tuple[str, ...]


def published(dataset: str | None = None) -> list[Published]:
    """Return the published numbers of `dataset`, or all of them, in the order of the file.

    Examples
    --------
    >>> published("p-ethz")[0].method
    'ResNet-50'
    """
    return [row for row in _rows() if dataset in (None, row.dataset)]


def match_published(record: Mapping[str, Any]) -> list[PublishedMatch]:
    """Return, for each published number of a score record's dataset, whether it may stand beside that score.

    A number may not stand beside a score of another protocol, nor where its own protocol is unstated; where the
    protocol is the same, conditions that differ or that either side does not state are named, and the verdict is
    ``with care``.

    Parameters
    ----------
    record : mapping
        A score record (`occluded_datasets.evaluate`).
    """
    protocol = str(record["protocol"]).partition("@")[0]
    unfit = _unfit(record)
    rows = published(protocol.partition("/")[0])
    if unfit:
        return [PublishedMatch(row, "no", (unfit,)) for row in rows]
    return [_beside(row, protocol, record.get("declared", {})) for row in rows]


def _unfit(record: Mapping[str, Any]) -> str:
    """Return why no published number may stand beside a score, whatever its protocol; empty if one may."""
    if record.get("twin"):
        return "this score is of a twin, whose pictures are drawn"
    if record.get("verdict") != "complete":
        return f"this score is of a copy that is {record.get('verdict')}, not complete"
    return f"this score is of {OTHER_PIXELS}'s" if OTHER_PIXELS in record["reference"] else ""


def _beside(row: Published, protocol: str, declared: Mapping[str, Any]) -> PublishedMatch:
    if row.protocol == UNSTATED:
        return PublishedMatch(row, "no", (row.note or f"its protocol is unstated ({row.setting})",))
    if row.protocol != protocol:
        return PublishedMatch(row, "no", (f"it is of {row.protocol}",))
    reasons = [_condition(name, getattr(row, name), _declared(declared, name)) for name in CONDITIONS]
    found = (*(reason for reason in reasons if reason), *_second_hand(row))
    return PublishedMatch(row, "with care" if found else "yes", found)


def _declared(declared: Mapping[str, Any], name: str) -> str:
    """Return what a record declares under the name that this table uses, in the singular or the plural."""
    value = declared.get(name, declared.get(f"{name}s", UNSTATED))
    return value if isinstance(value, str) else repr(value)


def _condition(name: str, theirs: str, ours: str) -> str:
    """Return what keeps two conditions from being the same, or an empty string."""
    words = name.replace("_", " ")
    if UNSTATED in (theirs, ours):
        sides = [side for side, value in (("the paper's", theirs), ("this score's", ours)) if value == UNSTATED]
        return f"{' and '.join(sides)} {words} is unstated"
    return "" if theirs == ours else f"{words}: {theirs} there, {ours} here"


def _second_hand(row: Published) -> tuple[str, ...]:
    return ("the number was collected second hand",) if row.certainty == "second-hand" else ()


@cache
def _rows() -> tuple[Published, ...]:
    text = resources.files(PACKAGE).joinpath(FILE).read_text("utf-8")
    return tuple(_parse(number, cells) for number, cells in enumerate(csv.DictReader(text.splitlines()), start=1))


def _parse(number: int, cells: Mapping[str, Any]) -> Published:
    """Return one row of the file, or raise `ManifestError` with its number."""
    names = [field.name for field in fields(Published)]
    if list(cells) != names or None in cells.values():
        raise ManifestError(f"{FILE} row {number}: expected the columns {', '.join(names)}.")
    try:
        value = float(cells["value"])
    except ValueError as error:
        raise ManifestError(f"{FILE} row {number}: value {cells['value']!r} is no number.") from error
    if not 0 <= value <= 100 or cells["certainty"] not in CERTAINTIES or not cells["paper"]:
        raise ManifestError(
            f"{FILE} row {number}: expected a value from 0 to 100, a paper and a certainty of {CERTAINTIES}."
        )
    return Published(**{**cells, "value": value})
