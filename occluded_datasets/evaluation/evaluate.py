"""From a manifest, a protocol and features to a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._version import __version__
from ..errors import ProtocolError, UsageError, first_names
from ..identities import declared_sets as trained_on
from ..identities import shared_identities
from ..manifest import real_cameras
from ..protocol import TEST_ROWS, Protocol, Split, split
from .align import Intake, align, gather
from .audit import audit
from .record.declared import UNSTATED, declared
from .record.digests import SCHEMA, digest, limited, own_digest, rows_sha256, sidecar
from .record.schema import check_record
from .record.score import Score
from .scoring.exact import Array
from .scoring.fixed_gallery import Outcome, score_whole
from .scoring.matching import Relations, labels_of, relate
from .scoring.metrics import PARTS_RULES, FeatureRows, measure
from .scoring.similarity import FeatureSource, MatrixSource, Similarities
from .scoring.statistics import (
    buckets,
    by_split,
    camera_pairs,
    interval,
    intervals,
    named_values,
    occluded,
    score_table,
    six_decimals,
)

if TYPE_CHECKING:
    import pandas as pd

    from ..manifest import Manifest


RERANK = {"none": "none", "k-reciprocal": "k-reciprocal k1=20 k2=6 lambda=0.3"}


class _Options(NamedTuple):
    distance: str
    bootstrap: int
    seed: int
    block: int | None
    threads: int | None
    rerank: str


def evaluate(
    manifest: Manifest,
    protocol: str | Protocol,
    features: Any,
    *,
    order: str | None = None,
    rows: str = TEST_ROWS,
    distance: str = "cosine",
    parts_rule: str = "visible-parts-mean",
    rerank: str = "none",
    declare: Mapping[str, Any] | None = None,
    model: Mapping[str, Any] | None = None,
    seen: Sequence[Mapping[str, Any]] | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    any_fingerprint: bool = False,
    block: int | None = None,
    threads: int | None = None,
) -> Score:
    """Return the score of `features` under a named protocol.

    Similarities are rounded to 1e-9 of their scale and equal is a tie; the headline is the expectation over random tie
    order. Neither `block` nor `threads` can change a byte of the record.

    Parameters
    ----------
    manifest : Manifest
        Whose images were described.
    protocol : str or Protocol
        A name, an id, a ``.json`` file or a `Protocol`.
    features : path, FeatureFile, Matrix, mapping, tuple, table or array
        ``.npz`` or ``.parquet``; image_id -> vector; (image_id, array); a data frame or series with image_ids in its
        index or in a column image_id; an array without names, with `order`; or a matrix with its probe and gallery
        ids. Vectors (D,) or parts (P, D), float16 to float64 or integer; tensors of any device.
    order : str, optional
        ``manifest``: row i of an array without names is of row i of the manifest. Without it such an array is refused.
    rows : str
        Of a simulated set: ``test`` scores no row of its source's split train, ``all`` does.
    distance : str
        ``cosine`` or ``euclidean``; a matrix is used as it is.
    parts_rule : str
        How parts are compared: ``visible-parts-mean``.
    rerank : str
        ``none`` or ``k-reciprocal`` (Zhong et al., CVPR 2017, with its k1 20, k2 6 and lambda 0.3), for vectors under
        a protocol that draws nothing. A re-ranked score never compares with one that is not.
    declare : mapping, optional
        What is stated of the model: keys of `occluded_datasets.evaluation.CONDITIONS`.
    model : mapping, optional
        What the model is, for the record: ``sha256`` of its weights, ``backbone``, ``config_sha256``, ``config``.
    seen : sequence of mapping, optional
        The identities that the model was trained on, as of `occluded_datasets.identities.shown_identities`; by default
        the sets that `declare` names under ``training_sets``.
    bootstrap : int
        Replicates of the intervals; 0 for none.
    seed : int
        Of the replicates.
    any_fingerprint : bool
        Take features whose header names another manifest.
    block : int, optional
        Gallery images compared at once.
    threads : int, optional
        One for each core by default.

    Raises
    ------
    FeatureError
        If features are missing, twice there, unknown to the manifest, not finite or zero: the message names them.
    ProtocolError
        If the protocol cannot be answered by this manifest, or sets meet what is no vector.
    UsageError
        If identities of the test were trained on.

    Examples
    --------
    >>> import tempfile
    >>> import occluded_datasets as od
    >>> from occluded_datasets.twin import twin
    >>> out = tempfile.mkdtemp()
    >>> drawn = twin("partial-reid", f"{out}/raw", ids=2)
    >>> built = od.build("partial-reid", drawn.tree, f"{out}/data", allow_subset=True)
    >>> manifest = od.load("partial-reid", root=f"{out}/data")
    >>> constant = np.ones((len(manifest), 4))
    >>> score = evaluate(manifest, "transfer-all-occluded-probe", constant, order="manifest")
    >>> score.record["cmc"]["1"]  # constant features score chance
    0.5
    """
    options = _checked(distance, parts_rule, bootstrap, seed, block, threads, rerank)
    conditions = declared(declare)
    done = split(manifest, protocol, rows=rows)
    given = gather(features, manifest, order)
    sides = done.probe["image_id"].tolist(), done.gallery["image_id"].tolist()
    intake = align(given, manifest, *sides, any_fingerprint)
    outcome, relations, people = _outcome(done, intake, manifest, options)
    pid = done.probe["pid"].to_numpy(np.int64) if people is None else people
    _require_answers(done, outcome, sides[0] if people is None else [str(one) for one in people])
    names = sides[0] if people is None else [""] * len(people)
    values, per_probe = _per_probe(outcome, names, pid)
    answered = np.flatnonzero(per_probe["counted"].to_numpy())
    record = limited({
        "schema": SCHEMA,
        "tool_version": __version__,
        "dataset": manifest.dataset,
        "variant": manifest.variant,
        "verdict": manifest.verdict,
        "fingerprint": done.fingerprint,
        "rows_sha256": rows_sha256(manifest, done.probe, done.gallery),
        "protocol": done.protocol.id,
        "features": dict(intake.facts),
        "model": None if model is None else dict(model),
        "distance": distance if intake.matrix is None else f"given-{intake.kind}",
        "parts_rule": {"name": parts_rule, "no_common_part": "last"} if intake.facts["parts"] else None,
        "rerank": RERANK[rerank],
        "twin": manifest.twin,
        "reference": manifest.reference,
        "withdrawn_parent": manifest.withdrawn_parent,
        **_headline(outcome),
        "chance": _chance(outcome, values[answered], pid[answered], bootstrap, seed),
        "intervals": intervals(values[answered], pid[answered], bootstrap, seed),
        "buckets": buckets(values[answered], occluded(done.probe)[answered]) if people is None else [],
        "splits": by_split(values[answered], done.probe["split"].to_numpy()[answered]) if people is None else [],
        "camera_pairs": _pairs(outcome, done),
        "audit": audit(done, manifest, intake, relations, outcome, answered),
        "declared": conditions,
        "shared": _shared(seen, conditions["training_sets"], manifest, done),
        "per_probe": {"rows": len(per_probe), "sha256": digest(sidecar(per_probe))},
    }, done.protocol.rules["max_rank"])  # fmt: skip
    record["sha256"] = own_digest(record)
    check_record(record)
    return Score(record, per_probe)


def _shared(
    seen: Sequence[Mapping[str, Any]] | None, training_sets: Any, manifest: Manifest, done: Split
) -> dict[str, Any]:
    """Return whether training and test show the same identities, as far as anything was said of training."""
    import pandas as pd

    if seen is None and training_sets == UNSTATED:
        text = "training sets are not stated: whether they show identities of the test is unknown"
        return {"relation": UNSTATED, "identities": None, "sets": [], "text": text}
    return shared_identities(
        trained_on(training_sets) if seen is None else seen, manifest, pd.concat([done.probe, done.gallery])
    )


def _chance(outcome: Outcome, values: Array, pid: Array, bootstrap: int, seed: int) -> dict[str, Any]:
    """Return the scores of a gallery in random order, and whether this mAP is above that one.

    It is not where the 95 % interval of the mAP, over probe identities, reaches down to chance.
    """
    draws = [outcome.chance[outcome.draw == draw].mean(axis=0) for draw in np.unique(outcome.draw)]
    level = np.mean(draws, axis=0)
    low = interval(values[:, :1], pid, bootstrap or 200, seed)[0, 0]
    return {"map": six_decimals(level[0]), "rank_1": six_decimals(level[1]), "above": bool(low > level[0])}


def _checked(
    distance: str, parts_rule: str, bootstrap: int, seed: int, block: int | None, threads: int | None, rerank: str
) -> _Options:
    if rerank not in RERANK:
        raise UsageError(f"Unknown re-ranking {rerank!r}.", f"Expected one of {', '.join(RERANK)}.")
    if parts_rule not in PARTS_RULES:
        raise UsageError(f"Unknown parts rule {parts_rule!r}.", f"Expected one of {', '.join(PARTS_RULES)}.")
    for name, value, least in (("bootstrap", bootstrap, 0), ("block", block, 1), ("threads", threads, 1)):
        if value is not None and value < least:
            raise UsageError(f"{name}: {value}.", f"Expected {least} or more.")
    return _Options(distance, bootstrap, seed, block, threads, rerank)


def _source(intake: Intake, order: Array, distance: str, rerank: str) -> Similarities:
    """Return the similarities of an intake, its gallery in another order."""
    gallery = FeatureRows(intake.gallery.values, intake.gallery.index[order], intake.gallery.visibility)
    if rerank != "none":
        return _reranked(intake, gallery, distance)
    if intake.matrix is not None:
        return MatrixSource(intake.matrix, intake.probe.index, gallery.index, intake.kind == "distance")
    return FeatureSource(measure(distance, (intake.probe, gallery)), intake.probe, gallery)


def _reranked(intake: Intake, gallery: FeatureRows, distance: str) -> MatrixSource:
    """Return the distances that k-reciprocal encoding makes of vectors."""
    from .scoring.k_reciprocal import k_reciprocal

    if intake.matrix is not None or intake.facts["parts"]:
        found = "a matrix" if intake.matrix is not None else "parts"
        raise UsageError("Re-ranking needs the vectors of probes and gallery.", f"Found {found}.")
    probe, other = (rows.part(0, len(rows))[0] for rows in (intake.probe, gallery))
    values = k_reciprocal(probe, other, distance=distance)
    return MatrixSource(values, np.arange(values.shape[0]), np.arange(values.shape[1]), True)


def _outcome(
    done: Split, intake: Intake, manifest: Manifest, options: _Options
) -> tuple[Outcome, Relations, Array | None]:
    """Return what came out, the relations between images, and the identities where sets decide."""
    rules = done.protocol.rules
    groups = {name: number for number, name in enumerate(sorted(set(manifest.frame["group"].dropna())))}
    probe, gallery = labels_of(done.probe, groups), labels_of(done.gallery, groups)
    real = not len(done.draws) and real_cameras(done.probe) and real_cameras(done.gallery)
    order = np.argsort(gallery.camid, kind="stable") if real else np.arange(len(gallery.pid))
    gallery = type(gallery)(*(values[order] for values in gallery))
    relations = relate(
        probe,
        gallery,
        done.protocol.removes_cameras(done.probe, done.gallery),
        rules["group_rule"] == "same-group-removed",
    )
    if not len(done.draws):
        source = _source(intake, order, options.distance, options.rerank)
        camera = gallery.camid if real else None
        return score_whole(source, relations, camera, options.block, options.threads), relations, None
    from .scoring.repeated_draws import score_drawn, score_sets

    if options.rerank != "none":
        raise UsageError(
            f"{done.protocol.id}: re-ranking rests on the whole gallery, and this protocol draws another one each time."
        )
    place = {
        role: {name: index for index, name in enumerate(getattr(done, role)["image_id"])}
        for role in ("probe", "gallery")
    }
    if rules["set_distance"] == "none":
        source = _source(intake, order, options.distance, options.rerank)
        return score_drawn(source, relations, done.draws, place, probe.pid, gallery.pid), relations, None
    if intake.matrix is not None or intake.facts["parts"] or options.distance != "cosine":
        found = "a matrix" if intake.matrix is not None else "parts" if intake.facts["parts"] else options.distance
        raise ProtocolError(
            f"{done.protocol.id}: sets are compared by {rules['set_distance']}.",
            f"Expected one vector a picture and the cosine, found {found}.",
        )
    outcome, people = score_sets(intake.probe, intake.gallery, done.draws, place, options.threads)
    return outcome, relations, people


def _require_answers(done: Split, outcome: Outcome, names: list[str]) -> None:
    dropped = sorted(set(range(outcome.decisions)) - set(outcome.decision.tolist()))
    if dropped and (done.protocol.rules["unanswerable"] == "error" or len(dropped) == outcome.decisions):
        raise ProtocolError(
            f"{done.protocol.id}: {len(dropped)} of {outcome.decisions} probes have no true match left: "
            f"{first_names(names[index] for index in dropped)}.",
            "The protocol refuses that." if len(dropped) < outcome.decisions else "There is nothing to score.",
        )


def _per_probe(outcome: Outcome, names: list[str], pid: Array) -> tuple[Array, pd.DataFrame]:
    """Return the eight numbers of each decision, its mean over the draws that count it, and the table by probe."""
    import pandas as pd

    scores = outcome.judged.expected
    table = np.column_stack([score_table(scores), scores.first_hit_rank])
    sums = np.zeros((outcome.decisions, table.shape[1]))
    np.add.at(sums, outcome.decision, table)
    counted = np.bincount(outcome.decision, minlength=outcome.decisions)
    with np.errstate(invalid="ignore"):
        means = np.where(counted[:, None] > 0, sums / np.maximum(counted, 1)[:, None], np.nan)
    columns = {"ap": 0, "ap_trapezoid": 1, "first_hit_rank": 8, "inp": 2, "rank1": 3}
    frame = {"image_id": names, "pid": pid, **{name: means[:, column] for name, column in columns.items()}}
    return means[:, :8], pd.DataFrame({**frame, "counted": counted})


def _by_draw(outcome: Outcome, side: int) -> Array:
    """Return the means of each draw, (draws, 8)."""
    start = np.flatnonzero(np.diff(outcome.draw, prepend=-1))
    sums = np.add.reduceat(score_table(outcome.judged[side]), start, axis=0)  # type: ignore[arg-type]
    result: Array = sums / np.diff(np.append(start, len(outcome.draw)))[:, None]
    return result


def _headline(outcome: Outcome) -> dict[str, Any]:
    """Return the expectation, its two ends where they differ, and mean and deviation over draws."""
    expected, worst, best = (_by_draw(outcome, side) for side in range(3))
    ends = {"pessimistic": named_values(worst.mean(axis=0)), "optimistic": named_values(best.mean(axis=0))}
    draws = None
    if outcome.draws > 1:
        spread = expected.std(axis=0, ddof=1) if len(expected) > 1 else np.zeros(expected.shape[1])
        draws = {"count": outcome.draws, "std": named_values(spread)}
    return {
        **named_values(expected.mean(axis=0)),
        "tie_bounds": ends if ends["pessimistic"] != ends["optimistic"] else None,
        "draws": draws,
    }


def _pairs(outcome: Outcome, done: Split) -> list[dict[str, Any]]:
    if outcome.cameras is None:
        return []
    judged, probe, camera = outcome.cameras
    own = done.probe["camid"].to_numpy(np.int64)[probe]
    return camera_pairs(score_table(judged.expected), own, camera)
