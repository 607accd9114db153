"""An ablation goes on with what it keeps for the same inputs alone, and sets runs side by side that compare."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from afpbkit import CONFIG, Small, small

torch = pytest.importorskip("torch")

import occluded_datasets as od  # noqa: E402
from occluded_datasets.afpb.config import Config  # noqa: E402
from occluded_datasets.afpb.evaluation import evaluate_run  # noqa: E402
from occluded_datasets.afpb.runs import open_run  # noqa: E402
from occluded_datasets.afpb.study import run as ablation  # noqa: E402
from occluded_datasets.afpb.study.outcome import outcome  # noqa: E402
from occluded_datasets.afpb.study.run import Ablation, AblationPlan, ablate  # noqa: E402
from occluded_datasets.afpb.training import train  # noqa: E402
from occluded_datasets.benchmark import Benchmark, benchmark_parts, find_benchmark, make  # noqa: E402
from occluded_datasets.errors import UsageError  # noqa: E402
from occluded_datasets.twin import twin  # noqa: E402

SHORT = Config.of({"max_steps": 2}, CONFIG)
PART = "market-1501-occ-v1-dev"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Return a twin of six identities."""
    torch.set_num_threads(1)
    return small(tmp_path_factory.mktemp("afpb"), ids=6)


@pytest.fixture(scope="module")
def fewer(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Return another twin of the same set, of four identities."""
    return small(tmp_path_factory.mktemp("fewer"), ids=4)


def plan_of(made: Small, *arms: str, base: Config = SHORT, **options: Any) -> AblationPlan:
    """Return a plan of one seed."""
    return AblationPlan(
        made.manifest, [ablation.Test(made.manifest, "afpb-nshot-1")], base, arms or ("afpb", "baseline"), 1, **options
    )


@pytest.fixture(scope="module")
def done(made: Small, tmp_path_factory: pytest.TempPathFactory) -> Ablation:
    """Return an ablation of two arms."""
    return ablate(plan_of(made), tmp_path_factory.mktemp("ablation") / "out", jobs=1)


def test_an_ablation_is_taken_up_for_its_own_inputs(made: Small, fewer: Small, done: Ablation, tmp_path: Path) -> None:
    """The same plan trains nothing again; another training set, start or recipe is named, and no model is touched."""
    before = {path: path.stat().st_mtime_ns for path in done.folder.glob("*/model.pt")}
    assert len(before) == 2
    expected = outcome(done)
    assert outcome(ablate(plan_of(made), done.folder, jobs=1)) == expected
    start = train(made.manifest, tmp_path / "start", SHORT, store=made.store).folder
    for plan, words in (
        (plan_of(fewer), "training_rows [0-9a-f]{16} there"),
        (plan_of(made, start=start), "start none there"),
        (plan_of(made, base=Config.of({"occlusion": "afpb"}, SHORT)), "occlusion afpb-wide there, afpb here"),
    ):
        with pytest.raises(UsageError, match=rf"afpb-0: the run was made of other inputs\..*{words}"):
            ablate(plan, done.folder, jobs=1)
    assert {path: path.stat().st_mtime_ns for path in done.folder.glob("*/model.pt")} == before


def test_runs_of_different_training_rows_are_not_set_side_by_side(
    made: Small, fewer: Small, done: Ablation, tmp_path: Path
) -> None:
    """Neither arms that would train on them, before anything is written, nor runs that were put in the folder."""
    base = Config.of({"train_protocol": ""}, SHORT)
    with pytest.raises(
        UsageError, match=r"Runs of different training rows.*in afpb-0; .*train_protocol=afpb-nshot-1-0"
    ):
        ablate(plan_of(made, "afpb", "afpb:train_protocol=afpb-nshot-1", base=base), tmp_path / "out", jobs=1)
    assert not (tmp_path / "out").exists()
    mixed = done._replace(folder=tmp_path / "mixed")
    shutil.copytree(done.folder, mixed.folder)
    assert outcome(mixed)["training"] == outcome(done)["training"]
    shutil.rmtree(mixed.folder / "baseline-0")
    train(fewer.manifest, mixed.folder / "baseline-0", open_run(done.folder / "baseline-0").config, store=fewer.store)
    with pytest.raises(UsageError, match=r"Runs of different training rows.*in afpb-0; [0-9a-f]{16} in baseline-0"):
        outcome(mixed)


def test_a_start_that_saw_the_test_is_refused_before_anything_is_trained(made: Small, tmp_path: Path) -> None:
    """The arms' own rows are of other identities; those of the start are not."""
    halves = made.manifest.frame
    other = halves[~halves["pid"].isin(open_run_pids(made, tmp_path))]
    start = train(made.manifest.with_rows(other), tmp_path / "start", Config.of({"train_protocol": ""}, SHORT)).folder
    with pytest.raises(UsageError, match=r"partial-reid: 3 identities of the test rows were trained on"):
        ablate(plan_of(made, start=start), tmp_path / "out", jobs=1)
    assert not (tmp_path / "out").exists()


def open_run_pids(made: Small, tmp_path: Path) -> list[int]:
    """Return the identities that a run of the config trains on."""
    return list(train(made.manifest, tmp_path / "own", SHORT, store=made.store).label_map)


def test_a_missing_recipe_is_said_before_anything_is_written(made: Small, tmp_path: Path) -> None:
    """Of one run and of an ablation."""
    missing = Config.of({"occlusion": str(tmp_path / "none.json")}, SHORT)
    with pytest.raises(od.errors.InputError, match=r"none\.json: not a recipe file"):
        ablate(plan_of(made, base=missing), tmp_path / "out", jobs=1)
    with pytest.raises(od.errors.InputError, match=r"none\.json: not a recipe file"):
        train(made.manifest, tmp_path / "run", missing, store=made.store)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "run").exists()


