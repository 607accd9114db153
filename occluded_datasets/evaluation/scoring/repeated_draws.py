"""Scores of a protocol whose gallery, or probe and gallery sets, are drawn again and again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...errors import FeatureError, first_names
from ...scan import cores
from .ap_cmc import BoundedScores, Scores, chance, score_ranks
from .counts import lowest
from .exact import Array, unit_rows
from .fixed_gallery import Outcome
from .matching import Relations, pairs_of, pointer_of
from .metrics import FeatureRows, measure
from .similarity import FeatureSource, Similarities

if TYPE_CHECKING:
    import pandas as pd

_PROBES = 512  # fixed, so that sums are made in one order whatever the block


class _Found(NamedTuple):
    """The counts of one draw's true matches, by decision, and how many gallery images each decision meets."""

    decision: Array
    nearer: Array
    equal: Array
    rivals: Array


class _Part(NamedTuple):
    """The scores of one draw, the decisions they are of, and what chance would give them."""

    draw: int
    judged: BoundedScores
    decision: Array
    chance: Array


def _counted(values: Array, row: Array, column: Array) -> _Found:
    """Return the counts of matches (row, column) in a block of similarities; a removed match is none."""
    wanted = values[row, column]
    there = wanted != lowest(values.dtype)
    row, wanted = row[there], wanted[there]
    lines = values[row]
    nearer = np.count_nonzero(lines > wanted[:, None], axis=1)
    rivals = np.count_nonzero(lines != lowest(values.dtype), axis=1)
    return _Found(row, nearer, np.count_nonzero(lines == wanted[:, None], axis=1), rivals)


def _judge(found: _Found, decisions: int) -> tuple[BoundedScores, Array, Array]:
    pointer = pointer_of(found.decision, decisions)
    matches = np.diff(pointer)
    answered = np.flatnonzero(matches)
    level = chance(matches[answered], found.rivals[pointer[answered]])
    return score_ranks(np.append(pointer[answered], pointer[-1]), found.nearer, found.equal), answered, level


def _joined(parts: Sequence[_Part], decisions: int, draws: int) -> Outcome:
    """Return the outcome of the draws, in the order given."""
    scores = [
        Scores(*(np.concatenate(values) for values in zip(*(part.judged[side] for part in parts), strict=True)))
        for side in range(3)
    ]
    tied = np.concatenate([part.judged.tied for part in parts])
    decision = np.concatenate([part.decision for part in parts])
    draw = np.concatenate([np.full(len(part.decision), part.draw) for part in parts])
    level = np.concatenate([part.chance for part in parts])
    return Outcome(BoundedScores(scores[0], scores[1], scores[2], tied), decision, draw, decisions, draws, level)


def _groups(draws: pd.DataFrame, place: Mapping[str, Mapping[str, int]]) -> Iterator[dict[str, tuple[Array, Array]]]:
    """Yield for each draw, by role, the pids and the row positions that were drawn, in the order of the draw."""
    number = draws["draw"].to_numpy()
    roles, pids = draws["role"].to_numpy(), draws["pid"].to_numpy()
    names = draws["image_id"].tolist()
    rows = np.fromiter((place[role][name] for role, name in zip(roles, names, strict=True)), np.int64, len(draws))
    edges = np.flatnonzero(np.diff(number, prepend=-1)).tolist()
    for start, stop in zip(edges, [*edges[1:], len(draws)], strict=True):
        own = roles[start:stop]
        yield {
            role: (pids[start:stop][own == role], rows[start:stop][own == role])
            for role in ("probe", "gallery")
            if (own == role).any()
        }


