"""More guards switched off one at a time: of addresses, budgets and lengths; of the name rule; of readers."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import server as play
from fetchkit import ID, QUICK, Site, catalogued
from hostile import bomb, zipped
from server import Server, serving
from test_fetch_guards import Case, Off, meets, nothing, setting
from test_guards import UNPACK, outcome

from occluded_datasets import paths
from occluded_datasets.acquire import addresses, download, transfer
from occluded_datasets.errors import (
    ArchiveError,
    FeatureError,
    FetchError,
    OccludedDatasetsError,
    StorageError,
    UnavailableError,
    UnsafeNameError,
)
from occluded_datasets.evaluation import feature_file as featurefile

if TYPE_CHECKING:
    from faultkit import Sandbox

pytestmark = pytest.mark.guards
FETCH = "occluded_datasets.acquire.fetch"


def without_fault(word: str) -> Off:
    """Return what silences one rule of addresses: the one that says `word`."""
    real = addresses._fault

    def silent(*args: Any) -> str:
        fault = real(*args)
        return "" if word in fault else fault

    return setting(addresses, "_fault", silent)


def pour_anything(self: Any, response: Any, start: int, total: int | None) -> None:
    """Write the body without a look at how long it is."""
    del total
    response.raw.enforce_content_length = False
    with self.part.path.open("ab" if start else "wb") as stream:
        while chunk := response.raw.read(1 << 16):
            stream.write(chunk)


def downgraded(site: Site) -> None:
    pair = play.certificate(site.path)
    if pair is None:
        pytest.skip("openssl is not installed")
    with pytest.MonkeyPatch.context() as patch, serving(site.truth, pair) as secure:
        patch.setenv("REQUESTS_CA_BUNDLE", str(pair[0]))
        secure.plays(play.redirects(site.server.url()))
        with pytest.raises(FetchError, match="down to plain http"):
            site.fetch(secure.url(), policy=replace(QUICK, hosts=frozenset({site.server.place})))


def endless_loop(site: Site) -> None:
    site.server.plays(play.redirects("/set.zip"))
    with pytest.raises(FetchError, match="5 redirects"):
        site.fetch(policy=replace(QUICK, total_s=1))


def endless_redirect(site: Site) -> None:
    def act(h: play.Handler) -> None:
        h.head(302, Location="/next", Content_Length=1 << 26)
        h.body(bytes(1 << 26))

    site.server.plays(act, play.good)
    site.fetch()
    assert site.server.sent < len(site.truth) + (1 << 24)


def always_almost(site: Site) -> None:
    """Each attempt brings all but the last byte, and none of it can be gone on with."""
    site.server.plays(play.whole(site.truth[:-1], Content_Length=len(site.truth)))
    with pytest.raises(FetchError):
        site.fetch(policy=replace(QUICK, attempts=9, pause_s=0), pins={**site.pins, "bytes": len(site.truth)})
    assert site.server.sent <= 4 * len(site.truth)


def always_busy(site: Site) -> None:
    site.server.plays(play.whole(b"busy", 503))
    began = time.monotonic()
    with pytest.raises(FetchError):
        site.fetch(policy=replace(QUICK, attempts=40, pause_s=0.05, longest_pause_s=0.05, total_s=0.4))
    assert time.monotonic() - began < 1.2


def other_address(site: Site) -> None:
    """What one address began is not gone on with at another, whatever its tag says."""
    half = play.sends(site.truth, cut=1 << 20)
    site.server.plays(half, half, half, play.good)
    site.fetch(site.server.url("/a"), site.server.url("/b"), policy=replace(QUICK, attempts=3))
    ranged = [(path, "Range" in headers) for path, headers in site.server.asked]
    assert ranged[-1] == ("/b", False)


def leaving_name(site: Site) -> None:
    from occluded_datasets.acquire.fetch import fetch

    name = "../../../outside/evil.zip"
    with catalogued(site.server.url(), name=name, **site.pins), pytest.raises(UnsafeNameError):
        fetch(ID, site.root, accept_terms=True, policy=QUICK)
    assert [path.name for path in (site.path / "outside").iterdir()] == ["victim.txt"]


def withdrawn(site: Site) -> None:
    from occluded_datasets.acquire.fetch import fetch

    with catalogued(site.server.url(), status="withdrawn", **site.pins), pytest.raises(UnavailableError):
        fetch(ID, site.root, accept_terms=True, accept_withdrawn_parent=True, policy=QUICK)
    assert site.server.asked == []


def impatient_server(site: Site) -> None:
    site.server.plays(play.whole(b"busy", 429, Retry_After=86400))
    with pytest.raises(FetchError, match="86,400"):
        site.fetch(policy=replace(QUICK, pause_s=0, attempts=2))


def spoilt_on_disk(site: Site) -> None:
    site.heals()
    site.target.write_bytes(b"PK\3\4" + site.truth[5:] + b"\0")
    assert site.fetch().how == "downloaded"


def believed(self: Any) -> Any:
    """Take a file that is there for the right one."""
    from occluded_datasets.acquire.pins import CheckedFile

    return self._answer(CheckedFile(0, "", "", "pinned"), "already there", "", []) if self.target.is_file() else None


def own_part(self: Any, url: str) -> tuple[int, Any]:
    found = download.Sidecar.read(self.sidecar)
    return (self.path.stat().st_size, replace(found, url=url)) if found else (0, None)


GUARDS: dict[str, tuple[Case, Off]] = {
    "downgrade": (downgraded, without_fault("down to plain http")),
    "scheme": (meets(play.redirects("file:///etc/passwd"), "'file'"), without_fault("scheme")),
    "credentials": (
        meets(play.redirects("http://me:secret@127.0.0.1/x"), "user name"), without_fault("user name")),
    "redirects": (endless_loop, lambda patch: patch.setattr(transfer, "len", lambda hops: 0, raising=False)),
    "redirect_body": (endless_redirect, setting(transfer, "_session_class", lambda: __import__("requests").Session)),
    "length": (meets(play.half_length, "given up"), setting(download.Download, "_pour", pour_anything)),
    "size": (meets(play.too_much, "goes on after"), setting(download.Download, "_pour", pour_anything)),
    "budget_bytes": (always_almost, setting(transfer.Budget, "spend", nothing)),
    "budget_time": (always_busy, setting(transfer.Budget, "seconds", lambda self: 9.0)),
    "sidecar_address": (other_address, setting(download.PartialFile, "state", own_part)),
    "target_name": (leaving_name, lambda patch: patch.setattr(f"{FETCH}.contained", lambda root, name: root / name)),
    "withdrawn": (withdrawn, lambda patch: patch.setattr(f"{FETCH}._require_available", nothing)),
    "retry_after": (impatient_server, setting(transfer, "_retry_after", nothing)),
    "what_lies_there": (spoilt_on_disk, lambda patch: patch.setattr(f"{FETCH}._Fetch.there", believed)),
}  # fmt: skip
SIZED = {"size"}  # cases where the catalogue knows how long the file is


@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_of_fetching(tmp_path: Path, server: Server, guard: str) -> None:
    """The case passes with the guard and fails without it."""
    case, off = GUARDS[guard]

    def site(name: str) -> Site:
        (tmp_path / name / "outside").mkdir(parents=True)
        (tmp_path / name / "outside" / "victim.txt").write_text("as it was")
        made = Site(tmp_path / name, server, True)
        if guard in SIZED:
            sized = {**made.pins, "bytes": len(made.truth)}
            made.fetch = lambda *urls, pins=None, **options: Site.fetch(made, *urls, pins=sized, **options)  # type: ignore[method-assign]
        return made

    case(site("with"))
    server.plays(play.good)
    with pytest.MonkeyPatch.context() as patch:
        off(patch)
        with pytest.raises((AssertionError, pytest.fail.Exception, OccludedDatasetsError)):
            case(site("without"))


NEVER = re.compile(r"(?!)")
RULES: dict[str, tuple[str, Any, str]] = {
    "characters": ("_FORBIDDEN", NEVER, "a\\b"),
    "device": ("_DEVICE", NEVER, "con.txt"),
    "segment_bytes": ("MAX_SEGMENT_BYTES", 1 << 20, "n" * 256),
    "name_bytes": ("MAX_NAME_BYTES", 1 << 20, "/".join(["n" * 200] * 6)),
    "depth": ("MAX_DEPTH", 99, "x/" * 20 + "x"),
    "dots": ("_segment_fault", lambda segment: "", "a/../../b"),
    "trailing_dot": ("_segment_fault", lambda segment: "", "a./b"),
    "all": ("_fault", lambda name: "", "/etc/passwd"),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_of_names(rule: str) -> None:
    """Each clause of the name rule refuses what passes without it."""
    place, off, name = RULES[rule]
    with pytest.raises(UnsafeNameError):
        paths.safe_name(name)
    forget = paths._segment_fault.cache_clear
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(paths, place, off)
            forget()
            assert paths.safe_name(name) == name
    finally:
        forget()
    with pytest.raises(UnsafeNameError):
        paths.safe_name(name)


def no_pickle(site: Path) -> None:
    """An array of objects would run code: the file is refused."""

    class Runs:
        def __reduce__(self) -> Any:
            return (Path.touch, (site / "ran",))

    stream = io.BytesIO()
    np.savez(stream, image_id=np.array([Runs()], object), features=np.zeros((1, 2)))
    (site / "f.npz").write_bytes(stream.getvalue())
    with pytest.raises(FeatureError):
        featurefile.read_any(site / "f.npz")
    assert not (site / "ran").exists()


def test_the_pickle_guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If NumPy were let, a feature file would run what it likes."""
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    no_pickle(tmp_path / "with")
    real = np.load
    monkeypatch.setattr(np, "load", lambda place, **_: real(place, allow_pickle=True))
    with pytest.raises((AssertionError, pytest.fail.Exception, AttributeError, TypeError)):
        no_pickle(tmp_path / "without")
    assert (tmp_path / "without" / "ran").exists()


Archive = tuple[Callable[[], bytes], type[OccludedDatasetsError], str, Any]
ARCHIVES: dict[str, Archive] = {
    "room": (zipped, StorageError, "_require_room", nothing),
    "nested_twice": (
        lambda: zipped(("in.zip", zipped(("in.zip", zipped(files={})), files={}))), ArchiveError, "_unpack_nested", nothing),
    "nested_bomb": (lambda: zipped(("in.zip", bomb()), files={}), ArchiveError, "_unpack_nested", nothing),
}  # fmt: skip


@pytest.mark.parametrize("case", ARCHIVES)
def test_a_guard_of_unpacking(box: Sandbox, case: str) -> None:
    """With the guard its error comes; without it another outcome does."""
    make, error, name, off = ARCHIVES[case]
    box.raw.write_bytes(make())
    with pytest.MonkeyPatch.context() as patch:
        if case == "room":
            patch.setattr(UNPACK, "RESERVE", 1 << 60)
        expected = outcome(box)
        assert expected is not None
        assert issubclass(expected, error)
        patch.setattr(UNPACK, name, off)
        assert outcome(box) is not expected
