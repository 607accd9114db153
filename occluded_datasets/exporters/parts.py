"""The rows that another code base's loader is to see under a protocol, and what it cannot say of it.

Those loaders take lists of (path, pid, camid) and have one rule: gallery images of the probe's person *and* camera
are removed. So cameras are a part of the protocol there. Real ones are kept; where there is none, cameras are invented
such that the rule removes nothing, and that is said. A rule that those loaders cannot follow is an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ProtocolError, UnknownNameError
from ..manifest import IGNORED_ROLES, Manifest, image_refs, real_cameras
from ..protocol import Protocol, Split, find_protocol, protocols, split

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("train", "query", "gallery")
INVENTED = {"train": 0, "query": 0, "gallery": 1}
"""The camera of a part's rows where nobody recorded one: a probe never shares its own with a gallery image."""

NO_LABEL = -1
VIEW = 0
USUAL_RANK = 20
"""The largest rank that torchreid prints by default."""


class ExportRow(NamedTuple):
    """An image as loaders take it.

    Parameters
    ----------
    image_id, path, sha256 : str
        Which, where it is on this machine, and the digest of the file.
    pid : int
        The identity as published.
    label : int
        The place of `pid` among the sorted training pids; -1 outside the training part.
    camid : int
        From 0: of the recorded cameras those of the training part first, ascending; or an invented one.
    camera : int or None
        The camera as recorded; None where `camid` is invented.
    body : str
        ``full``, ``occluded``, ``partial`` or ``unknown``.
    """

    image_id: str
    path: str
    sha256: str
    pid: int
    label: int
    camid: int
    camera: int | None
    body: str


@dataclass(frozen=True)
class Parts:
    """The rows of a manifest under a protocol, by the names that loaders give to their parts.

    Parameters
    ----------
    protocol : Protocol
        The rules.
    fingerprint : str
        Of the manifest.
    train, query, gallery : tuple of ExportRow
        In image_id order; empty where the protocol trains elsewhere, or the copy is a training part alone.
    invented : tuple of str
        The parts whose cameras are invented.
    draw : int or None
        Which draw this is, where the protocol draws.
    nobody : frozenset of int
        Test pids that are not to be trained on: distractors, and probes without a gallery image.
    notes : tuple of str
        What a reader of the scores should know.

    Examples
    --------
    >>> import occluded_datasets as od, tempfile
    >>> from occluded_datasets.twin import twin
    >>> folder = tempfile.mkdtemp()
    >>> tree = twin("partial-reid", folder + "/twin", ids=2).tree
    >>> built = od.build("partial-reid", tree, folder, allow_subset=True)
    >>> parts = parts_of(od.load("partial-reid", folder), "transfer-all-occluded-probe")
    >>> [len(part) for part in (parts.train, parts.query, parts.gallery)], parts.query[0].camid, parts.gallery[0].camid
    ([0, 10, 10], 0, 1)
    """

    protocol: Protocol
    fingerprint: str
    train: tuple[ExportRow, ...]
    query: tuple[ExportRow, ...]
    gallery: tuple[ExportRow, ...]
    invented: tuple[str, ...]
    draw: int | None
    nobody: frozenset[int]
    notes: tuple[str, ...]

    def part(self, name: str) -> tuple[ExportRow, ...]:
        """Return the rows of ``train``, ``query`` or ``gallery``."""
        if name not in PARTS:
            raise UnknownNameError.of("part", name, PARTS, "see docs/tasks/bridges.md")
        rows: tuple[ExportRow, ...] = getattr(self, name)
        return rows

    def tuples(self, name: str, *, views: bool = False) -> list[tuple[str | int, ...]]:
        """Return (path, pid, camid) a row; of the training part the label instead of the pid.

        With `views`, (path, pid, camid, 0): TransReID, CLIP-ReID and what is made of them unpack four.
        """
        view = (VIEW,) if views else ()
        return [(row.path, row.label if name == "train" else row.pid, row.camid, *view) for row in self.part(name)]


