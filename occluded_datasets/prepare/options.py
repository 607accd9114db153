"""What a build is asked for and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class BuildOptions:
    """How a raw copy is to be read and what is accepted."""

    extension: str = ""
    ignore: tuple[str, ...] = ()
    allow_subset: bool = False
    allow_different: bool = False
    replace: bool = False
    copy: bool = False
    password: bytes | None = field(default=None, repr=False)
    place: str = ""  # what a next command adds to name the same data root


@dataclass(frozen=True)
class Built:
    """What a build made or found: the answer of ``occreid-prepare build --json``.

    Examples
    --------
    >>> Built("partial-reid", "full", "data/partial-reid/manifest.csv", 900, 60, "complete", "fba0").rows
    900
    """

    dataset: str
    variant: str
    manifest: str
    rows: int
    identities: int
    verdict: str
    fingerprint: str
    reference: str = "none known"
    known_as: tuple[str, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)
    detail: str = ""
    unchanged: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return asdict(self)
