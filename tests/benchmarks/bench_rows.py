"""What a manifest of a million rows costs: seconds to make a dataset, and the memory of each worker process.

    python tests/benchmarks/bench_rows.py [--rows N]

The rows are made: names, digests and paths as long as those of Market-1501, whose paths lead to 64 pictures, so that any
row can be read. Two workers deliver 200 shuffled batches of 64; then ``/proc/PID/smaps_rollup`` of each is read.
*Private* is what a worker has alone; PSS counts shared pages by the share of who maps them; RSS counts pages of the
parent as well, which a forked worker was born with. Each line is a process tree of its own; the line with 1,000 rows is
what PyTorch and the imports cost.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from occluded_datasets.images import encode
from occluded_datasets.manifest import Manifest

PICTURES, BATCHES, SIZE = 64, 200, (32, 16)


def many_rows(folder: Path, count: int) -> Manifest:
    """Return a manifest in memory of `count` rows whose paths lead to 64 small pictures in `folder`."""
    noise = np.random.default_rng(3)
    (folder / "raw" / "train").mkdir(parents=True, exist_ok=True)
    names = [f"raw/train/{number:06d}_c1s1_{number:06d}.jpg" for number in range(PICTURES)]
    files = [encode(noise.integers(0, 256, (*SIZE, 3), np.uint8), ".jpg") for _ in names]
    for name, data in zip(names, files, strict=True):
        (folder / name).write_bytes(data)
    digests = noise.bytes(32 * count).hex()
    rows, at = np.arange(count), np.arange(count) % PICTURES
    frame = pd.DataFrame(
        {
            "image_id": [f"many/train/{number // 20:06d}_c{number % 6 + 1}s1_{number:06d}" for number in range(count)],
            "root": "",
            "path": np.array(names, object)[at],
            "pid": rows // 20,
            "camid": pd.array(rows % 6 + 1, "Int64"),
            "camid_source": "filename",
            "body": "full",
            "split": "train",
            "role": "train",
            "sha256": np.array([hashlib.sha256(data).hexdigest() for data in files], object)[at],
            "pixel_sha256": [digests[start : start + 64] for start in range(0, 64 * count, 64)],
        }
    )
    header = {"dataset": "many", "variant": "full", "verdict": "different", "fingerprint": "", "identities": 1}
    return Manifest(frame, header, folder / "manifest.csv")


def memory(pid: int | str) -> dict[str, float]:
    """Return the RSS, PSS and private memory of a process, MB."""
    found: dict[str, float] = {}
    # The kernel counts in 1,024 bytes.
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split()[:2]
        found[name[:-1]] = int(value) / 1000 * 1.024
    return {"rss": found["Rss"], "pss": found["Pss"], "private": found["Private_Clean"] + found["Private_Dirty"]}


def measured(count: int, start: str, workers: int = 2) -> dict[str, float]:
    """Return what a dataset of `count` rows costs: seconds, and memory of the worker that has most, MB."""
    from occluded_datasets.torch import ReidDataset, loader

    with tempfile.TemporaryDirectory() as name:
        manifest = many_rows(Path(name), count)
        began = time.perf_counter()
        data = ReidDataset(manifest)
        made = time.perf_counter() - began
        batches: Any = loader(data, 64, workers=workers, multiprocessing_context=start)
        began = time.perf_counter()
        delivered = iter(batches)
        next(delivered)
        first = time.perf_counter() - began
        for _ in islice(delivered, min(BATCHES, len(batches) - 1)):
            pass
        found = [memory(worker.pid) for worker in batches._inner._iterator._workers]
        most = {key: max(one[key] for one in found) for key in found[0]}
        return {"made": made, "first": first, **most, "parent": memory("self")["rss"]}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(int(given.one[0]), given.one[1])))
        return
    from this_machine import machine

    print(machine(), end="")
    print("| rows | workers | dataset, s | first batch, s | private, MB | PSS, MB | RSS, MB | parent's RSS, MB |")
    print("|---|---|---|---|---|---|---|---|")
    for start in ("fork", "spawn"):
        for count in (1000, given.rows):
            done = subprocess.run(
                [sys.executable, __file__, "--one", str(count), start], capture_output=True, text=True, check=True
            )
            one = json.loads(done.stdout)
            numbers = " | ".join(f"{one[key]:,.0f}" for key in ("private", "pss", "rss", "parent"))
            print(f"| {count:,} | {start} | {one['made']:.1f} | {one['first']:.1f} | {numbers} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())  # type: ignore[func-returns-value]
