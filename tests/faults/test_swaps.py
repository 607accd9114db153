"""One result put in the place of another: after a fault or a kill the old one or the new one is there, and whole."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from faultkit import failing_at, in_child, remove
from storekit import small

from occluded_datasets import files
from occluded_datasets.errors import StorageError
from occluded_datasets.exporters import export
from occluded_datasets.files import put_back, storage_errors, swap_in, write_atomic
from occluded_datasets.manifest import Manifest
from occluded_datasets.occlusion import simulate
from occluded_datasets.store import pack

THERE, NEW, ASIDE = "The earlier one is still there.", "The new one is in its place.", "set aside beside it"


class Case(NamedTuple):
    """A command that replaces: how the old and the new result are made."""

    old: Callable[..., Any]
    new: Callable[..., Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return a set of thirty pictures."""
    return small(tmp_path_factory.mktemp("set"), 2)


def _pack(made: Manifest, height: int) -> Callable[..., Any]:
    return lambda out, **given: pack(made, out, (height, 8), workers=1, **given)


def _export(made: Manifest, protocol: str) -> Callable[..., Any]:
    return lambda out, **given: export(made, "tuples", out, protocol, **given)


def _simulate(made: Manifest, **what: Any) -> Callable[..., Any]:
    return lambda out, **given: simulate(made, out, recipe="noise", workers=1, **what, **given)


KINDS: dict[str, Callable[[Manifest], Case]] = {
    "pack": lambda made: Case(_pack(made, 16), _pack(made, 12)),
    "export": lambda made: Case(
        _export(made, "transfer-all-partial-probe"), _export(made, "transfer-all-occluded-probe")
    ),
    "simulate": lambda made: Case(_simulate(made, seed=1), _simulate(made, seed=2)),
    "simulate, rows after pictures": lambda made: Case(_simulate(made, seed=1), _simulate(made, rows_only=True)),
    "simulate, pictures after rows": lambda made: Case(_simulate(made, rows_only=True), _simulate(made, seed=2)),
}


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest, made: Manifest) -> Case:
    """Return each of the commands that replace."""
    return KINDS[request.param](made)


def seen(out: Path) -> dict[str, bytes]:
    """Return every file of a result; what a run keeps for itself, in hidden places, is no part of it."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(out).parts)
    }


def broken(*arguments: Any, **options: Any) -> Any:
    raise OSError(errno.EIO, os.strerror(errno.EIO), "a file")


def refused(action: Callable[[], Any]) -> StorageError | None:
    """Return the refusal of an action, None where it succeeds."""
    try:
        action()
    except StorageError as error:
        return error
    return None


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_any_refusal_leaves_the_old_result_or_the_new_one(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Whichever rename or flush of a replacement fails, what is there is whole, and the message says which it is."""
    out = tmp_path / "out" / "result"
    case.new(tmp_path / "new")
    new, said = seen(tmp_path / "new"), set()
    for number in range(1, 100):
        remove(tmp_path / "out")
        case.old(out)
        old = seen(out)
        monkeypatch.setattr(os, call, failing_at(getattr(os, call), number, broken))
        error = refused(partial(case.new, out, replace=True))
        monkeypatch.undo()
        if error is None:
            break
        assert "input/output error" in error.what
        assert seen(out) == {THERE: old, NEW: new}[error.why], number
        said.add(error.why)
        assert case.new(out, replace=True).unchanged is (error.why == NEW)
        assert seen(out) == new
        assert [path.name for path in out.parent.iterdir()] == ["result"]
        assert not list(out.glob(".*.replaced"))
    assert number > 4
    assert said == ({THERE} if call == "replace" else {THERE, NEW})
    assert seen(out) == new


