"""Training: a fixed schedule, a log, and checkpoints from which a killed run goes on to the same end."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from .._version import __version__
from ..errors import UsageError
from ..files import storage_errors, write_atomic
from ..hashing import key
from ..identities import joined_identities as seen_in
from ..identities import shown_identities
from ..manifest import Manifest
from ..scan import Progress
from ..store import Store, pack
from ..torch.labels import require_same, write_label_map
from .backbones import origin
from .config import Config
from .data import Batch, Batches, precision, require_identities, rows_fingerprint, training_rows
from .inputs import ANEW, inputs_of, require_inputs, stored_pixels
from .log import PARTS, Log
from .losses import Losses, identity_loss, occlusion_loss, triplet_loss
from .model import ModelOutput, build_model
from .ranks import ProcessPlace, join_processes
from .runs import (
    CHECKPOINT,
    CONFIG,
    LABELS,
    MODEL,
    RECORD,
    Run,
    kept_inputs,
    load_state,
    open_run,
    read_state,
    write_json,
    write_state,
)

if TYPE_CHECKING:
    import pandas as pd

EVERY = 200
"""Steps between checkpoints."""


def train(
    manifest: Manifest,
    out: str | os.PathLike[str],
    config: Config,
    *,
    store: str | os.PathLike[str] | None = None,
    start: str | os.PathLike[str] | None = None,
    resume: bool = False,
    every: int = EVERY,
    tensorboard: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Train a model on a manifest's training rows and return the finished run.

    The schedule is fixed beforehand: the last model is the result, none is selected. Under ``torchrun`` each process
    trains on its share of the batches.

    Parameters
    ----------
    manifest : Manifest
        Whose training rows are taken, as `Config` says.
    out : path
        The run's folder.
    config : Config
        What is trained, and how.
    store : path, optional
        A packed store of the manifest; by default one is packed at ``<out>/store``.
    start : path, optional
        A finished run on the same rows, whose model is trained on.
    resume : bool
        Take up a finished run or the last checkpoint of the same inputs; the end is the same as without the stop.
    every : int
        Steps between checkpoints.
    tensorboard : bool
        Write ``<out>/tensorboard`` too.
    progress : callable, optional
        Called with (steps done, steps in all).

    Raises
    ------
    UsageError
        If there are no training rows, the folder is taken, or what it keeps was made of other inputs: they are named.
    StorageError
        If the disk refuses; the last checkpoint is whole.
    """
    config.recipe()  # a file that cannot be read is an error before anything is written
    folder, rows = Path(out), training_rows(manifest, config)
    first = None if start is None else open_run(start)
    weights = origin(config.backbone, config.weights)
    with join_processes() as place, place.alone(folder):
        own = inputs_of(manifest, rows, config, weights, first.sha256() if first else "", place)
        kept = kept_inputs(folder, config, resume=resume)
        require_inputs(kept, own, f"{folder}: the run")
        opened = Store.open(_store(manifest, folder, config, store, place))
        batches = Batches(rows, manifest, config, opened, place.device)
        own["stored_pixels"] = stored_pixels(opened, rows)
        require_inputs(kept, own, f"{folder}: the run")
        place.wait()  # every process has looked at what is there before the first one writes
        if (folder / RECORD).is_file():
            return open_run(folder)
        basis = Basis(own, seen_in(shown_identities(manifest, rows), first.seen if first else weights.seen))
        trainer = Trainer(folder, config, batches, place, basis, every=every, tensorboard=tensorboard)
        trainer.prepare(first, resume=resume)
        if place.rank == 0:
            with storage_errors(str(folder)):
                write_atomic(folder / CONFIG, config.to_json().encode())
            write_label_map(batches.train.label_map, folder / LABELS)
        trainer.run(progress)
        if place.rank == 0:
            trainer.finish(_facts(manifest, rows, first, trainer))
        place.wait()
    return open_run(folder)


class Basis(NamedTuple):
    """What a run is made of, and the identities that it has seen: kept with all that it leaves."""

    inputs: dict[str, Any]
    seen: list[dict[str, Any]]


