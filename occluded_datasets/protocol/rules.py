"""What a protocol says: its rules, its id, and what may be in each of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ProtocolError
from ..manifest import COLUMNS, SIMULATED, real_cameras

if TYPE_CHECKING:
    import pandas as pd

WORDS = ("title", "notes", "sources")
_FILTERS = {
    column.name: column.pattern
    for column in (*COLUMNS, *SIMULATED)
    if column.name in ("split", "role", "body", "level")
}
TEST_ROWS = "test"
ROWS = (TEST_ROWS, "all")
"""Which rows of a simulated set are scored."""
_NUMBERS = {
    "probe_shots": (1, 10_000),
    "gallery_shots": (1, 10_000),
    "draws": (1, 10_000),
    "seed": (0, 2**63 - 1),
    "max_rank": (1, 10_000),
}
"""The least and the greatest of each number: a file of others must not make a run without an end."""
_SIDES = ("train", "validation", "probe", "gallery", "junk")
_CHOICES: dict[str, tuple[object, ...]] = {
    "schema": (1,),
    "test_identities": ("all", "published", "half"),
    "set_distance": ("none", "cosine-of-normalised-mean"),
    "camera_rule": ("none", "same-camera-removed", "same-camera-removed-if-real"),
    "group_rule": ("none", "same-group-removed"),
    "unanswerable": ("drop-and-count", "error"),
}


@dataclass(frozen=True)
class Protocol:
    """A protocol's rules, as its JSON file says them.

    Examples
    --------
    >>> from occluded_datasets.protocol import find_protocol
    >>> find_protocol("market-1501", "standard").rules["camera_rule"]
    'same-camera-removed'
    """

    rules: Mapping[str, Any]

    @property
    def dataset(self) -> str:
        """The dataset it is for."""
        return str(self.rules["dataset"])

    @property
    def name(self) -> str:
        """Its name within the dataset."""
        return str(self.rules["name"])

    @property
    def id(self) -> str:
        """Return ``<dataset>/<name>@<8 hex>``: the digest is of all rules, not of title, notes and sources."""
        rules = {name: value for name, value in self.rules.items() if name not in WORDS}
        text = json.dumps(rules, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return f"{self.dataset}/{self.name}@{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def at_level(self, level: str) -> Protocol:
        """Return the protocol whose probes are those of one occlusion level: its name and its id are its own.

        Examples
        --------
        >>> from occluded_datasets.protocol import find_protocol
        >>> find_protocol("simulated", "source-gallery").at_level("0.3").name
        'source-gallery-level-30'
        """
        try:
            share = float(level)
        except ValueError:
            words = level
        else:
            level = f"{share:g}"
            words = f"{100 * share:g}".replace(".", "-") if 0 < share < 1 else ""
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", words):
            raise ProtocolError(
                f"level {level!r}: not a level.", "Expected it as the manifest writes it: 0.3, or noise-30."
            )
        probe = {**self.rules["probe"], "level": [level]}
        return Protocol({**self.rules, "name": f"{self.name}-level-{words}", "probe": probe})

    def without_training_rows(self) -> Protocol:
        """Return the protocol whose probes and gallery are no row of the split train: its name and id are its own.

        Examples
        --------
        >>> from occluded_datasets.protocol import find_protocol
        >>> find_protocol("simulated", "source-gallery").without_training_rows().name
        'source-gallery-test'
        """
        sides = {side: {"split": ["test", ""], **self.rules[side]} for side in ("probe", "gallery")}
        return Protocol({**self.rules, **sides, "name": f"{self.name}-test"})

    def removes_cameras(self, probe: pd.DataFrame, gallery: pd.DataFrame) -> bool:
        """Whether gallery images of the probe's identity and camera are removed, given the rows' cameras."""
        rule = self.rules["camera_rule"]
        if rule == "same-camera-removed-if-real":
            return real_cameras(probe) and real_cameras(gallery)
        return bool(rule != "none")


def fault_of(rules: Any) -> str:
    """Return what is wrong with a protocol's rules, or an empty string."""
    needed = {*WORDS, *_CHOICES, *_NUMBERS, *_SIDES, "dataset", "name"}
    if not isinstance(rules, dict) or set(rules) != needed:
        found = set(rules) if isinstance(rules, dict) else set()
        return f"Missing: {sorted(needed - found) or 'nothing'}; unknown: {sorted(found - needed) or 'nothing'}."
    for name, choices in _CHOICES.items():
        if rules[name] not in choices:
            return f"{name}: expected one of {choices}, found {rules[name]!r}."
    for name in _SIDES:
        value = rules[name]
        if not (value is None and name in ("train", "validation")) and not _is_filter(value):
            return f"{name}: expected a filter over lists of {', '.join(_FILTERS)}, found {value!r}."
    for name in ("dataset", "name"):
        if not (isinstance(rules[name], str) and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rules[name])):
            return f"{name}: expected lower-case words joined by '-', found {rules[name]!r}."
    return _number_fault(rules) or _set_fault(rules)


def _number_fault(rules: Mapping[str, Any]) -> str:
    """Return which number of a protocol means nothing or has no end, or an empty string."""
    for name, (least, most) in _NUMBERS.items():
        value = rules[name]
        optional = name.endswith("shots")
        if not (value is None and optional) and not (type(value) is int and least <= value <= most):
            other = ", or null" if optional else ""
            return f"{name}: expected a whole number from {least} to {most:,}{other}, found {value!r:.40}."
    if rules["draws"] > 1 and rules["probe_shots"] is rules["gallery_shots"] is None:
        return f"draws: expected 1 where there are no shots to draw, found {rules['draws']}."
    return ""


def _set_fault(rules: Mapping[str, Any]) -> str:
    """Return which rule cannot be kept between sets of images, or an empty string."""
    if rules["set_distance"] == "none":
        return ""
    removing = [name for name in ("camera_rule", "group_rule") if rules[name] != "none"]
    if removing:
        return f"{removing[0]}: expected none, because sets are compared whole and no pair of images can be removed."
    missing = [name for name in ("probe_shots", "gallery_shots") if rules[name] is None]
    return f"{missing[0]}: expected a number, because sets are drawn on both sides." if missing else ""


def _is_filter(value: Any) -> bool:
    """Return whether `value` maps columns to lists of what their cells may hold."""
    return isinstance(value, dict) and all(
        column in _FILTERS
        and isinstance(cells, list)
        and all(isinstance(cell, str) and _FILTERS[column].fullmatch(cell) for cell in cells)
        for column, cells in value.items()
    )
