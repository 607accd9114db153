"""Scores by hand, by enumeration and by an independent transcription of each formula."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from occluded_datasets.evaluation.scoring.ap_cmc import RANKS, score_ranks
from occluded_datasets.evaluation.scoring.counts import MatchPlan, count
from occluded_datasets.evaluation.scoring.matching import Labels, pointer_of, relate
from occluded_datasets.evaluation.scoring.similarity import MatrixSource


def ranked(hits: str) -> Any:
    """Return the scores of one probe whose gallery, nearest first, is a string of x (a match) and o."""
    column = [index for index, sign in enumerate(hits) if sign == "x"]
    return score_ranks(np.array([0, len(column)]), np.array(column), np.ones(len(column), int))


def numbers(scores: Any) -> list[float]:
    """Return AP, trapezoid AP, INP and first-hit rank of the one probe."""
    return [float(value[0]) for value in scores[:4]]


# hits: AP, trapezoid AP, INP, first rank, CMC at 1, 3, 5, 10, 20; worked out on paper.
BY_HAND = {
    "x": (1.0, 1.0, 1.0, 1, "11111"),
    "ox": (1 / 2, (1 / 2 + 0) / 2, 1 / 2, 2, "01111"),
    "oox": (1 / 3, (1 / 3 + 0) / 2, 1 / 3, 3, "01111"),
    "xx": (1.0, 1.0, 1.0, 1, "11111"),
    "xox": ((1 + 2 / 3) / 2, (1 + (2 / 3 + 1 / 2) / 2) / 2, 2 / 3, 1, "11111"),
    "oxox": ((1 / 2 + 2 / 4) / 2, ((1 / 2 + 0) / 2 + (2 / 4 + 1 / 3) / 2) / 2, 2 / 4, 2, "01111"),
    "oooox": (1 / 5, 1 / 10, 1 / 5, 5, "00111"),
    "ooooox": (1 / 6, 1 / 12, 1 / 6, 6, "00011"),
    "o" * 19 + "x": (1 / 20, 1 / 40, 1 / 20, 20, "00001"),
    "o" * 20 + "x": (1 / 21, 1 / 42, 1 / 21, 21, "00000"),
    "o" * 118 + "x": (1 / 119, 1 / 238, 1 / 119, 119, "00000"),
}


@pytest.mark.parametrize("hits", BY_HAND)
def test_scores_by_hand(hits: str) -> None:
    """Every score of a ranking without ties, against numbers worked out on paper."""
    ap, trapezoid, inp, first, cmc = BY_HAND[hits]
    judged = ranked(hits)
    for scores in judged[:3]:
        assert numbers(scores) == pytest.approx([ap, trapezoid, inp, first], abs=1e-12)
        assert scores.cmc[0].tolist() == [float(sign) for sign in cmc]
    assert not judged.tied[0]


def tied(groups: list[tuple[int, int]]) -> Any:
    """Return the scores of one probe whose gallery is groups (matches, others) of equally near pictures."""
    nearer, equal, before = [], [], 0
    for matches, others in groups:
        nearer += [before] * matches
        equal += [matches + others] * matches
        before += matches + others
    return score_ranks(np.array([0, len(nearer)]), np.array(nearer), np.array(equal))


def formulas(signs: tuple[int, ...]) -> list[float]:
    """Return AP, trapezoid AP, INP, first rank and CMC of one order, from the formulas alone."""
    ranks = [place for place, sign in enumerate(signs, start=1) if sign]
    total = len(ranks)
    ap = sum(hit / rank for hit, rank in enumerate(ranks, start=1)) / total
    slopes = [hit / rank + ((hit - 1) / (rank - 1) if rank > 1 else 1) for hit, rank in enumerate(ranks, start=1)]
    return [ap, sum(slopes) / 2 / total, total / ranks[-1], ranks[0], *(float(ranks[0] <= k) for k in RANKS)]


def orders(groups: list[tuple[int, int]]) -> list[list[float]]:
    """Return the scores of every order of the ties, each equally likely."""
    choices = []
    for matches, others in groups:
        size = matches + others
        sets = itertools.combinations(range(size), matches)
        choices.append([[int(place in hits) for place in range(size)] for hits in sets])
    return [formulas(tuple(itertools.chain(*parts))) for parts in itertools.product(*choices)]


GROUPS = [
    [(1, 1)], [(1, 3)], [(2, 2)], [(3, 0)], [(0, 2), (1, 2)], [(1, 0), (1, 1)], [(2, 1), (0, 3), (1, 2)],
    [(0, 4), (2, 3)], [(1, 2), (2, 2), (0, 1), (1, 0)], [(1, 6)], [(0, 1), (3, 3)], [(4, 1), (1, 4)],
]  # fmt: skip


@pytest.mark.parametrize("groups", GROUPS, ids=str)
def test_ties_are_the_mean_over_all_orders(groups: list[tuple[int, int]]) -> None:
    """The expectation is the mean over every order of the ties; the two ends are its worst and best."""
    every = np.array(orders(groups))
    judged = tied(groups)
    found = [[*numbers(scores), *scores.cmc[0]] for scores in judged[:3]]
    assert found[0] == pytest.approx(every.mean(axis=0), abs=1e-12)
    worst, best = every[:, [0, 1, 2]].min(axis=0), every[:, [0, 1, 2]].max(axis=0)
    assert found[1][:3] == pytest.approx(worst, abs=1e-12)
    assert found[2][:3] == pytest.approx(best, abs=1e-12)
    assert (found[1][3], found[2][3]) == (every[:, 3].max(), every[:, 3].min())
    assert found[1][4:] == pytest.approx(every[:, 4:].min(axis=0))
    assert found[2][4:] == pytest.approx(every[:, 4:].max(axis=0))
    assert bool(judged.tied[0]) == any(matches and others for matches, others in groups)


def test_a_tie_by_hand() -> None:
    """One match and one other, equally near: rank 1 or 2, so AP 3/4, trapezoid 5/8, first rank 1.5, rank-1 a half."""
    expected = tied([(1, 1)]).expected
    assert numbers(expected) == pytest.approx([3 / 4, (1 + 1 / 4) / 2, 3 / 4, 1.5])
    assert expected.cmc[0].tolist() == [0.5, 1, 1, 1, 1]


def test_a_large_tie_stays_exact() -> None:
    """With everything equal, rank-k is 1 - C(n - m, k) / C(n, k) and one match has AP H_n / n."""
    expected = tied([(1, 9999)]).expected
    assert expected.ap[0] == pytest.approx(math.fsum(1 / rank for rank in range(1, 10001)) / 10000, abs=1e-12)
    many = tied([(7, 993)]).expected
    chance = [1 - math.comb(993, k) / math.comb(1000, k) for k in RANKS]
    assert many.cmc[0] == pytest.approx(chance, abs=1e-12)
    last = sum(math.comb(place - 1, 6) / math.comb(1000, 7) * 7 / place for place in range(7, 1001))
    assert many.inp[0] == pytest.approx(last, abs=1e-12)


def labels(pid: list[int], camid: list[int] | None = None, group: list[int] | None = None) -> Labels:
    """Return labels, without cameras and groups unless given."""
    return Labels(*(np.array(one if one is not None else [-1] * len(pid)) for one in (pid, camid, group)))


def counted(
    distances: Any, probe: Labels, gallery: Labels, camera: bool = False, group: bool = False, **how: Any
) -> Any:
    """Return relations and counts under the rules."""
    values = np.asarray(distances, float)
    found = relate(probe, gallery, camera, group)
    pointer = pointer_of(found.match_probe, len(probe.pid))
    source = MatrixSource(values, np.arange(len(values)), np.arange(values.shape[1]), True)
    plan = MatchPlan(pointer, found.match_column, found.hidden_probe, found.hidden_column)
    return found, count(source, plan, **how)


def test_the_camera_rule_removes_the_probes_own_pictures() -> None:
    """Own identity and camera go; another identity's picture of that camera stays, and so does another camera's."""
    found, counts = counted([[0.1, 0.2, 0.3, 0.4]], labels([7], [1]), labels([7, 8, 7, 9], [1, 1, 2, 1]), camera=True)
    assert found.match_column.tolist() == [2]
    assert (counts.nearer.tolist(), counts.equal.tolist()) == ([1], [1])
    assert (found.same_camera, found.same_group) == (1, 0)


def test_the_group_rule_removes_whatever_was_cut_from_the_same_photo() -> None:
    """Every identity of the probe's photo goes; pictures without a group stay, and none equals no group."""
    found, counts = counted(
        [[0.1, 0.2, 0.3, 0.4]], labels([7], None, [5]), labels([8, 7, 9, 7], None, [5, 5, -1, 6]), group=True
    )
    assert found.match_column.tolist() == [3]
    assert counts.nearer.tolist() == [1]
    assert (found.same_camera, found.same_group) == (0, 2)
    found, _ = counted([[0.1, 0.2]], labels([7]), labels([7, 8]), group=True)
    assert (found.match_column.tolist(), found.same_group) == ([0], 0)


