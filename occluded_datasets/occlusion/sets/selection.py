"""Which rows of a source are occluded, which are referred to, and what is skipped. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from ...errors import UsageError
from ...manifest import IGNORED_ROLES, Manifest

if TYPE_CHECKING:
    import pandas as pd


class Selection(NamedTuple):
    """Rows to occlude and rows to refer to, each in `image_id` order, and how many were skipped for what."""

    occluded: pd.DataFrame
    clean: pd.DataFrame
    skipped: dict[str, int]


def select(
    source: Manifest,
    rows: Collection[str] | None = None,
    gallery: Collection[str] | None = None,
    allow_occluded: bool = False,
) -> Selection:
    """Return what is done with each row of a source.

    Parameters
    ----------
    source : Manifest
        A set with full-body images.
    rows : collection of str, optional
        The image_ids to occlude; by default all that may be.
    gallery : collection of str, optional
        The image_ids to refer to as clean images; by default all full-body rows, distractors and junk included.
    allow_occluded : bool
        Occlude images that are not full-body too.

    Raises
    ------
    UsageError
        If the source is itself simulated, or no row is left.
    """
    if source.dataset == "simulated":
        raise UsageError(
            "The source is a simulated set.", "Expected a set of real or drawn pictures.", "name its source"
        )
    frame = source.frame.sort_values("image_id", ignore_index=True)
    wanted = frame if rows is None else frame[frame["image_id"].isin(set(rows))]
    nobody = wanted["role"].isin(IGNORED_ROLES)
    hidden = ~nobody & (wanted["body"] != "full") & (not allow_occluded)
    skipped = Counter(f"role {role}" for role in wanted.loc[nobody, "role"])
    skipped.update(f"body {body}" for body in wanted.loc[hidden, "body"])
    occluded = wanted[~nobody & ~hidden]
    if occluded.empty:
        found = ", ".join(f"{count} {what}" for what, count in sorted(skipped.items())) or "no row"
        raise UsageError(
            f"{source.dataset}: no picture to occlude.",
            f"Expected full-body rows, found {found}.",
            "add --allow-occluded to occlude pictures that are occluded already",
        )
    clean = frame[frame["body"] == "full"] if gallery is None else frame[frame["image_id"].isin(set(gallery))]
    return Selection(occluded.reset_index(drop=True), clean.reset_index(drop=True), dict(sorted(skipped.items())))
