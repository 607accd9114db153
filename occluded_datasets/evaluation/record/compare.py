"""Whether two scores may stand side by side, and why not."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import RecordError
from ..scoring.exact import Array
from ..scoring.statistics import LEVEL, interval, six_decimals
from .declared import CONDITIONS, UNSTATED
from .digests import digest, sidecar
from .schema import check_record
from .score import Score, sidecar_path

if TYPE_CHECKING:
    import pandas as pd

COMPARABLE, OTHER, NOT = "comparable", "same protocol, other conditions", "not comparable"
UNDECLARED = "undeclared"
PAIRED = {"map": "ap", "rank_1": "rank1"}
_REPLICATES, _SEED = 1000, 0
_ROUNDING = 2e-6
"""What six decimals by probe and six in the record can be apart."""


@dataclass(frozen=True)
class Comparison:
    """A verdict, its reasons, and the difference B - A where it was asked for.

    Parameters
    ----------
    kind : str
        ``comparable``; ``undeclared``: a condition is not stated on either side or on both; ``same protocol, other
        conditions``; or ``not comparable``.
    reasons : tuple of str
        One sentence each.
    models : tuple of str
        In what the two models differ, one sentence each: that is what a comparison is about, and no verdict on it.
    difference : dict, optional
        For map and rank_1: ``{"difference": B - A, "interval": [low, high]}``, over probe identities.

    Examples
    --------
    >>> Comparison("comparable", ()).comparable
    True
    """

    kind: str
    reasons: tuple[str, ...]
    models: tuple[str, ...] = ()
    difference: dict[str, Any] | None = None

    @property
    def comparable(self) -> bool:
        """Whether the two may stand side by side."""
        return self.kind == COMPARABLE

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return {**asdict(self), "reasons": list(self.reasons), "models": list(self.models)}


def compare(
    a: Score | Mapping[str, Any] | str | os.PathLike[str],
    b: Score | Mapping[str, Any] | str | os.PathLike[str],
    paired: bool = False,
) -> Comparison:
    """Return whether two scores compare: by protocol, rows, re-ranking, then declared conditions and distance.

    A record that was changed since it was written, or that its sidecar does not show, is refused.

    Parameters
    ----------
    a, b : Score, mapping or path
        Records; a path finds the sidecar beside it.
    paired : bool
        Also return the difference of mAP and rank-1 with a 95 % bootstrap interval over probe identities; both
        sidecars are needed, and equal rows.

    Raises
    ------
    RecordError
        If one is no record, or is to be paired without its sidecar.

    Examples
    --------
    >>> compare("/nowhere/a.json", "/nowhere/b.json")
    Traceback (most recent call last):
    ...
    occluded_datasets.errors.RecordError: /nowhere/a.json: there is no score record. Next: occreid-prepare evaluate \
MANIFEST --protocol NAME --features F.npz --out /nowhere/a.json
    """
    first, second = record_of(a), record_of(b)
    apart, conditions, silent = _apart(first, second), _conditions(first, second), _silent(first, second)
    models = tuple(_models(first, second))
    if apart:
        if paired:
            raise RecordError("These scores cannot be paired.", " ".join(apart), "evaluate both under one protocol")
        return Comparison(NOT, tuple(apart + conditions), models)
    difference = _difference(_per_probe(a, first), _per_probe(b, second)) if paired else None
    kind = OTHER if conditions else UNDECLARED if silent else COMPARABLE
    return Comparison(kind, tuple(conditions + silent), models, difference)


def record_of(given: Score | Mapping[str, Any] | str | os.PathLike[str]) -> Mapping[str, Any]:
    """Return a checked record from a `Score`, a mapping or a file."""
    if isinstance(given, (Score, Mapping)):
        own = given.record if isinstance(given, Score) else given
        check_record(own)
        return own
    try:
        record = json.loads(Path(given).read_bytes())
    except FileNotFoundError as error:
        command = f"occreid-prepare evaluate MANIFEST --protocol NAME --features F.npz --out {given}"
        raise RecordError(f"{given}: there is no score record.", "", command) from error
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{given}: not a score record.", f"The reader says: {error}.") from error
    try:
        check_record(record)
    except RecordError as error:
        raise RecordError(f"{given}: {error.what}", error.why, error.next_command) from error
    checked: Mapping[str, Any] = record
    if sidecar_path(Path(given)).is_file():
        _require_shown(checked, _per_probe(given, checked), given)
    return checked


def _require_shown(record: Mapping[str, Any], table: pd.DataFrame, place: Any) -> None:
    """Raise unless the scores by probe have the means that a record says.

    They are means over draws, so in a protocol that draws this is exact only where every draw counts every probe.
    """
    counted = table[table["counted"] > 0]
    if record["draws"] and (table["counted"] != record["draws"]["count"]).any():
        return
    said = {"ap": "map", "ap_trapezoid": "map_trapezoid", "inp": "minp"}
    pairs = [(name, float(counted[column].mean()), record[name]) for column, name in said.items()]
    pairs.append(("rank-1", float(counted["rank1"].mean()), record["cmc"]["1"]))
    for name, found, value in pairs:
        if not abs(found - value) < _ROUNDING:
            raise RecordError(
                f"{place}: its {name} is not that of the scores by probe beside it.",
                f"Expected {found:.6f}, found {value:.6f}.",
                "evaluate again",
            )


def _apart(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Return why two scores can never stand side by side."""
    reasons = []
    if a["protocol"] != b["protocol"]:
        reasons.append(f"The protocols differ: {a['protocol']} and {b['protocol']}.")
    elif a["rows_sha256"] != b["rows_sha256"]:
        why = "cameras or groups" if a["fingerprint"] == b["fingerprint"] else "pictures or labels"
        short = [record["rows_sha256"][:16] for record in (a, b)]
        reasons.append(f"The rows differ in {why}: {short[0]} and {short[1]}.")
    if a["rerank"] != b["rerank"] and "none" in (a["rerank"], b["rerank"]):
        reasons.append(f"One is re-ranked and one is not: {a['rerank']} and {b['rerank']}.")
    return reasons