class Trainer:
    """The state of a run: model, optimiser, and the number of steps taken."""

    def __init__(
        self,
        folder: Path,
        config: Config,
        batches: Batches,
        place: ProcessPlace,
        basis: Basis,
        *,
        every: int,
        tensorboard: bool,
    ) -> None:
        self.folder, self.config, self.batches, self.place, self.every = folder, config, batches, place, every
        self.basis = basis
        classes = require_identities(batches)
        self.made = build_model(config, classes)
        self.model = self.made.model.to(place.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=config.lr, weight_decay=config.weight_decay)
        self.per_epoch = len(batches)
        planned = config.epochs * self.per_epoch
        self.steps = min(planned, config.max_steps) if config.max_steps else planned
        self.step, self.seconds = 0, 0.0
        self.tensorboard, self._log = tensorboard, None  # type: tuple[bool, Log | None]

    def prepare(self, start: Run | None, *, resume: bool) -> None:
        """Take up a checkpoint, or the model of another run."""
        path = self.folder / CHECKPOINT
        if resume and path.is_file():
            state = read_state(path)
            require_same(state["label_map"], self.batches.train.label_map, str(path))
            load_state(self.model, state, path)
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.seconds = int(state["step"]), float(state["seconds"])
        elif start is not None:
            state = read_state(start.folder / MODEL)
            require_same(state["label_map"], self.batches.train.label_map, str(start.folder / MODEL))
            load_state(self.model, state, start.folder / MODEL)
        if self.place.rank == 0:
            self._log = Log(self.folder, self.step, tensorboard=self.tensorboard)

    def run(self, progress: Progress | None) -> None:
        """Take all steps that are left."""
        network = self.model
        if self.place.world > 1:
            network = torch.nn.parallel.DistributedDataParallel(self.model)
        network.train()
        began = time.perf_counter() - self.seconds
        while self.step < self.steps:
            epoch, within = divmod(self.step, self.per_epoch)
            for group in _groups(self.batches.epoch(epoch, within), self.config.accumulate):
                self._take(network, group, epoch)
                self.seconds = time.perf_counter() - began
                if self.step % self.every == 0 or self.step == self.steps:
                    self._keep()
                if progress is not None:
                    progress(self.step, self.steps)
                if self.step == self.steps or self.step % self.per_epoch == 0:
                    break

    def _take(self, network: Any, group: Group, epoch: int) -> None:
        """Take one step."""
        rate = learning_rate(self.config, self.step, self.steps, self.per_epoch)
        for own in self.optimizer.param_groups:
            own["lr"] = rate
        _seed(self.config.seed, self.step, self.place.rank)
        self.optimizer.zero_grad(set_to_none=True)
        began, count, sums = time.perf_counter(), len(group.batches), dict.fromkeys(PARTS, 0.0)
        for number, batch in enumerate(group.batches):
            with _quiet(network, last=number == count - 1), autocast(self.config, self.place.device):
                output = network(batch.pictures)
            found = loss(output, batch, self.config)
            (found.total / count).backward()
            right = (output.identity.argmax(dim=1) == batch.labels).float().mean()
            for name, value in zip(sums, (*found, right), strict=True):
                sums[name] += float(value.detach()) / count
        self.optimizer.step()
        self.step += 1
        if not math.isfinite(sums["loss"]):
            raise UsageError(f"step {self.step}: the loss is {sums['loss']}.", "Expected a number.", "a smaller --lr")
        if self._log is not None:
            took = time.perf_counter() - began + group.waited
            seen = self.place.world * sum(len(batch.labels) for batch in group.batches)
            facts = {
                "step": self.step,
                "epoch": epoch,
                "lr": rate,
                "pictures": seen,
                "took": took,
                "waited": group.waited,
            }
            self._log.note({**facts, **sums}, last=self.step == self.steps)

    def _keep(self) -> None:
        if self.place.rank == 0 and self.step < self.steps:
            state = {**self._state(), "optimizer": self.optimizer.state_dict()}
            write_state(self.folder / CHECKPOINT, state)
        self.place.wait()

    def _state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "config": self.config.to_json(),
            "label_map": dict(self.batches.train.label_map),
            **self.basis._asdict(),
        }

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Write the model and the record; the checkpoint is of no more use."""
        write_state(self.folder / MODEL, {**self._state(), "fingerprint": facts["training"]["rows_fingerprint"]})
        write_json(self.folder / RECORD, facts)
        (self.folder / CHECKPOINT).unlink(missing_ok=True)
        if self._log is not None:
            self._log.close()


def loss(output: ModelOutput, batch: Batch, config: Config) -> Losses:
    """Return the weighted loss of a batch and its parts; a part of weight 0 takes no part in the gradient.

    Parameters
    ----------
    output : ModelOutput
        What the model says of the batch.
    batch : Batch
        Its labels and ``hidden`` are used.
    config : Config
        The weights of the parts, the label smoothing and the triplet margin.

    Returns
    -------
    Losses
        The total and, unweighted, its parts. The triplet loss is computed only where its weight is not 0, else it is 0.
    """
    identity = identity_loss(output.identity, batch.labels, config.label_smoothing)
    occlusion = occlusion_loss(output.occlusion, batch.hidden)
    triplet = (
        triplet_loss(output.feature, batch.labels, config.triplet_margin)
        if config.triplet_weight
        else identity.detach() * 0
    )
    total = config.id_weight * identity + config.obc_weight * occlusion + config.triplet_weight * triplet
    return Losses(total, identity, occlusion, triplet)


def learning_rate(config: Config, step: int, steps: int, per_epoch: int) -> float:
    """Return the learning rate of a step, counted from 0.

    Two factors multiply ``lr``. The schedule's is 1 throughout, or half a cosine that falls from 1 to 0 over the whole
    run. The warm-up's rises linearly with the steps, and is 1 after the warm-up.

    Parameters
    ----------
    config : Config
        Its ``lr``, ``schedule`` and ``warmup`` (in epochs) are used.
    step : int
        The step, 0..`steps` - 1.
    steps : int
        Steps of the whole run.
    per_epoch : int
        Steps of an epoch.

    Examples
    --------
    >>> config = Config(lr=1.0, warmup=1.0)
    >>> [round(learning_rate(config, step, 8, 2), 3) for step in (0, 1, 2, 7)]
    [0.33, 0.61, 0.778, 0.01]
    """
    share = (step + 0.5) / steps  # at the middle of the step: the rate of the last one is above 0
    rate = config.lr * (0.5 * (1 + math.cos(math.pi * share)) if config.schedule == "cosine" else 1.0)
    rising = config.warmup * per_epoch
    return rate * min(1.0, (step + 1) / (rising + 1)) if rising else rate


def autocast(config: Config, device: Any) -> AbstractContextManager[Any]:
    """Return what runs a block in the config's precision: bfloat16 where it is asked for, or on a GPU by default."""
    return torch.autocast(device.type, torch.bfloat16) if precision(config, device) == "bf16" else nullcontext()


