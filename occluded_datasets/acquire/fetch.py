"""Fetch a set's archive from its authors, or adopt a copy got by hand: the published bytes, or an error."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..catalog import get
from ..catalog.spec import Dataset, Source
from ..errors import FetchError, UnavailableError, UsageError
from ..files import exclusive, storage_errors, sync_folder
from ..hashing import CHUNK
from ..paths import contained, data_root
from .addresses import Rules, check_url, shown
from .agreements import PARENT, TERMS, Ask, require_agreement
from .download import Download, PartialFile, Progress
from .pins import CheckedFile, check_download, is_pinned, read_seen, record_path, write_seen
from .transfer import Budget, BudgetError, Policy

FOLDER = "archives"
LIST_BYTES = 1 << 25
"""What a name list may hold at most."""


@dataclass(frozen=True)
class Fetched:
    """A published file below the data root: the answer of ``occreid-prepare fetch --json``.

    `how` is ``downloaded``, ``by hand`` or ``already there``; `pin` is ``pinned`` where the catalogue knows a hash,
    else ``first-seen``; `hops` are the addresses passed, without their queries.

    Examples
    --------
    >>> Fetched("p-ethz", "P_ETHZ.zip", "archives/p-ethz/P_ETHZ.zip", 9, "0" * 64, "0" * 40, "pinned").how
    'already there'
    """

    dataset: str
    name: str
    path: str
    bytes: int
    sha256: str
    git_blob: str
    pin: str
    url: str = ""
    hops: tuple[str, ...] = ()
    how: str = "already there"
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return asdict(self)


def fetch(
    dataset: str,
    root: str | os.PathLike[str] | None = None,
    *,
    by_hand: str | os.PathLike[str] | None = None,
    accept_terms: bool = False,
    accept_withdrawn_parent: bool = False,
    accept_unpinned: bool = False,
    offline: bool = False,
    file: str | None = None,
    again: str = "",
    ask: Ask | None = None,
    policy: Policy | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """Return the archive of `dataset` below the data root, fetched from its authors unless it is there already.

    Parameters
    ----------
    dataset : str
        An id of `list_datasets`.
    root : path, optional
        The data root; else ``$OCCREID_ROOT``, else the platform's data folder.
    by_hand : path, optional
        A copy got by hand, to be checked and adopted; no socket is opened.
    accept_terms, accept_withdrawn_parent : bool
        Agree to the terms; to the notice that a parent was withdrawn.
    accept_unpinned : bool
        Fetch over plain http a file whose hash is not known.
    offline : bool
        Open no socket: what is not there is an error.
    file : str, optional
        A name list of the set instead of its archive; lists hold no image, and are fetched where the set is not.
    again : str
        The command that an error names to run with another option; `fetch` of this set by default.
    ask : callable, optional
        Shows (kind, text) and returns whether the user agrees; without it a missing agreement is an error.
    policy : Policy, optional
        Times, sizes and hosts.
    progress : callable, optional
        Told (stage, done, in all).

    Raises
    ------
    UnavailableError
        If the set is given on request only, or was withdrawn.
    UsageError
        If its terms were not agreed to.
    FetchError
        If no source brings the published file; nothing is published.
    StorageError
        If the disk has no room, refuses, or another fetch is at work.

    Examples
    --------
    >>> fetch("market-1501", "/nowhere")
    Traceback (most recent call last):
    ...
    occluded_datasets.errors.UnavailableError: market-1501: it cannot be had by a click (by form). ...
    """
    facts, place = get(dataset), data_root(root).absolute()
    here = "" if root is None else f" --root {shlex.quote(str(root))}"
    source = _archive_of(facts, here) if file is None else next(one for one in facts.sources if one.name == file)
    again = again or f"occreid-prepare fetch {facts.id}{here}"
    target = target_of(facts, source, place)
    if by_hand is None and not target.is_file():
        if file is None:
            _require_available(facts, source, here)
        if offline:
            raise _missing(facts, target, again)
    accepted = [kind for kind, given in ((TERMS, accept_terms), (PARENT, accept_withdrawn_parent)) if given]
    require_agreement(facts, place, accepted, ask, again)
    tell = progress or (lambda stage, done, total: None)
    policy = policy or (Policy() if file is None else Policy(max_bytes=LIST_BYTES))
    run = _Fetch(facts, source, target, policy, tell, again, here)
    with storage_errors(str(target)), _no_empty_folders(target):
        if by_hand is not None:
            return run.adopt(Path(by_hand).expanduser().absolute())
        return run.there() or run.bring(accept_unpinned, offline)


@contextmanager
def _no_empty_folders(target: Path) -> Iterator[None]:
    """Remove the folders made for a file that did not come to be."""
    try:
        yield
    finally:
        for folder in (target.parent, target.parent.parent):
            with suppress(OSError):
                folder.rmdir()


def target_of(facts: Dataset, source: Source, root: Path) -> Path:
    """Return where a source of a set lies below a data root, whether it is there or not."""
    folder = root / FOLDER / facts.id
    return contained(folder, source.name)


def fetched(facts: Dataset, root: Path) -> Path | None:
    """Return the archive of a set that an earlier fetch published below a data root, or None."""
    if not facts.sources:
        return None
    target = target_of(facts, facts.sources[0], root)
    return target if target.is_file() else None


def _archive_of(facts: Dataset, here: str) -> Source:
    if not facts.sources:
        raise UsageError(f"{facts.id}: the catalog knows no source of it.", "", _by_raw(facts, here))
    return facts.sources[0]


def _by_raw(facts: Dataset, here: str) -> str:
    return f"occreid-prepare build {facts.id} --raw PATH{here}   (zip, tar, rar or folder)"


def _missing(facts: Dataset, target: Path, again: str) -> FetchError:
    return FetchError(
        f"{facts.id}: {target} is not there, or is not the published file.",
        "Expected it, as --offline opens no connection.",
        f"{again}   (without --offline), or put the file there",
    )


def _require_available(facts: Dataset, source: Source, here: str) -> None:
    """Raise `UnavailableError` with what to do, unless the authors serve the file."""
    if facts.status == "open download" and source.urls:
        return
    if facts.status == "withdrawn":
        remains = (
            "No mirror of a third party is used. A copy you already hold is still read, checked and built; what is "
            "made from it is stamped withdrawn-parent."
        )
    else:
        remains = (
            f"Write to the authors of {facts.paper!r}: say who you are, where you work and what the pictures are for, "
            f"and that you accept their terms ({facts.terms.text}) No mirror of a third party is used."
        )
    raise UnavailableError(
        f"{facts.id}: it cannot be had by a click ({facts.status}).",
        f"{facts.status_note} {remains}",
        f"occreid-prepare build {facts.id} --from-parent PATH{here}, or {_by_raw(facts, here)}"
        if facts.derivation
        else f"occreid-prepare fetch {facts.id} --from PATH{here}   (a copy of {source.name} that you hold), or "
        f"{_by_raw(facts, here)}",
    )


class _Fetch:
    """One file: look whether it is there, adopt it or bring it, judge it, publish it."""

    def __init__(
        self, facts: Dataset, source: Source, target: Path, policy: Policy, tell: Progress, again: str, here: str
    ) -> None:
        self.facts, self.source, self.target, self.policy, self.tell = facts, source, target, policy, tell
        self.again, self.here = again, here
        self.notes: list[str] = []

    def there(self) -> Fetched | None:
        """Return what is published if it is the file; needs no lock and writes nothing."""
        if not self.target.is_file() or not (is_pinned(self.source) or record_path(self.target).is_file()):
            return None
        try:
            return self._answer(check_download(self.source, self.target, self.target, ""), "already there", "", [])
        except FetchError as error:
            if not is_pinned(self.source):
                read_seen(self.target)
            self.notes.append(f"what lay there was not the published file: {error.why}")
            return None

    def adopt(self, path: Path) -> Fetched:
        """Return the file copied from `path`, once the copy is known to be the published one."""
        if not path.is_file():
            kind = "It is a folder, expected the archive as published." if path.is_dir() else "There is no such file."
            command = f"occreid-prepare build {self.facts.id} --raw {shlex.quote(str(path))}{self.here}"
            raise UsageError(f"{path}: it cannot be adopted.", kind, command if path.is_dir() else "check --from")
        with exclusive(self.target.parent / ".lock"):
            part = PartialFile(self.target)
            part.claim(())
            try:
                self._copy(path, part.path)
                found = self._judge_copy(part.path, path)
                self._publish(part, found, "")
            finally:
                part.forget()
        return self._answer(found, "by hand", "", [])

    def _copy(self, path: Path, part: Path) -> None:
        total = path.stat().st_size
        with path.open("rb") as stream, part.open("xb") as copy:
            while chunk := stream.read(CHUNK):
                copy.write(chunk)
                self.tell("copy", copy.tell(), total)
            copy.flush()
            os.fsync(copy.fileno())

    def _judge_copy(self, part: Path, path: Path) -> CheckedFile:
        try:
            return check_download(self.source, part, self.target, str(path))
        except FetchError as error:
            command = f"occreid-prepare build {self.facts.id} --raw {shlex.quote(str(path))}{self.here}"
            raise FetchError(
                error.what, error.why, f"get it again; if it is the set packed by another hand: {command}"
            ) from error

    def bring(self, accept_unpinned: bool, offline: bool) -> Fetched:
        """Return the file, brought from the first of its addresses that has it."""
        with exclusive(self.target.parent / ".lock"):
            found = self._unrecorded()
            if found:
                return found
            if offline:
                raise _missing(self.facts, self.target, self.again)
            budget, part = Budget(self.policy, self.source.bytes), PartialFile(self.target)
            part.claim(self.source.urls)
            faults: list[FetchError] = []
            for url in self.source.urls:
                try:
                    return self._bring_from(url, part, budget, accept_unpinned)
                except BudgetError as error:
                    raise self._failed(error, faults) from error
                except FetchError as error:
                    faults.append(error)
            raise self._failed(faults[-1], faults[:-1]) from faults[-1]

    def _unrecorded(self) -> Fetched | None:
        """Return a file that lies there without a record once it is read to its end; a damaged one is replaced."""
        if is_pinned(self.source) or not self.target.is_file() or read_seen(self.target):
            return None
        try:
            found = check_download(self.source, self.target, self.target, "")
        except FetchError as error:
            self.notes.append(f"what lay there was not the published file: {error.why}")
            return None
        write_seen(self.target, found, "")
        return self._answer(found, "already there", "", [])

    def _bring_from(self, url: str, part: PartialFile, budget: Budget, accept_unpinned: bool) -> Fetched:
        plain = accept_unpinned or bool(self.source.sha256)
        try:
            rules = Rules.of(url, plain, self.policy.hosts)
            check_url(url, rules)
        except ValueError as error:
            raise FetchError(f"{shown(url)} is not fetched.", "It is not a well-formed address.") from error
        run = Download(
            url, rules, self.source.bytes, part, self.policy, budget, self.tell, self.notes, is_pinned(self.source)
        )
        hops = run.run()
        try:
            found = check_download(self.source, part.path, self.target, shown(url))
        except FetchError:
            part.forget()
            raise
        self._publish(part, found, shown(url))
        return self._answer(found, "downloaded", shown(url), hops)

    def _publish(self, part: PartialFile, found: CheckedFile, url: str) -> None:
        """Give a judged file its name; a first-seen record is written before, so that none is ever missing."""
        if found.pin == "first-seen":
            write_seen(self.target, found, url)
        part.sidecar.unlink(missing_ok=True)
        os.replace(part.path, self.target)
        sync_folder(self.target.parent)

    def _failed(self, error: FetchError, others: Sequence[FetchError]) -> FetchError:
        """Return the error of the last address, with those of the others and the way by hand."""
        more = "".join(f" Before: {other.what} {other.why}" for other in others)
        hint = error.next_command
        if "plain http" in error.why and not hint:
            hint = f"{self.again} --accept-unpinned"
        by_hand = f"occreid-prepare fetch {self.facts.id} --from PATH{self.here}"
        if self.source.name in dict(self.facts.lists):
            by_hand = f"{self.again} --list {self.source.name}   (a copy of the list)"
        return FetchError(f"{self.facts.id}: {error.what}", f"{error.why}{more}", hint or by_hand)

    def _answer(self, found: CheckedFile, how: str, url: str, hops: Sequence[str]) -> Fetched:
        fetched_now = Fetched(
            self.facts.id, self.source.name, str(self.target), found.bytes, found.sha256, found.git_blob, found.pin,
            url, tuple(hops), how,
        )  # fmt: skip
        return replace(fetched_now, notes=tuple(dict.fromkeys([*self.notes, *found.notes])))
