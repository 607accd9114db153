"""Banks under attack: rubbish for files, a full disk, kills; what was published stays whole."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faultkit import failing_at, in_child, no_space, snapshot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from occluded_datasets.errors import BankError, StorageError, UsageError
from occluded_datasets.images import encode
from occluded_datasets.occlusion.sources import bank_build
from occluded_datasets.occlusion.sources.bank import Bank
from occluded_datasets.occlusion.sources.bank_build import build_bank

RUN = "import sys\nfrom occluded_datasets.occlusion.sources.bank_build import build_bank\nprint('up', flush=True)\n"
RUN += "build_bank(sys.argv[1], sys.argv[2], replace=True)\n"
KILLS = int(os.environ.get("OCCREID_KILLS", "5"))


def cut_outs(folder: Path, count: int, side: int = 40) -> Path:
    """Write noise with a transparent margin."""
    (folder / "car").mkdir(parents=True)
    for number in range(count):
        rgba = np.random.default_rng(number).integers(0, 256, (side, side, 4), np.uint8)
        rgba[0], rgba[5:9, 5:9, 3] = 0, 255
        (folder / "car" / f"{number:04d}.png").write_bytes(encode(rgba, ".png"))
    return folder


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two sources, ``in`` and ``other``, and ``bank``, built of the first."""
    folder = tmp_path_factory.mktemp("bank")
    cut_outs(folder / "in", 4)
    cut_outs(folder / "other", 60, 200)
    build_bank(folder / "in", folder / "bank")
    return folder


@pytest.fixture
def home(sound: Path, tmp_path: Path) -> Path:
    """Return a folder that holds a copy of the bank and nothing else."""
    shutil.copytree(sound / "bank", tmp_path / "home" / "bank")
    return tmp_path / "home"


