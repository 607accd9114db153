"""Join what the names say with what the images say: the table and the facts of its header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..catalog.spec import Dataset, Variant
from ..layouts import Row, Verdict
from ..manifest import COLUMNS
from ..scan import Scanned

SHOWN = 20
TWIN_TERMS = {"text": "Drawn by a program, public domain (CC0).", "source": "the readme of the twin"}


def build_table(rows: Sequence[Row], scanned: Mapping[str, Scanned], dataset: Dataset) -> dict[str, list[str]]:
    """Return the cells of a manifest, in `image_id` order, paths below ``raw/``.

    Parameters
    ----------
    rows : sequence of Row
        What the names say, at least one, in `image_id` order; their order is kept.
    scanned : mapping of str to Scanned
        By name of a row, what its image says: size, bytes and digests.
    dataset : Dataset
        The catalogue's entry of the set; it says where camera ids come from.

    Returns
    -------
    dict of str to list of str
        By column its cells as text, one a row. The set's extra columns are last, in the order of their names.
    """
    extra = sorted({key for row in rows for key, _ in row.extra})
    cells = [_cells(row, scanned[row.name], dataset, extra) for row in rows]
    names = [column.name for column in COLUMNS] + extra
    return {name: list(column) for name, column in zip(names, zip(*cells, strict=True), strict=True)}


def _cells(row: Row, fact: Scanned, dataset: Dataset, extra: Sequence[str]) -> tuple[str, ...]:
    full = row.body == "full"
    own = dict(row.extra)
    return (
        row.image_id,
        "",
        f"raw/{row.name}",
        str(row.pid),
        "" if row.camid is None else str(row.camid),
        dataset.camid_source,
        row.body,
        row.split,
        row.role,
        row.group or "",
        str(fact.width),
        str(fact.height),
        str(fact.bytes),
        fact.sha256,
        fact.pixel_sha256,
        "1.000000" if full else "",
        "assumed-by-folder" if full else "unknown",
        *(own.get(key, "") for key in extra),
    )


def header_fields(
    dataset: Dataset,
    variant: Variant,
    verdict: Verdict,
    skipped: Mapping[str, int],
    archives: list[dict[str, Any]],
    twin: bool = False,
) -> dict[str, Any]:
    """Return what a header says beyond what is counted from its table.

    Parameters
    ----------
    dataset : Dataset
        The catalogue's entry of the set.
    variant : Variant
        Which of its variants was built.
    verdict : Verdict
        How the copy compares with the published set; the header names the first `SHOWN` missing and extra images.
    skipped : mapping of str to int
        By reason, how many files were not taken.
    archives : list of dict
        One for each archive or name list that the set was made from.
    twin : bool
        Whether the images are drawn; the terms are then those of the twin.

    Returns
    -------
    dict of str to object
        ``agreement`` is None and ``roots`` is empty; a caller that knows more replaces them.
    """
    terms = {"text": dataset.terms.text, "source": dataset.terms.source}
    return {
        "dataset": dataset.id,
        "variant": variant.name,
        "verdict": verdict.kind,
        "verdict_detail": {
            "sentence": verdict.sentence,
            "missing": len(verdict.missing),
            "extra": len(verdict.extra),
            "first_missing": list(verdict.missing[:SHOWN]),
            "first_extra": list(verdict.extra[:SHOWN]),
            "parts": [part._asdict() for part in verdict.parts],
        },
        "skipped": dict(skipped),
        "archives": archives,
        "twin": twin,
        "terms": TWIN_TERMS if twin else terms,
        "agreement": None,
        "redistributable": dataset.terms.redistributable,
        "withdrawn_parent": dataset.withdrawn_parent,
        "lineage": [
            {"parent": link.parent, "relation": link.relation, "withdrawn": link.withdrawn, "fingerprint": None}
            for link in dataset.lineage
        ],
        "roots": {},
    }
