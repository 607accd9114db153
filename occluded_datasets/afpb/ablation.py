"""Arms that differ in one thing each, over seeds, from one shared start, scored under the same protocols."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..benchmark import find_benchmark, parts_of
from ..errors import UsageError
from ..files import storage_errors, write_atomic
from ..manifest import Manifest
from ..protocol import find_protocol
from ..scan import Progress, cores
from ..store import pack
from .arms import HELP, arms_of
from .config import CLEAN_VIEW, ONE_VIEW, Config
from .data import HIDDEN_BODIES, training_rows
from .evaluation import Described, describe, evaluate_run, shared_people, tested_rows
from .levels import level_scores
from .ranks import keep_memory
from .runs import Run, write_json
from .training import finished, train

SCORES, LEVELS = "scores.json", "levels.csv"


@dataclass(frozen=True)
class Test:
    """A test set and a protocol, or a benchmark's simulated set and its parent.

    Parameters
    ----------
    manifest : Manifest
        Of the test pictures.
    protocol : str
        A protocol's name; of a benchmark, its name.
    parent : Manifest, optional
        Of a benchmark alone: where its clean pictures are.
    """

    manifest: Manifest
    protocol: str
    parent: Manifest | None = None

    @property
    def name(self) -> str:
        """Dataset and protocol."""
        return f"{self.manifest.dataset}/{self.protocol}"


@dataclass(frozen=True)
class Plan:
    """What an ablation runs.

    Parameters
    ----------
    train : Manifest
        Training set.
    tests : sequence of Test
        What each model is scored on.
    base : Config
        What all arms share; its ``occlusion`` is the simulator's recipe and its ``obc_weight`` that of arms with OBC.
    arms : sequence of str
        Names, or variants, as `arm_of` reads them.
    seeds : int
        0, 1, ...: of order, augmentation, occlusion and new weights of each arm alike.
    noise : str
        The recipe with the same boxes and other content.
    start : path, optional
        A finished run that all arms go on from; seeds then cover the branch alone.
    start_epochs : int
        Epochs of such a run, trained first on clean pictures alone; 0: none.
    start_lr : float
        Its learning rate.
    """

    train: Manifest
    tests: Sequence[Test]
    base: Config
    arms: Sequence[str]
    seeds: int
    noise: str = "afpb-wide-noise"
    start: str | os.PathLike[str] | None = None
    start_epochs: int = 0
    start_lr: float = 3.5e-4


class Ablation(NamedTuple):
    """What an ablation left on disk.

    Parameters
    ----------
    folder : Path
        Where it is; a run's folder in it is ``<arm>-<seed>``.
    plan : Plan
        What was run.
    undefined : dict of str to str
        Arms that this training set cannot have, with the reason.
    """

    folder: Path
    plan: Plan
    undefined: dict[str, str]


def ablate(plan: Plan, out: str | os.PathLike[str], *, jobs: int = 0, progress: Progress | None = None) -> Ablation:
    """Train every arm with every seed and score each on every test.

    Each arm sees the same number of pictures. What is finished is kept: the same call goes on after a stop.

    Parameters
    ----------
    plan : Plan
        What to run.
    out : path
        The folder for all of it.
    jobs : int
        Runs at once, each with its share of the cores; 0: one a core, or one in all with a GPU.
    progress : callable, optional
        Called with (runs done, runs in all).

    Raises
    ------
    UsageError
        If there is no such arm, a run in the folder is of another config, or a test shows people that would be trained
        on: all before anything is trained.
    """
    folder = Path(out)
    arms = arms_of(plan.arms)
    configs = {(arm, seed): arms[arm].config(plan.base, plan.noise, seed) for arm, seed in _cells(plan)}
    undefined = _undefined(plan)
    if set(plan.arms) <= set(undefined):
        raise UsageError(f"No arm can be run: {'; '.join(undefined.values())}.", "", HELP)
    for (arm, seed), config in configs.items():
        finished(folder / f"{arms[arm].folder}-{seed}", config, resume=True)
    _check_tests(plan, configs.values())
    pack(plan.train, folder / "store", plan.base.size)
    plan = _started(plan, folder)
    work = [one for one in configs if one[0] not in undefined]
    jobs = jobs or (1 if torch.cuda.is_available() else min(cores(), len(work)))
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        waiting = [
            pool.submit(
                run_arm, plan, folder, f"{arms[arm].folder}-{seed}", configs[arm, seed], max(1, cores() // jobs)
            )
            for arm, seed in work
        ]
        try:
            for number, done in enumerate(as_completed(waiting), 1):
                done.result()
                if progress is not None:
                    progress(number, len(work))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return Ablation(folder, plan, undefined)


def _check_tests(plan: Plan, configs: Iterable[Config]) -> None:
    """Raise what scoring would, hours later."""
    for parts in dict.fromkeys((config.hold_out, config.train_protocol) for config in configs):
        chosen = replace(plan.base, hold_out=parts[0], train_protocol=parts[1])
        people = set(training_rows(plan.train, chosen)["pid"].tolist())
        for test in plan.tests:
            if test.parent is None:
                rows = tested_rows(test.manifest, find_protocol(test.manifest.dataset, test.protocol))
            else:
                rows = parts_of(find_benchmark(test.protocol), test.parent).probe
            shared_people(plan.train.dataset, people, test.parent or test.manifest, rows)


def _started(plan: Plan, folder: Path) -> Plan:
    """Return the plan with its shared start trained, where it has one."""
    if plan.start is not None or not plan.start_epochs:
        return plan
    config = replace(plan.base, occlusion=ONE_VIEW, obc_weight=0.0, epochs=plan.start_epochs, lr=plan.start_lr)
    place = folder / "start"
    train(plan.train, place, config, store=folder / "store", resume=place.exists())
    return replace(plan, start=place)


def run_arm(plan: Plan, folder: Path, name: str, config: Config, threads: int) -> None:
    """Train one arm with one seed, and score it on each test, where that is not done yet."""
    torch.set_num_threads(threads)
    keep_memory()
    own = folder / name
    run = train(plan.train, own, config, store=folder / "store", start=plan.start, resume=own.exists())
    record: dict[str, Any] = {"scores": {}, "occlusion_auroc": {}, "shared": {}}
    described: dict[int, Described] = {}
    for test in plan.tests:
        if test.parent is not None:
            _keep_levels(run, test, test.parent)
            continue
        path = own / f"{test.manifest.dataset}-{test.protocol}.json"
        if id(test.manifest) not in described:
            described[id(test.manifest)] = describe(run, test.manifest, test.manifest.frame)
        found = evaluate_run(run, test.manifest, test.protocol, described=described[id(test.manifest)])
        found.score.write(path, replace=True)  # of this run, before it was resumed
        record["scores"][test.name] = path.name
        record["occlusion_auroc"][test.name] = found.occlusion_auroc
        record["shared"][test.name] = dict(found.shared)
    write_json(own / SCORES, record)


def _keep_levels(run: Run, test: Test, parent: Manifest) -> None:
    path = run.folder / LEVELS
    if not path.is_file():
        with storage_errors(str(path)):
            write_atomic(path, level_scores(run, find_benchmark(test.protocol), test.manifest, parent).encode())


def _cells(plan: Plan) -> Iterator[tuple[str, int]]:
    """Yield (arm, seed), seed by seed: so an ablation that is stopped early has all arms of its first seeds."""
    if plan.base.occlusion in {ONE_VIEW, CLEAN_VIEW}:
        raise UsageError(
            f"occlusion {plan.base.occlusion!r}: expected the simulator's recipe.",
            "Arms without it leave it out.",
            HELP,
        )
    if plan.seeds < 1:
        raise UsageError(f"seeds {plan.seeds}: expected 1 or more.", "", HELP)
    for seed in range(plan.seeds):
        yield from ((arm, seed) for arm in plan.arms)


def _undefined(plan: Plan) -> dict[str, str]:
    """Return the arms that this training set cannot have, with the reason."""
    body = set(training_rows(plan.train, plan.base)["body"])
    if body & set(HIDDEN_BODIES) and "full" in body:
        return {}
    reason = f"the training rows are of {', '.join(sorted(body))} bodies alone: OBC has nothing to tell apart"
    return {text: reason for text in plan.arms if text.partition(":")[0] == "obc"}