def score_drawn(
    source: Similarities,
    relations: Relations,
    draws: pd.DataFrame,
    place: Mapping[str, Mapping[str, int]],
    probe_pid: Array,
    gallery_pid: Array,
) -> Outcome:
    """Return the scores of every probe in every draw of the gallery, and of the probes where they are drawn too.

    Parameters
    ----------
    source : Similarities
        Similarities of all probes and all gallery images, drawn or not.
    relations : Relations
        Its removed pairs are removed in every draw. True matches are found anew in each draw, by the pids.
    draws : pandas.DataFrame
        `Split.draws`.
    place : mapping
        For each role (probe, gallery) that is drawn, the position of each image_id in `source`.
    probe_pid, gallery_pid : numpy.ndarray
        Identity of each probe and of each gallery image, (probes,) and (gallery,), int.

    Returns
    -------
    Outcome
        One entry for each draw and each probe that has a true match left in it, by draw first.
    """
    drawn = list(_groups(draws, place))
    found: list[list[_Found]] = [[] for _ in drawn]
    whole = np.arange(source.gallery)
    edges = [*range(0, source.gallery, source.step()), source.gallery]
    tiles = [source.tile(first, stop) for first, stop in pairwise(edges)]
    for start in range(0, source.probes, _PROBES):
        stop = min(start + _PROBES, source.probes)
        values = np.concatenate([source.block(tile, start, stop) for tile in tiles], axis=1)
        a, b = np.searchsorted(relations.hidden_probe, (start, stop))
        values[relations.hidden_probe[a:b] - start, relations.hidden_column[a:b]] = lowest(values.dtype)
        for number, roles in enumerate(drawn):
            rows = np.sort(roles["probe"][1]) if "probe" in roles else np.arange(source.probes)
            rows = rows[(rows >= start) & (rows < stop)]
            columns = roles["gallery"][1] if "gallery" in roles else whole
            line, column = pairs_of(probe_pid[rows], gallery_pid[columns])
            counts = _counted(values[rows - start][:, columns], line, column)
            found[number].append(counts._replace(decision=rows[counts.decision]))
    parts = []
    for number, pieces in enumerate(found):
        all_found = _Found(*(np.concatenate(values) for values in zip(*pieces, strict=True)))
        parts.append(_Part(number, *_judge(all_found, source.probes)))
    return _joined(parts, source.probes, len(drawn))


def score_sets(
    probe: FeatureRows,
    gallery: FeatureRows,
    draws: pd.DataFrame,
    place: Mapping[str, Mapping[str, int]],
    threads: int | None,
) -> tuple[Outcome, Array]:
    """Return one decision per identity and draw between sets, and the identities in order.

    Features are L2-normalised, averaged over the set and normalised again; the cosine decides.

    Parameters
    ----------
    probe, gallery : FeatureRows
        Features of all probe and all gallery images, one vector for each image, (N, D).
    draws : pandas.DataFrame
        `Split.draws`; both roles are in every draw.
    place : mapping
        For each role (probe, gallery), the position of each image_id in `probe` or `gallery`.
    threads : int or None
        Draws that are scored at once; None for the cores that this process may use. It changes no score.

    Returns
    -------
    Outcome
        `decision` is a position in the identities.
    numpy.ndarray
        The identities that any draw has among its probes, (identities,), int, ascending.

    Raises
    ------
    FeatureError
        If the vectors of a set cancel out.
    """
    unit = {"probe": unit_rows(probe.part(0, len(probe))[0]), "gallery": unit_rows(gallery.part(0, len(gallery))[0])}
    drawn = list(_groups(draws, place))
    people = np.unique(np.concatenate([roles["probe"][0] for roles in drawn]))

    def one(number: int) -> _Part:
        sides = {role: _means(unit[role], *drawn[number][role], role) for role in ("probe", "gallery")}
        rows = {role: FeatureRows(means, np.arange(len(means))) for role, (_, means) in sides.items()}
        source = FeatureSource(measure("cosine", tuple(rows.values())), rows["probe"], rows["gallery"])
        values = source.block(source.tile(0, source.gallery), 0, source.probes)
        line, column = pairs_of(sides["probe"][0], sides["gallery"][0])
        counts = _counted(values, line, column)
        decision = np.searchsorted(people, sides["probe"][0])[counts.decision]
        return _Part(number, *_judge(counts._replace(decision=decision), len(people)))

    with ThreadPoolExecutor(threads or cores()) as pool:
        parts = list(pool.map(one, range(len(drawn))))
    return _joined(parts, len(people), len(drawn)), people


def _means(unit: Array, pids: Array, rows: Array, role: str) -> tuple[Array, Array]:
    """Return the identities of one side of a draw and the direction of each one's mean, ascending."""
    order = np.argsort(pids, kind="stable")
    pids, rows = pids[order], rows[order]
    start = np.flatnonzero(np.diff(pids, prepend=pids[0] - 1))
    number = np.diff(np.append(start, len(pids)))
    # Values on the grid add up exactly, in any order; the sum has the direction of the mean.
    sums = unit[rows[start]]
    for shot in range(1, int(number.max())):
        more = np.flatnonzero(number > shot)
        sums[more] += unit[rows[start[more] + shot]]
    empty = pids[start][~sums.any(axis=1)]
    if len(empty):
        raise FeatureError(
            f"The {role} vectors of a set cancel out: identity {first_names(map(str, empty))}.",
            "Their mean has no direction.",
        )
    return pids[start], sums