def default_protocol(dataset: str) -> Protocol:
    """Return the protocol of a dataset where one is obvious: the only one that draws nothing.

    Raises
    ------
    ProtocolError
        If several are: choosing for the user would mix scores that do not compare.

    Examples
    --------
    >>> default_protocol("occluded-reid").name
    'transfer-all'
    """
    shipped = protocols(dataset)
    plain = [protocol for protocol in shipped if protocol.rules["draws"] == 1]
    if len(plain) != 1:
        raise ProtocolError(
            f"{dataset}: which protocol?" if shipped else f"{dataset}: no protocol ships for it.",
            f"Their scores do not compare: {', '.join(protocol.name for protocol in shipped)}." if shipped else "",
            "name one: protocol=NAME (--protocol NAME)",
        )
    return plain[0]


def parts_of(manifest: Manifest, protocol: str | Protocol | None = None, *, draw: int | None = None) -> Parts:
    """Return the rows of `manifest` by their part in `protocol`, as loaders take them.

    Parameters
    ----------
    manifest : Manifest
        Whose images; a copy of the training part alone gives that part.
    protocol : str or Protocol, optional
        A name, an id, a ``.json`` file or a `Protocol`; by default `default_protocol`.
    draw : int, optional
        Which draw, where the protocol has several.

    Raises
    ------
    ProtocolError
        If there is no such protocol for this manifest, or it has a rule that loaders with a same-camera filter alone
        cannot follow: sets of several images, the group rule, recorded cameras without a camera rule.
    """
    chosen = default_protocol(manifest.dataset) if protocol is None else protocol
    chosen = find_protocol(manifest.dataset, chosen) if isinstance(chosen, str) else chosen
    done = split(manifest, chosen, train_alone=True)
    frames = {"train": _people(done.train), **_drawn(done, draw)}
    _require_filter(done.protocol, frames["query"], frames["gallery"])
    numbers, invented = _cameras(frames)
    labels = {int(pid): label for label, pid in enumerate(sorted(set(frames["train"]["pid"])))}
    rows = {
        name: tuple(_rows(manifest, frame, None if name in invented else numbers, labels, name))
        for name, frame in frames.items()
    }
    number = draw or 0 if len(done.draws) else None
    gallery = frames["gallery"]
    strangers = set(frames["query"]["pid"]) - set(_people(gallery)["pid"])
    nobody = strangers | set(gallery.loc[gallery["role"].isin(IGNORED_ROLES), "pid"])
    notes = tuple(_notes(done, frames, invented, number))
    return Parts(
        done.protocol, done.fingerprint, **rows, invented=invented, draw=number,
        nobody=frozenset(int(pid) for pid in nobody), notes=notes,
    )  # fmt: skip


