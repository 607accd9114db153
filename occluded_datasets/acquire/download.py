"""Bring one file to a temporary name beside its target, resuming what an earlier attempt left."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import FetchError, StorageError
from ..files import write_atomic
from ..hashing import CHUNK
from .addresses import Rules, shown
from .archives import SNIFF, looks_like
from .transfer import AgainError, Budget, Policy, ask, session, wire

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, in all); in all is 0 while it is not known."""

RESERVE = 1 << 24
READ = 1 << 16


@dataclass(frozen=True)
class Sidecar:
    """What must be unchanged for a cut-off file to be gone on with."""

    url: str
    validator: str
    total: int

    @classmethod
    def read(cls, path: Path) -> Sidecar | None:
        """Return the sidecar at `path`; None if there is none or it does not read as one."""
        try:
            record = json.loads(path.read_bytes())
            found = cls(record["url"], record["validator"], record["total"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        right = isinstance(found.url, str) and isinstance(found.validator, str) and type(found.total) is int
        return found if right and found.validator and found.total > 0 else None

    def write(self, path: Path) -> None:
        """Write the sidecar, whole or not at all."""
        write_atomic(path, json.dumps(asdict(self)).encode())


class PartialFile:
    """The unique temporary file of one run, beside its target."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
        self.sidecar = self.path.with_name(f"{self.path.name}.json")

    def claim(self, urls: tuple[str, ...]) -> None:
        """Take over what a killed run left, if it can be gone on with, and clear away the rest."""
        for left in self._leftovers(".part"):
            found = Sidecar.read(left.with_name(f"{left.name}.json"))
            if found and found.url in urls and not self.path.exists() and _size(left) <= found.total:
                with suppress(FileNotFoundError):  # of two runs that race for it the rename lets one have it
                    left.rename(self.path)
                    found.write(self.sidecar)
        for left in self._leftovers(".part", ".part.json"):
            left.unlink(missing_ok=True)

    def _leftovers(self, *ends: str) -> list[Path]:
        """Return the temporary files of other runs, those of their sidecars too."""
        starts = (f".{self.target.name}.", f"..{self.target.name}.")
        names = sorted(os.listdir(self.target.parent))
        found = [self.target.with_name(name) for name in names if name.startswith(starts) and name.endswith(ends)]
        return [path for path in found if path not in (self.path, self.sidecar)]

    def state(self, url: str) -> tuple[int, Sidecar | None]:
        """Return (bytes there, their sidecar) if they belong to `url`, else (0, None)."""
        found = Sidecar.read(self.sidecar)
        if found is None or found.url != url:
            return 0, None
        return _size(self.path), found

    def forget(self) -> None:
        """Remove the file and its sidecar."""
        for path in (self.sidecar, self.path):
            path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@dataclass
class Download:
    """One file from one address: attempts, resuming and counting.

    `notes` collects what the user should know; `pinned` says that a hash will tell a cut-off file from a whole one.
    """

    url: str
    rules: Rules
    size: int | None
    part: PartialFile
    policy: Policy
    budget: Budget
    tell: Progress
    notes: list[str]
    pinned: bool = False

    def run(self) -> list[str]:
        """Fill the part to its end and return the addresses passed.

        Raises
        ------
        FetchError
            If the server refuses, sends something else, or fails more often than the policy allows.
        StorageError
            If the disk has no room.
        """
        for number in range(self.policy.attempts):
            try:
                return self._attempt()
            except AgainError as error:
                self.budget.seconds()
                reason = error.reason
                if number + 1 < self.policy.attempts:
                    self._pause(error.wait, number)
        raise FetchError(
            f"{shown(self.url)}: given up after {self.policy.attempts} attempts.",
            f"The last one: {reason}.",
            "run the same command again; where the server allows, it goes on where it stopped",
        )

    def _pause(self, wait: float | None, number: int) -> None:
        seconds = self.policy.pause_s * 2**number if wait is None else wait
        time.sleep(min(seconds, self.policy.longest_pause_s, self.budget.seconds()))

    def _attempt(self) -> list[str]:
        there, sidecar = self.part.state(self.url)
        if sidecar and there == sidecar.total:
            return [shown(self.url)]
        headers = {}
        if sidecar and there:
            headers = {"Range": f"bytes={there}-", "If-Range": sidecar.validator}
        with session(self.budget) as opened:
            response, hops = ask(opened, self.url, headers, self.rules, self.policy, self.budget)
            with closing(response):
                self._require_plain(response)
                start, total = self._agree(response, there if headers else 0, sidecar)
                self._pour(response, start, total)
        return hops

    def _require_plain(self, response: Any) -> None:
        coding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            raise self._other(f"The server sends it encoded as {coding[:40]!a}, expected the bytes as they are.")

    def _agree(self, response: Any, there: int, sidecar: Sidecar | None) -> tuple[int, int | None]:
        """Return (where the body starts, how long the whole file is), or raise to begin again."""
        if response.status_code == 200:
            if there:
                self._say_restart("the server does not go on with this file, or it was changed there")
            return 0, self._begin(response)
        if sidecar is None or not there:
            raise self._other(f"The server answered {response.status_code} to a request for the whole file.")
        if response.status_code == 206 and _continues(response, there, sidecar):
            return there, sidecar.total
        self.part.forget()
        self._say_restart("the server's answer does not join what is there")
        raise AgainError("the server's answer did not join what was there", 0)

    def _say_restart(self, why: str) -> None:
        self.notes.append(f"begun again from the first byte: {why}")

    def _begin(self, response: Any) -> int | None:
        """Empty the part, note what it will be, and return its length if the server says it."""
        self.part.forget()
        total = _length(response.headers.get("Content-Length"))
        chunked = response.headers.get("Transfer-Encoding", "").strip().lower() == "chunked"
        if chunked:
            total = None
        if total is not None and self.size is not None and total != self.size:
            raise self._other(
                f"Expected {self.size:,} bytes, the server offers {total:,}: {looks_like(self._head(response))}."
            )
        if total is None and not chunked and self.size is None and not self.pinned:
            raise self._other("The server says neither how long it is nor where it ends, so a part would pass for all.")
        self._require_room(total or self.size or 0)
        validator = _validator(response)
        if validator and total:
            Sidecar(self.url, validator, total).write(self.part.sidecar)
        return total

    def _head(self, response: Any) -> bytes:
        with wire(self.url, self.budget, self.policy):
            return bytes(response.raw.read(SNIFF, decode_content=False))

    def _require_room(self, size: int) -> None:
        free = shutil.disk_usage(self.part.path.parent).free
        if size + RESERVE > free:
            raise StorageError(
                f"{self.part.target}: the disk has no room for it.",
                f"Expected {size + RESERVE:,} bytes free, found {free:,}.",
                "free some space or choose another folder with --root, then run the same command again",
            )

    def _pour(self, response: Any, start: int, total: int | None) -> None:
        """Write the body behind the first `start` bytes; it must end where the file does."""
        limit = self.size or total or self.policy.max_bytes
        done = start
        with self.part.path.open("ab" if start else "wb", buffering=CHUNK) as stream:
            while chunk := self._read(response):
                done += len(chunk)
                self.budget.spend(len(chunk))
                if done > limit:
                    raise self._other(f"It goes on after {limit:,} bytes, where it should end.")
                stream.write(chunk)
                self.tell("fetch", done, total or self.size or 0)
            stream.flush()
            os.fsync(stream.fileno())
        if total is None:
            self.budget.seconds()  # a socket that was cut looks like the end of the file
        elif done < total:
            raise AgainError(f"the connection ended after {done:,} of {total:,} bytes")

    def _read(self, response: Any) -> bytes:
        self.budget.seconds()
        with wire(self.url, self.budget, self.policy):
            return bytes(response.raw.read(READ, decode_content=False))

    def _other(self, why: str) -> FetchError:
        """Return the error for something else than the file; what came of it is thrown away."""
        self.part.forget()
        return FetchError(f"{shown(self.url)} does not bring {self.part.target.name}.", why)


def _length(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def _validator(response: Any) -> str:
    """Return a strong ETag, else Last-Modified where there is no weak ETag, else an empty string."""
    tag = response.headers.get("ETag", "").strip()
    if tag:
        return tag if re.fullmatch(r'"[\x21\x23-\x7e]*"', tag) else ""
    when = response.headers.get("Last-Modified", "").strip()
    return when if when.isascii() and when.isprintable() else ""


def _continues(response: Any, there: int, sidecar: Sidecar) -> bool:
    """Whether a partial answer starts at byte `there` of the very file that the sidecar describes."""
    found = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", response.headers.get("Content-Range", "").strip())
    if not found or [int(part) for part in found.groups()] != [there, sidecar.total - 1, sidecar.total]:
        return False
    name = "ETag" if sidecar.validator.startswith('"') else "Last-Modified"
    if response.headers.get("Transfer-Encoding") is None:
        length = _length(response.headers.get("Content-Length"))
        if length is not None and length != sidecar.total - there:
            return False
    return bool(response.headers.get(name, sidecar.validator).strip() == sidecar.validator)
