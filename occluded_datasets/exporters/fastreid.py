"""A tree that fast-reid reads: by its own class of the set where it has one, and by a class that lies beside it.

::

    <FASTREID_DATASETS>/<top>/
        ...                 images, where the class looks for them
        rows.csv            part, path, pid, label, camid, recorded camera, body, image_id
        <module>.py         a class for fast-reid's registry that reads rows.csv; Python 3.6
        export.json         protocol, fingerprint, cameras, terms

fast-reid's classes take pid and camera from the *path*, by a pattern that is searched from its beginning.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ..errors import InputError, UsageError
from ..manifest import ImageRef
from ..protocol import find_protocol
from .names import camel, snake
from .parts import PARTS, ExportRow, Parts
from .tables import ROWS, Content, Read, require_equal, rows_of, rows_text

REPOSITORY = "JDAI-CV/fast-reid"
PARTIAL = "projects/PartialReID/partialreid/partial_dataset.py"


@dataclass(frozen=True)
class Native:
    """What a class of fast-reid reads.

    Parameters
    ----------
    name, file : str
        The class, and where it is.
    top : str
        The folder below fast-reid's root.
    folders : mapping of str to str
        Where it looks for each part, below `top`.
    pattern : re.Pattern
        What it searches in the path: pid and camera.
    recorded : bool
        Whether names hold the recorded camera, counted from 1, and are those of the published files.
    """

    name: str
    file: str
    top: str
    folders: dict[str, str]
    pattern: re.Pattern[str] = field(default=re.compile(r"([-\d]+)_(\d*)", re.ASCII))
    recorded: bool = False

    def name_of(self, row: ExportRow) -> str:
        """Return the file's name."""
        stem = PurePosixPath(row.image_id).name
        return f"{stem}.jpg" if self.recorded else f"{row.pid:03d}_{row.camid}_{stem}.jpg"

    def camid(self, row: ExportRow) -> int:
        """Return the camera that the class gives the row."""
        return row.camid if row.camera is None or not self.recorded else row.camera - 1


_MARKET = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
_CAMERA = re.compile(r"([-\d]+)_c(\d)", re.ASCII)
_SIDES = {"query": "query", "gallery": "gallery"}
NATIVE = {
    ("partial-reid", "transfer-all-partial-probe"): Native(
        "PartialREID", PARTIAL, "Partial_REID", {"query": "partial_body_images", "gallery": "whole_body_images"}
    ),
    ("occluded-reid", "transfer-all"): Native("OccludedREID", PARTIAL, "OccludedREID", _SIDES),
    ("partial-ilids", "single-shot"): Native("PartialiLIDS", PARTIAL, "PartialiLIDS", _SIDES),
    ("market-1501", "standard"): Native(
        "Market1501", "fastreid/data/datasets/market1501.py", "Market-1501-v15.09.15", _MARKET, _CAMERA, recorded=True
    ),
    ("dukemtmc-reid", "standard"): Native(
        "DukeMTMC", "fastreid/data/datasets/dukemtmcreid.py", "DukeMTMC-reID", _MARKET, _CAMERA, recorded=True
    ),
}
"""By dataset and protocol: the classes whose probe, gallery and training images are those of the protocol."""


def fastreid_content(parts: Parts, dataset: str, out: Path) -> Content:
    """Return the tree of `parts` below fast-reid's root `out`."""
    rules = parts.protocol
    native = NATIVE.get((dataset, rules.name))
    if native and find_protocol(dataset, rules.name).id != rules.id:
        native = None  # a file of the user's with the name of ours and other rules
    names = (dataset, rules.name) if parts.draw is None else (dataset, rules.name, f"draw-{parts.draw}")
    target = out / (native.top if native else "-".join(names))
    place = _native_place(native) if native else _plain_place
    pictures = {
        place(part, row): ImageRef(row.image_id, row.path, row.sha256) for part in PARTS for row in parts.part(part)
    }
    rows = sum(len(parts.part(part)) for part in PARTS)
    if len(pictures) != rows:
        raise InputError(f"{rules.id}: {rows - len(pictures)} of {rows} pictures would have the name of another.")
    files = {ROWS: rows_text(parts, place), f"{snake(*names)}.py": _module(parts, names).encode()}
    own = camel(*names)
    reader = {"name": own, "module": snake(*names)}
    notes: tuple[str, ...] = ()
    if native:
        _require_readable(native, target)
        reader = {"name": native.name, "source": f"{REPOSITORY} {native.file}", "beside": own, "module": snake(*names)}
        renamed = {Path(row.path).suffix.lower() for part in PARTS for row in parts.part(part)} - {".jpg"}
        if renamed:
            notes = (f"{', '.join(sorted(renamed))} files are called .jpg, as the class looks for; bytes as published",)
    folders = tuple((native.folders if native else {part: part for part in PARTS}).values())
    return Content(target, files, pictures, folders, reader, notes, _checker(parts, place, native, target))


