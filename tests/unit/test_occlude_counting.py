"""The shared counter: what it counts, for whom, and what it does when it is full, copied or locked."""

from __future__ import annotations

import copy
import json
import pickle
from collections import Counter
from multiprocessing import get_context
from typing import Any

import pytest

from occluded_datasets.errors import StorageError, UsageError
from occluded_datasets.occlusion.training import visits as counting
from occluded_datasets.occlusion.training.visits import VisitCounter


def count(tally: VisitCounter, keys: list[int], queue: Any) -> None:
    """Meet keys in another process."""
    queue.put([(key, *tally.meet(key)) for key in keys])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_share_one_count(method: str) -> None:
    """However many processes meet a picture, each meeting gets a number of its own, from 0 up."""
    context = get_context(method)
    tally, queue = VisitCounter(100), context.Queue()
    tally.start(3)
    keys = [1, 2, 1 << 63] * 200
    workers = [context.Process(target=count, args=(tally, keys, queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    met = [one for _ in workers for one in queue.get(timeout=60)]
    for worker in workers:
        worker.join()
    assert Counter(met) == Counter((key, 3, number) for key in set(keys) for number in range(400))
    assert tally.meet(1) == (3, 400)


def wait(tally: VisitCounter, go: Any, queue: Any) -> None:
    """Say what epoch a running process sees before and after it is changed elsewhere."""
    queue.put(tally.meet(7))
    go.wait(30)
    queue.put(tally.meet(7))


def test_many_meetings_are_as_many_single_ones() -> None:
    """Repeats within the list count, and what was met before."""
    one, many = VisitCounter(9), VisitCounter(9)
    keys = [3, 5, 3, 3]
    for _ in range(2):
        assert many.meet_all(keys) == (0, [one.meet(key)[1] for key in keys])
    assert many.state() == one.state()


def test_a_running_process_sees_a_new_epoch() -> None:
    """What persistent workers need: the epoch and fresh counts reach a process that runs already."""
    context = get_context("fork")
    tally, go, queue = VisitCounter(10), context.Event(), context.Queue()
    worker = context.Process(target=wait, args=(tally, go, queue))
    worker.start()
    assert queue.get(timeout=30) == (0, 0)
    tally.start(5)
    go.set()
    assert queue.get(timeout=30) == (5, 0)
    worker.join()


def test_a_full_table_is_an_error_that_says_what_to_do() -> None:
    """One picture too many is never counted wrongly; those that are in go on, and a new epoch has room."""
    tally = VisitCounter(capacity=3)
    assert [tally.meet(key) for key in (16, 32, 48)] == [(0, 0)] * 3  # of one slot: they stand side by side
    with pytest.raises(UsageError, match=r"More than 3 different pictures .* set_epoch .* capacity="):
        tally.meet(64)
    assert [tally.meet(key)[1] for key in (16, 32, 48)] == [1, 1, 1]
    tally.start(1)
    assert tally.meet(64) == (1, 0)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))], ids=["deep", "pickle"])
def test_a_copy_begins_where_it_was_made_and_counts_for_itself(copied: Any) -> None:
    """A lock can be shared only with a process that is being started; elsewhere a copy is a copy."""
    tally = VisitCounter(10)
    tally.start(2)
    tally.meet(7)
    other = copied(tally)
    assert (other.meet(7), other.meet(7), other.capacity) == ((2, 1), (2, 2), 10)
    assert tally.meet(7) == (2, 1)


def test_a_state_goes_through_json() -> None:
    """Epoch and counts come back from text, keys of 64 bits and 0 among them."""
    tally = VisitCounter(10)
    tally.start(4)
    for key in (0, (1 << 64) - 1, 0):
        tally.meet(key)
    state = json.loads(json.dumps(tally.state()))
    assert state == {"epoch": 4, "counts": [[0, 2], [(1 << 64) - 1, 1]]}
    other = VisitCounter(10)
    other.load(**state)
    assert (other.meet(0), other.meet((1 << 64) - 1)) == ((4, 2), (4, 1))


def test_a_lock_that_is_never_given_back_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that was killed inside the counter must not hang the others without a word."""
    monkeypatch.setattr(counting, "PATIENCE", 0.05)
    tally = VisitCounter(10)
    tally._lock.acquire()
    with pytest.raises(StorageError, match="probably killed"):
        tally.meet(1)
    tally._lock.release()
    assert tally.meet(1) == (0, 0)


@pytest.mark.parametrize("epoch", [-1, 1.5, True, None, "1", 1 << 64])
def test_an_epoch_is_a_whole_number(epoch: Any) -> None:
    """An epoch that is none is refused, and the counts stay."""
    tally = VisitCounter(10)
    tally.meet(1)
    with pytest.raises(UsageError, match="epoch: expected a whole number of 0 or more"):
        tally.start(epoch)
    assert tally.meet(1) == (0, 1)


def test_the_default_table_takes_six_mebibytes() -> None:
    """The size that the documentation states."""
    tally = VisitCounter()
    assert (len(tally._keys) * 12, tally.capacity) == (6 << 20, 400_000)
