"""A run ends the same whatever happens on the way, says what it is made of, and refuses what does not fit."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from afpbkit import CONFIG, Small, small

torch = pytest.importorskip("torch")

from occluded_datasets.afpb.config import Config  # noqa: E402
from occluded_datasets.afpb.evaluation import evaluate_run  # noqa: E402
from occluded_datasets.afpb.runs import CHECKPOINT, MODEL, Run, open_run, read_state  # noqa: E402
from occluded_datasets.afpb.training import train  # noqa: E402
from occluded_datasets.errors import InputError, OccludedDatasetsError, StorageError, UsageError  # noqa: E402

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Return a twin of eight identities."""
    torch.set_num_threads(1)
    return small(tmp_path_factory.mktemp("afpb"))


@pytest.fixture(scope="module")
def whole(made: Small, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run that was not stopped."""
    return train(made.manifest, tmp_path_factory.mktemp("runs") / "whole", CONFIG, store=made.store)


def same(one: Run, other: Run) -> bool:
    """Return whether two models are equal to the last bit."""
    states = [run.model().state_dict() for run in (one, other)]
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


class StoppedError(Exception):
    """What a test stops a run with."""


def stop_at(step: int) -> Callable[[int, int], None]:
    """Return a progress function that stops the run."""

    def tell(at: int, total: int) -> None:
        if at == step:
            raise StoppedError

    return tell


def test_the_record_says_what_was_trained_on(made: Small, whole: Run) -> None:
    """Data, weights, steps, selection, machine."""
    record = json.loads((whole.folder / "run.json").read_text())
    assert record["training"]["dataset"] == "partial-reid"
    assert record["training"]["fingerprint"] == made.manifest.fingerprint
    assert record["training"]["identities"] == len(whole.label_map) == 4
    assert record["weights"] == {"source": "none", "sha256": ""}
    assert record["pictures_seen"] == record["steps"] * 2 * 2 * 2
    assert record["model_selection"].startswith("none")
    assert record["recipe"].startswith("afpb-wide@")
    rows = (whole.folder / "log.csv").read_text().splitlines()
    assert int(rows[-1].split(",")[0]) == record["steps"]


@pytest.mark.parametrize("step", [1, 5, 17])
def test_a_stopped_run_goes_on_to_the_same_end(made: Small, whole: Run, tmp_path: Path, step: int) -> None:
    """Before the first checkpoint, on one, and between two in the second epoch."""
    with pytest.raises(StoppedError):
        train(made.manifest, tmp_path / "run", CONFIG, store=made.store, every=5, progress=stop_at(step))
    assert not (tmp_path / "run" / MODEL).exists()
    run = train(made.manifest, tmp_path / "run", CONFIG, store=made.store, every=5, resume=True)
    assert same(run, whole)
    steps = [line.split(",")[0] for line in (run.folder / "log.csv").read_text().splitlines()[1:]]
    assert steps == [line.split(",")[0] for line in (whole.folder / "log.csv").read_text().splitlines()[1:]]


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import torch
torch.set_num_threads(1)
from afpbkit import CONFIG
import occluded_datasets as od
from occluded_datasets.afpb.training import train
def tell(at, total):
    if at == 13:
        os.kill(os.getpid(), signal.SIGKILL)
train(od.load(sys.argv[2]), sys.argv[4], CONFIG, store=sys.argv[3], every=4, progress=tell)
"""


def test_a_killed_run_goes_on_to_the_same_end(made: Small, whole: Run, tmp_path: Path) -> None:
    """SIGKILL leaves the last checkpoint, and the lock is free."""
    arguments = [str(TESTS), str(made.manifest.path), str(made.store), str(tmp_path / "run")]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert read_state(tmp_path / "run" / CHECKPOINT)["step"] == 12
    assert same(train(made.manifest, tmp_path / "run", CONFIG, store=made.store, resume=True), whole)


def test_a_full_disk_at_a_checkpoint_leaves_the_old_one(
    made: Small, whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the file, and the run goes on from what is there."""
    with pytest.raises(StoppedError):
        train(made.manifest, tmp_path / "run", CONFIG, store=made.store, every=5, progress=stop_at(6))

    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a file")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(StorageError, match="the disk is full"):
            train(made.manifest, tmp_path / "run", CONFIG, store=made.store, every=5, resume=True)
    assert read_state(tmp_path / "run" / CHECKPOINT)["step"] == 5
    assert not list((tmp_path / "run").glob(".*.part"))
    assert same(train(made.manifest, tmp_path / "run", CONFIG, store=made.store, resume=True), whole)


SHARED = """
import os, sys
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
from dataclasses import replace
from afpbkit import CONFIG
import occluded_datasets as od
from occluded_datasets.afpb.training import train
train(od.load(sys.argv[2]), sys.argv[4], CONFIG, store=sys.argv[3])
"""


def test_two_processes_train_what_one_does(made: Small, tmp_path: Path) -> None:
    """Two gloo processes of one batch against one process of two batches a step: within rounding."""
    one = train(made.manifest, tmp_path / "one", Config.of({"accumulate": 2}, CONFIG), store=made.store)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [str(TESTS), str(made.manifest.path), str(made.store), str(tmp_path / "two")]
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", SHARED, *arguments],
            env={**os.environ, "WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1",
                 "MASTER_PORT": str(port)},
            stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [rank.communicate(timeout=120)[1].decode() for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], said
    two = open_run(tmp_path / "two")
    assert one.record["steps"] == two.record["steps"] > 5
    assert one.record["pictures_seen"] == two.record["pictures_seen"]
    states = [run.model().state_dict() for run in (one, two)]
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name], rtol=1e-3, atol=1e-5)


def test_a_finished_run_is_taken_up_as_it_is(made: Small, whole: Run) -> None:
    """Nothing is trained again."""
    before = (whole.folder / MODEL).stat().st_mtime_ns
    assert train(made.manifest, whole.folder, CONFIG, store=made.store, resume=True).record == whole.record
    assert (whole.folder / MODEL).stat().st_mtime_ns == before


def test_what_does_not_fit_is_refused(made: Small, whole: Run, tmp_path: Path) -> None:
    """A folder that is taken, another config, a start on other rows, another backbone's weights, too few people."""
    with pytest.raises(UsageError, match=r"there is a run already.*--resume"):
        train(made.manifest, whole.folder, CONFIG, store=made.store)
    with pytest.raises(UsageError, match="epochs 2 there, 3 here"):
        train(made.manifest, whole.folder, Config.of({"epochs": 3}, CONFIG), store=made.store, resume=True)
    other = Config.of({"train_protocol": ""}, CONFIG)
    with pytest.raises(UsageError, match="label"):
        train(made.manifest, tmp_path / "a", other, store=made.store, start=whole.folder)
    neck = Config.of({"bnneck": True}, CONFIG)
    with pytest.raises(UsageError, match="a model of another backbone"):
        train(made.manifest, tmp_path / "b", neck, store=made.store, start=whole.folder)
    torch.save({"conv9.weight": torch.zeros(3)}, tmp_path / "w.pt")
    weights = Config.of({"weights": str(tmp_path / "w.pt")}, CONFIG)
    with pytest.raises(UsageError, match=r"another backbone than tiny.*missing, 1 unknown"):
        train(made.manifest, tmp_path / "c", weights, store=made.store)
    with pytest.raises(OccludedDatasetsError, match="fewer people"):
        train(made.manifest, tmp_path / "d", Config.of({"identities": 9}, CONFIG), store=made.store)
    with pytest.raises(OccludedDatasetsError, match="size"):
        train(made.manifest, tmp_path / "e", Config.of({"height": 48}, CONFIG), store=made.store)


@pytest.mark.parametrize("data", [b"", b"rubbish", b"PK\x03\x04"])
def test_a_damaged_model_is_named(made: Small, whole: Run, tmp_path: Path, data: bytes) -> None:
    """No traceback of the reader."""
    run = train(made.manifest, tmp_path / "run", Config.of({"max_steps": 1}, CONFIG), store=made.store)
    (run.folder / MODEL).write_bytes(data)
    with pytest.raises(InputError, match=r"model\.pt: no checkpoint"):
        open_run(run.folder)


def test_a_model_holds_nothing_but_data(whole: Run) -> None:
    """It is read without running code, and carries config, label map and the fingerprint of its rows."""
    state = torch.load(whole.folder / MODEL, weights_only=True)
    assert json.loads(state["config"]) == json.loads((whole.folder / "config.json").read_text())
    assert state["label_map"] == whole.label_map
    assert state["fingerprint"] == whole.record["training"]["rows_fingerprint"]


def test_people_that_were_trained_on_are_no_test(made: Small, tmp_path: Path, whole: Run) -> None:
    """The half that was not trained on is; a score on the others is refused."""
    found = evaluate_run(whole, made.manifest, "afpb-nshot-1", bootstrap=0)
    assert found.shared["relation"] == "same set"
    assert found.score.record["declared"]["seed"] == 0
    assert found.score.record["declared"]["occlusion_augmentation"] == whole.record["recipe"]
    with pytest.raises(UsageError, match="4 identities of the test rows were trained on"):
        evaluate_run(whole, made.manifest, "transfer-all-occluded-probe", bootstrap=0)


def test_a_loss_that_is_no_number_ends_the_run(made: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the step, and what to change."""
    from occluded_datasets.afpb import training

    whole_loss = training.loss
    monkeypatch.setattr(
        training, "loss", lambda *given: whole_loss(*given)._replace(total=whole_loss(*given).total * float("nan"))
    )
    with pytest.raises(UsageError, match=r"step 1: the loss is nan.*--lr"):
        train(made.manifest, tmp_path / "run", CONFIG, store=made.store)


def test_triplet_neck_and_smoothing_train(made: Small, tmp_path: Path) -> None:
    """The options that are off by default."""
    options: dict[str, Any] = {"triplet_weight": 1.0, "bnneck": True, "label_smoothing": 0.1, "warmup": 0.5}
    run = train(made.manifest, tmp_path / "run", Config.of(options, CONFIG), store=made.store)
    last = (run.folder / "log.csv").read_text().splitlines()[-1].split(",")
    assert float(last[6]) > 0
