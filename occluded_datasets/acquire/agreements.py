"""What a user agreed to: the terms of a set, once for each version of their text, in a ledger below the data root."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .._version import __version__
from ..catalog.spec import Dataset
from ..errors import InputError, UsageError
from ..files import exclusive, storage_errors, write_atomic

LEDGER = "agreements.json"
TERMS, PARENT = "terms", "withdrawn-parent"
FLAGS = {TERMS: "--accept-terms", PARENT: "--accept-withdrawn-parent"}

Ask = Callable[[str, str], bool]
"""Called with (kind, text) to show a text; returns whether the user agrees."""


@dataclass(frozen=True)
class Agreement:
    """One text that was agreed to: which set's, its sha256, when, with which version of this tool and how.

    Examples
    --------
    >>> Agreement("p-ethz", "terms", "0" * 64, "2026-01-31T12:00:00Z", "0.2.0", "--accept-terms").kind
    'terms'
    """

    dataset: str
    kind: str
    text_sha256: str
    date: str
    tool_version: str
    accepted_by: str


def texts_of(facts: Dataset) -> dict[str, str]:
    """Return what has to be agreed to, by kind: the terms and, for a withdrawn parent, a notice that says so.

    Examples
    --------
    >>> from occluded_datasets.catalog import get
    >>> sorted(texts_of(get("p-dukemtmc-reid"))), sorted(texts_of(get("p-ethz")))
    (['terms', 'withdrawn-parent'], ['terms'])
    """
    texts = {TERMS: f"{facts.terms.text}\nThis is from: {facts.terms.source}"}
    if facts.withdrawn_parent:
        parents = [f"{link.parent} ({link.relation}), {link.withdrawn}" for link in facts.lineage if link.withdrawn]
        texts[PARENT] = (
            f"{facts.title} is, or was made from, a set that was withdrawn: "
            f"{'; '.join(parents) or facts.status_note}.\nIt shows people who can be recognised. Whatever is made "
            "from it is stamped withdrawn-parent, on manifests and on scores."
        )
    return texts


def text_hash(text: str) -> str:
    """Return the sha256 of a text in UTF-8: its version."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_ledger(root: Path) -> list[Agreement]:
    """Return all agreements below a data root, oldest first.

    Raises
    ------
    InputError
        If the ledger is there and does not read as one.
    """
    path = root / LEDGER
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    names = [field.name for field in fields(Agreement)]
    try:
        lines = json.loads(data)["agreements"]
        found = [Agreement(**{name: line[name] for name in names}) for line in lines]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _broken(path) from error
    if not all(isinstance(value, str) for one in found for value in asdict(one).values()):
        raise _broken(path)
    return found


def _broken(path: Path) -> InputError:
    return InputError(
        f"{path}: the ledger of agreements cannot be read.",
        "Expected the JSON that fetch wrote.",
        "move it away; the next fetch asks again",
    )


def agreed(facts: Dataset, root: Path) -> dict[str, Agreement]:
    """Return the agreements to the present texts of a set, by kind; an older text does not count."""
    wanted = {kind: text_hash(text) for kind, text in texts_of(facts).items()}
    return {
        one.kind: one
        for one in read_ledger(root)
        if one.dataset == facts.id and wanted.get(one.kind) == one.text_sha256
    }


def for_header(facts: Dataset, root: Path) -> dict[str, Any] | None:
    """Return what a manifest's header says of the agreements to a set; None where there is none."""
    found = agreed(facts, root)
    return {kind: _brief(one) for kind, one in sorted(found.items())} or None


def _brief(one: Agreement) -> Mapping[str, str]:
    return {name: value for name, value in asdict(one).items() if name not in ("dataset", "kind")}


def require_agreement(
    facts: Dataset, root: Path, accepted: Collection[str] = (), ask: Ask | None = None, again: str = ""
) -> dict[str, Agreement]:
    """Return the agreements to every text of a set, asking for those that are missing.

    Parameters
    ----------
    facts : Dataset
        The catalogue's entry of the set.
    root : Path
        The data root; new agreements are written to the ledger ``agreements.json`` in it.
    accepted : collection of str
        Kinds that were accepted beforehand, by an option: ``terms``, ``withdrawn-parent``.
    ask : callable, optional
        Shows a text and returns whether the user agrees; without it a missing agreement is an error.
    again : str
        The command that an error names, to be run with the option that agrees; a fetch of the set by default.

    Returns
    -------
    dict of str to Agreement
        By kind, the earlier agreements and the new ones.

    Raises
    ------
    UsageError
        If a text was not agreed to; the message holds it and the option that agrees.
    InputError
        If the ledger is there and cannot be read.
    """
    with storage_errors(str(root / LEDGER)):
        have = agreed(facts, root)
        again = again or f"occreid-prepare fetch {facts.id}"
        missing = {kind: text for kind, text in texts_of(facts).items() if kind not in have}
        fresh = [_agree(facts, kind, text, accepted, ask, again) for kind, text in missing.items()]
        if fresh:
            with exclusive(root / f".{LEDGER}.lock"):
                lines = [asdict(one) for one in [*read_ledger(root), *fresh]]
                write_atomic(root / LEDGER, (json.dumps({"schema": 1, "agreements": lines}, indent=1) + "\n").encode())
    return have | {one.kind: one for one in fresh}


def _agree(facts: Dataset, kind: str, text: str, accepted: Collection[str], ask: Ask | None, again: str) -> Agreement:
    how = FLAGS[kind] if kind in accepted else "asked" if ask is not None and ask(kind, text) else ""
    if not how:
        raise UsageError(
            f"{facts.id}: nothing is fetched without agreement ({kind}).",
            f"The text: {' '.join(text.split())}",
            f"{again} {' '.join(FLAGS[one] for one in texts_of(facts))}",
        )
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Agreement(facts.id, kind, text_hash(text), now, __version__, how)
