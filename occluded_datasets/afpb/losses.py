"""The losses of AFPB: identity, occluded / non-occluded, and the triplet loss as an option; on logits and features."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.nn import functional

UNDEFINED = -1
"""The occlusion label of an image of which nobody knows whether something hides it."""


class Losses(NamedTuple):
    """The parts of a loss and their weighted sum: scalars that gradients flow from."""

    total: Any
    identity: Any
    occlusion: Any
    triplet: Any


def identity_loss(logits: Any, labels: Any, smoothing: float = 0.0) -> Any:
    """Return the softmax cross-entropy over identities, real and simulated images alike.

    Parameters
    ----------
    logits : torch.Tensor
        Float, (B, K).
    labels : torch.Tensor
        int64, (B,), from 0 to K - 1.
    smoothing : float
        Share of the target that is spread over all K identities (Szegedy et al., CVPR 2016).

    Examples
    --------
    >>> round(identity_loss(torch.zeros(2, 4), torch.tensor([0, 3])).item(), 4)  # ln 4
    1.3863
    """
    return functional.cross_entropy(logits, labels, label_smoothing=smoothing)


def occlusion_loss(logits: Any, hidden: Any) -> Any:
    """Return the binary cross-entropy of occluded (1) against non-occluded (0); 0 where all are undefined.

    Parameters
    ----------
    logits : torch.Tensor
        Float, (B,): above 0 says occluded.
    hidden : torch.Tensor
        int64, (B,): 1, 0, or -1 where undefined, which counts for nothing.

    Examples
    --------
    >>> round(occlusion_loss(torch.zeros(3), torch.tensor([0, 1, -1])).item(), 4)  # ln 2
    0.6931
    """
    known = hidden != UNDEFINED
    if not bool(known.any()):
        return logits.sum() * 0
    return functional.binary_cross_entropy_with_logits(logits[known], hidden[known].to(logits.dtype))


def triplet_loss(features: Any, labels: Any, margin: float) -> Any:
    """Return the batch-hard triplet loss: mean of max(0, margin + farthest positive - nearest negative).

    Anchors without a positive or a negative in the batch count for nothing. After Hermans, Beyer and Leibe,
    arXiv 1703.07737, equation 5; distances are Euclidean.

    Parameters
    ----------
    features : torch.Tensor
        Float, (B, D).
    labels : torch.Tensor
        int64, (B,).
    margin : float
        In the units of the features.

    Examples
    --------
    >>> found = triplet_loss(torch.tensor([[0.0], [1.0], [3.0], [4.0]]), torch.tensor([0, 0, 1, 1]), 1.5)
    >>> round(found.item(), 4)  # the outer two are 3 from the nearest other and 1 from their own, the inner two 2 and 1
    0.25
    """
    distances = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")
    same = labels[:, None] == labels[None, :]
    own = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    farthest = distances.masked_fill(~own, -torch.inf).amax(dim=1)
    nearest = distances.masked_fill(same, torch.inf).amin(dim=1)
    whole = own.any(dim=1) & (~same).any(dim=1)
    if not bool(whole.any()):
        return features.sum() * 0
    return functional.relu(margin + farthest[whole] - nearest[whole]).mean()
