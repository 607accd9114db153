"""Paired intervals on tables whose answer is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from occluded_datasets.afpb.contrasts import by_identity, interval


def table(values: np.ndarray, pid: np.ndarray) -> pd.DataFrame:
    """Return a table by probe."""
    return pd.DataFrame({"pid": pid, "ap": values, "rank1": values > 0.5, "counted": 1})


def test_a_constant_difference_has_no_width() -> None:
    """Pairing takes out what identities have in common."""
    rng = np.random.default_rng(0)
    pid = np.repeat(np.arange(60), 5)
    seeds = [rng.random(300) * 0.5 for _ in range(3)]
    low, high = ([table(one + shift, pid) for one in seeds] for shift in (0.0, 0.1))
    found = interval(by_identity(high, "ap"), by_identity(low, "ap"))
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
        found = interval(by_identity(arms[0], "ap"), by_identity(arms[1], "ap"), replicates=400)
        held += found.low <= 0 <= found.high
    assert 180 <= held <= 200


def test_identities_weigh_by_their_probes() -> None:
    """The mean is over probes, as a score's is."""
    pid = np.array([1, 1, 1, 2])
    found = interval(by_identity([table(np.array([1.0, 1, 1, 0]), pid)], "ap"))
    assert found.mean == 0.75


def test_tables_of_other_people_are_refused() -> None:
    """Seeds must have been scored on the same probes."""
    one, two = (table(np.ones(2), np.array(pid)) for pid in ([1, 2], [1, 3]))
    with pytest.raises(ValueError, match="different identities"):
        by_identity([one, two], "ap")
