"""A plain ranker: a stable sort of every row, as the other code bases sort, and both average precisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..evaluation.align import align
from ..evaluation.feature_file import FeatureFile, Matrix
from ..evaluation.scoring.exact import Array
from ..evaluation.scoring.metrics import measure
from ..evaluation.scoring.similarity import FeatureSource, MatrixSource, Similarities

if TYPE_CHECKING:
    from ..manifest import Manifest

_BLOCK = 256  # probes whose similarities are held at once


@dataclass(frozen=True)
class Numbers:
    """Scores in 0..1: `map` is by the definition that `ap` names; None where no probe is left to average over."""

    rank1: float | None
    map: float | None
    ap: str


def loader_similarities(
    given: FeatureFile | Matrix, manifest: Manifest, probe: Sequence[str], gallery: Sequence[str]
) -> FeatureSource | MatrixSource:
    """Return the similarities of these probe and gallery images: cosine of features, or a matrix as it is.

    Parameters
    ----------
    given : FeatureFile or Matrix
        Features, or a matrix of distances or similarities, of at least these images.
    manifest : Manifest
        The manifest whose images they are.
    probe, gallery : sequence of str
        The image_ids of P probes and of G gallery images; the result has them in this order.

    Returns
    -------
    FeatureSource or MatrixSource
        Similarities of P probes and G gallery images: larger is nearer.

    Raises
    ------
    FeatureError
        As `occluded_datasets.evaluation.align.align`: images missing, unknown or twice, values that are not finite.
    """
    taken = align(given, manifest, probe, gallery, any_fingerprint=False)
    if taken.matrix is not None:
        return MatrixSource(taken.matrix, taken.probe.index, taken.gallery.index, taken.kind == "distance")
    return FeatureSource(measure("cosine", (taken.probe, taken.gallery)), taken.probe, taken.gallery)


def rank(source: Similarities, matches: Array, removed: Array, ap: str, unmatched: str) -> Numbers:
    """Return rank-1 and mAP by a plain stable sort, gallery images `removed` left out.

    Parameters
    ----------
    source : Similarities
        Similarities of P probes and G gallery images.
    matches, removed : numpy.ndarray
        (P, G) bool.
    ap, unmatched : str
        As `Codebase` says.

    Examples
    --------
    >>> near = MatrixSource(np.array([[0.8, 0.9, 0.1]]), np.arange(1), np.arange(3), smaller_is_nearer=False)
    >>> rank(near, np.array([[True, False, True]]), np.zeros((1, 3), bool), "hits", "dropped")
    Numbers(rank1=0.0, map=0.5833333333333333, ap='hits')
    """
    precisions: list[float] = []
    firsts: list[float] = []
    tile = source.tile(0, source.gallery)
    for start in range(0, source.probes, _BLOCK):
        block = source.block(tile, start, min(start + _BLOCK, source.probes))
        for row, similarity in enumerate(block, start):
            order = np.argsort(-similarity, kind="stable")
            hits = np.flatnonzero(matches[row][order][~removed[row][order]]) + 1
            if hits.size:
                firsts.append(float(hits[0] == 1))
                precisions.append(average_precision(hits.tolist(), ap))
            elif unmatched != "dropped":
                firsts.append(-1.0 if unmatched == "minus-one" else 0.0)
                precisions.append(0.0)
    if not precisions:
        return Numbers(None, None, ap)
    return Numbers(float(np.mean(firsts)), float(np.mean(precisions)), ap)


def average_precision(hits: Sequence[int], ap: str) -> float:
    """Return the average precision of matches at ranks `hits`, ascending from 1.

    ``hits`` averages precision at each; ``trapezoid``, as the Market-1501 evaluation, the mean of it and of the
    precision just before, which is 1 before rank 1.

    Examples
    --------
    >>> average_precision([2], "hits"), average_precision([2], "trapezoid")
    (0.5, 0.25)
    """
    here = [count / at for count, at in enumerate(hits, 1)]
    if ap == "hits":
        return sum(here) / len(hits)
    before = [1.0 if at == 1 else (count - 1) / (at - 1) for count, at in enumerate(hits, 1)]
    return sum(map(sum, zip(here, before, strict=True))) / (2 * len(hits))
