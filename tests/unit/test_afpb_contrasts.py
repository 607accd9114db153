"""Paired intervals on tables whose answer is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from occluded_datasets.afpb.study.contrasts import (
    by_identity,
    by_seed,
    contrast_interval,
    holm,
    over_seeds,
    t_quantile,
    t_two_sided,
)


def table(values: np.ndarray, pid: np.ndarray) -> pd.DataFrame:
    """Return a table by probe."""
    return pd.DataFrame({"pid": pid, "ap": values, "rank1": values > 0.5, "counted": 1})


def test_a_constant_difference_has_no_width() -> None:
    """Pairing takes out what identities have in common."""
    rng = np.random.default_rng(0)
    pid = np.repeat(np.arange(60), 5)
    seeds = [rng.random(300) * 0.5 for _ in range(3)]
    low, high = ([table(one + shift, pid) for one in seeds] for shift in (0.0, 0.1))
    found = contrast_interval(by_identity(high, "ap"), by_identity(low, "ap"))
    assert found == pytest.approx((0.1, 0.1, 0.1))


def test_the_interval_covers_as_it_says() -> None:
    """Of 200 pairs of arms without a difference, about 95 % of the intervals hold 0."""
    rng = np.random.default_rng(1)
    pid = np.repeat(np.arange(40), 4)
    held = 0
    for _ in range(200):
        person = rng.normal(0, 0.2, 40)[pid]
        arms = [
            [table(person + rng.normal(0, 0.1, 40)[pid] + rng.normal(0, 0.1, 160), pid) for _ in range(3)]
            for _ in range(2)
        ]
        found = contrast_interval(by_identity(arms[0], "ap"), by_identity(arms[1], "ap"), replicates=400)
        held += found.low <= 0 <= found.high
    assert 180 <= held <= 200


def test_identities_weigh_by_their_probes() -> None:
    """The mean is over probes, as a score's is."""
    pid = np.array([1, 1, 1, 2])
    found = contrast_interval(by_identity([table(np.array([1.0, 1, 1, 0]), pid)], "ap"))
    assert found.mean == 0.75


def test_tables_of_other_people_are_refused() -> None:
    """Seeds must have been scored on the same probes."""
    one, two = (table(np.ones(2), np.array(pid)) for pid in ([1, 2], [1, 3]))
    with pytest.raises(ValueError, match="different identities"):
        by_identity([one, two], "ap")


@pytest.mark.parametrize(
    ("freedom", "published"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (9, 2.262), (10, 2.228), (30, 2.042), (120, 1.980)],
)
def test_quantiles_are_those_of_the_printed_table(freedom: int, published: float) -> None:
    """Student's t at 97.5 %, as every statistics book prints it, and back to 5 % on both sides."""
    assert t_quantile(freedom) == pytest.approx(published, abs=5e-4)
    assert t_two_sided(t_quantile(freedom), freedom) == pytest.approx(0.05, abs=1e-8)
    assert t_two_sided(0, freedom) == 1


@pytest.mark.parametrize(
    ("t", "freedom", "p"), [(63.657, 1, 0.01), (9.925, 2, 0.01), (2.353, 3, 0.1), (4.604, 4, 0.01)]
)
def test_tails_are_those_of_the_printed_table(t: float, freedom: int, p: float) -> None:
    """Other columns of the same table, odd and even degrees of freedom."""
    assert t_two_sided(t, freedom) == pytest.approx(p, rel=1e-3)


def test_the_interval_over_seeds_is_that_of_the_t_distribution() -> None:
    """Three differences of which one is far off: 0 is inside; the same mean with less spread leaves it outside."""
    wide, narrow = over_seeds([4.7, 3.7, 9.0]), over_seeds([5.8, 5.7, 5.9])
    assert wide is not None
    assert narrow is not None
    assert (wide.mean, narrow.mean) == pytest.approx((5.8, 5.8))
    assert (wide.low, wide.high) == pytest.approx((-1.2, 12.8), abs=0.05)
    assert narrow.low == pytest.approx(5.8 - 4.303 * 0.1 / 3**0.5, abs=1e-4)
    assert wide.p is not None
    assert wide.p > 0.05
    assert narrow.p is not None
    assert narrow.p < 0.05


def test_one_seed_has_no_interval_over_seeds_and_equal_seeds_no_p() -> None:
    """What cannot be known is not given: a spread of one, and a test against no spread."""
    assert over_seeds([0.1]) is None
    assert over_seeds([0.1, 0.1, 0.1]) == pytest.approx((0.1, 0.1, 0.1, None))


def test_the_interval_over_seeds_covers_as_it_says() -> None:
    """Of 2,000 draws of three seeds around 0, about 95 % of the t intervals hold it, and p is below 0.05 for the rest."""
    rng = np.random.default_rng(2)
    found = [over_seeds(list(rng.normal(0, 1, 3))) for _ in range(2000)]
    held = [one.low <= 0 <= one.high for one in found if one is not None]
    assert 0.93 <= np.mean(held) <= 0.97
    assert [one.p is not None and one.p >= 0.05 for one in found if one is not None] == held


def test_the_difference_by_seed_is_that_of_the_scores() -> None:
    """Means over probes, seed by seed, in order."""
    pid = np.array([1, 1, 1, 2])
    high = by_identity([table(np.array([1.0, 1, 1, 0]), pid), table(np.ones(4), pid)], "ap")
    low = by_identity([table(np.zeros(4), pid), table(np.array([0.0, 0, 0, 1]), pid)], "ap")
    assert by_seed(high, low) == pytest.approx([0.75, 0.75])
    assert by_seed(low, high) == pytest.approx([-0.75, -0.75])


def test_holm_steps_down_and_never_back() -> None:
    """The example of the method's text: 0.01, 0.04, 0.03, 0.005 of four; none counts in the number and stays none."""
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02}
    )
    assert holm({"a": 0.01, "b": None}) == {"a": 0.02, "b": None}
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}
    assert holm({"a": 0.04}) == {"a": 0.04}