class Group(NamedTuple):
    """The batches of a step, and the seconds that their making took."""

    batches: list[Batch]
    waited: float


def _groups(batches: Iterable[Batch], size: int) -> Iterator[Group]:
    began, waited = time.perf_counter(), 0.0
    group: list[Batch] = []
    for batch in batches:
        waited += time.perf_counter() - began
        group.append(batch)
        if len(group) == size:
            yield Group(group, waited)
            waited, group = 0.0, []
        began = time.perf_counter()


def _quiet(network: Any, *, last: bool) -> AbstractContextManager[Any]:
    """Return what leaves out the exchange of gradients until the last batch of a step."""
    skip: AbstractContextManager[Any] = nullcontext() if last or not hasattr(network, "no_sync") else network.no_sync()
    return skip


def _seed(seed: int, step: int, rank: int) -> None:
    """Seed what a network draws itself, so that a step does not depend on the steps before it in this process."""
    torch.manual_seed(int.from_bytes(key(seed, "step", rank, step)[:7], "big"))


def packed(manifest: Manifest, folder: Path, config: Config) -> Path:
    """Pack the store that runs in a folder read, or take up the one that is there.

    Raises
    ------
    UsageError
        If that is of another manifest or size, or damaged.
    """
    try:
        pack(manifest, folder / "store", config.size)
    except UsageError as error:
        raise UsageError(error.what, error.why, ANEW) from error
    return folder / "store"


def _store(
    manifest: Manifest, folder: Path, config: Config, store: str | os.PathLike[str] | None, place: ProcessPlace
) -> str | os.PathLike[str]:
    if store is None and place.rank == 0:
        packed(manifest, folder, config)
    place.wait()
    return folder / "store" if store is None else store


def _facts(manifest: Manifest, rows: pd.DataFrame, start: Run | None, trainer: Trainer) -> dict[str, Any]:
    """Return the record of a run."""
    config = trainer.config
    recipe = config.recipe()
    earlier = int(start.record["pictures_seen"]) if start else 0
    place = trainer.place
    batch = config.identities * config.instances * config.accumulate * place.world
    return {
        "training": {
            "dataset": manifest.dataset,
            "fingerprint": manifest.fingerprint,
            "rows": len(rows),
            "rows_fingerprint": rows_fingerprint(rows),
            "identities": len(trainer.batches.train.label_map),
            "twin": manifest.twin,
        },
        "recipe": recipe.id if recipe else None,
        "pool": trainer.batches.pool.hash if trainer.batches.pool else None,
        "weights": {"source": trainer.made.source, "sha256": trainer.made.sha256},
        "start": None
        if start is None
        else {
            "config": json.loads(start.config.to_json()),
            "weights": start.record["weights"],
            "training": start.record["training"],
        },
        **trainer.basis._asdict(),
        "steps": trainer.steps,
        "pictures_seen": trainer.steps * batch * config.views + earlier,
        "seconds": round(trainer.seconds, 1),
        "model_selection": "none: a fixed schedule, the last step",
        "machine": {
            "architecture": platform.machine(),
            "device": place.device.type,
            "threads": torch.get_num_threads(),
            "processes": place.world,
        },
        "versions": {
            "occluded-datasets": __version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        },
    }
