"""Who counts as a true match of whom, and which gallery images are not there for a probe. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .exact import Array


class Labels(NamedTuple):
    """What the rules look at, one entry an image.

    `camid` is -1 where there is none; `group` is a number, -1 where there is none.
    """

    pid: Array
    camid: Array
    group: Array


class Relations(NamedTuple):
    """Pairs of (probe, gallery) positions, each list by probe, then gallery."""

    match_probe: Array
    match_column: Array
    hidden_probe: Array
    hidden_column: Array
    same_camera: int
    same_group: int


def relate(probe: Labels, gallery: Labels, camera_rule: bool, group_rule: bool) -> Relations:
    """Return true matches and removed pairs.

    The camera rule removes the gallery images of the probe's identity and camera, the group rule those cut from the
    same photo; a pair that both remove is counted for the camera rule.

    Parameters
    ----------
    probe, gallery : Labels
        Labels of the probes and of the gallery images, in the order of their positions.
    camera_rule, group_rule : bool
        Whether that rule removes pairs. A camera or a group of -1 (unknown) removes nothing.

    Returns
    -------
    Relations
        True matches are the pairs of one identity that no rule removes.

    Examples
    --------
    >>> probe = Labels(np.array([7]), np.array([1]), np.array([-1]))
    >>> gallery = Labels(np.array([7, 7, 8]), np.array([1, 2, 1]), np.array([-1, -1, -1]))
    >>> found = relate(probe, gallery, True, False)
    >>> found.match_column.tolist(), found.hidden_column.tolist(), found.same_camera
    ([1], [0], 1)
    """
    row, column = pairs_of(probe.pid, gallery.pid)
    seen = np.zeros(len(row), bool)
    if camera_rule:
        seen |= (probe.camid[row] == gallery.camid[column]) & (probe.camid[row] >= 0)
    hidden: list[Array] = [np.stack([row[seen], column[seen]])]
    same_camera = int(seen.sum())
    same_group = 0
    if group_rule:
        known_probe, known_gallery = np.flatnonzero(probe.group >= 0), np.flatnonzero(gallery.group >= 0)
        near, far = pairs_of(probe.group[known_probe], gallery.group[known_gallery])
        near, far = known_probe[near], known_gallery[far]
        fresh = ~_within((near, far), (hidden[0][0], hidden[0][1]), len(gallery.pid))
        pairs: Array = np.stack([near[fresh], far[fresh]])
        same_group = pairs.shape[1]
        hidden.append(pairs)
        seen |= (probe.group[row] == gallery.group[column]) & (probe.group[row] >= 0)
    gone: Array = np.concatenate(hidden, axis=1)
    gone = gone[:, np.lexsort((gone[1], gone[0]))]
    return Relations(row[~seen], column[~seen], gone[0], gone[1], same_camera, same_group)


def _within(pairs: tuple[Array, Array], others: tuple[Array, Array], width: int) -> Array:
    """Return which of the first pairs are among the second."""
    keys = [row.astype(np.int64) * width + column for row, column in (pairs, others)]
    result: Array = np.isin(keys[0], keys[1])
    return result


def pairs_of(left: Array, right: Array) -> tuple[Array, Array]:
    """Return all (i, j) with ``left[i] == right[j]``, by i, then j."""
    order = np.argsort(right, kind="stable")
    ranked = right[order]
    first, end = np.searchsorted(ranked, left, "left"), np.searchsorted(ranked, left, "right")
    number = end - first
    row = np.repeat(np.arange(len(left)), number)
    step = np.arange(len(row)) - np.repeat(np.cumsum(number) - number, number)
    return row, order[np.repeat(first, number) + step]


def pointer_of(row: Array, rows: int) -> Array:
    """Return where the entries of each row begin in a list that is sorted by row, (rows + 1,)."""
    result: Array = np.searchsorted(row, np.arange(rows + 1))
    return result


def labels_of(frame: Any, groups: dict[str, int]) -> Labels:
    """Return the labels of manifest rows; `groups` numbers their groups."""
    return Labels(
        frame["pid"].to_numpy(np.int64),
        frame["camid"].fillna(-1).to_numpy(np.int64),
        np.array([groups.get(value, -1) for value in frame["group"].tolist()], np.int64),
    )
