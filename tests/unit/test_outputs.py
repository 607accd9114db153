"""Where a result is written: nothing else is replaced, the same result changes nothing, another one only when asked."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from featurekit import ROWS, Network, eleven

from occluded_datasets.errors import StorageError, UsageError
from occluded_datasets.evaluation import Matrix, Score, write_features, write_matrix
from occluded_datasets.evaluation.record.outputs import FEATURES, PROBES, SCORE, kind_of_file
from occluded_datasets.features import Histogram, extract
from occluded_datasets.manifest import Manifest

Make = Callable[..., Manifest]


@pytest.fixture
def manifest(tmp_path: Path, make_manifest: Make) -> Manifest:
    """Eleven pictures of noise on disk, and the manifest of them."""
    return eleven(tmp_path / "set", make_manifest)


def scored(value: float) -> Score:
    """Return a score whose record and table hold this number."""
    facts = {"schema": 1, "protocol": "s/p@1", "rows_sha256": "0" * 64, "per_probe": {"rows": 1}, "map": value}
    return Score(facts, pd.DataFrame({"image_id": ["a"], "pid": [1], "ap": [value], "ap_trapezoid": [value]}))


def write_kinds(folder: Path, made: Manifest) -> dict[str, Path]:
    """Write a file of each kind, and return their paths by kind."""
    assert made.path is not None
    scored(0.5).write(folder / "score.json")
    write_features(folder / "f.npz", ["a"], np.eye(1))
    write_matrix(folder / "m.npz", Matrix(("p",), ("g",), np.array([[0.2]])))
    (folder / "other.json").write_text('{"a": 1}')
    (folder / "list.json").write_text("[1]")
    (folder / "half.json").write_text('{"a": ')
    (folder / "half.npz").write_bytes((folder / "f.npz").read_bytes()[:100])
    (folder / "thesis.tex").write_text("years")
    (folder / "empty").touch()
    (folder / "folder").mkdir()
    return {
        "a manifest's header": made.path.with_suffix(".json"),
        "a manifest's table": made.path,
        "a matrix file": folder / "m.npz",
        "a manifest's table or another archive": folder / "half.npz",
        "a JSON file of another kind": folder / "other.json",
        "a folder": folder / "folder",
        SCORE: folder / "score.json",
        PROBES: folder / "score.per_probe.csv",
        FEATURES: folder / "f.npz",
        "a file of another kind": folder / "thesis.tex",
    }


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def broken(*arguments: Any, **options: Any) -> Any:
    raise OSError(errno.EIO, os.strerror(errno.EIO), "a file")


def test_kinds_of_files(manifest: Manifest, tmp_path: Path) -> None:
    """Each file is called what it is, whatever its name; no file is called nothing."""
    kinds = write_kinds(tmp_path, manifest)
    assert {kind: kind_of_file(path) for kind, path in kinds.items()} == {kind: kind for kind in kinds}
    assert {kind_of_file(tmp_path / name) for name in ("list.json", "half.json", "empty")} == {"a file of another kind"}
    assert kind_of_file(tmp_path / "nothing") == ""
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert kind_of_file(tmp_path / "pipe") == "no regular file"


def test_a_score_is_written_once(tmp_path: Path) -> None:
    """Absent: written; the same: nothing changes; another: refused, and replaced when asked, both files together."""
    path = tmp_path / "new" / "score.json"
    assert scored(0.5).write(path) is True
    first, times = files(path.parent), [one.stat().st_mtime_ns for one in sorted(path.parent.iterdir())]
    assert sorted(first) == ["score.json", "score.per_probe.csv"]
    for replace in (False, True):
        assert scored(0.5).write(path, replace=replace) is False
    assert [one.stat().st_mtime_ns for one in sorted(path.parent.iterdir())] == times
    with pytest.raises(
        UsageError, match=r"score\.json is a score record already, and another one\. It differs in map\. Next: add --r"
    ):
        scored(0.25).write(path)
    assert files(path.parent) == first
    assert scored(0.25).write(path, replace=True) is True
    second = files(path.parent)
    assert set(second) == set(first)
    assert all(second[name] != first[name] for name in first)


@pytest.mark.parametrize("replace", [False, True])
def test_a_score_never_takes_another_files_place(manifest: Manifest, tmp_path: Path, replace: bool) -> None:
    """Neither as a record nor as its table by probe: the message says what is there, and nothing changes."""
    for kind, path in write_kinds(tmp_path, manifest).items():
        before = files(path.parent)
        if kind != SCORE:
            with pytest.raises(UsageError) as caught:
                scored(0.25).write(path, replace=replace)
            assert str(caught.value) == (
                f"{path} is {kind}. Only a score record can be replaced by another one. Next: choose another --out"
            )
        if kind != PROBES and path.is_file():
            (tmp_path / "taken.per_probe.csv").write_bytes(path.read_bytes())
            with pytest.raises(UsageError, match=rf"taken\.per_probe\.csv is {kind}\. Only a table of scores by probe"):
                scored(0.25).write(tmp_path / "taken.json", replace=replace)
            (tmp_path / "taken.per_probe.csv").unlink()
        assert files(path.parent) == before


def test_half_a_pair(tmp_path: Path) -> None:
    """One of the two is missing: the same score completes the pair; with another one's table it is refused, or asked."""
    path, beside = tmp_path / "s.json", tmp_path / "s.per_probe.csv"
    scored(0.5).write(path)
    whole = files(tmp_path)
    for lost in (path, beside):
        lost.unlink()
        assert scored(0.5).write(path) is True
        assert files(tmp_path) == whole
    for lost in (path, None):
        scored(0.25).write(tmp_path / "other.json")
        os.replace(tmp_path / "other.per_probe.csv", beside)
        (tmp_path / "other.json").unlink()
        if lost:
            lost.unlink()
        before = files(tmp_path)
        with pytest.raises(UsageError, match="is a table of scores by probe already, and another one"):
            scored(0.5).write(path)
        assert files(tmp_path) == before
        assert scored(0.5).write(path, replace=True) is True
        assert files(tmp_path) == whole


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_score_that_fails_leaves_the_old_pair_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Whichever rename or flush fails: record and table are of one score, and the message says of which."""
    path, real = tmp_path / "s.json", getattr(os, call)
    scored(0.5).write(tmp_path / "new" / "s.json")
    new, said = files(tmp_path / "new"), set()
    for number in range(1, 100):
        scored(0.25).write(path, replace=True)
        old, calls = files(tmp_path), iter(range(1, 1000))

        def failing(*arguments: Any, number: int = number, calls: Any = calls, **options: Any) -> Any:
            return broken() if next(calls) == number else real(*arguments, **options)

        monkeypatch.setattr(os, call, failing)
        try:
            scored(0.5).write(path, replace=True)
            why = ""
        except StorageError as error:
            why = error.why
        monkeypatch.undo()
        left = {name: data for name, data in files(tmp_path).items() if not name.endswith(".replaced")}
        if not why:
            break
        assert left == {"The earlier one is still there.": old, "The new one is in its place.": new}[why]
        said.add(why)
    assert number > 4
    assert len(said) == (1 if call == "replace" else 2)
    assert files(tmp_path) == new


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_score_killed_at_any_rename(tmp_path: Path) -> None:
    """There is never a record with another's table; the same call makes it whole, the old score puts the old one back."""
    path = tmp_path / "s.json"
    whole = [scored(value).write(tmp_path / str(value) / "s.json") and files(tmp_path / str(value)) for value in (1, 0)]
    for number in range(1, 100):
        scored(0).write(path, replace=True)
        pid = os.fork()
        if not pid:
            os.replace = _dying(number)
            try:
                scored(1).write(path, replace=True)
                os._exit(0)
            finally:
                os._exit(3)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0:
            break
        pair = {name: data for name, data in files(tmp_path).items() if not name.startswith(".")}
        assert pair in whole or "s.json" not in pair
        scored(number % 2).write(path, replace=bool(number % 2))
        assert files(tmp_path) == whole[1 - number % 2]
        assert not list(tmp_path.glob(".*"))
    assert number > 4