def _people(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose pid stands for one person."""
    return frame[~frame["role"].isin(IGNORED_ROLES)]


def _drawn(done: Split, draw: int | None) -> dict[str, pd.DataFrame]:
    """Return probe and gallery rows, those of one draw where the protocol draws."""
    rules, sides = done.protocol.rules, {"query": done.probe, "gallery": done.gallery}
    if not len(done.draws):
        if draw is not None:
            raise ProtocolError(f"{done.protocol.id}: it draws nothing.", f"Found draw {draw}.", "leave the draw out")
        return sides
    if rules["set_distance"] != "none" and max(rules["probe_shots"] or 0, rules["gallery_shots"] or 0) > 1:
        raise ProtocolError(
            f"{done.protocol.id}: it compares sets of pictures, by {rules['set_distance']}.",
            "The loaders of other code bases compare picture with picture.",
            f"occreid-prepare evaluate MANIFEST --protocol {done.protocol.name} --features F.npz",
        )
    count = int(done.draws["draw"].max()) + 1
    if (draw is None and count > 1) or not 0 <= (draw or 0) < count:
        raise ProtocolError(
            f"{done.protocol.id}: which of its draws?" if draw is None else f"{done.protocol.id}: no draw {draw}.",
            f"Expected one of 0 to {count - 1}; a loader reads one, and its score is not that of the protocol.",
            "name one: draw=0 (--draw 0)",
        )
    own = done.draws[done.draws["draw"] == (draw or 0)]
    for side, role in (("query", "probe"), ("gallery", "gallery")):
        names = own.loc[own["role"] == role, "image_id"]
        if rules[f"{role}_shots"]:
            sides[side] = sides[side][sides[side]["image_id"].isin(set(names))]
    return sides


def _require_filter(protocol: Protocol, query: pd.DataFrame, gallery: pd.DataFrame) -> None:
    """Raise where the same-camera filter is not what the protocol says."""
    shared = set(query["group"].dropna()) & set(gallery["group"].dropna())
    if protocol.rules["group_rule"] != "none" and shared:
        raise ProtocolError(
            f"{protocol.id}: it removes gallery pictures of the probe's own photo ({len(shared):,} photos).",
            "The loaders of other code bases remove the same camera and nothing else; scores would be too good.",
            f"occreid-prepare evaluate MANIFEST --protocol {protocol.name} --features F.npz",
        )
    if query.empty or protocol.removes_cameras(query, gallery) or not (real_cameras(query) and real_cameras(gallery)):
        return
    seen = _pairs(query) & _pairs(gallery)
    if seen:
        pid, camera = min(seen)
        raise ProtocolError(
            f"{protocol.id}: it removes no gallery picture by camera, and the loaders of other code bases would.",
            f"Found {len(seen):,} people with probe and gallery pictures of one camera, as pid {pid} of {camera}.",
            f"occreid-prepare evaluate MANIFEST --protocol {protocol.name} --features F.npz",
        )


def _pairs(frame: pd.DataFrame) -> set[tuple[int, int]]:
    return set(zip(frame["pid"].astype(int), frame["camid"].astype(int), strict=True))


def _cameras(frames: dict[str, pd.DataFrame]) -> tuple[dict[int, int], tuple[str, ...]]:
    """Return the number of each recorded camera, and the parts whose cameras must be invented."""
    tested = [frames["query"], frames["gallery"]]
    real = {"train": real_cameras(frames["train"])}
    real["query"] = real["gallery"] = all(real_cameras(frame) for frame in tested)
    own = [sorted({int(camera) for camera in frames[name]["camid"]}) if real[name] else [] for name in PARTS]
    order = dict.fromkeys([*own[0], *sorted({*own[1], *own[2]})])
    invented = tuple(name for name in PARTS if not real[name] and len(frames[name]))
    return {camera: number for number, camera in enumerate(order)}, invented


def _rows(
    manifest: Manifest, frame: pd.DataFrame, numbers: dict[int, int] | None, labels: dict[int, int], part: str
) -> Iterable[ExportRow]:
    cameras = [None] * len(frame) if numbers is None else [int(camera) for camera in frame["camid"]]
    facts = zip(image_refs(manifest, frame), frame["pid"], cameras, frame["body"], strict=True)
    for picture, pid, camera, body in facts:
        label = labels.get(int(pid), NO_LABEL) if part == "train" else NO_LABEL
        camid = INVENTED[part] if camera is None or numbers is None else numbers[camera]
        yield ExportRow(picture.image_id, picture.path, picture.sha256, int(pid), label, camid, camera, body)


def _notes(done: Split, frames: dict[str, pd.DataFrame], invented: tuple[str, ...], draw: int | None) -> Iterable[str]:
    query, gallery = frames["query"], frames["gallery"]
    if invented:
        given = ", ".join(f"{name} {INVENTED[name]}" for name in invented)
        yield f"cameras are invented ({given}): nobody recorded one, and the same-camera filter removes nothing"
    if draw is not None and done.protocol.rules["draws"] > 1:
        yield f"draw {draw} of {done.protocol.rules['draws']:,}: its score is not that of the protocol"
    if done.protocol.rules["set_distance"] != "none":
        yield "the protocol compares by the cosine: choose that distance"
    lost = int((~query["pid"].isin(set(gallery["pid"]))).sum())
    if lost:
        yield f"{lost} of {len(query)} probes have no match in the gallery: they are dropped, as the protocol does"
    if 0 < len(gallery) < USUAL_RANK:
        yield f"the gallery has {len(gallery)} pictures: ask for no rank beyond"
    if query.empty:
        yield "this copy is a training part alone: there is nothing to test on"
