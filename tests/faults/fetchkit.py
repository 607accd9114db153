"""The tiny set with a source on the local server, and the judge of every fetch: `Site.holds`."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from faultkit import is_an_answer, snapshot
from server import Server, good
from tinyset import TINY

from occluded_datasets import catalog
from occluded_datasets.acquire.fetch import Fetched, fetch
from occluded_datasets.acquire.transfer import Policy
from occluded_datasets.catalog.spec import Source
from occluded_datasets.errors import FetchError

ID, NAME = "tiny-fetched", "set.zip"
QUICK = Policy(
    connect_s=2, read_s=4, total_s=8, attempts=3, pause_s=0.01, longest_pause_s=1.5, max_bytes=1 << 26
)  # fmt: skip
IMPATIENT = replace(QUICK, read_s=0.3)  # for a server that is meant to stall
BOUND_S = 10


@contextmanager
def catalogued(*urls: str, name: str = NAME, status: Any = TINY.status, **pins: Any) -> Iterator[Source]:
    """Have the tiny set, with these addresses and pins, in the catalogue for a block."""
    source = Source(name, urls, **pins)
    catalog.register(replace(TINY, id=ID, sources=(source,), status=status))
    try:
        yield source
    finally:
        catalog.unregister(ID)


@dataclass
class Site:
    """A data root, what lies outside it, the server, and what it should bring."""

    path: Path
    server: Server
    pinned: bool

    @property
    def root(self) -> Path:
        return self.path / "root"

    @property
    def target(self) -> Path:
        return self.root / "archives" / ID / NAME

    @property
    def truth(self) -> bytes:
        return self.server.payload

    @property
    def pins(self) -> dict[str, Any]:
        return {"sha256": hashlib.sha256(self.truth).hexdigest()} if self.pinned else {}

    def fetch(self, *urls: str, policy: Policy = QUICK, pins: dict[str, Any] | None = None, **options: Any) -> Fetched:
        """Fetch with the catalogue saying so; over http unpinned is accepted, as the server speaks no TLS."""
        with catalogued(*(urls or (self.server.url(),)), **(self.pins if pins is None else pins)):
            return fetch(
                ID, self.root, accept_terms=True, accept_unpinned=not self.pinned, policy=policy, **options
            )  # fmt: skip

    def heals(self, *urls: str, **options: Any) -> Fetched:
        """The same call against a right server brings the truth, and nothing lies about."""
        self.server.plays(good)
        result = self.fetch(*urls, **options)
        self.is_true(result)
        return result

    def is_true(self, result: Fetched) -> None:
        assert self.target.read_bytes() == self.truth
        assert (result.sha256, result.bytes) == (hashlib.sha256(self.truth).hexdigest(), len(self.truth))
        assert result.pin == ("pinned" if self.pinned else "first-seen")
        assert {path.name for path in self.target.parent.iterdir()} <= {NAME, f"{NAME}.first-seen.json"}

    def holds(self, *urls: str, says: str = "", heal: tuple[str, ...] = (), **options: Any) -> None:
        """The fault gets a typed error within bounds and publishes nothing, twice; then the same call succeeds."""
        outside = snapshot(self.path / "outside")
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(FetchError) as caught:
                self.fetch(*urls, **options)
            assert time.monotonic() - began < BOUND_S
            is_an_answer(caught.value, says)
            assert ID in caught.value.what
            assert caught.value.why
            assert caught.value.next_command
            assert caught.value.exit_code == 2
            assert not self.target.exists()
            assert not self.target.with_name(f"{NAME}.first-seen.json").exists()
            assert snapshot(self.path / "outside") == outside
            assert self.server.sent <= 8 * len(self.truth)
        self.heals(*(heal or urls), pins=options.get("pins"))
