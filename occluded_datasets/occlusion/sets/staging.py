"""The folder of a simulated set while it is made: what is done is kept, what is published is whole.

::

    <out>/
        images/ masks/      the images, below their source's image_ids
        manifest.csv        the table
        manifest.json       its header, written last: where it is, the set is whole
        .places.json        where the roots are on this machine           (this machine's business)
        .simulating/        a run at work, or killed; the same command goes on with it
        .<part>.replaced    a part of the earlier set while the new one is put in its place
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..._version import __version__
from ...errors import ManifestError, OccludedDatasetsError, StorageError, UsageError
from ...files import Moves, exclusive, put_back, remove_tree, swap_in, write_atomic
from ...manifest import PLACES, header_bytes, read, read_header
from ...paths import contained
from ..engine.application import Record
from ..recipes.keys import Key
from ..recipes.placement import Box
from .render import OccludedImage, check_files

PARTS = ("images", "masks", "manifest.csv", PLACES, "manifest.json")
"""What is published, in this order."""


class Staging:
    """One simulated set's folder.

    Parameters
    ----------
    out : Path
        Where the set is published.
    plan : mapping
        Every parameter that decides a pixel: another plan is another set.
    folders : set of str
        Folders that images go into, below ``images/`` and ``masks/``; none where no image is written.
    """

    def __init__(self, out: Path, plan: Mapping[str, Any], folders: Iterable[str]) -> None:
        self.out, self.folder = out, out / ".simulating"
        self.plan = json.loads(json.dumps(plan))
        self.folders = sorted(folders)
        self.ended = False
        """Whether this run put in its place what an earlier one had made and could not."""

    @property
    def manifest(self) -> Path:
        """The published table."""
        return self.out / "manifest.csv"

    @property
    def header(self) -> Path:
        """The published header."""
        return self.out / "manifest.json"

    @contextmanager
    def opened(self, replace: bool) -> Iterator[dict[str, Any] | None]:
        """Hold the folder for one run; yield the header if the set is there already, else None."""
        existed = [folder for folder in (self.out, *self.out.parents) if folder.exists()]
        try:
            with exclusive(self.out / ".lock"):
                ready = (self.folder / "ready").exists()
                if ready and self._read("plan.json") == self._stamp and (replace or not self.header.exists()):
                    self.ended = (self.folder / "manifest.json").exists()
                    self._move()
                else:
                    put_back(self._moves)
                found = self._published()
                if found is not None and self._same(found) and _told(found) and self._intact():
                    if self._read("plan.json") in (None, self._stamp):  # killed while it was being removed
                        remove_tree(self.folder)
                    yield found
                    return
                self._require_free(found, replace)
                self._prepare()
                yield None
        finally:
            for folder in (self.out, *self.out.parents):
                if folder in existed:
                    break
                with suppress(OSError):
                    folder.rmdir()

    @property
    def _stamp(self) -> dict[str, Any]:
        return {"tool_version": __version__, **self.plan}

    def _published(self) -> dict[str, Any] | None:
        try:
            return read_header(self.header)
        except ManifestError:
            return None

    def _same(self, header: Mapping[str, Any]) -> bool:
        return header.get("recipe") == self.plan and header.get("tool_version") == __version__

    def _intact(self) -> bool:
        """Return whether the published set is the one its header vouches for, each image with its size."""
        try:
            frame = read(self.manifest).frame
            if not self.folders:
                return True
            own = frame[frame["root"] == ""]
            for path, mask, size in zip(own["path"], own["mask_path"], own["bytes"], strict=True):
                if contained(self.out, path).stat().st_size != size or not contained(self.out, mask).is_file():
                    return False
        except (OSError, OccludedDatasetsError):
            return False
        return True

    def _require_free(self, found: Mapping[str, Any] | None, replace: bool) -> None:
        """Raise rather than replace another set without being asked, or anything else at all."""
        if found is not None and found["dataset"] == "simulated" and not replace and not self._same(found):
            raise UsageError(
                f"{self.out}: another set is published here.",
                f"It is {found['dataset']}, variant {found['variant']}, {found['rows']} rows.",
                "add --replace, or choose another --out",
            )
        if found is not None and found["dataset"] != "simulated":
            raise UsageError(f"{self.out}: {found['dataset']} is published here.", "It is never replaced.",
                             "choose another --out")  # fmt: skip
        strange = [part for part in PARTS if (self.out / part).exists()]
        if found is None and strange:
            raise UsageError(
                f"{self.out / strange[0]} is there and is no simulated set's.", "It is never replaced.",
                "choose another --out",
            )  # fmt: skip

    def _prepare(self) -> None:
        """Go on with what an earlier run of the same plan left; else begin anew."""
        parts = (self.folder, *(self.folder / name for name in ("rows", "images", "masks")))
        if self._read("plan.json") != self._stamp or any(part.is_symlink() for part in parts):
            remove_tree(self.folder)
        (self.folder / "ready").unlink(missing_ok=True)
        (self.folder / "rows").mkdir(parents=True, exist_ok=True)
        for parent in self.folders:
            for kind in ("images", "masks"):
                (self.folder / kind / parent).mkdir(parents=True, exist_ok=True)
        write_atomic(self.folder / "plan.json", json.dumps(self._stamp).encode())

    def _read(self, name: str) -> Any:
        try:
            return json.loads((self.folder / name).read_bytes())
        except (OSError, ValueError):
            return None

    def finished(self, number: int, extension: str) -> list[OccludedImage] | None:
        """Return what an earlier run made of a shard if its images are there to the byte, else None."""
        kept = self._read(f"rows/{number:06d}.json")
        try:
            rows = json.dumps(kept["rows"])
            if kept["sha256"] != hashlib.sha256(rows.encode()).hexdigest():
                return None
            made = [_made(*row) for row in kept["rows"]["made"]]
            whole = not self.folders or check_files(self.folder, made, kept["rows"]["names"], extension)
        except (KeyError, TypeError, ValueError):
            return None
        return made if whole else None

    def remember(self, number: int, made: Sequence[OccludedImage], names: Sequence[str]) -> None:
        """Write down that a shard is done, so that a later run need not make it again.

        Parameters
        ----------
        number : int
            The shard's number, from 0.
        made : sequence of OccludedImage
            What was made of it, in order; its images and masks are written already, but for a set of rows alone.
        names : sequence of str
            The path of each image, below its folder, without extension.
        """
        rows = {"made": made, "names": names}
        digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
        kept = json.dumps({"rows": rows, "sha256": digest})
        write_atomic(self.folder / "rows" / f"{number:06d}.json", kept.encode())

    def require_whole(self, names: Iterable[str], extension: str) -> None:
        """Raise if an image or mask that was written is not there any more."""
        for name in names:
            for file in (self.folder / "images" / f"{name}{extension}", self.folder / "masks" / f"{name}.png"):
                if not file.is_file():
                    raise StorageError(
                        f"{file} vanished while the set was made.",
                        "Nothing was published.",
                        "run the same command again",
                    )

    def publish(self, text: str, header: dict[str, Any], places: Mapping[str, str]) -> None:
        """Make the set the published one; its header comes last.

        Parameters
        ----------
        text : str
            The table, as canonical CSV.
        header : dict
            The manifest's header.
        places : mapping of str to str
            Where each root is on this machine, by its name; written to ``.places.json``, not to the manifest.
        """
        write_atomic(self.folder / "manifest.csv", text.encode())
        write_atomic(self.folder / PLACES, json.dumps(places).encode())
        write_atomic(self.folder / "manifest.json", header_bytes(header))
        staged = [part for part in PARTS if (self.folder / part).exists()]
        # From here on a killed run needs no image made again: `opened` moves what ``ready`` names.
        write_atomic(self.folder / "ready", json.dumps(staged).encode())
        self._move()

    @property
    def _moves(self) -> Moves:
        """Every part that is ready and its place; a set of rows alone leaves the places of images empty."""
        staged = self._read("ready") or [part for part in PARTS if (self.folder / part).exists()]
        return [(self.folder / part if part in staged else None, self.out / part) for part in PARTS]

    def _move(self) -> None:
        """Put what is ready in its place; killed in between, the same command goes on."""
        swap_in(self._moves)
        remove_tree(self.folder)


def _told(header: Mapping[str, Any]) -> bool:
    """Return whether a header says what a report of the set repeats."""
    counts = header.get("simulation")
    names = {"pictures", "referred", "untouched", "unreachable"}
    whole = isinstance(counts, Mapping) and set(counts) == names and isinstance(header.get("skipped"), Mapping)
    return whole and isinstance(header.get("variant"), str)


def _made(clean: int, version: int, *rest: Any) -> OccludedImage:
    """Return an entry as it was before it became JSON."""
    *facts, (key, occluder, placement, names, boxes, *numbers), visible = rest
    record = Record(Key(*key), occluder, placement, tuple(names), tuple(Box(*box) for box in boxes), *numbers)
    return OccludedImage._make([clean, version, *facts, record, visible])
