"""From a protocol to train, probe and gallery rows, and its keyed draws."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ProtocolError, UnknownNameError
from ..hashing import key
from ..manifest import Manifest, real_cameras
from .rules import ROWS, TEST_ROWS, Protocol, fault_of
from .shipped import find_protocol, require_dataset

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Split:
    """Rows of a manifest by their part in a protocol.

    Parameters
    ----------
    train, probe, gallery : pandas.DataFrame
        Manifest rows in `image_id` order; `train` is empty where the protocol trains elsewhere.
    draws : pandas.DataFrame
        Columns draw (int), role (probe or gallery), pid, image_id; empty where nothing is drawn. A role that is not
        in it is used whole in every draw.
    short : int
        Identities and sides with fewer images than shots: they give all they have.
    unanswerable : int
        Probe rows whose identity has no gallery row.
    validation : pandas.DataFrame, optional
        Rows that a protocol sets aside for choosing a model; None where it has no such filter.

    Examples
    --------
    >>> import tempfile
    >>> import occluded_datasets as od
    >>> from occluded_datasets.twin import twin
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tree = twin("partial-reid", folder, ids=2).tree
    ...     m = od.load(od.build("partial-reid", tree, f"{folder}/data", allow_subset=True).manifest)
    >>> od.split(m, "single-shot-occluded-probe").draws.groupby("draw").size().unique().tolist()
    [2]
    """

    protocol: Protocol
    fingerprint: str
    train: pd.DataFrame
    probe: pd.DataFrame
    gallery: pd.DataFrame
    draws: pd.DataFrame
    short: int = 0
    unanswerable: int = 0
    validation: pd.DataFrame | None = None

    def __repr__(self) -> str:
        """Return one line: protocol id and sizes."""
        draws = int(self.draws["draw"].max()) + 1 if len(self.draws) else 0
        return (
            f"<Split {self.protocol.id}: {len(self.train)} train, {len(self.probe)} probe, "
            f"{len(self.gallery)} gallery, {draws} draws>"
        )


def split(manifest: Manifest, protocol: str | Protocol, *, rows: str = TEST_ROWS, train_alone: bool = False) -> Split:
    """Return the rows of `manifest` by their part in `protocol`, and its draws.

    Choices are by keyed order, ascending sha256 of ``seed|purpose|draw|x`` (`occluded_datasets.hashing.key`): equal
    fingerprints give equal draws on every platform.

    Parameters
    ----------
    manifest : Manifest
        The rows.
    protocol : str or Protocol
        A name, an id, a ``.json`` file or a `Protocol`.
    rows : str
        Of a simulated set: ``test`` takes no probe and no gallery image from the split train of its source, where it
        has such rows; the protocol's name then ends in ``-test``. ``all`` takes them too.
    train_alone : bool
        Take a copy with train rows and nothing to test on.

    Raises
    ------
    ProtocolError
        If the protocol is of another dataset, the manifest has no probe or no gallery for it, a same-camera rule
        meets rows without a real camera, or probes cannot be answered and the protocol refuses that.

    Examples
    --------
    >>> import tempfile
    >>> import occluded_datasets as od
    >>> from occluded_datasets.twin import twin
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tree = twin("partial-reid", folder, ids=2).tree
    ...     m = od.load(od.build("partial-reid", tree, f"{folder}/data", allow_subset=True).manifest)
    >>> s = split(m, "transfer-all-partial-probe")
    >>> len(s.train), len(s.probe), len(s.gallery)
    (0, 10, 10)
    """
    chosen = find_protocol(manifest.dataset, protocol) if isinstance(protocol, str) else protocol
    require_dataset(chosen, manifest.dataset)
    if fault := fault_of(dict(chosen.rules)):
        raise ProtocolError(f"{chosen.name}: not a protocol.", fault, "see docs/reference/protocols.md")
    if rows not in ROWS:
        raise UnknownNameError.of("rows", rows, ROWS, "rows='test' or rows='all'")
    frame = manifest.frame.sort_values("image_id", ignore_index=True)
    narrow = rows == TEST_ROWS and manifest.dataset == "simulated" and "split" not in chosen.rules["probe"]
    if narrow and (frame["split"] == "train").any():
        chosen = chosen.without_training_rows()
    rules = chosen.rules
    probe, gallery = (_rows(frame, rules[side], rules["junk"]) for side in ("probe", "gallery"))
    others = frame
    if rules["test_identities"] == "half":
        test = _half(sorted(set(probe["pid"]) | set(gallery["pid"])), rules["seed"])
        others = frame[~frame["pid"].isin(test)]
        probe, gallery = probe[probe["pid"].isin(test)], gallery[gallery["pid"].isin(test)]
    train, validation = (_rows(others, rules[side], rules["junk"]) for side in ("train", "validation"))
    if not (train_alone and probe.empty and gallery.empty and len(train) and rules["test_identities"] != "half"):
        _require_rows(chosen, manifest, probe, gallery)
    unanswerable = int((~probe["pid"].isin(set(gallery["pid"]))).sum())
    if unanswerable and rules["unanswerable"] == "error":
        raise ProtocolError(f"{chosen.id}: {unanswerable} probes have no picture of their identity in the gallery.")
    draws, short = _draws(probe, gallery, rules)
    train, probe, gallery = (part.reset_index(drop=True) for part in (train, probe, gallery))
    held = validation.reset_index(drop=True) if rules["validation"] is not None else None
    return Split(chosen, manifest.fingerprint, train, probe, gallery, draws, short, unanswerable, held)


def _rows(frame: pd.DataFrame, wanted: Mapping[str, Sequence[str]] | None, junk: Mapping[str, Sequence[str]]) -> Any:
    """Return the rows that a filter keeps and the junk filter does not; none for no filter."""
    if wanted is None:
        return frame.iloc[:0]
    keep = frame["pid"].notna()
    for column, values in wanted.items():
        keep &= frame[column].isin(values) if column in frame else False
    for column, values in junk.items():
        keep &= ~frame[column].isin(values)
    return frame[keep]


def _half(pids: Sequence[int], seed: int) -> set[int]:
    """Return the test identities: the first floor(K/2) of K pids by key."""
    return set(sorted(pids, key=lambda pid: key(seed, "half", 0, pid))[: len(pids) // 2])


def _draws(probe: pd.DataFrame, gallery: pd.DataFrame, rules: Mapping[str, Any]) -> tuple[pd.DataFrame, int]:
    """Return the table of draws and how many (identity, side) pairs had fewer images than shots."""
    import pandas as pd

    sides = [
        (role, _pictures(rows), int(rules[f"{role}_shots"]))
        for role, rows in (("probe", probe), ("gallery", gallery))
        if rules[f"{role}_shots"]
    ]
    short = sum(len(own) < shots for _, pictures, shots in sides for own in pictures.values())
    columns: tuple[list[int], list[str], list[int], list[str]] = ([], [], [], [])
    for draw in range(rules["draws"] if sides else 0):
        for role, pictures, shots in sides:
            prefix = f"{rules['seed']}|{role}|{draw}|".encode()
            for pid, own in pictures.items():
                names = _first(own, prefix, shots)
                columns[0].extend([draw] * len(names))
                columns[1].extend([role] * len(names))
                columns[2].extend([pid] * len(names))
                columns[3].extend(names)
    data = dict(zip(("draw", "role", "pid", "image_id"), columns, strict=True))
    return pd.DataFrame(data).astype({"draw": "int64", "pid": "int64", "role": "object", "image_id": "object"}), short


def _pictures(rows: pd.DataFrame) -> dict[int, list[tuple[bytes, str]]]:
    """Return (pixel_sha256, image_id) of each identity's images, identities ascending."""
    found: dict[int, list[tuple[bytes, str]]] = {int(pid): [] for pid in sorted(set(rows["pid"]))}
    for pid, pixels, name in zip(rows["pid"], rows["pixel_sha256"], rows["image_id"], strict=True):
        found[int(pid)].append((pixels.encode(), name))
    return found