def test_a_pair_that_both_rules_remove_is_counted_once() -> None:
    """For the camera rule, that is; the other one counts what is left."""
    found, _ = counted([[0.1, 0.2, 0.3]], labels([7], [1], [5]), labels([7, 8, 7], [1, 1, 2], [5, 5, 6]), True, True)
    assert (found.same_camera, found.same_group) == (1, 1)
    assert found.hidden_column.tolist() == [0, 1]
    assert found.match_column.tolist() == [2]


def test_ties_across_identities_and_duplicates() -> None:
    """Equal distances of the same and of other identities are one group."""
    _, counts = counted([[0.5, 0.5, 0.5, 0.2]], labels([1]), labels([1, 2, 1, 3]))
    assert (counts.nearer.tolist(), counts.equal.tolist()) == ([1, 1], [3, 3])


def test_a_probe_without_match_has_no_entry() -> None:
    """It is not given a score of zero."""
    found, counts = counted([[0.1, 0.2], [0.2, 0.1]], labels([9, 1]), labels([1, 2]))
    assert found.match_probe.tolist() == [1]
    assert counts.nearer.tolist() == [1]


def reference(row: Any, probe: int, side: list[Labels], camera: bool, group: bool) -> list[float] | None:
    """Return the scores of a probe by a plain loop over the formulas, for distances without ties."""
    own, gallery = side
    kept = []
    for column, distance in enumerate(row):
        same = gallery.pid[column] == own.pid[probe]
        if camera and same and gallery.camid[column] == own.camid[probe]:
            continue
        if group and own.group[probe] >= 0 and gallery.group[column] == own.group[probe]:
            continue
        kept.append((distance, int(same)))
    signs = tuple(sign for _, sign in sorted(kept))
    return formulas(signs) if any(signs) else None


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("camera", "group"), [(False, False), (True, False), (False, True), (True, True)])
def test_a_plain_loop_agrees(seed: int, camera: bool, group: bool) -> None:
    """Random distances under every rule, against a transcription of the formulas, to 1e-9; blocks and threads vary."""
    rng = np.random.default_rng(seed)
    sides = [Labels(rng.integers(0, 8, n), rng.integers(0, 3, n), rng.integers(-1, 6, n)) for n in (30, 70)]
    distances = rng.random((30, 70))
    expected = [reference(row, probe, sides, camera, group) for probe, row in enumerate(distances)]
    for how in ({"block": 7, "threads": 2}, {"threads": 1}):
        found, counts = counted(distances, *sides, camera=camera, group=group, **how)
        pointer = pointer_of(found.match_probe, 30)
        answered = np.flatnonzero(np.diff(pointer))
        assert answered.tolist() == [probe for probe, scores in enumerate(expected) if scores is not None]
        judged = score_ranks(np.append(pointer[answered], pointer[-1]), counts.nearer, counts.equal)
        table = np.column_stack([*judged.expected[:4], judged.expected.cmc])
        assert table == pytest.approx(np.array([scores for scores in expected if scores is not None]), abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_coarse_distances_agree_with_every_order(seed: int) -> None:
    """Whole numbers as distances, full of ties, against the mean over all permutations of the gallery."""
    rng = np.random.default_rng(seed)
    pid, distances = rng.integers(0, 2, 6), rng.integers(0, 3, 6)
    pid[0] = 0
    every = []
    for order in itertools.permutations(range(6)):
        ranking = sorted(order, key=lambda index: distances[index])
        every.append(formulas(tuple(int(pid[index] == 0) for index in ranking)))
    _, counts = counted([distances], labels([0]), labels(pid.tolist()))
    expected = score_ranks(np.array([0, len(counts.nearer)]), counts.nearer, counts.equal).expected
    assert [*numbers(expected), *expected.cmc[0]] == pytest.approx(np.mean(every, axis=0), abs=1e-9)
