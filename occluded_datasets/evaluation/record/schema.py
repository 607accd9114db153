"""What a score record holds, as a table, and the validator that reads it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ...errors import RecordError
from ..scoring.ap_cmc import RANKS
from .declared import CONDITIONS, is_plain
from .digests import SCHEMA, own_digest

SHOWN = 5


class Field(NamedTuple):
    """A field: its dotted name, its kind (a key of `KINDS`, ``?`` for null allowed) and what it means."""

    name: str
    kind: str
    meaning: str


def _fraction(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1 and round(value, 6) == value


def _spread(value: Any) -> bool:
    return type(value) in (int, float) and value >= 0 and round(value, 6) == value


def _interval(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_fraction, value)) and value[0] <= value[1]


def _cmc(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    ranks = [str(rank) for rank in RANKS]
    return lambda value: (
        isinstance(value, Mapping)
        and len(value) > 0
        and sorted(value, key=str) == sorted(ranks[: len(value)])
        and all(map(check, value.values()))
    )


def _matches(pattern: str) -> Callable[[Any], bool]:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def _rows(value: Any, keys: tuple[str, ...]) -> bool:
    return isinstance(value, list) and all(
        isinstance(row, Mapping)
        and set(row) == {*keys, "probes", "map", "map_trapezoid", "minp", "cmc"}
        and all(_fraction(row[name]) for name in ("map", "map_trapezoid", "minp"))
        and _cmc(_fraction)(row["cmc"])
        for row in value
    )


KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "text": (_matches(r".+"), "text"),
    "digest": (_matches(r"[0-9a-f]{64}"), "64 hex digits"),
    "protocol": (_matches(r"[a-z0-9-]+/[a-z0-9-]+@[0-9a-f]{8}"), "dataset/name@8 hex digits"),
    "rerank": (_matches(r"none|.+"), "none, or the name of a rule"),
    "schema": (lambda value: value == SCHEMA, str(SCHEMA)),
    "flag": (lambda value: isinstance(value, bool), "true or false"),
    "count": (lambda value: type(value) is int and value >= 0, "a whole number"),
    "number": (lambda value: type(value) in (int, float), "a number"),
    "fraction": (_fraction, "0..1 at six decimals"),
    "spread": (_spread, "a number at six decimals"),
    "interval": (_interval, "two fractions, ascending"),
    "cmc": (_cmc(_fraction), "a fraction for each of the first of the ranks 1, 3, 5, 10, 20"),
    "cmc-spread": (_cmc(_spread), "a number for each rank"),
    "cmc-interval": (_cmc(_interval), "two fractions for each rank"),
    "open": (lambda value: isinstance(value, Mapping), "an object"),
    "object": (lambda value: isinstance(value, Mapping), "an object"),
    "buckets": (lambda value: _rows(value, ("from", "to")), "a list of scores with from and to"),
    "splits": (lambda value: _rows(value, ("split",)), "a list of scores by split"),
    "texts": (lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value), "a list of text"),
    "pairs": (lambda value: _rows(value, ("probe_camera", "gallery_camera")), "a list of scores by camera pair"),
    "condition": (is_plain, "text, a number, true or false, or a list of those"),
}

_SCORES = (
    ("map", "mean AP, precision averaged at the hits"),
    ("map_trapezoid", "mean AP by trapezoid, the Market-1501 evaluation"),
    ("minp", "mean M / r_M"),
    ("cmc", "chance of a hit within rank 1, 3, 5, 10, 20"),
)


def _scores(prefix: str, suffix: str) -> Iterator[Field]:
    for name, meaning in _SCORES:
        plain = "cmc" if name == "cmc" else ""
        kind = (f"cmc-{suffix}" if plain else suffix) if suffix else plain or "fraction"
        yield Field(f"{prefix}{name}", kind, meaning)


FIELDS: tuple[Field, ...] = (
    Field("schema", "schema", "version of this table"),
    Field("tool_version", "text", "version of the package that wrote it"),
    Field("dataset", "text", "the dataset's id"),
    Field("variant", "text", "the variant's name"),
    Field("verdict", "text", "of the copy: complete, subset, superset or different"),
    Field("fingerprint", "digest", "of the manifest"),
    Field("rows_sha256", "digest", "of the probe and gallery rows, cameras and groups included"),
    Field("protocol", "protocol", "the protocol's id"),
    Field("features", "object", "what the features are"),
    Field("features.sha256", "digest?", "of the feature file; null for arrays"),
    Field("features.header", "object", "what the file says: model, weights_sha256, input_size, normalisation, ..."),
    Field("features.fingerprint", "text", "the header's against the manifest's: equal, unstated or overridden"),
    Field("features.dimensions", "count?", "length of a vector; null for a matrix"),
    Field("features.parts", "count?", "parts a picture; null for one vector"),
    Field("model", "open?", "of the model: sha256 of its weights, backbone, config_sha256, config; or null"),
    Field("distance", "text", "cosine, euclidean, given-distance or given-similarity"),
    Field("parts_rule", "object?", "how parts are compared"),
    Field("parts_rule.name", "text", "visible-parts-mean"),
    Field("parts_rule.no_common_part", "text", "last: similarity -1"),
    Field("rerank", "rerank", "none, or the rule"),
    Field("twin", "flag", "whether every picture is drawn: such a score says that code runs, nothing about methods"),
    Field("reference", "text", "how the pixels compare with the copy that the catalog was verified on"),
    Field("withdrawn_parent", "flag", "whether the set, or one it was made from, was withdrawn"),
    *_scores("", ""),
    Field("tie_bounds", "object?", "the two ends of tie order, where they differ"),
    Field("tie_bounds.pessimistic", "object", "true matches last among equals"),
    *_scores("tie_bounds.pessimistic.", ""),
    Field("tie_bounds.optimistic", "object", "true matches first among equals"),
    *_scores("tie_bounds.optimistic.", ""),
    Field("chance", "object", "a gallery in random order"),
    Field("chance.map", "fraction", "its mean AP, on average"),
    Field("chance.rank_1", "fraction", "its rank-1, on average"),
    Field("chance.above", "flag", "whether the mAP is above that: the 95 % interval over identities does not reach it"),
    Field("intervals", "object?", "95 % bootstrap intervals"),
    Field("intervals.method", "text", "bootstrap over probe identities"),
    Field("intervals.level", "fraction", "0.95"),
    Field("intervals.replicates", "count", "how often identities were drawn"),
    Field("intervals.seed", "number", "of the keys"),
    Field("intervals.identities", "count", "identities with a counted probe"),
    *_scores("intervals.", "interval"),
    Field("draws", "object?", "null where the protocol draws nothing; the scores are means over draws"),
    Field("draws.count", "count", "number of draws"),
    Field("draws.std", "object", "standard deviation over draws (ddof 1)"),
    *_scores("draws.std.", "spread"),
    Field("buckets", "buckets", "scores by tenths of the occluded fraction; empty where unknown"),
    Field("splits", "splits", "scores by the probe's split; empty between sets"),
    Field("camera_pairs", "pairs", "scores by probe and gallery camera; empty where cameras are not real"),
    Field("audit", "object", "what the numbers rest on"),
    Field("audit.probes", "count", "probe rows of the protocol"),
    Field("audit.gallery", "count", "gallery rows of the protocol"),
    Field("audit.decisions", "count", "what is scored: probes, or identities between sets"),
    Field("audit.dropped_probes", "count", "decisions without a true match left; they are not in any mean"),
    Field("audit.removed_junk", "count", "manifest rows that the protocol's junk filter leaves out"),
    Field("audit.removed_same_camera", "count", "(probe, gallery) pairs that the camera rule removes"),
    Field("audit.removed_same_group", "count", "further pairs that the group rule removes"),
    Field("audit.ties", "count", "decisions whose AP depends on tie order"),
    Field("audit.rows_outside_protocol", "count", "feature rows that the protocol does not use"),
    Field("audit.identities_short_of_shots", "count", "identity sides with fewer pictures than shots"),
    Field("audit.pairs_without_common_part", "count", "(probe, gallery) pairs without a part visible in both"),
    Field("declared", "object", "what a user states of the model"),
    *(Field(f"declared.{name}", "condition", f"{meaning}, or unstated") for name, meaning in CONDITIONS.items()),
    Field("shared", "object", "whether training and test show the same identities"),
    Field("shared.relation", "text", "none, same set, related set, unknown, or unstated"),
    Field("shared.identities", "count?", "in common; null where it is not known"),
    Field("shared.sets", "texts", "that were trained on"),
    Field("shared.text", "text", "the same in words"),
    Field("per_probe", "object", "the sidecar <stem>.per_probe.csv"),
    Field("per_probe.rows", "count", "its rows"),
    Field("per_probe.sha256", "digest", "of its bytes"),
    Field("sha256", "digest", "of this record without this field: a record that was edited is refused"),
)


def check_record(record: Any) -> None:
    """Return if `record` is a score record of this schema, else raise naming the fields.

    Raises
    ------
    RecordError
        If a field is missing, unknown or of another kind.

    Examples
    --------
    >>> check_record({"schema": 3})
    Traceback (most recent call last):
    ...
    occluded_datasets.errors.RecordError: The record is of schema 3. This version reads schema 2. Next: pip install \
