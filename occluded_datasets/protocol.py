"""From a named protocol, which is data, to train, probe and gallery rows and keyed draws."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ManifestError, ProtocolError, UnknownNameError
from .hashing import key
from .manifest import COLUMNS, SIMULATED, Manifest, real_cameras

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    import pandas as pd

PACKAGE = "occluded_datasets.manifests"
WORDS = ("title", "notes", "sources")
_FILTERS = {
    column.name: column.pattern
    for column in (*COLUMNS, *SIMULATED)
    if column.name in ("split", "role", "body", "level")
}
TEST_ROWS = "test"
ROWS = (TEST_ROWS, "all")
"""Which rows of a simulated set are scored."""
_NUMBERS = {
    "probe_shots": (1, 10_000),
    "gallery_shots": (1, 10_000),
    "draws": (1, 10_000),
    "seed": (0, 2**63 - 1),
    "max_rank": (1, 10_000),
}
"""The least and the greatest of each number: a file of others must not make a run without an end."""
_SIDES = ("train", "validation", "probe", "gallery", "junk")
_CHOICES: dict[str, tuple[object, ...]] = {
    "schema": (1,),
    "test_identities": ("all", "published", "half"),
    "set_distance": ("none", "cosine-of-normalised-mean"),
    "camera_rule": ("none", "same-camera-removed", "same-camera-removed-if-real"),
    "group_rule": ("none", "same-group-removed"),
    "unanswerable": ("drop-and-count", "error"),
}


@dataclass(frozen=True)
class Protocol:
    """A protocol's rules, as its JSON file says them.

    Examples
    --------
    >>> find_protocol("market-1501", "standard").rules["camera_rule"]
    'same-camera-removed'
    """

    rules: Mapping[str, Any]

    @property
    def dataset(self) -> str:
        """The dataset it is for."""
        return str(self.rules["dataset"])

    @property
    def name(self) -> str:
        """Its name within the dataset."""
        return str(self.rules["name"])

    @property
    def id(self) -> str:
        """Return ``<dataset>/<name>@<8 hex>``: the digest is of all rules, not of title, notes and sources."""
        rules = {name: value for name, value in self.rules.items() if name not in WORDS}
        text = json.dumps(rules, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return f"{self.dataset}/{self.name}@{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def at_level(self, level: str) -> Protocol:
        """Return the protocol whose probes are those of one occlusion level: its name and its id are its own.

        Examples
        --------
        >>> find_protocol("simulated", "source-gallery").at_level("0.3").name
        'source-gallery-level-30'
        """
        try:
            share = float(level)
        except ValueError:
            words = level
        else:
            level = f"{share:g}"
            words = f"{100 * share:g}".replace(".", "-") if 0 < share < 1 else ""
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", words):
            raise ProtocolError(
                f"level {level!r}: not a level.", "Expected it as the manifest writes it: 0.3, or noise-30."
            )
        probe = {**self.rules["probe"], "level": [level]}
        return Protocol({**self.rules, "name": f"{self.name}-level-{words}", "probe": probe})

    def without_training_rows(self) -> Protocol:
        """Return the protocol whose probes and gallery are no row of the split train: its name and id are its own.

        Examples
        --------
        >>> find_protocol("simulated", "source-gallery").without_training_rows().name
        'source-gallery-test'
        """
        sides = {side: {"split": ["test", ""], **self.rules[side]} for side in ("probe", "gallery")}
        return Protocol({**self.rules, **sides, "name": f"{self.name}-test"})

    def removes_cameras(self, probe: pd.DataFrame, gallery: pd.DataFrame) -> bool:
        """Whether gallery images of the probe's identity and camera are removed, given the rows' cameras."""
        rule = self.rules["camera_rule"]
        if rule == "same-camera-removed-if-real":
            return real_cameras(probe) and real_cameras(gallery)
        return bool(rule != "none")


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


def protocols(dataset: str) -> list[Protocol]:
    """Return the protocols that ship for `dataset`, by name.

    Examples
    --------
    >>> [protocol.name for protocol in protocols("partial-ilids")]
    ['single-shot']
    """
    return list(_shipped(dataset))


@cache
def _shipped(dataset: str) -> tuple[Protocol, ...]:
    return tuple(_parse(entry) for entry in sorted(_folder(dataset), key=lambda entry: entry.name))


def find_protocol(dataset: str, name: str) -> Protocol:
    """Return a protocol by name, by id, or from a JSON file of one's own.

    Parameters
    ----------
    dataset : str
        The dataset that a bare name belongs to.
    name : str
        ``transfer-all``, ``occluded-reid/transfer-all``, the same with ``@`` and its digest, or a path to a ``.json``.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    ProtocolError
        If it belongs to another dataset, or the digest is of other rules.
    """
    if name.endswith(".json"):
        return _require(_parse(Path(name)), dataset)
    bare, _, digest = name.partition("@")
    owner, _, short = bare.rpartition("/")
    if owner and owner != dataset:
        raise ProtocolError(
            f"{name} is a protocol of {owner}.", f"Expected one of {dataset}.", f"occreid-prepare info {dataset}"
        )
    for protocol in protocols(dataset):
        if protocol.name == short:
            if digest and not protocol.id.endswith(f"@{digest}"):
                raise ProtocolError(
                    f"{name}: this version's rules are {protocol.id}.",
                    "The digests differ, so the rules do, and scores would not compare.",
                )
            return protocol
    others = sorted(_owners(short) - {dataset})
    if others:
        raise ProtocolError(
            f"{short} is a protocol of {', '.join(others)}.", f"Expected one of {dataset}.",
            f"occreid-prepare info {dataset}",
        )  # fmt: skip
    raise UnknownNameError.of(
        f"protocol of {dataset}", name, [p.name for p in protocols(dataset)], f"occreid-prepare info {dataset}"
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
    _require(chosen, manifest.dataset)
    if fault := _fault(dict(chosen.rules)):
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


def _require(protocol: Protocol, dataset: str) -> Protocol:
    if protocol.dataset != dataset:
        raise ProtocolError(
            f"{protocol.id} is a protocol of {protocol.dataset}.", f"The manifest is of {dataset}.",
            f"occreid-prepare info {dataset}",
        )  # fmt: skip
    return protocol


def _folder(dataset: str) -> Iterator[Traversable]:
    folder = resources.files(PACKAGE).joinpath("protocols", dataset)
    if folder.is_dir():
        yield from (entry for entry in folder.iterdir() if entry.name.endswith(".json"))


def _owners(name: str) -> set[str]:
    folder = resources.files(PACKAGE).joinpath("protocols")
    return {entry.name for entry in folder.iterdir() if entry.joinpath(f"{name}.json").is_file()}


def _parse(entry: Traversable | Path) -> Protocol:
    """Return the protocol in a file, or raise `ManifestError` saying which rule is wrong."""
    try:
        rules = json.loads(entry.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestError(f"{entry}: not a protocol file.", f"The reader says: {error}.") from error
    fault = _fault(rules)
    if fault:
        raise ManifestError(f"{entry.name}: not a protocol.", fault, "see docs/reference/protocols.md")
    return Protocol(rules)


def _fault(rules: Any) -> str:
    """Return what is wrong with a protocol's rules, or an empty string."""
    needed = {*WORDS, *_CHOICES, *_NUMBERS, *_SIDES, "dataset", "name"}
    if not isinstance(rules, dict) or set(rules) != needed:
        found = set(rules) if isinstance(rules, dict) else set()
        return f"Missing: {sorted(needed - found) or 'nothing'}; unknown: {sorted(found - needed) or 'nothing'}."
    for name, choices in _CHOICES.items():
        if rules[name] not in choices:
            return f"{name}: expected one of {choices}, found {rules[name]!r}."
    for name in _SIDES:
        value = rules[name]
        if not (value is None and name in ("train", "validation")) and not _is_filter(value):
            return f"{name}: expected a filter over lists of {', '.join(_FILTERS)}, found {value!r}."
    for name in ("dataset", "name"):
        if not (isinstance(rules[name], str) and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rules[name])):
            return f"{name}: expected lower-case words joined by '-', found {rules[name]!r}."
    return _number_fault(rules) or _set_fault(rules)