def _plain_place(part: str, row: ExportRow) -> str:
    """Return the image's published folders and name below its part: a name alone may be there twice."""
    return f"{part}/{row.image_id.partition('/')[2]}{Path(row.path).suffix}"


def _native_place(native: Native) -> Callable[[str, ExportRow], str]:
    return lambda part, row: f"{native.folders[part]}/{native.name_of(row)}"


def _require_readable(native: Native, target: Path) -> None:
    """Raise if the class would find its pattern in the folders above the images."""
    found = native.pattern.search(f"{target.as_posix()}/")
    if found:
        raise UsageError(
            f"{target}: fast-reid's {native.name} would read {found.group()!r} of this path as pid and camera.",
            f"It searches {native.pattern.pattern} from the beginning of the path.",
            "choose another --out",
        )


def read_back(folder: Path, native: Native, target: Path) -> list[tuple[str, str, int, int]]:
    """Return (part, path below the folder, pid, camid) as the class reads a tree that will be at `target`.

    It takes the ``.jpg`` of each of its folders, and pid and camera from the path; of Market-1501 it passes over pid
    -1, and cameras of names are counted from 1.
    """
    found = []
    for part, sub in native.folders.items():
        for path in (folder / sub).glob("*.jpg"):
            match = native.pattern.search(f"{target.as_posix()}/{sub}/{path.name}")
            pid, camera = map(int, match.groups()) if match else (-1, -1)
            found.append((part, f"{sub}/{path.name}", pid, camera - 1 if native.recorded else camera))
    return [row for row in found if not (native.name == "Market1501" and row[2] == -1)]


def _checker(
    parts: Parts, place: Callable[[str, ExportRow], str], native: Native | None, target: Path
) -> Callable[[Path], None]:
    def check(folder: Path) -> None:
        wanted: Read = [(part, place(part, row), row.pid) for part in PARTS for row in parts.part(part)]
        require_equal(rows_of(folder), wanted, ROWS)
        if native is None:
            return
        found = read_back(folder, native, target)
        require_equal([row[:3] for row in found], wanted, f"fast-reid's {native.name}")
        cameras = {place(part, row): native.camid(row) for part in PARTS for row in parts.part(part)}
        wrong = [(part, path, camid) for part, path, _, camid in found if cameras[path] != camid]
        require_equal(wrong, [], f"fast-reid's {native.name}, by camera,")

    return check


def _module(parts: Parts, names: tuple[str, ...]) -> str:
    """Return the module that lies in the tree: fast-reid runs where this package does not."""
    said = "".join(f"    {note}.\n" for note in parts.notes) or "    Cameras are as recorded.\n"
    return TEMPLATE.format(
        protocol=parts.protocol.id, name=camel(*names), module=snake(*names), dataset=names[0], notes=said,
        nobody=sorted(parts.nobody),
    )  # fmt: skip


TEMPLATE = '''"""fast-reid reads this folder by the class below, wherever it lies.

In train_net.py, with this folder on PYTHONPATH:  import {module}
In a config:  DATASETS: {{NAMES: ("{name}",), TESTS: ("{name}",)}}
"""

import csv
import os.path as osp

from fastreid.data.datasets import DATASET_REGISTRY
from fastreid.data.datasets.bases import ImageDataset

HERE = osp.dirname(osp.abspath(__file__))


@DATASET_REGISTRY.register()
class {name}(ImageDataset):
    """{protocol}

{notes}    """

    _junk_pids = {nobody}
    dataset_name = "{dataset}"

    def __init__(self, root="datasets", **kwargs):
        parts = {{"train": [], "query": [], "gallery": []}}
        with open(osp.join(HERE, "rows.csv"), encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                pid, camid = int(row["pid"]), int(row["camid"])
                if row["part"] == "train":
                    pid, camid = ("%s_%d" % (self.dataset_name, number) for number in (pid, camid))
                parts[row["part"]].append((osp.join(HERE, row["path"]), pid, camid))
        super().__init__(parts["train"], parts["query"], parts["gallery"], **kwargs)
'''
