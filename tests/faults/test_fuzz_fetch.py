"""Downloads nobody thought of: any bytes, in any pieces, framed in any way, with any headers beside them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import hostile
import numpy as np
import pytest
from fetchkit import QUICK, Site
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from occluded_datasets.errors import OccludedDatasetsError
from occluded_datasets.images import encode

if TYPE_CHECKING:
    import server as play
    from server import Server

HASTY = replace(QUICK, read_s=0.5, total_s=1, attempts=2)


@cache
def small() -> bytes:
    """Return a small right file."""
    return hostile.zipped(files={f"T/{n}.jpg": encode(np.full((8, 8, 3), n, np.uint8), ".jpg") for n in range(3)})


def bodies() -> st.SearchStrategy[bytes]:
    """Return bodies: the right file, a part of it, it with something before, behind or inside, or anything."""
    data = small()
    place = st.integers(0, len(data))
    return st.one_of(
        st.just(data), st.binary(max_size=200), place.map(lambda end: data[:end]),
        st.tuples(place, st.binary(min_size=1, max_size=20)).map(lambda cut: data[: cut[0]] + cut[1] + data[cut[0] :]),
        st.tuples(place, st.binary(min_size=1, max_size=20)).map(
            lambda cut: data[: cut[0]] + cut[1] + data[cut[0] + len(cut[1]) :]
        ),
    )  # fmt: skip


PIECES = st.lists(st.integers(1, 400), min_size=1, max_size=6)
FRAMES = st.sampled_from(["length", "chunked", "cut chunked", "close", "short length", "long length"])
BESIDE = st.dictionaries(
    st.sampled_from(["ETag", "Last-Modified", "Content-Range", "Content-Type", "Content-Disposition", "Content-Encoding"]),
    st.sampled_from(['"v1"', 'W/"v1"', "bytes 0-4/5", "text/html", "identity", "gzip", 'attachment; filename="../x"']),
    max_size=3,
)  # fmt: skip


def sends(body: bytes, pieces: list[int], frame: str, beside: dict[str, str]) -> play.Act:
    """Return an act that sends `body` in pieces of these sizes, over and over."""

    def act(h: play.Handler) -> None:
        length = {"length": 0, "short length": -1, "long length": 1}
        head = ["HTTP/1.1 200 OK", *(f"{name}: {value}" for name, value in beside.items())]
        if frame in length:
            head.append(f"Content-Length: {max(0, len(body) + length[frame])}")
        if "chunked" in frame:
            head.append("Transfer-Encoding: chunked")
        h.body("\r\n".join([*head, "", ""]).encode())
        at, turn = 0, 0
        while at < len(body):
            piece = body[at : at + pieces[turn % len(pieces)]]
            h.body(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" if "chunked" in frame else piece)
            at, turn = at + len(piece), turn + 1
        if frame == "chunked":
            h.body(b"0\r\n\r\n")

    return act


@pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "bare"])
def test_any_bytes_in_any_pieces(tmp_path: Path, server: Server, pinned: bool) -> None:
    """What is published is the right file where a hash is known, else all that was sent and whole; or nothing is."""
    server.payload = small()
    site = Site(tmp_path, server, pinned)

    @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
    @given(bodies(), PIECES, FRAMES, BESIDE)
    @example(small(), [1], "chunked", {})
    @example(small() + small(), [400], "chunked", {})
    @example(small() + b"<html>", [400], "length", {})
    def run(body: bytes, pieces: list[int], frame: str, beside: dict[str, str]) -> None:
        for path in site.target.parent.glob("*"):
            path.unlink()
        server.plays(sends(body, pieces, frame, beside))
        try:
            result = site.fetch(policy=HASTY)
        except OccludedDatasetsError:
            assert not site.target.exists()
            site.heals()
            return
        assert site.target.read_bytes() == (small() if pinned else body)
        assert frame in ("length", "chunked") or (pinned and body == small())
        assert result.bytes == len(body)

    run()
