"""`prefetch`: work done by threads of this process, a little ahead of who takes it, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

AHEAD = 2
"""Batches that are made or ready for each thread, as many as PyTorch's worker processes load ahead."""


def prefetch(jobs: Iterable[Callable[[], Any]], threads: int) -> Iterator[Any]:
    """Yield what each job returns, in order, made by `threads` threads; whoever stops early waits for what was begun.

    Jobs are taken in order by the thread that iterates, and no more of them than are made ahead.

    Examples
    --------
    >>> list(prefetch((lambda number=number: number * number for number in range(4)), threads=2))
    [0, 1, 4, 9]
    """
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(threads, "occluded-datasets") as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(job))
                if len(waiting) > AHEAD * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
