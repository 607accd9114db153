"""Play the named faults against this package and against other downloaders and unpackers, and write the page.

``make reliability`` runs it. Other tools are looked for in the interpreter that ``--peers`` names, which may be of an
environment of their own; one that is not installed there is skipped and counted as such. Nothing but 127.0.0.1 is
asked. It takes about ten minutes on two cores; disks of their own for two cases need the right to mount.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from reliable import cases, unpacking
from reliable.box import CALL, FAULTS, Box, Server, Verdict
from reliable.page import Row, page

TOOLS = ("ours", "pooch", "gdown", "torchvision", "ir_datasets", "huggingface_hub")
UNPACKERS = ("ours", "shutil", "pooch", "gdown", "torchvision")
UNPINNED = {"huggingface_hub"}  # takes no hash from its caller
OUT = Path(__file__).parents[2] / "docs" / "reliability.md"


class Work(NamedTuple):
    """A tool to be tried: its interpreter and version, and whether it is given a hash (None: it unpacks)."""

    tool: str
    python: str
    version: str
    pinned: bool | None


def works(peers: str) -> tuple[list[Work], list[str]]:
    """Return what can be tried and which tools are not installed."""
    names = [*dict.fromkeys([*TOOLS, *UNPACKERS])]
    done = subprocess.run([peers, CALL, "versions", *names], capture_output=True, text=True, check=True)
    versions = json.loads(done.stdout) | {"ours": _own_version()}
    here = {"ours": sys.executable}
    ready = [name for name in names if versions[name]]
    fetchers = [
        Work(name, here.get(name, peers), versions[name], pinned)
        for name in TOOLS if name in ready
        for pinned in (False, True) if not (pinned and name in UNPINNED)
    ]  # fmt: skip
    unpackers = [Work(name, here.get(name, peers), versions[name], None) for name in UNPACKERS if name in ready]
    return [*fetchers, *unpackers], [name for name in names if name not in ready]


def _own_version() -> str:
    from occluded_datasets import __version__

    return __version__


def fetched(work: Work, folder: Path, payload: Path, only: Iterable[str]) -> Row:
    """Play every case that suits a downloader."""
    place = folder / f"{work.tool}-{work.pinned}"
    (place / "tls").mkdir(parents=True)
    server = Server(place / "tls", payload)
    results: dict[str, Verdict] = {}
    try:
        for case in cases.CASES:
            if case.suits(work.tool, bool(work.pinned)) and (not only or case.name in only):
                box = Box(place / case.name, server, payload.read_bytes(), work.tool, work.python, bool(work.pinned))
                results[case.name] = cases.play(case, box)
                print(work.tool, "pinned" if work.pinned else "bare", case.name, *results[case.name], flush=True)
    finally:
        server.close()
    return Row(work.tool, work.version, work.pinned, results)


def unpacked(work: Work, folder: Path, archives: dict[str, bytes], only: Iterable[str]) -> Row:
    """Let an unpacker meet every archive."""
    results = {}
    for name, data in archives.items():
        if not only or name in only:
            results[name] = unpacking.play(name, data, work.tool, work.python, folder / f"un-{work.tool}" / name)
            print(work.tool, "unpack", name, *results[name], flush=True)
    return Row(work.tool, work.version, None, results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=sys.executable, help="the interpreter that has the other tools")
    parser.add_argument("--only", nargs="*", default=[], help="cases to play; all by default")
    parser.add_argument("--tools", nargs="*", default=[], help="tools to try; all by default")
    parser.add_argument("--out", type=Path, default=OUT, help="the page to write; nothing is written with --only")
    asked = parser.parse_args()
    ready, missing = works(asked.peers)
    ready = [work for work in ready if not asked.tools or work.tool in asked.tools]
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(2) as pool:
        folder = Path(name)
        sys.path.insert(0, str(FAULTS))
        import hostile

        payload = folder / "payload.zip"
        payload.write_bytes(hostile.zipped())
        archives = unpacking.archives(folder / "outside")
        runs = [
            pool.submit(unpacked, work, folder, archives, asked.only) if work.pinned is None
            else pool.submit(fetched, work, folder, payload, asked.only)
            for work in ready
        ]  # fmt: skip
        rows = [run.result() for run in runs]
    text = page(rows, missing)
    print(text)
    if not asked.only and not asked.tools:
        asked.out.write_text(text, "utf-8", newline="\n")


if __name__ == "__main__":
    main()
