"""A run's folder: the config, the record, the label map, the log and the model, read back and checked."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError, UsageError
from ..files import storage_errors, write_atomic
from .config import Config
from .model import Afpb, build

CONFIG, RECORD, MODEL, CHECKPOINT, LOG, LABELS = (
    "config.json", "run.json", "model.pt", "checkpoint.pt", "log.csv", "label_map.json",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A finished run.

    Parameters
    ----------
    folder : Path
        Where it is.
    config : Config
        What it was made of.
    record : mapping
        Training rows and their fingerprint, weights, steps, machine, versions.
    label_map : dict of int to int
        pid to class.
    """

    folder: Path
    config: Config
    record: Mapping[str, Any]
    label_map: dict[int, int]

    def model(self, device: Any = "cpu") -> Afpb:
        """Return the trained model, in evaluation mode.

        Raises
        ------
        InputError
            If its file is missing, damaged or of another config.
        """
        state = read_state(self.folder / MODEL)
        model = empty(self.config, len(self.label_map))
        load_state(model, state, self.folder / MODEL)
        model.eval()
        model.to(device)
        return model


def empty(config: Config, classes: int) -> Afpb:
    """Return a model of the config whose weights are about to be replaced."""
    return build(Config.of({"weights": "none"}, config), classes).model


def open_run(folder: str | os.PathLike[str]) -> Run:
    """Return the finished run in a folder.

    Raises
    ------
    InputError
        If there is none, or it is not finished.
    """
    place = Path(folder)
    if not (place / CONFIG).is_file():
        raise InputError(f"{place}: no run.", f"Expected {CONFIG} in it.", "occreid-afpb train --out DIR")
    config = Config.read(place / CONFIG)
    if not (place / MODEL).is_file() or not (place / RECORD).is_file():
        raise InputError(f"{place}: the run is not finished.", f"Expected {MODEL}.", "occreid-afpb train ... --resume")
    record = json.loads((place / RECORD).read_bytes())
    labels = read_state(place / MODEL)["label_map"]
    return Run(place, config, record, {int(pid): int(label) for pid, label in labels.items()})


def read_state(path: Path) -> dict[str, Any]:
    """Return a checkpoint of ours: tensors, numbers and texts, no code.

    Raises
    ------
    InputError
        If it is missing or damaged.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the reader of untrusted bytes raises what it likes
        raise InputError(
            f"{path}: no checkpoint.", f"Expected what a run wrote; the reader says: {error}.", "occreid-afpb train"
        ) from error
    if not isinstance(state, dict) or not {"model", "label_map", "config"} <= state.keys():
        raise InputError(
            f"{path}: no checkpoint of a run.", "Expected model, label_map and config.", "occreid-afpb train"
        )
    return state


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint: where the disk refuses, the old one is still there."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    with storage_errors(str(path)):
        write_atomic(path, buffer.getvalue())


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record as JSON, whole or not at all."""
    with storage_errors(str(path)):
        write_atomic(path, (json.dumps(record, indent=2) + "\n").encode())


def load_state(model: Afpb, state: Mapping[str, Any], path: Path) -> None:
    """Put a checkpoint's weights into a model.

    Raises
    ------
    UsageError
        If they are another backbone's, or for another number of identities.
    """
    given, own = state["model"], model.state_dict()
    if len(state["label_map"]) != model.classes:
        raise UsageError(
            f"{path}: a model of {len(state['label_map'])} identities.", f"Expected {model.classes}.",
            "start from a run that was trained on the same rows",
        )  # fmt: skip
    differing = [name for name in own if name not in given or given[name].shape != own[name].shape]
    differing += [name for name in given if name not in own]
    if differing:
        raise UsageError(
            f"{path}: a model of another backbone.", f"{len(differing)} tensors differ; the first: {differing[0]}.",
            "give the --backbone and --bnneck of that run",
        )  # fmt: skip
    model.load_state_dict(given)