def _conditions(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Return in what conditions two scores of one protocol differ."""
    stated = [name for name in CONDITIONS if UNSTATED not in (a["declared"][name], b["declared"][name])]
    pairs = [(f"declared {name.replace('_', ' ')}", a["declared"][name], b["declared"][name]) for name in stated]
    pairs += [(name.replace("_", " "), a[name], b[name]) for name in ("distance", "parts_rule")]
    if "none" not in (a["rerank"], b["rerank"]):
        pairs.append(("rerank", a["rerank"], b["rerank"]))
    return [f"{name}: {_said(one)} and {_said(two)}." for name, one, two in pairs if one != two]


def _silent(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Return which conditions one side or both do not state."""
    first, second = ([name for name in CONDITIONS if one["declared"][name] == UNSTATED] for one in (a, b))
    both = [name for name in first if name in second]
    sides = (
        ("Neither states", both),
        ("A does not state", [name for name in first if name not in both]),
        ("B does not state", [name for name in second if name not in both]),
    )
    return [f"{words} {', '.join(names)}." for words, names in sides if names]


def _models(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Return in what the models of two scores differ, as far as the records say what they are."""
    sides = [_flat({"features": one["features"]["header"], "model": one["model"] or {}}) for one in (a, b)]
    names = sorted({*sides[0], *sides[1]} - {"features tool_version", "features manifest_fingerprint"})
    pairs = [(name, *(side.get(name, UNSTATED) for side in sides)) for name in names]
    return [f"{name}: {_short(one)} and {_short(two)}." for name, one, two in pairs if one != two]


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings, their names joined by spaces."""
    found: dict[str, Any] = {}
    for name, one in value.items():
        found |= _flat(one, f"{prefix}{name} ") if isinstance(one, Mapping) else {f"{prefix}{name}": one}
    return found


def _short(value: Any) -> str:
    """Return a value to read; of a digest its beginning."""
    text = _said(value)
    return text[:16] if re.fullmatch(r"[0-9a-f]{64}", text) else text


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _per_probe(given: Any, record: Mapping[str, Any]) -> pd.DataFrame:
    """Return a score's table by probe, proven to be the record's."""
    import pandas as pd

    if isinstance(given, Score):
        data = sidecar(given.per_probe)
    elif isinstance(given, Mapping):
        raise RecordError(
            "A bare record cannot be paired.", "Its scores by probe are in a file beside it.", "give paths"
        )
    else:
        place = sidecar_path(Path(given))
        try:
            data = place.read_bytes()
        except OSError as error:
            raise RecordError(f"{place}: the scores by probe are not there.", "Pairing needs them.") from error
    if digest(data) != record["per_probe"]["sha256"]:
        raise RecordError("The scores by probe are not those of the record.", "The digests differ.", "evaluate again")
    return pd.read_csv(io.BytesIO(data), dtype={"image_id": str}, keep_default_na=False, na_values={
        name: [""] for name in ("ap", "ap_trapezoid", "first_hit_rank", "inp", "rank1")
    })  # fmt: skip


def _difference(a: pd.DataFrame, b: pd.DataFrame) -> dict[str, Any]:
    """Return B - A of mAP and rank-1 over the probes that both count, with intervals over identities."""
    names = (["image_id", "pid"], list(PAIRED.values()))
    a, b = (table.sort_values(names[0], ignore_index=True) for table in (a, b))
    if not a[names[0]].equals(b[names[0]]):
        raise RecordError("The scores by probe are of different probes.", "Expected the same image_id and pid.")
    both = ((a["counted"] > 0) & (b["counted"] > 0)).to_numpy()
    values: Array = (b[names[1]].to_numpy(np.float64) - a[names[1]].to_numpy(np.float64))[both]
    low, high = interval(values, a["pid"].to_numpy()[both], _REPLICATES, _SEED)
    mean = values.mean(axis=0)
    result: dict[str, Any] = {
        name: {
            "difference": six_decimals(mean[index]),
            "interval": [six_decimals(low[index]), six_decimals(high[index])],
        }
        for index, name in enumerate(PAIRED)
    }
    return {**result, "level": LEVEL, "identities": int(a["pid"][both].nunique()), "probes": int(both.sum())}