def test_a_disk_that_refuses_every_rename(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the old result cannot be put back either, the message says where it is, and the next run puts it back."""
    out, rename = tmp_path / "result", os.replace
    case.old(out)
    old = seen(out)
    aside: list[object] = []

    def dying(source: Any, target: Any) -> None:
        if aside:
            broken()
        rename(source, target)
        if str(target).endswith(".replaced"):
            aside.append(target)

    monkeypatch.setattr(os, "replace", dying)
    with pytest.raises(StorageError, match=ASIDE):
        case.new(out, replace=True)
    monkeypatch.undo()
    assert case.old(out).unchanged
    assert seen(out) == old


@pytest.mark.parametrize("then", ["the same command", "another one"])
def test_killed_at_any_rename(case: Case, tmp_path: Path, then: str) -> None:
    """Killed before any rename, the same command gives the new result, and the old command finds the old one there or
    is refused.
    """
    out, clean = tmp_path / "out" / "result", tmp_path / "new"
    case.new(clean)
    new, between = seen(clean), 0
    for number in range(1, 100):
        remove(tmp_path / "out")
        case.old(out)
        old = seen(out)

        def killed(number: int = number) -> None:
            os.replace = failing_at(os.replace, number, lambda: os._exit(9))
            case.new(out, replace=True)

        if in_child(killed) == 0:
            break
        between += seen(out) not in (old, new)
        if then == "the same command":
            case.new(out, replace=True)
            assert seen(out) == new, number
        else:
            assert case.old(out).unchanged, number
            assert seen(out) == old
        assert not list(out.parent.glob(".*.replaced"))
        assert not list(out.glob(".*.replaced"))
    assert number > 4
    assert between


def test_a_first_result_that_fails_leaves_none(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing there before, nothing is there after, and that is what the message says."""
    out, rename = tmp_path / "result", os.replace

    def last(source: Any, target: Any) -> None:
        if Path(target) in (out, out / "manifest.json"):
            broken()
        rename(source, target)

    monkeypatch.setattr(os, "replace", last)
    with pytest.raises(StorageError, match="Nothing was published"):
        case.new(out)
    monkeypatch.undo()
    assert not out.exists() or seen(out) == {}
    case.new(out)


def test_what_was_set_aside_goes_back_whoever_removed_the_rest(tmp_path: Path) -> None:
    """A killed swap whose new parts were removed by hand: the old parts go back, those not yet moved stay."""
    parts = ["a", "b", "c"]
    for gone in range(4):
        folder = tmp_path / str(gone)
        (folder / "new").mkdir(parents=True)
        moves: Any = [(folder / "new" / part, folder / part) for part in parts]
        for ready, place in moves:
            ready.write_text("new")
            place.write_text("old")
        for ready, place in reversed(moves[gone:]):
            os.replace(place, place.with_name(f".{place.name}.replaced"))
            ready.unlink()
        remove(folder / "new")
        put_back(moves)
        assert [place.read_text() for _, place in moves] == ["old"] * 3
        assert len(list(folder.iterdir())) == 3


def test_a_swap_of_nothing_is_nothing(tmp_path: Path) -> None:
    """With nothing ready and nothing set aside, both ways leave what is there."""
    moves: Any = [(tmp_path / "new" / part, tmp_path / part) for part in "ab"]
    (tmp_path / "a").write_text("mine")
    put_back(moves)
    swap_in(moves)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "mine")]


def faulty(path: Path, action: Callable[[], Any], reading: bool) -> None:
    with storage_errors(str(path), reading=reading):
        action()
        broken()


def test_a_message_says_what_is_there(tmp_path: Path) -> None:
    """Absent, untouched, replaced, added to, a folder, and a read that failed: each has a sentence of its own."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "old").write_text("old")

    def add() -> None:
        with (tmp_path / "old").open("a") as stream:
            stream.write("more")

    cases: list[tuple[str, Callable[[], Any], bool, str]] = [
        ("none", lambda: None, False, "Nothing was published."),
        ("old", lambda: None, False, THERE),
        ("old", lambda: write_atomic(tmp_path / "old", b"new"), False, NEW),
        ("old", add, False, "It was changed before this happened."),
        ("folder", lambda: None, False, "What was being written there is not complete."),
        ("old", (tmp_path / "old").unlink, False, ASIDE),
        ("none", lambda: None, True, "The system says: Input/output error."),
    ]  # fmt: skip
    for name, action, reading, sentence in cases:
        (tmp_path / "old").touch()
        error = refused(partial(faulty, tmp_path / name, action, reading))
        assert error is not None
        assert sentence in error.why
        assert ("published" in str(error)) == ("published" in sentence)


def test_two_writers_of_one_file(tmp_path: Path) -> None:
    """Two threads write one file 200 times each: it is always one of theirs, whole, and no part is left."""
    path = tmp_path / "file"
    texts = [bytes([letter]) * size for letter, size in ((65, 40_000), (66, 90_000))]
    write_atomic(path, texts[0])
    faults: list[object] = []

    def write(text: bytes) -> None:
        try:
            for _ in range(200):
                write_atomic(path, text)
        except OSError as error:
            faults.append(error)

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert path.read_bytes() in texts
    assert faults == []
    assert path.read_bytes() in texts
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_parts_of_killed_writers_are_removed(tmp_path: Path) -> None:
    """A part older than a day goes at the next write of its name; a younger one, and what is not ours, stays."""
    names = (".f.0a1b2c3d.part", ".f.4711.part", ".f.mine.part", ".g.0a1b2c3d.part", ".f.ffffffff.part", "f.part")
    for name in names:
        (tmp_path / name).write_text("half")
        os.utime(tmp_path / name, (time.time() - files.STALE - 60,) * 2)
    os.utime(tmp_path / ".f.ffffffff.part")
    write_atomic(tmp_path / "f", b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {"f", *names[2:]}
