"""The model: one CNN that all views share, one pooled feature, and two heads."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn

from ..hashing import key
from .backbones import backbone
from .config import Config


class ModelOutput(NamedTuple):
    """What the model says of a batch.

    Parameters
    ----------
    feature : torch.Tensor
        Pooled, (B, C), before the neck: what a triplet loss takes.
    identity : torch.Tensor
        Logits over identities, (B, K).
    occlusion : torch.Tensor
        Logit of occluded, (B,).
    """

    feature: Any
    identity: Any
    occlusion: Any


class Afpb(nn.Module):
    """A shared backbone, average pooling, an identity head and an occluded / non-occluded head.

    Parameters
    ----------
    body : torch.nn.Module
        From images (B, 3, H, W), normalised, to a map (B, C, h, w).
    channels : int
        C.
    classes : int
        Identities.
    bnneck : bool
        Whether a batch normalisation stands between feature and identity head.

    Examples
    --------
    >>> from occluded_datasets.afpb.backbones import backbone
    >>> body = backbone("tiny", "none")
    >>> found = Afpb(body.module, body.channels, 7)(torch.zeros(2, 3, 32, 16))
    >>> found.feature.shape, found.identity.shape, found.occlusion.shape
    (torch.Size([2, 64]), torch.Size([2, 7]), torch.Size([2]))
    """

    def __init__(self, body: Any, channels: int, classes: int, *, bnneck: bool = False) -> None:
        super().__init__()
        self.body, self.classes = body, classes
        self.neck = nn.BatchNorm1d(channels) if bnneck else nn.Identity()
        if bnneck:
            self.neck.bias.requires_grad_(requires_grad=False)
        self.identity = nn.Linear(channels, classes, bias=not bnneck)
        self.occlusion = nn.Linear(channels, 1)
        for head in (self.identity, self.occlusion):
            nn.init.normal_(head.weight, std=0.001)
            if head.bias is not None:
                nn.init.zeros_(head.bias)

    def forward(self, pictures: Any) -> ModelOutput:
        """Return feature and logits of images, float (B, 3, H, W)."""
        feature = self.body(pictures).mean(dim=(2, 3)).float()
        return ModelOutput(feature, self.identity(self.neck(feature)), self.occlusion(feature).squeeze(1))

    def embed(self, pictures: Any) -> Any:
        """Return the feature that is compared, (B, C): after the neck where there is one."""
        return self.neck(self.body(pictures).mean(dim=(2, 3)).float())


class BuiltModel(NamedTuple):
    """A model and where its weights come from."""

    model: Afpb
    source: str
    sha256: str


def build_model(config: Config, classes: int) -> BuiltModel:
    """Return the model of a config for `classes` identities; the same seed gives the same weights."""
    word = int.from_bytes(key(config.seed, "weights", 0, config.backbone)[:7], "big")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(word)
        found = backbone(config.backbone, config.weights)
        model = Afpb(found.module, found.channels, classes, bnneck=config.bnneck)
    return BuiltModel(model.to(memory_format=torch.channels_last), found.source, found.sha256)
