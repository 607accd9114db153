"""Means, intervals over identities, and scores by bucket and camera pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...hashing import key
from .ap_cmc import RANKS, Scores
from .exact import Array

METRICS = ("map", "map_trapezoid", "minp")
LEVEL = 0.95
EDGES = tuple(step / 10 for step in range(11))


def score_table(scores: Scores) -> Array:
    """Return (probes, 8): AP, trapezoid AP, INP and the hit at each rank."""
    return np.column_stack([scores.ap, scores.ap_trapezoid, scores.inp, scores.cmc])


def named_values(values: Sequence[float] | Array) -> dict[str, Any]:
    """Return the eight numbers under their names in a record, at six decimals."""
    whole = [six_decimals(value) for value in values]
    return {
        **dict(zip(METRICS, whole[:3], strict=True)),
        "cmc": {str(rank): value for rank, value in zip(RANKS, whole[3:], strict=True)},
    }


def six_decimals(value: float) -> float:
    """Return a number at the record's six decimals."""
    return round(float(value), 6)


def resamples(identities: int, replicates: int, seed: int) -> Array:
    """Return (replicates, identities) draws with replacement, the same on every machine and NumPy.

    Raw 64-bit integers of PCG64, whose stream is fixed, seeded by `hashing.key`; the upper half is scaled to an index.
    """
    stream = np.random.PCG64(int.from_bytes(key(seed, "bootstrap", 0, "identities"), "big"))
    raw = stream.random_raw(replicates * identities) >> np.uint64(32)
    index = (raw * np.uint64(identities)) >> np.uint64(32)
    result: Array = index.astype(np.int64).reshape(replicates, identities)
    return result


def interval(values: Array, pid: Array, replicates: int, seed: int) -> Array:
    """Return the 95 % bootstrap interval of the mean over probes, resampling identities, (2, metrics).

    Images of one person are not independent, so persons are drawn, each with all its probes.

    Parameters
    ----------
    values : numpy.ndarray
        Scores, fractions 0..1, (probes, metrics).
    pid : numpy.ndarray
        Identity of each probe, (probes,), int.
    replicates : int
        How many times identities are drawn, 1 or more.
    seed : int
        Seed of the draws; the same seed gives the same interval on every machine.

    Returns
    -------
    numpy.ndarray
        Shape (2, metrics), float64: the lower ends, then the upper ends.
    """
    people, person = np.unique(pid, return_inverse=True)
    sums = np.zeros((len(people), values.shape[1] + 1))
    np.add.at(sums, person, np.column_stack([values, np.ones(len(values))]))
    means = np.empty((replicates, values.shape[1]))
    chosen = resamples(len(people), replicates, seed)
    for replicate, drawn in enumerate(chosen):
        total = sums[drawn].sum(axis=0)
        means[replicate] = total[:-1] / total[-1]
    tail = (1 - LEVEL) / 2
    result: Array = np.quantile(means, [tail, 1 - tail], axis=0)
    return result


def intervals(values: Array, pid: Array, replicates: int, seed: int) -> dict[str, Any] | None:
    """Return the record's `intervals`, or None for no replicates.

    Parameters
    ----------
    values : numpy.ndarray
        What `score_table` returns, (probes, 8), fractions 0..1.
    pid : numpy.ndarray
        Identity of each probe, (probes,), int.
    replicates : int
        How many times identities are drawn; 0 for no interval.
    seed : int
        Seed of the draws.

    Returns
    -------
    dict or None
        How the intervals were made and, by metric, the lower and upper end at six decimals.
    """
    if not replicates:
        return None
    low, high = interval(values, pid, replicates, seed)
    names = (*METRICS, *map(str, RANKS))
    pairs: dict[str, Any] = {
        name: [six_decimals(a), six_decimals(b)] for name, a, b in zip(names, low, high, strict=True)
    }
    return {
        "method": "bootstrap over probe identities",
        "level": LEVEL,
        "replicates": replicates,
        "seed": seed,
        "identities": len(np.unique(pid)),
        **{name: pairs[name] for name in METRICS},
        "cmc": {str(rank): pairs[str(rank)] for rank in RANKS},
    }


def occluded(frame: Any) -> Array:
    """Return the occluded fraction of manifest rows, NaN where unknown.

    A simulated set says it; else it is 1 - visible_fraction.
    """
    visible = 1 - frame["visible_fraction"].to_numpy(np.float64)
    if "occluded_fraction" not in frame:
        return np.asarray(visible)
    own = frame["occluded_fraction"].to_numpy(np.float64)
    result: Array = np.where(np.isnan(own), visible, own)
    return result


def buckets(values: Array, fraction: Array) -> list[dict[str, Any]]:
    """Return scores by tenths of the occluded fraction, from up to (not including) to; 1.0 is in the last.

    Empty where no fraction is known; probes of unknown fraction stand in a last entry without bounds.
    """
    known = ~np.isnan(fraction)
    if not known.any():
        return []
    tenth = np.full(len(fraction), -1)
    tenth[known] = np.clip((np.round(fraction[known], 6) * 10 + 1e-9).astype(int), 0, 9)
    rows: list[dict[str, Any]] = []
    for index in [*range(10), -1]:
        own = tenth == index
        if own.any():
            bounds: Mapping[str, Any] = (
                {"from": None, "to": None} if index < 0 else {"from": EDGES[index], "to": EDGES[index + 1]}
            )
            rows.append({**bounds, "probes": int(own.sum()), **named_values(values[own].mean(axis=0))})
    return rows


def by_split(values: Array, split: Array) -> list[dict[str, Any]]:
    """Return scores by the probe's split as published, in the order of names; empty text where there is none."""
    found = ((str(name), split == name) for name in sorted(set(split.tolist())))
    return [{"split": name, "probes": int(own.sum()), **named_values(values[own].mean(axis=0))} for name, own in found]


def camera_pairs(values: Array, probe_camera: Array, gallery_camera: Array) -> list[dict[str, Any]]:
    """Return mean scores by (probe's camera, gallery's camera), in the order of the camera numbers.

    Parameters
    ----------
    values : numpy.ndarray
        What `score_table` returns, (entries, 8), fractions 0..1: one entry for each probe and each gallery camera
        that holds a true match of it.
    probe_camera : numpy.ndarray
        Camera of the entry's probe, (entries,), int.
    gallery_camera : numpy.ndarray
        Camera of the entry's true matches, (entries,), int.

    Returns
    -------
    list of dict
        For each pair: `probe_camera`, `gallery_camera`, `probes` (how many entries) and the named scores.
    """
    rows = []
    for pair in sorted(set(zip(probe_camera.tolist(), gallery_camera.tolist(), strict=True))):
        own = (probe_camera == pair[0]) & (gallery_camera == pair[1])
        rows.append(
            {
                "probe_camera": pair[0],
                "gallery_camera": pair[1],
                "probes": int(own.sum()),
                **named_values(values[own].mean(axis=0)),
            }
        )
    return rows
