"""What a score rests on, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .align import Intake
from .scoring.exact import Array, on_grid
from .scoring.fixed_gallery import Outcome
from .scoring.matching import Relations
from .scoring.metrics import FeatureRows

if TYPE_CHECKING:
    from ..manifest import Manifest
    from ..protocol import Split


def audit(
    done: Split, manifest: Manifest, intake: Intake, relations: Relations, outcome: Outcome, answered: Array
) -> dict[str, Any]:
    """Return the record's `audit`; docs/reference/scores.md says what each number counts.

    Parameters
    ----------
    done : Split
        The rows of the protocol, and its rules.
    manifest : Manifest
        The manifest that was split; its rows that the junk rule names are counted.
    intake : Intake
        The features or the matrix as the protocol uses them.
    relations : Relations
        True matches and removed pairs of these probes and gallery images.
    outcome : Outcome
        The scores before they are averaged.
    answered : numpy.ndarray
        Positions of the decisions that had a true match left, (answered,), int. Only their number is read.

    Returns
    -------
    dict
        Counts, int, by the name of their field.
    """
    junk = np.zeros(len(manifest), bool)
    for column, values in done.protocol.rules["junk"].items():
        junk |= manifest.frame[column].isin(values).to_numpy()
    tied = np.unique(outcome.decision[outcome.judged.tied])
    return {
        "probes": len(done.probe),
        "gallery": len(done.gallery),
        "decisions": outcome.decisions,
        "dropped_probes": outcome.decisions - len(answered),
        "removed_junk": int(junk.sum()),
        "removed_same_camera": relations.same_camera,
        "removed_same_group": relations.same_group,
        "ties": len(tied),
        "rows_outside_protocol": intake.outside,
        "identities_short_of_shots": done.short,
        "pairs_without_common_part": _apart(intake),
    }


def _apart(intake: Intake) -> int:
    """Return how many (probe, gallery) pairs have no part that is visible in both."""
    sides = [_patterns(rows) for rows in (intake.probe, intake.gallery)]
    if sides[0] is None or sides[1] is None:
        return 0
    (seen_probe, probes), (seen_gallery, pictures) = sides[0], sides[1]
    common = seen_probe.astype(int) @ seen_gallery.astype(int).T
    return int((np.outer(probes, pictures) * (common == 0)).sum())


def _patterns(rows: FeatureRows) -> tuple[Array, Array] | None:
    """Return which sets of parts are visible, and in how many images each."""
    visibility = rows.part(0, len(rows))[1]
    if visibility is None:
        return None
    seen: Array = on_grid(visibility.astype(np.float64)) > 0
    patterns, number = np.unique(seen, axis=0, return_counts=True)
    return patterns, number
