"""Each guard of a fetch switched off once makes a case fail; and whatever a server sends, nothing wrong is published."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import hostile
import pytest
import server as play
from fetchkit import ID, NAME, QUICK, Site, catalogued
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server import Server, serving

from occluded_datasets.acquire import addresses, download, transfer
from occluded_datasets.acquire import pins as judge
from occluded_datasets.errors import FetchError, OccludedDatasetsError

Case = Callable[[Site], object]
Off = Callable[[pytest.MonkeyPatch], object]


def meets(act: play.Act, says: str) -> Case:
    """Return the case of a server that always plays `act`."""

    def case(site: Site) -> None:
        site.server.plays(act)
        site.holds(says=says)

    return case


def healed(*acts: play.Act) -> Case:
    """Return the case of a server that is right in the end."""

    def case(site: Site) -> None:
        site.server.plays(*acts)
        site.is_true(site.fetch())
        assert len(site.server.asked) == len(acts)

    return case


def another_host(site: Site) -> None:
    with serving(site.truth) as other:
        site.server.plays(play.redirects(other.url()))
        with pytest.raises(FetchError, match="host"):
            site.fetch()


def short_drip(site: Site) -> None:
    def act(h: play.Handler) -> None:
        h.head(200, Content_Length=len(site.truth))
        h.body(bytes(60), pause=0.05, step=1)

    site.server.plays(act)
    began = time.monotonic()
    with pytest.raises(FetchError):
        site.fetch(policy=replace(QUICK, total_s=0.5, attempts=1))
    assert time.monotonic() - began < 2


def other_file_later(site: Site) -> None:
    site.fetch()
    site.target.unlink()
    site.server.plays(play.sends(hostile.zipped(("Tiny/more.txt", b"x")), ETag='"v2"'))
    with pytest.raises(FetchError, match="first seen"):
        site.fetch()


def no_room(site: Site) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(download, "RESERVE", 1 << 60)
        with pytest.raises(OccludedDatasetsError, match="room"):
            site.fetch()


def password_at_home(site: Site) -> None:
    (site.path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETRC", str(site.path / ".netrc"))
        site.fetch()
    assert "Authorization" not in site.server.asked[0][1]


def plain_http(site: Site) -> None:
    from occluded_datasets.acquire.fetch import fetch

    with catalogued(site.server.url()), pytest.raises(FetchError, match="plain http"):
        fetch(ID, site.root, accept_terms=True, policy=QUICK)


def without_terms(site: Site) -> None:
    from occluded_datasets.acquire.fetch import fetch

    with catalogued(site.server.url()), pytest.raises(OccludedDatasetsError, match="agreement"):
        fetch(ID, site.root, accept_unpinned=True, policy=QUICK)


def setting(place: Any, name: str, value: Any) -> Off:
    """Return what replaces one guard."""
    return lambda patch: patch.setattr(place, name, value)


def nothing(*_: Any, **__: Any) -> None:
    """Do nothing, where a guard would raise."""


def empty(*_: Any, **__: Any) -> list[str]:
    return []


def cut_first(h: play.Handler) -> None:
    play.sends(h.server.payload, cut=1 << 20)(h)


def cut_weak(h: play.Handler) -> None:
    play.sends(h.server.payload, cut=1 << 20, ETag='W/"v1"')(h)


def changed_weak(h: play.Handler) -> None:
    play.sends(bytes(len(h.server.payload)) if "Range" in h.headers else h.server.payload, ETag='W/"v1"')(h)


def any_tag(response: Any) -> str:
    return str(response.headers.get("ETag", ""))


PLAIN = classmethod(lambda cls, url, plain, hosts: cls(frozenset({url.split("/")[2]}), True))
FETCH = "occluded_datasets.acquire.fetch"
GUARDS: dict[str, tuple[bool, Case, Off]] = {
    "address": (True, another_host, setting(addresses, "_fault", lambda *_: "")),
    "plain_http": (False, plain_http, setting(addresses.Rules, "of", PLAIN)),
    "netrc": (True, password_at_home, setting(transfer, "_no_credentials", None)),
    "watch": (True, short_drip, setting(transfer._Watch, "_cut", nothing)),
    "encoding": (True, meets(play.gzipped, "gzip"), setting(download.Download, "_require_plain", nothing)),
    "range": (True, healed(cut_first, play.another_206, play.good), setting(download, "_continues", lambda *_: True)),
    "weak_tag": (True, healed(cut_weak, changed_weak), setting(download, "_validator", any_tag)),
    "room": (True, no_room, setting(download.Download, "_require_room", nothing)),
    "kind": (True, meets(play.whole(b"<html>quota"), "web page"), setting(judge, "_require_kind", nothing)),
    "pins": (True, meets(play.flipped, "sha256"), setting(judge, "_require_pins", empty)),
    "checksums": (False, meets(play.flipped, "damaged"), setting(judge, "_read_to_the_end", empty)),
    "exact_zip": (False, meets(play.twice, "before its first"), setting(judge, "require_exact", nothing)),
    "first_seen": (False, other_file_later, setting(judge, "read_seen", nothing)),
    "agreement": (False, without_terms, lambda patch: patch.setattr(f"{FETCH}.require_agreement", nothing)),
}


@pytest.mark.guards
@pytest.mark.parametrize("guard", GUARDS)
def test_guard(tmp_path: Path, server: Server, guard: str) -> None:
    """The case passes with the guard and fails without it."""
    pinned, case, off = GUARDS[guard]
    for name in ("with", "without"):
        (tmp_path / name / "outside").mkdir(parents=True)
    case(Site(tmp_path / "with", server, pinned))
    server.plays(play.good)
    with pytest.MonkeyPatch.context() as patch:
        off(patch)
        with pytest.raises((AssertionError, pytest.fail.Exception, OccludedDatasetsError)):
            case(Site(tmp_path / "without", server, pinned))


HEADERS = st.dictionaries(
    st.sampled_from(["Content-Length", "Content-Range", "ETag", "Last-Modified", "Location", "Retry-After",
                     "Transfer-Encoding", "Content-Encoding", "X-Any"]),
    st.one_of(st.sampled_from(["0", "5", "-1", "chunked", "gzip", "bytes 0-4/5", '"v1"', "/set.zip", "//", "http:"]),
              st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12)),
    max_size=4,
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    status=st.sampled_from([100, 200, 204, 206, 302, 304, 416, 429, 500, 999]), headers=HEADERS,
    body=st.binary(max_size=64), step=st.integers(1, 64),
)  # fmt: skip
def test_whatever_a_server_sends(
    tmp_path: Path, server: Server, status: int, headers: dict[str, str], body: bytes, step: int
) -> None:
    """Any status, headers and bytes, in any pieces: one typed error, nothing published, and the next call is right."""

    def act(h: play.Handler) -> None:
        lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        h.body("\r\n".join(lines).encode("latin-1") + body, step=step)

    site = Site(tmp_path, server, pinned=True)
    server.plays(act)
    with pytest.raises(OccludedDatasetsError):
        site.fetch(policy=replace(QUICK, read_s=0.5, total_s=1, attempts=2))
    assert not site.target.exists()
    site.heals()
    site.target.unlink()
    assert site.target.name == NAME
