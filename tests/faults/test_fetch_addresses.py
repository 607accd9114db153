"""The named cases of fetching that an address plays: schemes, passwords, certificates, plain http."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import server as play
from faultkit import is_an_answer
from fetchkit import ID, QUICK, Site, catalogued
from server import serving

from occluded_datasets.errors import FetchError


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("file:///etc/passwd", "'file'"),
        ("ftp://127.0.0.1/set.zip", "'ftp'"),
        ("http://me:secret@127.0.0.1/set.zip", "password"),
        ("http://127.0.0.1\\@evil/set.zip", "backslash"),
        ("http://[::1/set.zip", "well-formed"),
        ("http://127.0.0.1:99999/set.zip", "well-formed"),
    ],
    ids=["scheme_file", "scheme_ftp", "url_with_credentials", "backslash", "bracket", "port"],
)
def test_addresses(site: Site, url: str, says: str) -> None:
    """Only http and https, without a password, as the catalogue spells them; a password is not repeated."""
    with pytest.raises(FetchError) as caught:
        site.fetch(url)
    is_an_answer(caught.value, says)
    assert "secret" not in str(caught.value)
    site.heals()


def test_plain_http_only_with_a_pin(site: Site) -> None:
    """Plain http is for a file whose sha256 is known, or for a user who says so."""
    from occluded_datasets.acquire.fetch import fetch

    with catalogued(site.server.url(), **site.pins):
        if site.pinned:
            site.is_true(fetch(ID, site.root, accept_terms=True, policy=QUICK))
            return
        with pytest.raises(FetchError, match="plain http") as caught:
            fetch(ID, site.root, accept_terms=True, policy=QUICK)
    assert "--accept-unpinned" in caught.value.next_command
    assert site.server.asked == []
    site.heals()


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a certificate of 127.0.0.1 and its key."""
    pair = play.certificate(tmp_path_factory.mktemp("tls"))
    if pair is None:
        pytest.skip("openssl is not installed")
    return pair


def test_tls_bad_cert(site: Site, tls: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that nobody vouches for is refused; REQUESTS_CA_BUNDLE adds an authority."""
    with serving(site.truth, tls) as secure:
        with pytest.raises(FetchError, match="certificate") as caught:
            site.fetch(secure.url())
        assert "REQUESTS_CA_BUNDLE" in caught.value.next_command
        assert secure.asked == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls[0]))
        site.is_true(site.fetch(secure.url()))


def test_redirect_https_to_http(site: Site, tls: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """From https nothing leads down to http, not to a host that is allowed either."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls[0]))
    policy = replace(QUICK, hosts=frozenset({site.server.place}))
    with serving(site.truth, tls) as secure:
        secure.plays(play.redirects(site.server.url()))
        with pytest.raises(FetchError, match="down to plain http"):
            site.fetch(secure.url(), policy=policy)
        assert site.server.asked == []
        site.server.plays(play.redirects(secure.url()))
        secure.plays(play.good)
        up = replace(QUICK, hosts=frozenset({secure.place}))
        site.is_true(site.fetch(policy=up))
