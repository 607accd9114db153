"""What a training run is made of: one frozen record that is written down whole, read back and compared."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import InputError, UnknownNameError, UsageError
from ..occlusion import Recipe

HELP = "occreid-afpb train --help"
ONE_VIEW, CLEAN_VIEW = "none", "clean"
PRECISIONS = ("auto", "float32", "bf16")
SCHEDULES = ("cosine", "constant")


@dataclass(frozen=True)
class Config:
    """The parameters of a run. What the paper leaves unknown is ours (docs/afpb.md says which).

    Parameters
    ----------
    backbone : str
        ``resnet18``, ``resnet50``, ``mobilenet-v2``, ``efficientnet-lite0``, ``timm:NAME``, or ``tiny`` for tests.
    weights : str
        ``none``, ``imagenet``, or the path of a state dict of that backbone or of another run's ``model.pt``.
    height, width : int
        Pictures are resized to this, in pixels.
    occlusion : str
        ``none``: each picture once. ``clean``: a second view as clean as the first. Else a recipe of the simulator, by
        name or path, for the second view.
    id_weight, obc_weight, triplet_weight : float
        Weights of identity loss, occluded / non-occluded loss and triplet loss; 0 leaves one out.
    triplet_margin : float
        Of the batch-hard triplet loss, Euclidean.
    label_smoothing : float
        Of the identity loss.
    bnneck : bool
        A batch normalisation between feature and identity head (Luo et al., 2019); the feature after it is compared.
    identities, instances : int
        People a batch and pictures a person, each in as many views as `occlusion` says.
    accumulate : int
        Batches a step.
    epochs : int
        Passes over the training rows.
    max_steps : int
        Ends the run earlier, and the schedule with it; 0: never.
    lr, weight_decay : float
        Of Adam.
    schedule : str
        ``cosine`` falls to 0 over the run, ``constant`` stays.
    warmup : float
        Epochs of linear warm-up.
    flip : bool
        Mirror each view with probability 0.5.
    pad : int
        Pad each side by as many black pixels and crop at random.
    precision : str
        ``float32``, ``bf16`` (autocast), or ``auto``: bf16 on a GPU.
    seed : int
        Of everything that is drawn.
    hold_out : str
        A benchmark (``market-1501-occ-v1-dev``) whose probe and gallery identities are left out of training.
    train_protocol : str
        A protocol whose training part is trained on; else the rows of the split ``train``, or all of a set without one.
    shuffle_labels : bool
        A control: pictures get other pictures' labels, so nothing about people can be learned.

    Raises
    ------
    UsageError
        If a value cannot be.

    Examples
    --------
    >>> Config(epochs=2).differences(Config(obc_weight=0.0))
    {'obc_weight': (0.2, 0.0), 'epochs': (2, 30)}
    """

    backbone: str = "resnet18"
    weights: str = "imagenet"
    height: int = 128
    width: int = 64
    occlusion: str = "afpb"
    id_weight: float = 1.0
    obc_weight: float = 0.2
    triplet_weight: float = 0.0
    triplet_margin: float = 0.3
    label_smoothing: float = 0.0
    bnneck: bool = False
    identities: int = 8
    instances: int = 4
    accumulate: int = 1
    epochs: int = 30
    max_steps: int = 0
    lr: float = 3.5e-4
    weight_decay: float = 5e-4
    schedule: str = "cosine"
    warmup: float = 0.0
    flip: bool = True
    pad: int = 5
    precision: str = "auto"
    seed: int = 0
    hold_out: str = ""
    train_protocol: str = ""
    shuffle_labels: bool = False

    def __post_init__(self) -> None:
        for one in fields(self):
            value, kind = getattr(self, one.name), type(one.default)
            if kind is float and type(value) is int:
                object.__setattr__(self, one.name, float(value))
            elif type(value) is not kind:
                raise UsageError(f"{one.name} {value!r}: expected {_KIND[kind]}.", "", HELP)
        for name, least in _LEAST.items():
            if not getattr(self, name) >= least:
                raise UsageError(f"{name} {getattr(self, name)}: expected {least} or more.", "", HELP)
        for name, known in (("precision", PRECISIONS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in known:
                raise UnknownNameError.of(name, getattr(self, name), known, HELP)
        if not 0 <= self.label_smoothing < 1:
            raise UsageError(f"label_smoothing {self.label_smoothing}: expected 0 or more, and less than 1.", "", HELP)
        if self.id_weight == self.obc_weight == self.triplet_weight == 0:
            raise UsageError("All loss weights are 0: nothing would be learned.", "", HELP)
        self._require_name()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures."""
        return self.height, self.width

    @property
    def views(self) -> int:
        """How often a picture is in a batch."""
        return 1 if self.occlusion == ONE_VIEW else 2

    def recipe(self) -> Recipe | None:
        """Return the recipe of the second view; None where nothing is put in front.

        A file is read once, so this config gives the same recipe whenever it is asked.

        Raises
        ------
        InputError
            If the file of the recipe cannot be read.
        """
        return self._recipe

    def _require_name(self) -> None:
        """Raise if the recipe is none that ships; a file is read where it is needed, and a kept config needs none."""
        if not self.occlusion.endswith(".json"):
            self.recipe()

    @cached_property
    def _recipe(self) -> Recipe | None:
        return None if self.occlusion in {ONE_VIEW, CLEAN_VIEW} else Recipe.of(self.occlusion)

    def differences(self, other: Config) -> dict[str, tuple[Any, Any]]:
        """Return by name what differs: own value, the other's."""
        own, theirs = asdict(self), asdict(other)
        return {name: (own[name], theirs[name]) for name in own if own[name] != theirs[name]}

    def to_json(self) -> str:
        """Return the record as JSON, in the order of the parameters."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def of(cls, values: Mapping[str, Any], base: Config | None = None) -> Config:
        """Return the config that `values` make of `base`, or of the defaults.

        Raises
        ------
        UnknownNameError
            If a name is none of a config.
        """
        known = [one.name for one in fields(cls)]
        for name in values:
            if name not in known:
                raise UnknownNameError.of("parameter", str(name), known, HELP)
        return replace(base or cls(), **values)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Config:
        """Return the config of a JSON file.

        Raises
        ------
        InputError
            If it is none.
        """
        try:
            values = json.loads(Path(path).read_bytes())
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path}: no config.", f"Expected a JSON object; the reader says: {error}.", HELP
            ) from error
        if not isinstance(values, dict):
            raise InputError(f"{path}: no config.", f"Expected a JSON object, found {type(values).__name__}.", HELP)
        return cls.of(values)


_KIND = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
_LEAST = {
    "height": 16, "width": 16, "id_weight": 0, "obc_weight": 0, "triplet_weight": 0, "triplet_margin": 0,
    "identities": 1, "instances": 1, "accumulate": 1, "epochs": 1, "max_steps": 0, "lr": 0, "weight_decay": 0,
    "warmup": 0, "pad": 0, "seed": 0,
}  # fmt: skip
