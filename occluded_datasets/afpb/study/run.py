"""Arms that differ in one thing each, over seeds, from one shared start, scored under the same protocols."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ...benchmark import benchmark_parts, find_benchmark
from ...errors import UsageError
from ...files import storage_errors, write_atomic
from ...identities import joined_identities, shared_identities, shown_identities
from ...manifest import Manifest
from ...protocol import find_protocol
from ...scan import Progress, cores
from .. import ranks
from ..backbones import origin
from ..config import CLEAN_VIEW, ONE_VIEW, Config
from ..data import HIDDEN_BODIES, training_rows
from ..evaluation import ExtractedFeatures, compared_rows, evaluate_run, extract_features
from ..inputs import images_sha256, inputs_of, require_inputs, shown_value
from ..runs import RECORD, Run, kept_inputs, open_run, write_json
from ..training import packed, train
from .arms import HELP, arms_of
from .levels import level_inputs, level_scores

if TYPE_CHECKING:
    import pandas as pd

SCORES, LEVELS = "scores.json", "levels.csv"


@dataclass(frozen=True)
class Test:
    """A test set and a protocol, or a benchmark's simulated set and its parent.

    Parameters
    ----------
    manifest : Manifest
        Of the test images.
    protocol : str
        A protocol's name; of a benchmark, its name.
    parent : Manifest, optional
        Of a benchmark alone: where its clean images are.
    """

    manifest: Manifest
    protocol: str
    parent: Manifest | None = None

    @property
    def name(self) -> str:
        """Dataset and protocol."""
        return f"{self.manifest.dataset}/{self.protocol}"


@dataclass(frozen=True)
class AblationPlan:
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
        Epochs of such a run, trained first on clean images alone; 0: none.
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
    plan : AblationPlan
        What was run.
    undefined : dict of str to str
        Arms that this training set cannot have, with the reason.
    """

    folder: Path
    plan: AblationPlan
    undefined: dict[str, str]


def ablate(
    plan: AblationPlan, out: str | os.PathLike[str], *, jobs: int = 0, progress: Progress | None = None
) -> Ablation:
    """Train every arm with every seed and score each on every test.

    Each arm sees the same number of images. What is finished is kept: the same call goes on after a stop.

    Parameters
    ----------
    plan : AblationPlan
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
        If there is no such arm, arms would train on different rows, what the folder keeps was made of other inputs, or
        a test shows identities that would be trained on: all before anything is trained.
    """
    folder = Path(out)
    arms = arms_of(plan.arms)
    configs = {(arm, seed): arms[arm].config(plan.base, plan.noise, seed) for arm, seed in _cells(plan)}
    undefined = _undefined(plan)
    if set(plan.arms) <= set(undefined):
        raise UsageError(f"No arm can be run: {'; '.join(undefined.values())}.", "", HELP)
    _check(plan, {folder / f"{arms[arm].folder}-{seed}": config for (arm, seed), config in configs.items()})
    packed(plan.train, folder, plan.base)
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


def _check(plan: AblationPlan, configs: Mapping[Path, Config]) -> None:
    """Raise what training, scoring or the tables would, hours later; `configs` are by the folders of their runs."""
    rows = _training_rows(plan, configs)
    start = None if plan.start is None else open_run(plan.start)
    names = dict.fromkeys((config.backbone, config.weights) for config in (plan.base, *configs.values()))
    origins = {name: origin(*name) for name in names}
    earlier = [start.seen] if start else [one.seen for one in origins.values()]
    for seen in earlier:
        _check_tests(plan, joined_identities(shown_identities(plan.train, rows), seen))
    with ranks.join_processes() as place:
        for folder, config in configs.items():
            kept = kept_inputs(folder, config, resume=True)
            if kept is not None:
                weights = origins[config.backbone, config.weights]
                own = inputs_of(plan.train, rows, config, weights, start.sha256() if start else "", place)
                if start is None and plan.start_epochs:  # the start is looked at when it is trained or taken up
                    del own["start"]
                require_inputs(kept, own, f"{folder}: the run")
                _check_levels(plan, folder)


def _training_rows(plan: AblationPlan, configs: Mapping[Path, Config]) -> pd.DataFrame:
    """Return the rows that all arms train on.

    Raises
    ------
    UsageError
        If arms would train on different rows, or the file of a recipe cannot be read.
    """
    found: dict[tuple[str, str], tuple[str, pd.DataFrame]] = {}
    for folder, config in configs.items():
        config.recipe()
        parts = config.hold_out, config.train_protocol
        if parts not in found:
            found[parts] = folder.name, training_rows(plan.train, config)
    require_one({name: images_sha256(rows) for name, rows in found.values()}, "training rows")
    return next(iter(found.values()))[1]


