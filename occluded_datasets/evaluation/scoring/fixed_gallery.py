"""Scores of a protocol in which every probe meets the whole gallery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .ap_cmc import BoundedScores, chance, score_ranks
from .counts import MatchPlan, count
from .exact import Array
from .matching import Relations, pointer_of
from .similarity import Similarities


@dataclass(frozen=True)
class Outcome:
    """What came out, before it is averaged.

    Parameters
    ----------
    judged : BoundedScores
        Scores of the decisions that could be made; by draw first where there are draws.
    decision : numpy.ndarray
        Which probe (or, for sets, which identity) each entry is of.
    draw : numpy.ndarray
        Which draw.
    decisions, draws : int
        How many probes (or identities) and draws there are.
    chance : numpy.ndarray
        AP and rank-1 of each entry where the gallery is in random order, (entries, 2).
    cameras : tuple, optional
        Scores by probe and gallery camera: expected values' `BoundedScores`, the probe and the camera of each.
    """

    judged: BoundedScores
    decision: Array
    draw: Array
    decisions: int
    draws: int
    chance: Array
    cameras: tuple[BoundedScores, Array, Array] | None = None


def score_whole(
    source: Similarities,
    relations: Relations,
    camera: Array | None,
    block: int | None,
    threads: int | None,
) -> Outcome:
    """Return the scores of all probes that have a true match left.

    Parameters
    ----------
    source : Similarities
        Its gallery in order of camera, where `camera` is given.
    relations : Relations
        True matches and removed pairs.
    camera : numpy.ndarray, optional
        Camera of each gallery image, (gallery,), int, ascending: also score by the camera of the match.
    block : int or None
        Gallery images in a tile; None for the source's own step. It changes no score.
    threads : int or None
        Threads that count; None for the cores that this process may use. It changes no score.

    Returns
    -------
    Outcome
        One entry for each probe that has a true match left, in the order of probes; of one draw.
    """
    edges: tuple[int, ...] = ()
    if camera is not None:
        edges = (*np.flatnonzero(np.diff(camera, prepend=camera[0] - 1)).tolist(), len(camera))
    pointer = pointer_of(relations.match_probe, source.probes)
    plan = MatchPlan(pointer, relations.match_column, relations.hidden_probe, relations.hidden_column, edges)
    counts = count(source, plan, block, threads)
    answered = np.flatnonzero(np.diff(pointer))
    judged = score_ranks(np.append(pointer[answered], pointer[-1]), counts.nearer, counts.equal)
    outcome: dict[str, Any] = {}
    if camera is not None and counts.nearer_own is not None and counts.equal_own is not None:
        both = np.stack([plan.probe, camera[plan.column]])
        start = np.flatnonzero(np.diff(both, axis=1, prepend=-2).any(axis=0))
        own = score_ranks(np.append(start, both.shape[1]), counts.nearer_own, counts.equal_own)
        outcome["cameras"] = (own, both[0, start], both[1, start])
    hidden = np.bincount(relations.hidden_probe, minlength=source.probes)
    level = chance(np.diff(pointer)[answered], source.gallery - hidden[answered])
    return Outcome(judged, answered, np.zeros(len(answered), np.int64), source.probes, 1, level, **outcome)
