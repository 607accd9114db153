"""What a training run is made of: one frozen record that is written down whole, read back and compared."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from ..errors import InputError, UnknownNameError, UsageError
from ..occlusion import Recipe

HELP = "occreid-afpb train --help"
ONE_VIEW, CLEAN_VIEW = "none", "clean"
PRECISIONS = ("auto", "float32", "bf16")
SCHEDULES = ("cosine", "constant")


T = TypeVar("T")


def _parameter(default: T, words: str) -> T:
    """Return a field of a config: its default, and a sentence that its option shows as help."""
    made: T = field(default=default, metadata={"help": words})
    return made


@dataclass(frozen=True)
class Config:
    """The parameters of a run. What the paper leaves unknown is ours (docs/afpb.md says which).

    Each parameter says what it means in its field's metadata, under ``help``: `parameter_help` returns it.

    Raises
    ------
    UsageError
        If a value cannot be.

    Examples
    --------
    >>> Config(epochs=2).differences(Config(obc_weight=0.0))
    {'obc_weight': (0.2, 0.0), 'epochs': (2, 30)}
    """

    backbone: str = _parameter(
        "resnet18", "Network: resnet18, resnet50, mobilenet-v2, efficientnet-lite0, timm:NAME, or tiny for tests."
    )
    weights: str = _parameter(
        "imagenet", "Initial weights: none, imagenet, or a state dict of that backbone or another run's model.pt."
    )
    height: int = _parameter(128, "Height of the images, in pixels.")
    width: int = _parameter(64, "Width of the images, in pixels.")
    occlusion: str = _parameter(
        "afpb", "Second view: none (each image once), clean, or a recipe of the simulator by name or path."
    )
    id_weight: float = _parameter(1.0, "Weight of the identity loss; 0 leaves it out.")
    obc_weight: float = _parameter(0.2, "Weight of the occluded / non-occluded loss; 0 leaves it out.")
    triplet_weight: float = _parameter(0.0, "Weight of the batch-hard triplet loss; 0 leaves it out.")
    triplet_margin: float = _parameter(0.3, "Margin of the triplet loss, in Euclidean distance.")
    label_smoothing: float = _parameter(0.0, "Label smoothing of the identity loss, 0 to below 1.")
    bnneck: bool = _parameter(
        False, "Batch normalisation between feature and identity head (Luo et al., 2019); its output is compared."
    )
    identities: int = _parameter(8, "Identities per batch.")
    instances: int = _parameter(4, "Images per identity, each in as many views as the occlusion gives.")
    accumulate: int = _parameter(1, "Batches per step.")
    epochs: int = _parameter(30, "Passes over the training rows.")
    max_steps: int = _parameter(0, "End the run, and its schedule, after so many steps; 0: never.")
    lr: float = _parameter(3.5e-4, "Learning rate of Adam.")
    weight_decay: float = _parameter(5e-4, "Weight decay of Adam.")
    schedule: str = _parameter("cosine", "Learning rate over the run: cosine falls to 0, constant stays.")
    warmup: float = _parameter(0.0, "Epochs of linear warm-up.")
    flip: bool = _parameter(True, "Mirror each view with probability 0.5.")
    pad: int = _parameter(5, "Pad each side by so many black pixels, then crop at random.")
    precision: str = _parameter("auto", "float32, bf16 (autocast), or auto: bf16 on a GPU.")
    seed: int = _parameter(0, "Seed of initialisation, sampling, augmentation and occlusion.")
    hold_out: str = _parameter(
        "", "A benchmark (market-1501-occ-v1-dev) whose probe and gallery identities are left out of training."
    )
    train_protocol: str = _parameter(
        "", "Train on this protocol's training part; else on the split train, or on all rows of a set without one."
    )
    shuffle_labels: bool = _parameter(
        False, "A control: images get other images' labels, so nothing about identities can be learned."
    )

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
        """Height and width of the images."""
        return self.height, self.width

    @property
    def views(self) -> int:
        """How often an image is in a batch."""
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


def parameter_help() -> dict[str, str]:
    """Return a sentence for each parameter of a config, by its name.

    Examples
    --------
    >>> parameter_help()["pad"]
    'Pad each side by so many black pixels, then crop at random.'
    """
    return {one.name: str(one.metadata["help"]) for one in fields(Config)}


_KIND = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
_LEAST = {
    "height": 16, "width": 16, "id_weight": 0, "obc_weight": 0, "triplet_weight": 0, "triplet_margin": 0,
    "identities": 1, "instances": 1, "accumulate": 1, "epochs": 1, "max_steps": 0, "lr": 0, "weight_decay": 0,
    "warmup": 0, "pad": 0, "seed": 0,
}  # fmt: skip