def changed(home: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the index by a function."""
    record = json.loads((home / "bank/bank.json").read_bytes())
    change(record)
    (home / "bank/bank.json").write_text(json.dumps(record))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "no index": lambda home: (home / "bank/bank.json").unlink(),
    "no pixels": lambda home: (home / "bank/bank.bin").unlink(),
    "empty pixels": lambda home: (home / "bank/bank.bin").write_bytes(b""),
    "short pixels": lambda home: os.truncate(home / "bank/bank.bin", 1000),
    "long pixels": lambda home: (home / "bank/bank.bin").write_bytes((home / "bank/bank.bin").read_bytes() + b"x"),
    "a changed byte": lambda home: (home / "bank/bank.bin").write_bytes(
        b"\1" + (home / "bank/bank.bin").read_bytes()[1:]
    ),
    "no JSON": lambda home: (home / "bank/bank.json").write_bytes(b"\xff{"),
    "deep JSON": lambda home: (home / "bank/bank.json").write_text("[" * 100_000),
    "a list": lambda home: (home / "bank/bank.json").write_text("[]"),
    "other schema": lambda home: changed(home, lambda r: r.update(schema=2)),
    "no items": lambda home: changed(home, lambda r: r.update(items=[])),
    "items twice": lambda home: changed(home, lambda r: r.update(items=r["items"] * 2)),
    "other order": lambda home: changed(home, lambda r: r["items"].reverse()),
    "another id": lambda home: changed(home, lambda r: r["items"][0].update(id="0000;x")),
    "another class": lambda home: changed(home, lambda r: r["items"][0].update(kind="tree")),
    "another size": lambda home: changed(home, lambda r: r["items"][0].update(width=39)),
    "a huge size": lambda home: changed(home, lambda r: r["items"][0].update(width=10**30)),
    "a negative offset": lambda home: changed(home, lambda r: r["items"][1].update(offset=-4)),
    "a truth for a number": lambda home: changed(home, lambda r: r["items"][0].update(offset=False)),
    "no coverage": lambda home: changed(home, lambda r: r["items"][0].update(coverage=0)),
    "an extra key": lambda home: changed(home, lambda r: r["items"][0].update(more=1)),
    "a folder for a file": lambda home: ((home / "bank/bank.bin").unlink(), (home / "bank/bank.bin").mkdir()),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_bank_is_named(home: Path, case: str) -> None:
    """A BankError with the folder and the next command, whatever was damaged, and nothing is changed."""
    DAMAGE[case](home)
    before = snapshot(home)
    with pytest.raises(BankError) as caught:
        Bank.open(home / "bank")
    assert str(home / "bank") in caught.value.what
    assert "occreid-prepare bank build" in caught.value.next_command
    assert snapshot(home) == before


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_index_is_read_or_refused(home: Path, sound: Path, data: st.DataObject) -> None:
    """Whatever stands in bank.json, it is the bank as it was, or a typed error."""
    text = (sound / "bank/bank.json").read_bytes()
    record = json.loads(text)
    place = data.draw(st.sampled_from([record, *record["items"]]))
    key = data.draw(st.sampled_from(sorted(place)) | st.text(max_size=4))
    place[key] = data.draw(VALUES)
    (home / "bank/bank.json").write_text(json.dumps(record))
    try:
        shapes = [item.levels[0].shape for item in Bank.open(home / "bank")]
    except BankError:
        return
    assert shapes == [item.levels[0].shape for item in Bank.open(sound / "bank")]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300))
def test_any_bytes_for_an_index_are_refused(home: Path, data: bytes) -> None:
    """Bytes that nobody wrote as an index are an error of ours."""
    (home / "bank/bank.json").write_bytes(data)
    with pytest.raises(BankError):
        Bank.open(home / "bank")


@pytest.mark.parametrize("name", ["write_atomic", "sync_folder", "entry_of"])
@pytest.mark.parametrize("replace", [False, True], ids=["fresh", "over another"])
def test_a_full_disk_changes_nothing(
    home: Path, sound: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, replace: bool
) -> None:
    """At any step: an error that says so, the bank before is whole, and nothing lies about; then it works."""
    out = home / ("bank" if replace else "new/bank")
    before = snapshot(home)
    monkeypatch.setattr(bank_build, name, failing_at(getattr(bank_build, name), 1, no_space))
    with pytest.raises(StorageError, match="disk is full"):
        build_bank(sound / "other", out, replace=replace)
    if name != "sync_folder":  # then the bank is in its place already
        assert snapshot(home) == before
    monkeypatch.undo()
    assert len(build_bank(sound / "other", out, replace=replace)) == 60


def test_a_refused_rename_puts_the_earlier_bank_back(home: Path, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second rename of a replacement fails: what was there is there again."""
    before = snapshot(home)
    rename = failing_at(os.replace, 3, no_space)  # the index's own, the old bank's, then the new one's
    monkeypatch.setattr(os, "replace", rename)
    with pytest.raises(StorageError, match="disk is full"):
        build_bank(sound / "other", home / "bank", replace=True)
    monkeypatch.undo()
    assert snapshot(home) == before


@pytest.mark.skipif(os.name != "posix", reason="limits of file size are POSIX")
def test_a_limit_of_file_size(home: Path, sound: Path) -> None:
    """The system's own refusal in the middle of bank.bin."""
    before = snapshot(home)

    def limited() -> None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        build_bank(sound / "other", home / "bank", replace=True)

    assert in_child(limited) == 2
    assert snapshot(home) == before


def test_nothing_else_is_replaced(home: Path, sound: Path) -> None:
    """Another bank only when asked, another folder or file never."""
    (home / "work").mkdir()
    (home / "work/thesis.txt").write_text("mine")
    (home / "file").write_text("mine")
    before = snapshot(home)
    with pytest.raises(UsageError, match="another bank"):
        build_bank(sound / "other", home / "bank")
    for name in ("work", "file"):
        with pytest.raises(UsageError, match="is no bank"):
            build_bank(sound / "other", home / name, replace=True)
    assert snapshot(home) == before


@pytest.mark.kills
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_random_kills_are_healed(home: Path, sound: Path) -> None:
    """Killed at any moment, the bank is the old one or the new one, and the same command gives the new one."""
    began = time.monotonic()
    expected = build_bank(sound / "other", home / "clean").hash
    length = time.monotonic() - began
    old = Bank.open(sound / "bank").hash
    chance = random.Random(5)
    for _ in range(KILLS):
        shutil.rmtree(home / "bank", ignore_errors=True)
        shutil.copytree(sound / "bank", home / "bank")
        command = [sys.executable, "-c", RUN, str(sound / "other"), str(home / "bank")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout
        process.stdout.readline()
        time.sleep(chance.uniform(0, length * 1.3))
        process.kill()
        process.wait()
        process.stdout.close()
        if (home / "bank").exists():
            assert Bank.open(home / "bank").hash in (old, expected)
        assert build_bank(sound / "other", home / "bank", replace=True).hash == expected
        assert sorted(path.name for path in home.iterdir()) == ["bank", "clean"]


def test_killed_between_the_renames(home: Path, sound: Path) -> None:
    """The one moment without a bank: the next command puts the old one back before it does anything else."""
    os.replace(home / "bank", home / ".bank.old")
    with pytest.raises(UsageError, match="another bank"):
        build_bank(sound / "other", home / "bank")
    assert Bank.open(home / "bank").hash == Bank.open(sound / "bank").hash
    assert [path.name for path in home.iterdir()] == ["bank"]
