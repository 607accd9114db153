"""The folder of one dataset below the data root: staging, resuming and publishing.

::

    <root>/<dataset>/
        raw/            the tree as published
        manifest.csv    the table
        manifest.json   its header, written last: where it is, the build is whole
        .stat.tsv       sizes and times of raw/, for the fast re-scan     (this machine's business)
        .build.json     what raw/ was made from                          (this machine's business)
        .building/      a build at work, or killed; the next one resumes or removes it
        .old/           the earlier build while a new one is put in its place; the next command clears it up
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ManifestError, UsageError
from ..files import exclusive, remove_tree, storage_errors, sync_folder, write_atomic
from ..manifest import STAT_FILE, header_bytes, read, read_header, stat_text
from ..scan import Scanned

JOURNAL = "scan.tsv"
MARKER = "unpacked.json"


@dataclass(frozen=True)
class Workspace:
    """Paths of one dataset's folder and what may be done there."""

    home: Path

    @property
    def raw(self) -> Path:
        """The published tree."""
        return self.home / "raw"

    @property
    def manifest(self) -> Path:
        """The published table."""
        return self.home / "manifest.csv"

    @property
    def header(self) -> Path:
        """The published header."""
        return self.home / "manifest.json"

    @property
    def staging(self) -> Path:
        """The folder of a build at work."""
        return self.home / ".building"

    @property
    def note(self) -> Path:
        """What the published tree was made from."""
        return self.home / ".build.json"

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the folder for one build; leave no staging and, if it fails, no empty folder."""
        existed = [folder for folder in (self.home, *self.home.parents) if folder.exists()]
        with storage_errors(str(self.home), self.header):
            try:
                with exclusive(self.home / ".lock"):
                    self._recover()
                    try:
                        yield
                    finally:
                        remove_tree(self.staging)
            finally:
                for folder in (self.home, *self.home.parents):
                    if folder in existed:
                        break
                    with suppress(OSError):
                        folder.rmdir()

    def published(self, source: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the header if what is published was made from `source` and no file was touched since."""
        note = self.read_note()
        if note is None or note.get("source") != source or not self.intact(note):
            return None
        with suppress(ManifestError):
            return read_header(self.header)
        return None

    def intact(self, note: Mapping[str, Any]) -> bool:
        """Whether table, header and tree have the sizes and times that the build left."""
        try:
            own = [_stamp(self.manifest), _stamp(self.header)]
            return note.get("own") == own and (self.home / STAT_FILE).read_text("utf-8") == stat_text(self.home)
        except OSError:
            return False

    def read_note(self) -> dict[str, Any] | None:
        """Return what the last build wrote down, or None."""
        return _record(self.note)

    def staged(self, source: Mapping[str, Any]) -> dict[str, int] | None:
        """Return what was skipped when a killed build unpacked `source` whole; else clear the staging folder."""
        marker = _record(self.staging / MARKER) or {}
        skipped = marker.get("skipped")
        if marker.get("source") == source and isinstance(skipped, dict) and (self.staging / "raw").is_dir():
            return skipped
        remove_tree(self.staging)
        (self.staging / "raw").mkdir(parents=True)
        return None

    def mark_staged(self, source: Mapping[str, Any], skipped: Mapping[str, int]) -> None:
        """Write down that `source` is unpacked whole, and what was skipped."""
        write_atomic(self.staging / MARKER, json.dumps({"source": source, "skipped": skipped}).encode())

    def journal(self, folder: Path) -> dict[str, Scanned]:
        """Return what a killed build had scanned already, of files that were left alone since."""
        try:
            lines = (self.staging / JOURNAL).read_text("utf-8").split("\n")[:-1]
        except (OSError, ValueError):
            return {}
        known = {}
        for line in lines:
            name, *cells = line.split("\t")
            with suppress(ValueError):  # a line that something changed is scanned again
                if len(cells) == 6 and _stamp(folder / name) == [int(cells[2]), int(cells[5])]:
                    width, height, size = map(int, cells[:3])
                    known[name] = Scanned(name, width, height, size, cells[3], cells[4], int(cells[5]))
        return known

    def remember(self, facts: Sequence[Scanned]) -> None:
        """Add scanned images to the journal."""
        self.staging.mkdir(parents=True, exist_ok=True)
        with (self.staging / JOURNAL).open("a", encoding="utf-8", newline="\n") as stream:
            stream.writelines("\t".join(map(str, fact)) + "\n" for fact in facts)

    def publish(self, folder: Path, text: str, header: Mapping[str, Any], source: Mapping[str, Any]) -> None:
        """Make the tree `folder` and its manifest the published ones; the header comes last.

        All is written before the first file of an earlier build is touched. On an error the earlier build is put
        back; killed in between, the next command puts it back.

        Parameters
        ----------
        folder : Path
            The tree, named ``raw``: a staged one, which is moved, or the published one, which stays where it is.
        text : str
            The manifest's table, as CSV.
        header : mapping
            The manifest's header.
        source : mapping
            What the tree was made from and how, as JSON can hold it. A later build with the same is not repeated.

        Raises
        ------
        ManifestError
            If the table breaks a rule of manifests; nothing is published then.
        """
        fresh, tables = self.staging / "new", (self.manifest, self.home / STAT_FILE)
        write_atomic(fresh / tables[0].name, text.encode())
        write_atomic(fresh / tables[1].name, stat_text(folder.parent).encode())
        write_atomic(fresh / self.header.name, header_bytes(header))
        self._require_readable(fresh / self.manifest.name)
        own = [_stamp(fresh / self.manifest.name), _stamp(fresh / self.header.name)]
        in_place = folder == self.raw and (self.read_note() or {}).get("in_place", True)
        note = {"source": source, "in_place": in_place, "own": own}
        write_atomic(fresh / self.note.name, json.dumps(note).encode())
        self._old.mkdir()
        try:
            self._take_away(self.header)
            for target in (self.note, self.raw, *tables, self.header):
                new = folder if target == self.raw else fresh / target.name
                if new != target:
                    self._take_away(target)
                    os.replace(new, target)
        except BaseException:
            if not self.header.exists() and not (self._old / self.header.name).exists():
                for target in (self.note, *tables, *(() if folder == self.raw else (self.raw,))):
                    remove_tree(target)
            self._recover()
            raise
        sync_folder(self.home)
        remove_tree(self._old)

    @staticmethod
    def _require_readable(table: Path) -> None:
        """Raise unless the reader that every other command uses takes what is about to be published."""
        try:
            read(table)
        except ManifestError as error:
            raise ManifestError(
                f"What would be published breaks a rule of manifests: {error.what}",
                f"{error.why} Nothing was published.".lstrip(),
                "mend the labels or names of the raw copy, then run the same command again",
            ) from error

    @property
    def _old(self) -> Path:
        return self.home / ".old"

    def _take_away(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            os.replace(path, self._old / path.name)

    def _recover(self) -> None:
        """Put back the build that a publication took away and did not replace; clear what killed runs left."""
        if not self.header.exists() and (self._old / self.header.name).exists():
            for target in (self.note, self.raw, self.manifest, self.home / STAT_FILE, self.header):
                if (self._old / target.name).exists():
                    remove_tree(target)
                    os.replace(self._old / target.name, target)
        remove_tree(self._old)
        for part in self.home.glob(".*.part"):
            part.unlink()

    def require_ours(self, header: Mapping[str, Any], replace: bool) -> None:
        """Raise rather than replace a tree that is not a build's, or another build without being asked."""
        note = self.read_note()
        dataset = header["dataset"]
        if self.raw.exists() and (note is None or note.get("in_place")):
            raise UsageError(
                f"{dataset}: {self.raw} is there and was not put there by a build.",
                "It is never replaced.",
                f"occreid-prepare build {dataset} --raw '{self.raw}', or choose another --root",
            )
        if replace or not self.header.exists():
            return
        with suppress(ManifestError):
            old = read_header(self.header)
            if (old["fingerprint"], old["variant"]) != (header["fingerprint"], header["variant"]):
                raise UsageError(
                    f"{dataset}: another copy is published in {self.home}.",
                    f"It is {old['variant']}, {old['verdict']}, {old['fingerprint'][:16]}; this one is "
                    f"{header['variant']}, {header['verdict']}, {header['fingerprint'][:16]}.",
                    "add --replace to replace it, or choose another --root",
                )


def _record(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file of ours, or None whatever else it holds."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _stamp(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError:
        return [-1, -1]
    return [status.st_size, status.st_mtime_ns]