--upgrade occluded-datasets
    """
    if not isinstance(record, Mapping):
        raise RecordError("Not a score record.", f"Expected a JSON object, found {type(record).__name__}.")
    schema = record.get("schema")
    if schema != SCHEMA:
        raise RecordError(
            f"The record is of schema {schema!r}.",
            f"This version reads schema {SCHEMA}.",
            "evaluate again" if schema == 1 else "pip install --upgrade occluded-datasets",
        )
    faults = list(_faults(record))
    if faults:
        more = f" (and {len(faults) - SHOWN} more)" if len(faults) > SHOWN else ""
        raise RecordError("Not a score record.", "; ".join(faults[:SHOWN]) + more + ".", "evaluate again")
    if record["sha256"] != own_digest(record):
        raise RecordError(
            "The record was changed after it was written.",
            f"Expected sha256 {own_digest(record)[:16]} of its content, found {record['sha256'][:16]}.",
            "evaluate again",
        )


def _faults(record: Mapping[str, Any]) -> Iterator[str]:
    names = {field.name for field in FIELDS}
    for field in FIELDS:
        holder, _, last = field.name.rpartition(".")
        parent = _at(record, holder) if holder else record
        if not isinstance(parent, Mapping):
            continue
        if last not in parent:
            yield f"{field.name} is missing"
            continue
        check, expected = KINDS[field.kind.rstrip("?")]
        value = parent[last]
        if not (value is None and field.kind.endswith("?")) and not check(value):
            yield f"{field.name}: expected {expected}, found {value!r:.60}"
    for holder in ("", *(field.name for field in FIELDS if field.kind.startswith("object"))):
        found = _at(record, holder) if holder else record
        if holder != "features.header" and isinstance(found, Mapping):
            prefix = f"{holder}." if holder else ""
            yield from (f"{prefix}{key} is unknown" for key in found if f"{prefix}{key}" not in names)


def _at(record: Mapping[str, Any], name: str) -> Any:
    value: Any = record
    for part in name.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value
