"""Which identities a manifest shows, and whether training and test have some in common.

Identities are told by the set whose numbering their pid is of, its root set: the images of a simulated set are of the
set that they were made from. Sets that the catalog calls related show the same identities under other numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .catalog import get, ids
from .errors import UsageError
from .manifest import IGNORED_ROLES

if TYPE_CHECKING:
    import pandas as pd

    from .manifest import Manifest

UNKNOWN = "unknown"
Shown = Mapping[str, Any]
"""``{"set": name, "pids": [..]}``: the identities of a root set; pids are None where it is not known which."""

NO_PEOPLE = ("none", "imagenet", "imagenet-1k", "imagenet-21k", "imagenet-22k")
"""What a declaration of training sets may name that shows no identity of any set."""


def shown_identities(manifest: Manifest, rows: pd.DataFrame | None = None) -> list[dict[str, Any]]:
    """Return the identities that rows show, one entry a root set, ready for JSON.

    Parameters
    ----------
    manifest : Manifest
        Of the rows.
    rows : pandas.DataFrame, optional
        Some of its rows; by default all. Junk and distractors show no identity.

    Returns
    -------
    list of dict
        ``{"set": str, "pids": list of int}``.

    Examples
    --------
    >>> import pandas as pd
    >>> from occluded_datasets.manifest import Manifest
    >>> frame = pd.DataFrame({"pid": [3, 1, 3], "role": ["train", "train", "junk"]})
    >>> shown_identities(Manifest(frame, {"dataset": "market-1501"}))
    [{'set': 'market-1501', 'pids': [1, 3]}]
    """
    frame = manifest.frame if rows is None else rows
    pids = sorted({int(pid) for pid in frame.loc[~frame["role"].isin(IGNORED_ROLES), "pid"]})
    return [{"set": root_of(manifest), "pids": pids}]


def root_of(manifest: Manifest) -> str:
    """Return the set whose numbering the pids are of; ``unknown`` for a simulated set that does not name its source."""
    if manifest.dataset != "simulated":
        return manifest.dataset
    parents = [str(link.get("parent")) for link in manifest.header.get("lineage", ())]
    return next((name for name in parents if name != "simulated"), UNKNOWN)


def unknown() -> list[dict[str, Any]]:
    """Return the entry of images that nothing is known of."""
    return [{"set": UNKNOWN, "pids": None}]


def joined_identities(*lists: Iterable[Shown]) -> list[dict[str, Any]]:
    """Return the union of what several lists show, a set once, in the order of names.

    Examples
    --------
    >>> joined_identities([{"set": "mars", "pids": [2]}], [{"set": "mars", "pids": [1]}])
    [{'set': 'mars', 'pids': [1, 2]}]
    """
    found: dict[str, set[int] | None] = {}
    for one in (entry for entries in lists for entry in entries):
        name, pids = str(one["set"]), one["pids"]
        before = found.get(name, set())
        found[name] = None if pids is None or before is None else before | set(map(int, pids))
    return [{"set": name, "pids": None if pids is None else sorted(pids)} for name, pids in sorted(found.items())]


def shared_identities(seen: Sequence[Shown], manifest: Manifest, rows: pd.DataFrame) -> dict[str, Any]:
    """Return whether a model was trained on identities that a test shows too.

    Parameters
    ----------
    seen : sequence of mapping
        What was trained on, as `shown_identities` says it: of every manifest on the way to the model.
    manifest : Manifest
        Of the test set.
    rows : pandas.DataFrame
        Its rows that are compared.

    Returns
    -------
    dict
        ``relation``: ``none``, ``same set`` (no identity in common), ``related set`` (the catalog says that the two
        show the same identities under other numbers) or ``unknown``; ``identities`` in common, None where it is not
        known; ``sets`` that were trained on; and ``text`` to read.

    Raises
    ------
    UsageError
        If identities of the test were trained on.
    """
    tested = shown_identities(manifest, rows)[0]
    for one in seen:
        same = one["set"] == tested["set"] != UNKNOWN
        common = set(one["pids"] or ()) & set(tested["pids"]) if same else set()
        if common:
            raise UsageError(
                f"{one['set']}: {len(common)} identities of the test rows were trained on.",
                f"Expected none in common; the first is pid {min(common)}.",
                "train with --train-protocol or --hold-out, which leave the test identities out",
            )
    found = [(str(one["set"]), _relation(one, str(tested["set"]))) for one in seen]
    relations = {own for _, own in found}
    relation = next((one for one in GRAVITY if one in relations), UNKNOWN)
    names = ", ".join(dict.fromkeys(name for name, own in found if own == relation)) or "sets that are not named"
    identities = 0 if relation in {"none", "same set"} else None
    text = TEXTS[relation].format(trained=names, tested=tested["set"])
    return {"relation": relation, "identities": identities, "sets": sorted(dict(found)), "text": text}


GRAVITY = ("related set", UNKNOWN, "same set", "none")
TEXTS = {
    "related set": "trained on {trained}, which shows identities of {tested} too: the score may be inflated",
    UNKNOWN: "trained on {trained}: whether it shows identities of {tested} is unknown",
    "same set": "trained on {trained} too, no identity in common",
    "none": "trained on {trained}; the catalog knows of no identity in common with {tested}",
}


def _relation(one: Shown, tested: str) -> str:
    """Return how what was trained on relates to the root set of a test, their pids compared before."""
    name, known = str(one["set"]), set(ids())
    if UNKNOWN in {name, tested}:
        return UNKNOWN
    if name in NO_PEOPLE:
        return "none"
    if name == tested:
        return UNKNOWN if one["pids"] is None else "same set"
    if name in relatives(tested):
        return "related set"
    return "none" if {name, tested} <= known else UNKNOWN


def declared_sets(training_sets: Any) -> list[dict[str, Any]]:
    """Return what a declaration of training sets says was seen: sets by name, without their identities.

    Parameters
    ----------
    training_sets : str or sequence of str
        Each begins with the id of a set, as ``market-1501 4d1f...``; general image sets show no identity.

    Examples
    --------
    >>> declared_sets(["market-1501 0123abcd", "our own crowd"])
    [{'set': 'market-1501', 'pids': None}, {'set': 'unknown', 'pids': None}]
    """
    texts = [training_sets] if isinstance(training_sets, str) else list(training_sets)
    words = [str(text).strip().lower().partition(" ")[0].rstrip(",;:") for text in texts]
    known = {*ids(), *NO_PEOPLE}
    return joined_identities([{"set": one if one in known else UNKNOWN, "pids": None} for one in words])


def relatives(dataset: str) -> set[str]:
    """Return the sets that show the same identities as one, itself among them, as far as the catalog says.

    Examples
    --------
    >>> sorted(relatives("mars"))
    ['market-1501', 'mars', 'occluded-market']
    """
    edges = [(one, parent.parent) for one in ids() for parent in get(one).lineage]
    found, before = {dataset}, 0
    while len(found) > before:
        before = len(found)
        found |= {name for edge in edges if found & set(edge) for name in edge}
    return found