def _first(own: Sequence[tuple[bytes, str]], prefix: bytes, shots: int) -> list[str]:
    """Return the names of the first `shots` images by key, equal pixels in name order."""
    digest: Callable[[bytes], Any] = hashlib.sha256
    keyed = [(digest(prefix + pixels).digest(), name) for pixels, name in own]
    return [min(keyed)[1]] if shots == 1 else [name for _, name in sorted(keyed)[:shots]]


def _require_rows(protocol: Protocol, manifest: Manifest, probe: pd.DataFrame, gallery: pd.DataFrame) -> None:
    for side, rows in (("probe", probe), ("gallery", gallery)):
        if rows.empty:
            raise ProtocolError(
                f"{protocol.id}: this manifest has no {side} picture for it.",
                f"It is {manifest.dataset}, variant {manifest.variant}, {manifest.verdict}, {len(manifest)} rows"
                f"{_levels(manifest)}{_splits(manifest)}.",
                _other_rows(manifest),
            )
    if protocol.removes_cameras(probe, gallery) and not (real_cameras(probe) and real_cameras(gallery)):
        raise ProtocolError(
            f"{protocol.id}: a same-camera rule over rows without a real camera.",
            "A camera that nobody recorded cannot be the same as another.",
            f"choose a protocol without a camera rule: occreid-prepare info {manifest.dataset}",
        )


def _splits(manifest: Manifest) -> str:
    """Return in words how many rows are of each split, empty for a set without splits."""
    counts = manifest.frame["split"].value_counts().sort_index().to_dict()
    said = ", ".join(f"{number:,} of the split {name}" for name, number in counts.items() if name)
    return f", {said}" if said else ""


def _other_rows(manifest: Manifest) -> str:
    """Return the next command where a manifest has no row for a protocol."""
    if manifest.dataset != "simulated":
        return f"occreid-prepare info {manifest.dataset}"
    if _splits(manifest):
        return "occreid-prepare evaluate MANIFEST --protocol source-gallery --features F.npz --rows all"
    return ""


def _levels(manifest: Manifest) -> str:
    """Return in words which levels a simulated set has, empty for another."""
    found = sorted(set(manifest.frame.get("level", ())) - {""})
    return f", of levels {', '.join(found)}" if found else ""
