"""How one person's images are cut into groups of a batch: plain, by body, by camera. Pure, on indices in an order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

Groups = list[list[int]]


def filled(order: Sequence[int], size: int) -> list[int]:
    """Return the order, from its start again where it has fewer than `size`.

    Examples
    --------
    >>> filled([5, 7], 5)
    [5, 7, 5, 7, 5]
    """
    return [order[number % len(order)] for number in range(max(size, len(order)))]


def pieces(order: Sequence[int], size: int) -> Groups:
    """Return the order in pieces of `size`; a shorter rest is left out.

    Examples
    --------
    >>> pieces([4, 2, 9, 7, 5], 2)
    [[4, 2], [9, 7]]
    """
    return [[*order[start : start + size]] for start in range(0, len(order) - size + 1, size)]


def by_body(order: Sequence[int], size: int, full: Sequence[int], hidden: Sequence[int]) -> Groups:
    """Return groups with one or more of `full` and one or more of `hidden`, as many as the rarer allows.

    Parameters
    ----------
    order : sequence of int
        The images of one identity.
    size : int
        Images a group, 2 or more.
    full, hidden : sequence of int
        Those of `order` with a full body, and those whose body is occluded or partial.

    Returns
    -------
    list of list of int
        Each group is one of `hidden`, one of `full` and then the next images of `order`, `size` in all.

    Examples
    --------
    >>> by_body([4, 2, 9, 7, 5, 1], 3, full=[4, 2, 9, 7], hidden=[5, 1])
    [[5, 4, 9], [1, 2, 7]]
    """
    count = min(len(order) // size, len(hidden), len(full))
    return _topped(order, size, [[hidden[number], full[number]] for number in range(count)])


def by_camera(
    order: Sequence[int], size: int, camera: Callable[[int], int], rank: Callable[[int], Any] = lambda one: one
) -> Groups:
    """Return groups that each hold as many different cameras as they can: `size`, or all that the person has.

    There are as many groups as that allows. Each camera gives one image a group at most and the cameras lie one
    behind the other, so dealing them round by round puts no camera twice into a group.

    Parameters
    ----------
    order : sequence of int
        The person's images.
    size : int
        Images a group.
    camera : callable
        From an image to its camera.
    rank : callable, optional
        By which cameras are sorted. Neighbours with few images never meet in a group, so let it change.

    Examples
    --------
    >>> by_camera([4, 2, 9, 7, 5, 1], 2, {4: 0, 2: 0, 9: 0, 7: 1, 5: 1, 1: 2}.get)
    [[4, 7], [2, 5], [9, 1]]
    >>> by_camera([4, 2, 9, 7], 2, {4: 0, 2: 0, 9: 0, 7: 1}.get)
    [[4, 7]]
    """
    shelves: dict[int, list[int]] = {}
    for index in order:
        shelves.setdefault(camera(index), []).append(index)
    each = min(size, len(shelves))
    count = len(order) // size
    while sum(min(len(own), count) for own in shelves.values()) < count * each:
        count -= 1
    line = [index for one in sorted(shelves, key=rank) for index in shelves[one][:count]][: count * each]
    return _topped(order, size, [line[number::count] for number in range(count)])


def _topped(order: Sequence[int], size: int, groups: Groups) -> Groups:
    """Return the groups with what is left of the order behind them, up to `size` each."""
    rest = _left(order, Counter(chain(*groups)))
    return [[*group, *(next(rest) for _ in range(size - len(group)))] for group in groups]


def _left(order: Sequence[int], taken: Counter[int]) -> Iterator[int]:
    """Yield `order` less what is taken: a person with few images has some more than once."""
    for index in order:
        if taken[index]:
            taken[index] -= 1
        else:
            yield index