def _dying(number: int) -> Callable[..., Any]:
    real, calls = os.replace, iter(range(1, 1000))
    return lambda *arguments: os._exit(9) if next(calls) == number else real(*arguments)


# ---- features


class Asleep(Network):
    """A model that must not be asked."""

    def __call__(self, batch: Any) -> Any:
        """Raise, whatever it is asked."""
        raise AssertionError("the model was run")


def test_features_are_computed_once(manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same header and names: nothing is run and nothing changes, and what a killed run left of them goes."""
    out = tmp_path / "F.npz"
    with monkeypatch.context() as killed:
        killed.setattr("occluded_datasets.features.shards.Shards.clear", lambda self: None)
        first = extract(manifest, Network(), out)
    assert len(list((tmp_path / "F.npz.partial").iterdir())) == 1
    assert extract(manifest, Asleep(), out).unchanged
    assert not (tmp_path / "F.npz.partial").exists()
    before, time = out.read_bytes(), out.stat().st_mtime_ns
    for replace in (False, True):
        (tmp_path / "F.npz.partial" / ("0" * 16)).mkdir(parents=True)
        again = extract(manifest, Asleep(), out, replace=replace)
        assert (again.unchanged, again.rows, again.resumed) == (True, ROWS, 0)
        assert again.header == first.header
        (tmp_path / "F.npz.partial" / ("0" * 16)).rmdir()  # of another model: it is kept
        (tmp_path / "F.npz.partial").rmdir()
    assert (out.read_bytes(), out.stat().st_mtime_ns, first.unchanged) == (before, time, False)


def _names(manifest: Manifest, path: Path) -> None:
    rewrite(path, image_id=np.array([f"x{number}" for number in range(ROWS)]))


def rewrite(path: Path, **arrays: Any) -> None:
    with np.load(path, allow_pickle=False) as data:
        np.savez(path, **{**{name: data[name] for name in data.files}, **arrays})


OTHERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "another model": (lambda path: header_says(path, model="other"), r"Expected model net, found other"),
    "another manifest": (lambda path: header_says(path, manifest_fingerprint="0" * 64), "Expected manifest_fing"),
    "an older version": (lambda path: header_says(path, tool_version="0"), "Expected tool_version"),
    "a header that says less": (lambda path: header_says(path, runtime=None), "Expected runtime none 1, found None"),
    "no header": (lambda path: rewrite(path, header=np.array("{}")), "Expected batch 8, found None"),
    "other names": (lambda path: rewrite(path, image_id=np.array([*map(str, range(ROWS))])), "rows are of other images"),
    "another order": (lambda path: rewrite(path, image_id=np.load(path)["image_id"][::-1]), "in another order"),
    "other numbers": (lambda path: rewrite(path, features=np.zeros((ROWS, 2))), "Expected float32 of .*found float64"),
    "another length": (lambda path: rewrite(path, features=np.zeros((ROWS, 3), "f4")), r"found float32 of \(11, 3\)"),
}  # fmt: skip


def header_says(path: Path, **facts: Any) -> None:
    header = {**json.loads(str(np.load(path)["header"])), **facts}
    kept = {name: value for name, value in header.items() if value is not None}
    rewrite(path, header=np.array(json.dumps(kept)))


@pytest.mark.parametrize("other", OTHERS)
def test_other_features_are_refused_before_any_work(manifest: Manifest, tmp_path: Path, other: str) -> None:
    """Whatever differs is named before a model is run; when asked, they are replaced by the very same as ever."""
    out = tmp_path / "F.npz"
    extract(manifest, Network(), out)
    whole, (change, message) = out.read_bytes(), OTHERS[other]
    change(out)
    before = out.read_bytes()
    with pytest.raises(
        UsageError, match=rf"F\.npz is a feature file already, and another one\. .*{message}.*--replace"
    ):
        extract(manifest, Asleep(), out)
    assert out.read_bytes() == before
    assert not extract(manifest, Network(), out, replace=True).unchanged
    assert out.read_bytes() == whole


@pytest.mark.parametrize("replace", [False, True])
def test_features_never_take_another_files_place(manifest: Manifest, tmp_path: Path, replace: bool) -> None:
    """Nor is work kept in a folder that is not an extraction's: both are said before a model is run."""
    for kind, path in write_kinds(tmp_path, manifest).items():
        if kind == FEATURES or not path.is_file():
            continue
        out = tmp_path / "F.npz"
        out.write_bytes(path.read_bytes())
        with pytest.raises(UsageError, match=f"F.npz is {kind}. Only a feature file can be replaced by another one"):
            extract(manifest, Asleep(), out, replace=replace)
        assert out.read_bytes() == path.read_bytes()
        out.unlink()
    partials = (lambda path: path.write_text("mine"), lambda path: (path / "mine").mkdir(parents=True))
    for make in partials:
        make(tmp_path / "F.npz.partial")
        with pytest.raises(UsageError, match=r"F\.npz\.partial is there and is no work of a killed extraction"):
            extract(manifest, Asleep(), tmp_path / "F.npz", replace=replace)
        assert (tmp_path / "F.npz.partial").exists()
        if (tmp_path / "F.npz.partial").is_file():
            (tmp_path / "F.npz.partial").unlink()


def test_features_on_the_command_line(manifest: Manifest, tmp_path: Path, command: Callable[..., Any]) -> None:
    """Unchanged is said; a manifest's table is refused with exit 2 and is as it was."""
    out = tmp_path / "F.npz"
    run = partial(command, "features", manifest.path, "--model", "histogram", "--out", out)
    assert "unchanged" not in run().out
    assert f"{out}  (unchanged)" in run().out
    assert run("--json").json()["unchanged"] is True
    assert manifest.path is not None
    out.write_bytes(manifest.path.read_bytes())
    for more in ((), ("--replace",)):
        refused = run(*more)
        assert refused.code == 2
        assert f"{out} is a manifest's table." in refused.err
        assert out.read_bytes() == manifest.path.read_bytes()
    assert Histogram().dim == 624
