"""The named cases of fetching that a misbehaving server plays: a typed error or the right file, never a wrong one."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import hostile
import pytest
import server as play
from fetchkit import IMPATIENT, QUICK, Site
from server import Act, Server

from occluded_datasets.acquire.fetch import fetch
from occluded_datasets.errors import UnavailableError

PAGE = b"<!DOCTYPE html><html><title>%s</title><body>" + b"x" * 4096
FAULTS: dict[str, tuple[Act, str]] = {
    "truncated_length": (play.half_length, "given up"),
    "truncated_chunked": (play.half_chunked, "given up"),
    "truncated_close_delimited": (play.half_to_close, ""),
    "status_404": (play.whole(b"no", 404), "404"),
    "status_403_login": (play.whole(PAGE % b"Log in", 403), "log-in"),
    "status_503_always": (play.whole(b"busy", 503), "503"),
    "retry_after_too_long": (play.whole(b"busy", 429, Retry_After=86400), "86,400"),
    "html_quota_page": (play.whole(PAGE % b"Quota exceeded", Content_Type="application/zip"), "web page"),
    "html_confirm_page": (play.whole(b"\n " + PAGE % b"Can't scan for viruses"), "web page"),
    "lfs_pointer": (play.whole(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"), "LFS"),
    "json_error_body": (play.whole(b'{"error": "quota"}'), "JSON"),
    "empty_body": (play.whole(b""), "empty"),
    "bitflip": (play.flipped, ""),
    "wrong_magic": (play.whole(b"Rar!\x1a\x07\x01\x00" + b"x" * 4096), "rar"),
    "twice_the_file": (play.twice, ""),
    "bytes_appended": (play.appended, ""),
    "content_encoding_gzip": (play.gzipped, "gzip"),
    "stall_mid_body": (play.stalls, "no byte for"),
    "retry_livelock": (play.livelock, "given up"),
    "range_nobody_asked_for": (play.whole(b"x", 206, Content_Range="bytes 0-0/1"), "206"),
    "not_http": (lambda h: h.body(b"\0\1\2 nonsense\r\n\r\n"), "given up"),
    "redirect_to_file": (play.redirects("file:///etc/passwd"), "'file'"),
    "redirect_to_nothing": (play.whole(b"", 302), ""),
    "redirect_elsewhere": (play.redirects("http://localhost:1/set.zip"), "host"),
    "redirect_with_credentials": (play.redirects("http://me:secret@127.0.0.1/set.zip"), "password"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_fault(site: Site, case: str) -> None:
    """A server that always fails so gets nothing published; once it is right the same call succeeds."""
    act, says = FAULTS[case]
    site.server.plays(act)
    site.holds(says=says, policy=IMPATIENT if "stall" in case else QUICK)


def test_redirect_loop(site: Site) -> None:
    """At most five redirects are followed."""
    site.server.plays(play.redirects("/set.zip"))
    site.holds(says="5 redirects")
    site.target.unlink()
    site.server.plays(*[play.redirects("/next")] * 5, play.good)
    result = site.fetch()
    site.is_true(result)
    assert result.hops == (site.server.url(), *[site.server.url("/next")] * 5)


def test_redirect_with_an_endless_body(site: Site) -> None:
    """What stands beside a redirect is not read."""

    def act(h: play.Handler) -> None:
        h.head(302, Location="/next")
        h.body(bytes(1 << 27))

    site.server.plays(act, play.good)
    site.is_true(site.fetch())
    assert site.server.sent < len(site.truth) + (1 << 24)


@pytest.mark.parametrize("act", [play.drips, play.drips_headers], ids=["body", "headers"])
def test_slow_drip(site: Site, act: Act) -> None:
    """A byte now and then keeps no connection alive beyond the budget."""
    site.server.plays(act)
    began = time.monotonic()
    site.holds(says="given up", policy=replace(QUICK, total_s=0.8))
    assert time.monotonic() - began < 6


def test_larger_than_declared(site: Site) -> None:
    """Nothing is read beyond the size that the catalogue knows."""
    site.server.plays(play.too_much)
    pins = {**site.pins, "bytes": len(site.truth)}
    site.holds(says="goes on after", pins=pins)
    site.target.unlink()
    site.server.plays(play.whole(b"x" * (len(site.truth) + 1)))
    site.target.with_name("set.zip.first-seen.json").unlink(missing_ok=True)
    site.holds(says="offers", pins=pins)


HEALED: dict[str, tuple[Act, ...]] = {
    "status_503_once": (play.whole(b"busy", 503), play.good),
    "status_429_retry_after": (play.whole(b"busy", 429, Retry_After=1), play.good),
    "resume_ok": (lambda h: play.sends(h.server.payload, cut=1 << 20)(h), play.good),
    "range_ignored_200": (play.ranges_ignored,),
    "range_wrong_offset": (play.wrong_offset, play.wrong_offset, play.good),
    "range_of_another_file": (lambda h: play.sends(h.server.payload, cut=1 << 20)(h), play.another_206, play.good),
    "changed_between_attempts": (play.sends(b"PK\x03\x04" + bytes(1 << 22), cut=1 << 20, ETag='"v0"'), play.good),
    "weak_etag_only": (
        lambda h: play.sends(h.server.payload, cut=1 << 20, ETag='W/"v1"')(h),
        lambda h: play.sends(h.server.payload, ETag='W/"v1"')(h),
    ),
    "last_modified": (
        lambda h: play.sends(h.server.payload, cut=1 << 20, Last_Modified="Mon, 01 Jan 2024 00:00:00 GMT")(h),
        lambda h: play.sends(h.server.payload, Last_Modified="Mon, 01 Jan 2024 00:00:00 GMT")(h),
    ),
    "chunked_whole": (play.whole_chunked,),
    "content_disposition_traversal": (
        lambda h: play.whole(h.server.payload, Content_Disposition='attachment; filename="../../../evil.zip"')(h),
    ),
}
RESUMED = {"resume_ok", "last_modified"}
RESTARTED = {"range_ignored_200", "range_wrong_offset", "range_of_another_file", "changed_between_attempts"}


@pytest.mark.parametrize("case", HEALED)
def test_healed_within_one_call(site: Site, case: str) -> None:
    """What another attempt can mend is mended, with the right bytes; what is thrown away is said."""
    site.server.plays(*HEALED[case])
    began = time.monotonic()
    result = site.fetch()
    site.is_true(result)
    assert time.monotonic() - began < 5
    assert (case in RESUMED) == (site.server.sent < len(site.truth) + (1 << 19) and len(site.server.asked) > 1
                                 and "status" not in case)  # fmt: skip
    assert (case in RESTARTED) == any("begun again" in note for note in result.notes)
    assert not list(site.path.rglob("evil*"))
    if case == "status_429_retry_after":
        assert time.monotonic() - began > 0.9


def test_weak_etag_is_no_ground_to_resume(site: Site) -> None:
    """A weak ETag says that two files are alike, not that their bytes are."""
    site.server.plays(*HEALED["weak_etag_only"])
    site.fetch()
    assert [("Range" in headers) for _, headers in site.server.asked] == [False, False]


def test_resumed_by_the_next_run(site: Site) -> None:
    """What a run that gave up left is gone on with by the next."""
    site.server.plays(play.stalls)
    site.holds(says="no byte for", policy=IMPATIENT)
    assert site.server.sent < len(site.truth)
    assert site.server.asked[0][1]["If-Range"] == '"v1"'


def test_changed_between_runs(tmp_path: Path, server: Server) -> None:
    """Where no hash is published the first file seen is the only one that is taken later."""
    site = Site(tmp_path, server, pinned=False)
    first = site.fetch()
    assert first.pin == "first-seen"
    assert any("no hash" in note for note in first.notes)
    site.target.unlink()
    other = hostile.zipped(("Tiny/more.txt", b"x"))
    server.plays(play.sends(other, ETag='"v2"'))
    for _ in range(2):
        with pytest.raises(Exception, match="first seen") as caught:
            site.fetch()
        assert first.sha256 in str(caught.value)
        assert not site.target.exists()
    site.heals()


def test_mirror_falls_back(site: Site) -> None:
    """The next address is tried when one fails, whatever the failure; when all fail each is named."""
    for act in (play.whole(b"no", 404), play.flipped, play.whole(PAGE % b"Quota")):
        site.server.plays(act, play.good)
        site.is_true(site.fetch(site.server.url("/a"), site.server.url("/b")))
        assert [path for path, _ in site.server.asked] == ["/a", "/b"]
        site.target.unlink()
        site.target.with_name("set.zip.first-seen.json").unlink(missing_ok=True)
    site.server.plays(play.whole(b"no", 404))
    site.holds(site.server.url("/a"), site.server.url("/b"), says="/a")


def test_no_credentials_leave(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """No password of ~/.netrc, no cookie and no compression is in a request."""
    (site.path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("HOME", str(site.path))
    monkeypatch.setenv("NETRC", str(site.path / ".netrc"))
    site.server.plays(play.whole(b"moved", 302, Location="/b", Set_Cookie="a=b"), play.good)
    site.fetch()
    for _, headers in site.server.asked:
        assert "Authorization" not in headers
        assert headers["Accept-Encoding"] == "identity"


def test_never_a_third_partys_mirror(tmp_path: Path) -> None:
    """A withdrawn set and one by form exit 1, say what remains possible, and open no connection."""
    for dataset, word in (("dukemtmc-reid", "2019"), ("market-1501", "Write to"), ("occluded-dukemtmc", "2019")):
        with pytest.raises(UnavailableError, match=word) as caught:
            fetch(dataset, tmp_path, accept_terms=True, accept_withdrawn_parent=True)
        assert caught.value.exit_code == 1
        way = "--from-parent PATH" if dataset == "occluded-dukemtmc" else "--from PATH"
        assert way in caught.value.next_command