def _number_fault(rules: Mapping[str, Any]) -> str:
    """Return which number of a protocol means nothing or has no end, or an empty string."""
    for name, (least, most) in _NUMBERS.items():
        value = rules[name]
        optional = name.endswith("shots")
        if not (value is None and optional) and not (type(value) is int and least <= value <= most):
            other = ", or null" if optional else ""
            return f"{name}: expected a whole number from {least} to {most:,}{other}, found {value!r:.40}."
    if rules["draws"] > 1 and rules["probe_shots"] is rules["gallery_shots"] is None:
        return f"draws: expected 1 where there are no shots to draw, found {rules['draws']}."
    return ""


def _set_fault(rules: Mapping[str, Any]) -> str:
    """Return which rule cannot be kept between sets of images, or an empty string."""
    if rules["set_distance"] == "none":
        return ""
    removing = [name for name in ("camera_rule", "group_rule") if rules[name] != "none"]
    if removing:
        return f"{removing[0]}: expected none, because sets are compared whole and no pair of images can be removed."
    missing = [name for name in ("probe_shots", "gallery_shots") if rules[name] is None]
    return f"{missing[0]}: expected a number, because sets are drawn on both sides." if missing else ""


def _is_filter(value: Any) -> bool:
    """Return whether `value` maps columns to lists of what their cells may hold."""
    return isinstance(value, dict) and all(
        column in _FILTERS
        and isinstance(cells, list)
        and all(isinstance(cell, str) and _FILTERS[column].fullmatch(cell) for cell in cells)
        for column, cells in value.items()
    )
