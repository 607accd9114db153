"""What may be claimed of a manifest's rows: derived from the rows and the catalog, each time it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalog import get, ids
from ..catalog.spec import Dataset, Variant
from ..errors import UnknownNameError
from ..layouts import TWIN_MARK, LabelReader, Row, is_readme, judge_copy

if TYPE_CHECKING:
    import pandas as pd

DRAWN = "a twin, every picture is drawn"
SAME_PIXELS = "same pixels as the verified copy"
OTHER_PIXELS = "other pixels or labels than the verified copy"
UNKNOWN = "none known"
SIMULATED = "simulated; its source: "


def verdict(dataset: str, variant: str, frame: pd.DataFrame, header: Mapping[str, Any], fingerprint: str) -> str:
    """Return what the rows are, against the declared ones: ``complete``, ``subset``, ``superset`` or ``different``.

    Each row's labels must be some that the catalog reads from its image_id, and the rows must be the declared ones.
    A header can say less of them than that (a name list may have named more), never more. Of a set that the catalog
    does not know, the header's word holds for the rows that it was written with.

    Parameters
    ----------
    dataset, variant : str
        Id of the set and name of its variant.
    frame : pandas.DataFrame
        The rows; `image_id`, `pid`, `camid`, `body`, `split` and `role` are read.
    header : mapping
        What ``manifest.json`` says; `verdict` and `fingerprint` are read.
    fingerprint : str
        Fingerprint of the rows, sha256 in hex.
    """
    said = str(header["verdict"])
    facts, chosen = catalogued(dataset, variant)
    if facts is None or chosen is None:
        return said if fingerprint == header.get("fingerprint") else "different"
    if fingerprint == chosen.fingerprint:
        return "complete"
    found = _judged(facts, chosen, frame)
    if found in (said, "complete"):
        return said
    return found if said == "complete" else "different"


def _judged(facts: Dataset, variant: Variant, frame: pd.DataFrame) -> str:
    read = LabelReader(facts)
    rows = []
    cameras = frame["camid"].astype(object).where(frame["camid"].notna(), None)
    columns = (frame[name] for name in ("image_id", "pid", "body", "split", "role"))
    for camid, image_id, pid, *rest in zip(cameras, *columns, strict=True):
        labels = (int(pid), None if camid is None else int(camid), *rest)
        if labels not in read(image_id):
            return "different"
        rows.append(Row(image_id, f"{image_id[len(facts.id) + 1 :]}{facts.extension}", *labels, None, ()))
    folders = tuple(f"{facts.id}/{folder}/" for folder in variant.parts)
    if not all(row.image_id.startswith(folders) for row in rows):
        return "different"
    return judge_copy(rows, facts, variant).kind


def reference(dataset: str, variant: str, header: Mapping[str, Any], fingerprint: str, *, twin: bool) -> str:
    """Return how rows compare with the copy that the catalog was verified on; labels are part of a fingerprint.

    Parameters
    ----------
    dataset : str
        Id of the set, or ``simulated``: then the first parent in the header's lineage is compared.
    variant : str
        Name of the variant; the empty text compares with every variant of the set.
    header : mapping
        What ``manifest.json`` says; only `lineage` of a simulated set is read.
    fingerprint : str
        Fingerprint of the rows, sha256 in hex; of a simulated set, the parent's in the header is used.
    twin : bool
        Whether the images are drawn by a program.

    Returns
    -------
    str
        `DRAWN`, `SAME_PIXELS`, `OTHER_PIXELS` or `UNKNOWN`; after `SIMULATED` for a simulated set.
    """
    if dataset == "simulated":
        link: Mapping[str, Any] = next(iter(header.get("lineage", ())), {})
        parent, found = str(link.get("parent")), str(link.get("fingerprint"))
        return SIMULATED + reference(parent, "", {}, found, twin=twin)
    if twin:
        return DRAWN
    verified = _verified(dataset, variant)
    if not verified:
        return UNKNOWN
    return SAME_PIXELS if fingerprint in verified else OTHER_PIXELS


def is_twin(dataset: str, variant: str, header: Mapping[str, Any], fingerprint: str, homes: Iterable[Path]) -> bool:
    """Return whether images are drawn: the header says so, or the readme of a tree that rows refer to.

    Parameters
    ----------
    dataset, variant : str
        Id of the set and name of its variant; an empty variant means every one of the set.
    header : mapping
        What ``manifest.json`` says; only `twin` is read.
    fingerprint : str
        Fingerprint of the rows, sha256 in hex. Rows with that of a verified copy are never drawn.
    homes : iterable of Path
        Folders of the manifest and of its sources; the tree is ``raw`` in each.
    """
    if fingerprint in _verified(dataset, variant):
        return False
    return header.get("twin") is True or any(marked(home / "raw") for home in homes)


def marked(tree: Path) -> bool:
    """Return whether a readme at the top of a tree, or one folder below, says that its images are drawn."""
    try:
        found = [one for pattern in ("*", "*/*") for one in tree.glob(pattern) if is_readme(one.name)]
        return any(one.read_bytes().startswith(TWIN_MARK.encode()) for one in found)
    except OSError:
        return False


def withdrawn(dataset: str, frame: pd.DataFrame, header: Mapping[str, Any]) -> bool:
    """Return whether the set, one of its parents or one whose images its rows show was withdrawn.

    Parameters
    ----------
    dataset : str
        Id of the set.
    frame : pandas.DataFrame
        The rows; only `root` is read. A root that is named as a set of the catalog counts as that set.
    header : mapping
        What ``manifest.json`` says; `lineage` and `withdrawn_parent` are read.
    """
    parents = (str(link.get("parent")) for link in header.get("lineage", ()))
    known = {dataset, *parents, *frame["root"].unique()} & set(ids())
    return header.get("withdrawn_parent") is True or any(get(name).withdrawn_parent for name in known)


def catalogued(dataset: str, variant: str) -> tuple[Dataset | None, Variant | None]:
    """Return what the catalog knows of a set and its variant, None where it does not know them."""
    try:
        facts = get(dataset)
        return facts, facts.variant(variant)
    except UnknownNameError:
        return None, None


def _verified(dataset: str, variant: str) -> set[str]:
    """Return the fingerprints of verified copies: of one variant, or of all where none is named."""
    facts, chosen = catalogued(dataset, variant) if variant else (get(dataset) if dataset in ids() else None, None)
    variants = [chosen] if chosen else facts.variants if facts else ()
    return {one.fingerprint for one in variants if one.fingerprint}
