"""The columns of a manifest, in order, and what a cell of each may hold."""

from __future__ import annotations

import re
from typing import NamedTuple

SCHEMA_VERSION = 1


class Column(NamedTuple):
    """A column: its name, the kind of its values and the pattern its text obeys.

    Kinds: ``str`` (empty text allowed by the pattern alone), ``null`` (text, empty is null), ``int``, ``Int``
    (nullable), ``float`` (nullable, six decimals in text).
    """

    name: str
    kind: str
    pattern: re.Pattern[str]
    expected: str


def _column(name: str, kind: str, pattern: str, expected: str) -> Column:
    return Column(name, kind, re.compile(pattern, re.ASCII), expected)


_PLAIN = r"[^\x00-\x1f\x7f\ud800-\udfff]"  # no control character, no half of a pair
_TEXT = r"(?![=+\-@])" + _PLAIN
_HEX = r"[0-9a-f]{64}"
_FLOAT = r"-?\d+\.\d{6}|"
_ITEM = r"[^;\x00-\x1f\x7f\ud800-\udfff]"

COLUMNS: tuple[Column, ...] = (
    _column("image_id", "str", _TEXT + _PLAIN + "*", "text that no spreadsheet runs"),
    _column("root", "str", r"[A-Za-z0-9_.-]*", "empty or the name of a root"),
    _column("path", "str", _PLAIN + "+", "a relative POSIX path"),
    _column("pid", "int", r"-1|0|[1-9]\d{0,17}", "an integer, -1 or more"),
    _column("camid", "Int", r"|0|[1-9]\d{0,8}", "empty or an integer"),
    _column("camid_source", "str", r"filename|documented|none", "filename, documented or none"),
    _column("body", "str", r"full|occluded|partial|unknown", "full, occluded, partial or unknown"),
    _column("split", "str", r"train|test|", "train, test or empty"),
    _column("role", "str", r"train|probe|gallery|distractor|junk|", "train, probe, gallery, distractor, junk or empty"),
    _column("group", "null", rf"|{_TEXT}{_PLAIN}*", "empty or text that no spreadsheet runs"),
    _column("width", "int", r"[1-9]\d{0,5}", "a positive integer"),
    _column("height", "int", r"[1-9]\d{0,5}", "a positive integer"),
    _column("bytes", "int", r"[1-9]\d{0,11}", "a positive integer"),
    _column("sha256", "str", _HEX, "64 hex digits"),
    _column("pixel_sha256", "str", _HEX, "64 hex digits"),
    _column("visible_fraction", "float", r"|0\.\d{6}|1\.0{6}", "empty or a fraction at six decimals"),
    _column(
        "visibility_source",
        "str",
        r"annotated|simulated|assumed-by-folder|unknown",
        "annotated, simulated, assumed-by-folder or unknown",
    ),
)

SIMULATED: tuple[Column, ...] = (
    _column("source_image_id", "str", _TEXT + _PLAIN + "*", "an image_id of the source"),
    _column("occluders", "str", rf"((?![=+\-@]){_ITEM}+(;{_ITEM}+)*)?", "ids joined by ;"),
    _column("boxes", "str", r"(\d+:\d+:\d+:\d+(;\d+:\d+:\d+:\d+)*)?", "x:y:w:h joined by ;"),
    _column("requested_fraction", "float", _FLOAT, "empty or six decimals"),
    _column("occluded_fraction", "float", _FLOAT, "empty or six decimals"),
    _column("level", "str", rf"|{_TEXT}{_PLAIN}*", "empty or text that no spreadsheet runs"),
    _column("copy", "int", r"0|[1-9]\d{0,8}", "an integer"),
    _column("mask_path", "null", _PLAIN + "*", "empty or a relative POSIX path"),
    _column("mask_sha256", "null", rf"|{_HEX}", "empty or 64 hex digits"),
    _column("key", "str", _HEX, "64 hex digits"),
)

EXTRA = _column("x_*", "str", r"|-?\d+(\.\d+)?|" + _TEXT + _PLAIN + "*", "text that no spreadsheet runs")


def columns_of(names: list[str]) -> list[Column] | None:
    """Return the columns that `names` spell, or None if they are not a manifest's, in order."""
    known = list(COLUMNS)
    if len(names) > len(known) and names[len(known)] == SIMULATED[0].name:
        known += SIMULATED
    extra = names[len(known) :]
    if names[: len(known)] != [column.name for column in known]:
        return None
    if any(not re.fullmatch(r"x_[a-z0-9_]+", name) for name in extra) or len(set(extra)) != len(extra):
        return None
    return known + [EXTRA._replace(name=name) for name in extra]