def test_a_table_of_levels_is_of_its_model_and_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept for the same ones; another model or simulated set is named; without the table it is made anew."""
    drawn = twin("market-1501", tmp_path / "twin", ids=8, variant="train-only", workers=1)
    built = od.build("market-1501", drawn.tree, tmp_path / "data", variant="train-only", allow_subset=True)
    source = od.load(built.manifest)
    benchmark = Benchmark({**find_benchmark(PART).rules, "identities": 4, "cells": {}, "rows": ""})
    monkeypatch.setattr(ablation, "find_benchmark", lambda name: benchmark)
    simulated = od.load(make(benchmark, source, tmp_path / "occ").simulated.manifest)
    others = source.with_rows(benchmark_parts(benchmark, source).train)
    config = Config.of({"train_protocol": ""}, SHORT)
    run = train(others, tmp_path / "run", config)
    test = ablation.Test(simulated, PART, source)

    table = run.folder / "levels.csv"
    ablation._keep_levels(run, test, source)
    text = table.read_text()
    assert len({line.rpartition(",")[2] for line in text.splitlines()[1:]}) == 19
    table.write_text(text + "\n")
    ablation._keep_levels(run, test, source)
    assert table.read_text() == text + "\n"

    fewer = simulated.with_rows(simulated.frame.iloc[:-1])
    with pytest.raises(UsageError, match=r"levels\.csv: the table was made of other inputs\. simulated .*delete"):
        ablation._keep_levels(run, ablation.Test(fewer, PART, source), source)
    other = train(others, tmp_path / "other", Config.of({"lr": 0.02}, config))
    for name in ("levels.csv", "levels.json"):
        shutil.copy(run.folder / name, other.folder / name)
    with pytest.raises(UsageError, match=r"levels\.csv: the table was made of other inputs\. model [0-9a-f]{16} there"):
        ablation._keep_levels(other, test, source)
    (other.folder / "levels.json").unlink()
    with pytest.raises(UsageError, match=r"the table was made of other inputs\. model none there"):
        ablation._keep_levels(other, test, source)
    (other.folder / "levels.csv").unlink()
    ablation._keep_levels(other, test, source)
    ablation._keep_levels(other, test, source)
    assert (other.folder / "levels.csv").read_text() != text


def test_a_score_of_another_model_or_test_is_not_set_beside_others(
    made: Small, fewer: Small, done: Ablation, tmp_path: Path
) -> None:
    """A score is of the model beside it, and all scores of a table are of the same test rows."""
    mixed = done._replace(folder=tmp_path / "mixed")
    shutil.copytree(done.folder, mixed.folder)
    config = open_run(done.folder / "afpb-0").config
    other = train(made.manifest, tmp_path / "other", Config.of({"lr": 0.02}, config), store=made.store)
    for name in ("model.pt", "run.json", "config.json"):
        shutil.copy(other.folder / name, mixed.folder / "afpb-0" / name)
    with pytest.raises(
        UsageError, match=r"afpb-nshot-1\.json: the score was made of other inputs\. model [0-9a-f]{16}"
    ):
        outcome(mixed)
    shutil.rmtree(mixed.folder)
    shutil.copytree(done.folder, mixed.folder)
    found = evaluate_run(open_run(mixed.folder / "afpb-0"), fewer.manifest, "afpb-nshot-1", bootstrap=10)
    found.score.write(mixed.folder / "afpb-0" / "partial-reid-afpb-nshot-1.json", replace=True)
    with pytest.raises(UsageError, match=r"Runs of different test rows.*in afpb-0; [0-9a-f]{16} in baseline-0"):
        outcome(mixed)
