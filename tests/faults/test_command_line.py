"""The command line under users, pipes and signals: one message, the right exit status, no traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faultkit import RUNNER, Sandbox, cli, is_an_answer, snapshot
from hostile import TREE, without, zipped
from tinyset import ID

from occluded_datasets.errors import ArchiveError
from occluded_datasets.manifest import SCHEMA_VERSION

posix = pytest.mark.skipif(os.name != "posix", reason="signals and pipes are POSIX")
CTRL_C = """
import os, signal, sys
sys.path.insert(0, {folder!r})
import tinyset
from occluded_datasets import prepare
from occluded_datasets.cli import main
tinyset.register()
module = sys.modules[{module!r}]
real = getattr(module, {name!r})
def patched(*args, **options):
    os.kill(os.getpid(), signal.SIGINT)
    return real(*args, **options)
setattr(module, {name!r}, patched)
main({arguments!r})
"""


@posix
@pytest.mark.parametrize("published", [False, True], ids=["first", "again"])
@pytest.mark.parametrize("name", ["unpack", "scan", "to_text"])
def test_ctrl_c(box: Sandbox, name: str, published: bool) -> None:
    """SIGINT at any stage exits 130 with one line, leaves what was there, and the same command then succeeds."""
    if published:
        box.publish()
    box.plant_good()
    before = snapshot(box.path)
    arguments = ["build", ID, "--raw", str(box.raw), "--root", str(box.root), "--replace", "--json"]
    code = CTRL_C.format(
        folder=str(RUNNER.parent), module="occluded_datasets.prepare.build", name=name, arguments=arguments
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 130, done.stderr
    assert json.loads(done.stdout)["error"]["exit_code"] == 130
    assert "Traceback" not in done.stderr
    assert snapshot(box.path) == before
    assert box.build().fingerprint == box.fingerprint
    box.assert_good()


@posix
@pytest.mark.parametrize(
    "arguments", [["list"], ["info", "partial-reid"], ["list", "--json"], ["--help"]], ids=" ".join
)
def test_broken_pipe(arguments: list[str]) -> None:
    """A reader that leaves (``| head -0``) gets no traceback; the exit status is that of SIGPIPE, or click's own 1."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, str(RUNNER), *arguments]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode in (1, 128 + signal.SIGPIPE)


def _file(box: Sandbox, data: bytes) -> Path:
    box.raw.write_bytes(data)
    return box.raw


def _future(box: Sandbox) -> Path:
    box.publish()
    header = box.home / "manifest.json"
    header.write_text(header.read_text().replace(f'"schema_version": {SCHEMA_VERSION}', '"schema_version": 99'))
    return box.home / "manifest.csv"


def _published(box: Sandbox) -> Path:
    box.publish()
    return box.home / "manifest.csv"


def _as_partial_reid(box: Sandbox) -> Path:
    """Return a zip of all 900 names of another set."""
    from occluded_datasets.catalog import get

    parts = get("partial-reid").parts
    picture = next(iter(TREE.values()))
    names = [f"P/{part.folder}/{stem}.jpg" for part in parts for stem in part.numbering.names()]  # type: ignore[union-attr]
    return _file(box, zipped(files=dict.fromkeys(names, picture)))


def _folder(box: Sandbox, name: str) -> Path:
    (box.path / name).mkdir()
    return box.path / name


