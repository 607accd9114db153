"""`export`: images and lists in the form that another code base reads, whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .._version import __version__
from ..errors import UnknownNameError, UsageError
from ..files import exclusive, put_back, remove_tree, storage_errors, swap_in, write_atomic
from ..manifest import ImageRef, Manifest, read_bytes
from ..protocol import Protocol
from . import fastreid, tuples
from .parts import PARTS, Parts, parts_of
from .tables import Content

SCHEMA_VERSION = 1
RECORD = "export.json"
FORMATS: Mapping[str, Callable[[Parts, str, Path], Content]] = {
    "fast-reid": fastreid.fastreid_content, "tuples": tuples.tuples_content,
}  # fmt: skip


class Exported(NamedTuple):
    """What `export` published, where, and whether it was there already."""

    path: str
    format: str
    protocol: str
    rows: dict[str, int]
    cameras: str
    notes: tuple[str, ...]
    reader: str
    linked: int
    copied: int
    unchanged: bool


def export(
    manifest: Manifest,
    to: str,
    out: str | os.PathLike[str],
    protocol: str | Protocol | None = None,
    *,
    draw: int | None = None,
    copy: bool = False,
    replace: bool = False,
) -> Exported:
    """Write the rows of `manifest` under a protocol in the form that another code base reads; return what was written.

    Each image's sha256 is checked on the way. What the other code base's own rule reads back is held against the
    rows before anything is published.

    Parameters
    ----------
    manifest : Manifest
        Whose images; its roots must be known on this machine.
    to : str
        ``fast-reid``: a folder below `out`, which is fast-reid's ``FASTREID_DATASETS``. ``tuples``: lists, in `out`,
        for loaders in the style of TransReID and CLIP-ReID.
    out : path
        Where to.
    protocol : str or Protocol, optional
        By name, id or ``.json`` file; may be left out where one is obvious.
    draw : int, optional
        Which draw, where the protocol has several.
    copy : bool
        Copy images instead of hard-linking them.
    replace : bool
        Put it in the place of another export.

    Raises
    ------
    ProtocolError
        If the protocol has a rule that the other code base cannot follow.
    UsageError
        If something else is at the place, or the place is inside a raw tree.
    InputError
        If an image is missing or changed, or the rows read back are not those written.
    StorageError
        If the disk refuses, or another run exports there.

    Examples
    --------
    >>> import occluded_datasets as od, tempfile
    >>> from occluded_datasets.twin import twin
    >>> folder = tempfile.mkdtemp()
    >>> tree = twin("partial-reid", folder + "/twin", ids=2).tree
    >>> built = od.build("partial-reid", tree, folder, allow_subset=True)
    >>> done = export(od.load("partial-reid", folder), "tuples", folder + "/lists", "transfer-all-partial-probe")
    >>> done.rows, done.cameras
    ({'train': 0, 'query': 10, 'gallery': 10}, 'invented for query, gallery')
    """
    if to not in FORMATS:
        raise UnknownNameError.of("format", to, FORMATS, "occreid-prepare export --help")
    parts = parts_of(manifest, protocol, draw=draw)
    content = FORMATS[to](parts, manifest.dataset, Path(out).absolute())
    target = content.target
    _require_outside(target, manifest)
    record = _record(to, content, parts, manifest)
    stage = target.with_name(f".{target.name}.exporting")
    with storage_errors(str(out), target / RECORD), exclusive(stage.with_name(f"{stage.name}.lock")):
        put_back([(stage, target)])
        unchanged = _published(target, record, content, replace)
        linked = copied = 0
        if not unchanged:
            remove_tree(stage)
            try:
                linked, copied = _fill(stage, content, record, copy=copy)
                content.check(stage)
                swap_in([(stage, target)])
            finally:
                remove_tree(stage)
    counts = {name: len(parts.part(name)) for name in PARTS}
    return Exported(
        str(target), to, parts.protocol.id, counts, record["cameras"], tuple(record["notes"]), content.reader["name"],
        linked, copied, unchanged,
    )  # fmt: skip


def _record(to: str, content: Content, parts: Parts, manifest: Manifest) -> dict[str, Any]:
    """Return what ``export.json`` says: all that decides a byte, and the terms that go with the images."""
    return {
        "schema_version": SCHEMA_VERSION,
        "tool_version": __version__,
        "format": to,
        "dataset": manifest.dataset,
        "variant": manifest.variant,
        "fingerprint": parts.fingerprint,
        "protocol": parts.protocol.id,
        "draw": parts.draw,
        "rows": {name: len(parts.part(name)) for name in PARTS},
        "cameras": f"invented for {', '.join(parts.invented)}" if parts.invented else "as recorded",
        "notes": [*parts.notes, *content.notes],
        "reader": dict(content.reader),
        "sha256": content.digests(),
        "redistributable": False,
        "terms": manifest.header.get("terms", {}),
        "withdrawn_parent": manifest.withdrawn_parent,
        "twin": manifest.twin,
    }


def _require_outside(target: Path, manifest: Manifest) -> None:
    """Raise rather than write into a tree as published."""
    place = target.resolve()
    for name in ("", *manifest.header.get("roots", {})):
        if name == "" and manifest.path is None:
            continue
        raw = manifest.root(name).resolve() / "raw"
        if place == raw or place.is_relative_to(raw) or raw.is_relative_to(place):
            raise UsageError(
                f"{target}: the tree as published is here.", f"Expected a place outside {raw}.", "choose another --out"
            )


def _published(target: Path, record: Mapping[str, Any], content: Content, replace: bool) -> bool:
    """Return whether this very export is there; raise if something else is."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise UsageError(f"{target} is no folder.", "It is never replaced.", "choose another --out")
    if not target.exists() or not any(target.iterdir()):
        return False
    try:
        found = json.loads((target / RECORD).read_bytes())
        known = isinstance(found, dict) and {"format", "protocol", "redistributable"} <= set(found)
    except (OSError, ValueError):
        known = False
    if not known:
        raise UsageError(f"{target} is there and is no export.", "It is never replaced.", "choose another --out")
    if found == record and content.whole(target):
        return True
    if not replace:
        what = "is damaged" if found == record else f"is of {found['protocol']}, as {found['format']}"
        raise UsageError(
            f"{target}: an export is published here, and it {what}.",
            f"Expected {record['protocol']}, as {record['format']}, of fingerprint {record['fingerprint'][:16]}.",
            "add --replace, or choose another --out",
        )
    return False


def _fill(stage: Path, content: Content, record: Mapping[str, Any], *, copy: bool) -> tuple[int, int]:
    """Write everything, the record last; return how many images were linked and copied."""
    linked = 0
    for folder in sorted({name.rpartition("/")[0] for name in content.pictures} | set(content.folders)):
        (stage / folder).mkdir(parents=True, exist_ok=True)
    for name, picture in content.pictures.items():
        linked += _put(picture, stage / name, copy=copy)
    if linked < len(content.pictures) and hasattr(os, "sync"):
        os.sync()  # once, where write_atomic would flush twelve thousand files one by one
    for name, data in content.files.items():
        write_atomic(stage / name, data)
    write_atomic(stage / RECORD, (json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode())
    return linked, len(content.pictures) - linked


def _put(picture: ImageRef, place: Path, *, copy: bool) -> bool:
    """Put an image that is still the manifest's at `place`; return whether as a link."""
    data = read_bytes(picture)
    if not copy:
        try:
            os.link(picture.path, place, follow_symlinks=False)
        except FileExistsError:
            raise
        except (OSError, NotImplementedError):
            pass  # another file system, or one that has no links
        else:
            return True
    with place.open("xb") as stream:
        stream.write(data)
    return False
