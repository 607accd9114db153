"""Arms of an ablation: the named rows, variants of them that change parameters, and which are set against which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any, NamedTuple

from ...errors import UnknownNameError, UsageError
from ..config import CLEAN_VIEW, Config

HELP = "occreid-afpb ablate --help"
SHARED = ("seed", "height", "width")
"""Parameters that no variant may change: seeds are the ablation's own, and all arms read one store."""


class Arm(NamedTuple):
    """What one row of the ablation is.

    Parameters
    ----------
    name : str
        Its name; of a variant, the arm's name, ``:`` and the changes.
    words : str
        What the second view is, and which losses count.
    occlusion : str
        ``clean``, or a recipe's part in it: ``simulator``, ``noise``, ``erasing``.
    obc : bool
        Whether the occluded / non-occluded loss counts.
    paper : str
        The row of the paper that it is after; empty: ours.
    changes : mapping
        Parameters of `Config` that a variant has otherwise.
    """

    name: str
    words: str
    occlusion: str
    obc: bool
    paper: str = ""
    changes: Mapping[str, Any] = {}

    @property
    def folder(self) -> str:
        """The name as part of a path, on any system."""
        return re.sub(r"[^A-Za-z0-9=.,_-]", "_", self.name)

    @property
    def variant(self) -> str:
        """The changes as they were written; empty: an arm as it is named."""
        return self.name.partition(":")[2]

    def config(self, base: Config, noise: str, seed: int) -> Config:
        """Return the config of a run: the base but for what the arm names, and the seed."""
        recipe = {"clean": CLEAN_VIEW, "simulator": base.occlusion, "noise": noise, "erasing": "random-erasing"}
        weight = base.obc_weight if self.obc else 0.0
        named = replace(base, occlusion=recipe[self.occlusion], obc_weight=weight, seed=seed)
        return Config.of(self.changes, named)


ARMS = {
    one.name: one
    for one in (
        Arm("baseline", "second view clean", "clean", obc=False, paper="ResNet-50"),
        Arm("noise", "second view under the simulator's own boxes, filled with noise", "noise", obc=False),
        Arm(
            "simulator",
            "second view from the occlusion simulator",
            "simulator",
            obc=False,
            paper="+Occlusion Simulator",
        ),
        Arm(
            "obc", "second view clean, and OBC on the set's own folders", "clean", obc=True, paper="+Multi-task losses"
        ),
        Arm("afpb", "second view from the occlusion simulator, and OBC", "simulator", obc=True, paper="AFPB"),
        Arm("erasing", "second view under canonical random erasing", "erasing", obc=False),
        Arm("noise-obc", "as noise, and OBC", "noise", obc=True),
    )
}
CONTRASTS = {
    "content": ("simulator", "noise"),
    "obc": ("afpb", "simulator"),
    "afpb": ("afpb", "baseline"),
    "simulator": ("simulator", "baseline"),
    "erasing": ("afpb", "erasing"),
    "noise-obc": ("noise-obc", "noise"),
}
"""Differences that are looked at, by name: first arm less second arm."""

PRIMARY = ("content", "obc", "afpb")
"""Those that were fixed before any test score was seen; p is corrected over them."""


def arm_of(text: str) -> Arm:
    """Return the arm of a name, or the variant that ``ARM:PARAMETER=VALUE[,PARAMETER=VALUE...]`` makes of it.

    Raises
    ------
    UnknownNameError
        If there is no such arm or parameter (with the nearest ones).
    UsageError
        If a variant names no value, a value that cannot be, or a parameter that all arms share.

    Examples
    --------
    >>> arm_of("afpb:obc_weight=1,schedule=constant").changes
    {'obc_weight': 1.0, 'schedule': 'constant'}
    >>> arm_of("simulator:weights=own/start.pt").folder
    'simulator_weights=own_start.pt'
    """
    name, _, written = text.partition(":")
    if name not in ARMS:
        raise UnknownNameError.of("arm", name, ARMS, HELP)
    if not written and name == text:
        return ARMS[name]
    changes = dict(_change(text, one) for one in written.split(","))
    Config.of(changes)
    return ARMS[name]._replace(
        name=text, words=f"as {name}, with {written.replace(',', ', ')}", paper="", changes=changes
    )


def arms_of(texts: Iterable[str]) -> dict[str, Arm]:
    """Return arms by what was written.

    Raises
    ------
    UsageError
        If two of them would be kept in one folder.
    """
    arms = {text: arm_of(text) for text in texts}
    folders: dict[str, str] = {}
    for text, arm in arms.items():
        other = folders.setdefault(arm.folder, text)
        if other != text:
            raise UsageError(f"arms {other!r} and {text!r}: both would be in {arm.folder}-0.", "Rename a file.", HELP)
    return arms


def contrasts_of(texts: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return what is set against what, by name: (first, less second), both of `texts`.

    The fixed contrasts, the same ones between arms with the same changes, and each variant against its own arm.

    Examples
    --------
    >>> contrasts_of(["simulator", "afpb", "afpb:obc_weight=1"])
    {'obc': ('afpb', 'simulator'), 'afpb:obc_weight=1': ('afpb:obc_weight=1', 'afpb')}
    """
    own = list(texts)
    variants = list(dict.fromkeys(text.partition(":")[2] for text in own))
    found = {}
    for variant in variants:
        tail = f":{variant}" if variant else ""
        for name, (plus, minus) in CONTRASTS.items():
            if plus + tail in own and minus + tail in own:
                found[name + tail.replace(":", " at ")] = (plus + tail, minus + tail)
    against = {text: (text, text.partition(":")[0]) for text in own if ":" in text}
    return found | {text: pair for text, pair in against.items() if pair[1] in own}


def _change(text: str, written: str) -> tuple[str, Any]:
    name, sign, value = written.partition("=")
    known = {one.name: one.default for one in fields(Config) if one.name not in SHARED}
    if name in SHARED:
        raise UsageError(f"arm {text!r}: {name} is the same in all arms.", "", HELP)
    if not sign or not value:
        raise UsageError(f"arm {text!r}: expected ARM:PARAMETER=VALUE, found {written!r}.", "", HELP)
    if name not in known:
        raise UnknownNameError.of("parameter", name, known, HELP)
    return name, _value(text, value, type(known[name]))


def _value(text: str, value: str, kind: type) -> Any:
    if kind is bool:
        if value not in {"true", "false"}:
            raise UsageError(f"arm {text!r}: expected true or false, found {value!r}.", "", HELP)
        return value == "true"
    try:
        return kind(value)
    except ValueError as error:
        raise UsageError(f"arm {text!r}: {error}.", "", HELP) from error