Mistake = tuple[Callable[[Sandbox], list[object]], int, str]
MISTAKES: dict[str, Mistake] = {
    "unknown_dataset_did_you_mean": (lambda b: ["build", "partial-ried", "--raw", b.raw], 2, "Did you mean partial-reid"),
    "unknown_dataset_nothing_near": (lambda b: ["info", "zzzzzz"], 2, "Known: "),
    "unknown_command": (lambda b: ["biuld"], 2, "Did you mean build"),
    "unknown_variant": (lambda b: ["build", "partial-reid", "--variant", "ful", "--raw", b.raw], 2, "Did you mean full"),
    "unknown_protocol": (lambda b: ["split", _published(b), "--protocol", "x", "--out", b.path / "o"], 2, "protocol"),
    "other_sets_protocol": (
        lambda b: ["split", _published(b), "--protocol", "p-ethz/transfer-all", "--out", b.path / "o"], 2, "p-ethz"),
    "no_raw": (lambda b: ["build", ID, "--root", b.root], 2, "no raw copy was named"),
    "raw_missing": (lambda b: ["build", ID, "--raw", b.path / "none.zip", "--root", b.root], 2, "no such file"),
    "raw_not_an_archive": (lambda b: ["build", ID, "--raw", _file(b, b"hello"), "--root", b.root], 2, "not an archive"),
    "raw_empty": (lambda b: ["build", ID, "--raw", _file(b, b""), "--root", b.root], 2, "an empty file"),
    "raw_web_page": (lambda b: ["build", ID, "--raw", _file(b, b"<!DOCTYPE html>"), "--root", b.root], 2, "a web page"),
    "raw_lfs_pointer": (
        lambda b: ["build", ID, "--raw", _file(b, b"version https://git-lfs.github.com/spec/v1"), "--root", b.root],
        2, "Git LFS pointer"),
    "raw_empty_folder": (lambda b: ["build", ID, "--raw", _folder(b, "e"), "--root", b.root], 2, "found no file"),
    "raw_other_set": (
        lambda b: ["build", ID, "--raw", _as_partial_reid(b), "--root", b.root], 2, "partial-reid"),
    "raw_holds_root": (lambda b: ["build", ID, "--raw", b.path, "--root", b.root], 2, "lies inside the raw folder"),
    "raw_fifo": (lambda b: ["build", ID, "--raw", _fifo(b), "--root", b.root], 2, "neither a file nor a folder"),
    "subset": (lambda b: ["build", ID, "--raw", _file(b, zipped(files=without(next(iter(TREE))))), "--root", b.root],
               1, "--allow-subset"),
    "root_is_a_file": (lambda b: ["build", ID, "--raw", b.raw, "--root", b.outside / "victim.txt"], 2, "is a file"),
    "out_below_a_file": (
        lambda b: ["split", _published(b), "--protocol", _own(b), "--out", b.outside / "victim.txt" / "o"], 2, "a file"),
    "manifest_missing": (lambda b: ["verify", b.path / "manifest.csv"], 2, "no manifest header"),
    "manifest_future": (lambda b: ["verify", _future(b)], 2, "schema version 99"),
    "manifest_is_a_folder": (lambda b: ["verify", _folder(b, "m.csv")], 2, "no manifest header"),
    "manifest_not_built": (lambda b: ["verify", "partial-reid", "--root", b.root], 2, "no manifest in"),
    "bad_source": (lambda b: ["verify", _published(b), "--source", "nonsense"], 2, "NAME=PATH"),
    "missing_option": (lambda b: ["split", _published(b)], 2, "--protocol"),
    "missing_argument": (lambda b: ["build"], 2, "DATASET"),
    "workers_0": (lambda b: ["build", ID, "--raw", b.raw, "--workers", "0"], 2, "--workers"),
    "workers_word": (lambda b: ["build", ID, "--raw", b.raw, "--workers", "all"], 2, "--workers"),
    "password_file_missing": (lambda b: ["build", ID, "--raw", b.raw, "--password-file", b.path / "no"], 2, "does not exist"),
    "password_file_is_a_folder": (lambda b: ["build", ID, "--raw", b.raw, "--password-file", b.outside], 2, "directory"),
    "verify_changed": (lambda b: ["verify", _changed(b), "--full"], 1, ""),
}  # fmt: skip


def _fifo(box: Sandbox) -> Path:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no pipes with names")
    os.mkfifo(box.path / "pipe")
    return box.path / "pipe"


def _own(box: Sandbox) -> Path:
    """Return a protocol file for the tiny set."""
    from occluded_datasets.protocol import protocols

    rules = dict(next(one for one in protocols("partial-reid") if one.name == "transfer-all-occluded-probe").rules)
    (box.path / "own.json").write_text(json.dumps({**rules, "dataset": ID}))
    return box.path / "own.json"


def _changed(box: Sandbox) -> Path:
    table = _published(box)
    next((box.home / "raw").rglob("*.jpg")).write_bytes(b"")
    return table


@pytest.mark.parametrize("case", MISTAKES)
def test_no_traceback(box: Sandbox, case: str) -> None:
    """A mistake is one message that says what and what next, in JSON too, with its exit status, and changes nothing."""
    make, code, says = MISTAKES[case]
    box.plant_good()
    arguments = make(box)
    before = snapshot(box.path)
    done = cli(*arguments, "--json")
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    record: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
    if "error" in record:
        assert record["error"]["exit_code"] == code
        assert record["error"]["what"]
        assert says.lower() in " ".join(map(str, record["error"].values())).lower()
        assert done.stderr.startswith("error: ")
        assert len(done.stderr.splitlines()) == 1
    else:
        assert code == 1 or case == "unknown_command"
    assert snapshot(box.path) == before


def test_json_errors(box: Sandbox) -> None:
    """``--json`` puts one object on stdout and nothing else, with type, what, why, next and exit_code."""
    box.raw.write_bytes(b"hello")
    done = cli("build", ID, "--raw", box.raw, "--root", box.root, "--json")
    assert done.stdout.count("\n") == 1
    record = json.loads(done.stdout)
    assert list(record) == ["error"]
    assert set(record["error"]) == {"type", "what", "why", "next", "exit_code"}
    is_an_answer(ArchiveError(*(record["error"][part] for part in ("what", "why", "next"))))
    assert record["error"]["type"] == "ArchiveError"
    assert done.returncode == record["error"]["exit_code"] == 2


@posix
@pytest.mark.parametrize("encoding", ["utf-8:surrogateescape", "utf-8:strict"])
def test_json_errors_of_a_name_that_is_not_utf8(box: Sandbox, encoding: str) -> None:
    """A path in an old encoding does not break the one object, whatever the terminal takes."""
    command = [sys.executable, str(RUNNER), "build", ID, "--raw", os.fsencode(box.path) + b"/\xff.zip", "--json"]
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, capture_output=True, check=False, timeout=60, env=env)
    assert b"Traceback" not in done.stderr
    assert done.returncode == 2
    assert json.loads(done.stdout.decode("utf-8", "replace"))["error"]["exit_code"] == 2


@pytest.mark.parametrize("published", [False, True], ids=["first", "again"])
def test_dry_run_touches_nothing(box: Sandbox, published: bool) -> None:
    """``--dry-run`` says what would be built and writes no byte, no folder, no lock."""
    if published:
        box.publish()
    box.plant_good()
    before = snapshot(box.path)
    done = cli("build", ID, "--raw", box.raw, "--root", box.root, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == len(TREE)
    assert snapshot(box.path) == before
