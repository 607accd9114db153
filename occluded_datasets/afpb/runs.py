"""A run's folder: the config, the record, the label map, the log and the model, read back and checked."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError, UsageError
from ..files import storage_errors, write_atomic
from ..identities import joined_identities, unknown
from .backbones import IMAGENET, NONE, state_sha256
from .config import Config
from .inputs import ANEW, config_values, require_inputs
from .model import Afpb, build_model

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
    seen : list of mapping
        The identities that the model and every one before it were trained on, as of `occluded_datasets.identities`.
    """

    folder: Path
    config: Config
    record: Mapping[str, Any]
    label_map: dict[int, int]
    seen: list[dict[str, Any]]

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

    def sha256(self) -> str:
        """Return the sha256 over the model's tensors: names, types, shapes and bytes, in the order of names."""
        return state_sha256(read_state(self.folder / MODEL)["model"])

    def facts(self) -> dict[str, Any]:
        """Return what a score record says of the model: its digest, backbone, config by value, start and processes."""
        inputs = self.record.get("inputs", {})
        config = config_values(self.config, self.record["recipe"] or "", self.record["weights"]["sha256"])
        config["precision"] = inputs.get("precision", config["precision"])
        config["start"] = NONE if self.record["start"] is None else inputs.get("start", "unknown")
        config["processes"] = self.record["machine"]["processes"]
        text = json.dumps(config, sort_keys=True)
        return {
            "sha256": self.sha256(),
            "backbone": self.config.backbone,
            "config_sha256": hashlib.sha256(text.encode()).hexdigest(),
            "config": config,
        }


def empty(config: Config, classes: int) -> Afpb:
    """Return a model of the config whose weights are about to be replaced."""
    return build_model(Config.of({"weights": "none"}, config), classes).model


def open_run(folder: str | os.PathLike[str]) -> Run:
    """Return the finished run in a folder.

    Raises
    ------
    InputError
        If there is none, or it is not finished.
    UsageError
        If its config or its record is not that of its model: a file was changed.
    """
    place = Path(folder)
    if not (place / CONFIG).is_file():
        raise InputError(f"{place}: no run.", f"Expected {CONFIG} in it.", "occreid-afpb train --out DIR")
    config = Config.read(place / CONFIG)
    if not (place / MODEL).is_file() or not (place / RECORD).is_file():
        raise InputError(f"{place}: the run is not finished.", f"Expected {MODEL}.", "occreid-afpb train ... --resume")
    record, state = read_record(place), read_state(place / MODEL)
    kept = asdict(Config.of(json.loads(state["config"])))
    again = "put back the file as the run wrote it, or train anew: another --out"
    require_inputs(kept, asdict(config), f"{MODEL} beside {place / CONFIG}", again)
    if "inputs" in state:
        require_inputs(state["inputs"], record.get("inputs", {}), f"{MODEL} beside {place / RECORD}", again)
    labels = {int(pid): int(label) for pid, label in state["label_map"].items()}
    return Run(place, config, record, labels, joined_identities(record.get("seen", unknown()), state.get("seen", ())))


def read_record(folder: Path) -> dict[str, Any]:
    """Return the record of a finished run.

    Raises
    ------
    InputError
        If it is damaged.
    """
    try:
        record = json.loads((folder / RECORD).read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder / RECORD}: no record of a run.", f"The reader says: {error}.", "occreid-afpb train --out DIR"
        ) from error
    if not isinstance(record, dict):
        raise InputError(f"{folder / RECORD}: no record of a run.", "Expected a JSON object.", "occreid-afpb train")
    return record


def kept_inputs(folder: Path, config: Config, *, resume: bool) -> Mapping[str, Any] | None:
    """Return the inputs of what a folder keeps, a finished run or a checkpoint; None if it keeps neither.

    Raises
    ------
    UsageError
        If the folder is taken, is of another config, or does not say what it was made of.
    """
    path = folder / CONFIG
    if path.is_file():
        own = {name: value for name, value in asdict(config).items() if not _is_file(name, value)}
        require_inputs(asdict(Config.read(path)), own, f"{folder}: the run")
    kept = read_record(folder) if (folder / RECORD).is_file() else None
    if kept is None and (folder / CHECKPOINT).is_file():
        kept = read_state(folder / CHECKPOINT)
    if not resume and (kept is not None or path.is_file()):
        raise UsageError(f"{folder}: there is a run already.", "", "--resume, or another --out")
    if kept is None:
        return None
    if "inputs" not in kept:
        raise UsageError(
            f"{folder}: the run does not say what it was made of.",
            "Expected its inputs, found none: an earlier version wrote it.",
            ANEW,
        )
    inputs: Mapping[str, Any] = kept["inputs"]
    return inputs


def _is_file(name: str, value: Any) -> bool:
    """Return whether a parameter is the path of a file: it counts by what it holds, which inputs say."""
    return (name == "occlusion" and value.endswith(".json")) or (name == "weights" and value not in {NONE, IMAGENET})


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

    Parameters
    ----------
    model : Afpb
        Its weights are replaced in place.
    state : mapping
        A checkpoint, as of `read_state`; its ``model`` and ``label_map`` are used.
    path : Path
        The file of the checkpoint; only error messages name it.

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