def require_one(found: Mapping[str, str], what: str) -> None:
    """Raise unless all runs, given by name, have the same of something: their scores are set side by side.

    Raises
    ------
    UsageError
        With the runs of each.
    """
    kinds: dict[str, list[str]] = {}
    for name, value in found.items():
        kinds.setdefault(value, []).append(name)
    if len(kinds) > 1:
        said = "; ".join(f"{shown_value(value)} in {', '.join(names)}" for value, names in kinds.items())
        raise UsageError(
            f"Runs of different {what} cannot be compared.", f"Expected one in all runs, found {said}.",
            "an ablation of its own for each, in another --out",
        )  # fmt: skip


def _check_tests(plan: AblationPlan, seen: Sequence[Mapping[str, Any]]) -> None:
    """Raise if a test shows identities that a model has seen."""
    for test in plan.tests:
        if test.parent is None:
            rows = compared_rows(test.manifest, find_protocol(test.manifest.dataset, test.protocol))
        else:
            rows = benchmark_parts(find_benchmark(test.protocol), test.parent).probe
        shared_identities(seen, test.parent or test.manifest, rows)


def _check_levels(plan: AblationPlan, folder: Path) -> None:
    """Raise if the table of levels of a finished run was made of other inputs."""
    for test in plan.tests:
        if test.parent is not None and (folder / RECORD).is_file():
            _levels_kept(open_run(folder), test, test.parent)


def _started(plan: AblationPlan, folder: Path) -> AblationPlan:
    """Return the plan with its shared start trained, where it has one."""
    if plan.start is not None or not plan.start_epochs:
        return plan
    config = replace(plan.base, occlusion=ONE_VIEW, obc_weight=0.0, epochs=plan.start_epochs, lr=plan.start_lr)
    place = folder / "start"
    train(plan.train, place, config, store=folder / "store", resume=place.exists())
    return replace(plan, start=place)


def run_arm(plan: AblationPlan, folder: Path, name: str, config: Config, threads: int) -> None:
    """Train one arm with one seed, and score it on each test, where that is not done yet.

    Parameters
    ----------
    plan : AblationPlan
        Its training set, its start and its tests are used.
    folder : Path
        The ablation's folder; it holds the packed store.
    name : str
        The run's folder in it, ``ARM-SEED``.
    config : Config
        What the run trains with.
    threads : int
        CPU threads of PyTorch in this process.
    """
    torch.set_num_threads(threads)
    ranks.keep_memory()
    own = folder / name
    run = train(plan.train, own, config, store=folder / "store", start=plan.start, resume=own.exists())
    record: dict[str, Any] = {"scores": {}, "occlusion_auroc": {}, "shared": {}}
    described: dict[int, ExtractedFeatures] = {}
    for test in plan.tests:
        if test.parent is not None:
            _keep_levels(run, test, test.parent)
            continue
        path = own / f"{test.manifest.dataset}-{test.protocol}.json"
        if id(test.manifest) not in described:
            described[id(test.manifest)] = extract_features(run, test.manifest, test.manifest.frame)
        found = evaluate_run(run, test.manifest, test.protocol, described=described[id(test.manifest)])
        found.score.write(path, replace=True)  # of this run, before it was resumed
        record["scores"][test.name] = path.name
        record["occlusion_auroc"][test.name] = found.occlusion_auroc
        record["shared"][test.name] = dict(found.shared)
    write_json(own / SCORES, record)


def _keep_levels(run: Run, test: Test, parent: Manifest) -> None:
    if _levels_kept(run, test, parent):
        return
    path, benchmark = run.folder / LEVELS, find_benchmark(test.protocol)
    text = level_scores(run, benchmark, test.manifest, parent)
    write_json(path.with_suffix(".json"), {"inputs": level_inputs(run, benchmark, test.manifest, parent)})
    with storage_errors(str(path)):
        write_atomic(path, text.encode())


def _levels_kept(run: Run, test: Test, parent: Manifest) -> bool:
    """Return whether a run's table of levels is there.

    Raises
    ------
    UsageError
        If it was made of other inputs.
    """
    path = run.folder / LEVELS
    if not path.is_file():
        return False
    beside = path.with_suffix(".json")
    kept = json.loads(beside.read_bytes())["inputs"] if beside.is_file() else {}
    own = level_inputs(run, find_benchmark(test.protocol), test.manifest, parent)
    require_inputs(kept, own, f"{path}: the table", f"delete {path}, which is then made anew, or another --out")
    return True


def _cells(plan: AblationPlan) -> Iterator[tuple[str, int]]:
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


def _undefined(plan: AblationPlan) -> dict[str, str]:
    """Return the arms that this training set cannot have, with the reason."""
    body = set(training_rows(plan.train, plan.base)["body"])
    if body & set(HIDDEN_BODIES) and "full" in body:
        return {}
    reason = f"the training rows are of {', '.join(sorted(body))} bodies alone: OBC has nothing to tell apart"
    return {text: reason for text in plan.arms if text.partition(":")[0] == "obc"}
