"""Time a training epoch's input from stores and from files against what others use, in one run.

    python tests/benchmarks/bench_loading.py [--quick] [--pictures N] [--folder DIR] [--only times|memory|where]

The pictures are drawn people, JPEGs of 256x128; batches of 64, shuffled. One epoch of each warms up; then sides take
turns, and the least of each is printed. An epoch of ours begins with `set_epoch`. What the peers are is in
`loading_peers.py`; one that is not installed is said so. The limit is a plain copy of the same bytes, by one core.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import json
import multiprocessing
import os
import pickle
import pstats
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import occluded_datasets as od
from occluded_datasets.hashing import pixel_digest
from occluded_datasets.images import decode, encode
from occluded_datasets.manifest import Manifest, image_refs, read_image
from occluded_datasets.store import Store, pack
from occluded_datasets.torch import PairedOcclusionDataset, ReidDataset, loader
from occluded_datasets.torch.normalizing import PATIENCE
from occluded_datasets.twin import twin

BATCH, SIZE, MAKERS = 64, (256, 128), (0, 1, 2)


class Set(NamedTuple):
    """The pictures, wherever they lie."""

    folder: Path
    manifest: Manifest

    def data(self, place: str) -> ReidDataset:
        """Return the dataset that reads from ``pixels``, ``encoded`` or ``files``."""
        store = None if place == "files" else Store.open(self.folder / place)
        return ReidDataset(self.manifest, split="all", store=store)


def people(folder: Path, count: int) -> Manifest:
    """Return a set of `count` different pictures of 256x128, in a tree that ImageFolder takes as well."""
    tree = Path(twin("partial-reid", folder / "twin", ids=20).tree)
    manifest = od.load(od.build("partial-reid", tree, folder / "data", allow_subset=True).manifest)
    frame = manifest.frame.iloc[np.arange(count) % len(manifest)].reset_index(drop=True)
    drawn = [np.ascontiguousarray(read_image(one, SIZE)) for one in image_refs(manifest)]
    facts: dict[str, list[Any]] = {"path": [], "sha256": [], "pixel_sha256": [], "bytes": []}
    for number, pid in enumerate(frame["pid"]):
        pixels = drawn[number % len(drawn)].copy()
        pixels[:16, :16] = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)
        data = encode(pixels, ".jpg")
        path = folder / "folder" / f"{pid:03d}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        found = path.relative_to(folder / "folder").as_posix(), hashlib.sha256(data).hexdigest()
        for name, value in zip(facts, (*found, pixel_digest(decode(data)), len(data)), strict=True):
            facts[name].append(value)
    frame["image_id"] = [f"{name}-{number}" for number, name in enumerate(frame["image_id"])]
    same = {"width": SIZE[1], "height": SIZE[0], "root": ""}
    return Manifest(frame.assign(**facts, **same), manifest.header, folder / "folder" / "manifest.csv")


def prepared(folder: Path, count: int) -> Set:
    """Return the set of `count` pictures in `folder`, made where it is not there."""
    kept = folder / "manifest.pickle"
    if not kept.exists():
        manifest = people(folder, count)
        pack(manifest, folder / "pixels")
        pack(manifest, folder / "encoded", encoded=True)
        kept.write_bytes(pickle.dumps((manifest.frame, manifest.header)))
    frame, header = pickle.loads(kept.read_bytes())
    return Set(folder, Manifest(frame, header, folder / "folder" / "manifest.csv"))


def ours(where: Set) -> dict[str, Callable[[int], Any]]:
    """Return our loaders by name; each is given the number of threads, in place of the peers' processes."""

    def plain(place: str, **more: Any) -> Callable[[int], Any]:
        return lambda threads: loader(where.data(place), BATCH, threads=threads, **more)

    def paired(views: tuple[str, ...], **more: Any) -> Callable[[int], Any]:
        def made(threads: int) -> Any:
            data = PairedOcclusionDataset(where.data("pixels"), "afpb", 7, views=views)
            return loader(data, BATCH, threads=threads, **more)

        return made

    both = ("clean", "occluded", "mask")
    return {
        "uint8: pixel store": plain("pixels"),
        "uint8: files": plain("files"),
        "uint8: encoded store": plain("encoded"),
        "float32: pixel store": plain("pixels", normalize=True),
        "occluded, uint8: pixel store": paired(("occluded",)),
        "occluded, uint8: clean, occluded and mask": paired(both),
        "occluded, float32: pixel store": paired(("occluded",), normalize=True),
        "occluded, float32: clean, occluded and mask": paired(both, normalize=True),
    }


def sides(where: Set) -> tuple[dict[str, Callable[[int], Any]], list[str]]:
    """Return every loader by name, and what is not installed."""
    from loading_peers import peers

    theirs, missing = peers(where.folder, where.data("files").tuples(), BATCH)
    return {**theirs, **ours(where)}, missing


def timed(batches: Any, epoch: int) -> float:
    """Return the seconds an epoch takes."""
    began = time.perf_counter()
    if hasattr(batches, "set_epoch"):
        batches.set_epoch(epoch)
    for _ in batches:
        pass
    return time.perf_counter() - began


def copied(where: Set) -> float:
    """Return the seconds that a copy of all pictures to one place takes, batch by batch."""
    whole = Store.open(where.folder / "pixels").images
    out = np.empty_like(whole[:BATCH])
    began = time.perf_counter()
    for start in range(0, len(whole), BATCH):
        part = whole[start : start + BATCH]
        np.copyto(out[: len(part)], part)
    return time.perf_counter() - began


def times(where: Set, turns: int) -> None:
    """Print pictures a second of every side, and the ratios that are goals."""
    made, missing = sides(where)
    rows = {(name, count): make(count) for name, make in made.items() for count in MAKERS}
    least: dict[Any, float] = {}
    for (name, _), one in rows.items():
        for epoch in range(PATIENCE // len(where.manifest) if name in ours(where) else 0):
            timed(one, epoch)  # until the compiled kernels are loaded
    for turn in range(turns + 1):
        runs: dict[Any, Callable[[], float]] = {"copy": lambda: copied(where)}
        runs |= {row: (lambda one=one, turn=turn: timed(one, turn)) for row, one in rows.items()}  # type: ignore[misc]
        for row, run in runs.items():
            seconds = run()
            if turn:
                least[row] = min(least.get(row, seconds), seconds)
    count = len(where.manifest)
    rate = {row: count / seconds for row, seconds in least.items()}
    print(f"{count:,} pictures of 256x128; a plain copy by one core: {rate['copy']:,.0f} pictures a second.\n")
    print("| pictures a second | 0 | 1 | 2 |\n|---|---|---|---|")
    for name in made:
        print(f"| {name} | " + " | ".join(f"{rate[name, one]:,.0f}" for one in MAKERS) + " |")
    _goals(rate, set(made))
    for name in missing:
        print(f"\nNot run: {name}.")


GOALS = (
    ("uint8: pixel store", "uint8: torchreid ImageDataset", 50.0),
    ("uint8: files", "uint8: torchreid ImageDataset", 2.4),
    ("float32: pixel store", "float32: torchreid, its transforms", 7.0),
    ("occluded, uint8: pixel store", "occluded, uint8: torchreid + CoarseDropout", 10.0),
    ("occluded, uint8: clean, occluded and mask", "occluded, uint8: torchreid + CoarseDropout", 10.0),
    ("occluded, float32: pixel store", "occluded, float32: torchreid + its RandomErasing", 10.0),
    ("occluded, float32: clean, occluded and mask", "occluded, float32: torchreid + its RandomErasing", 10.0),
    ("uint8: pixel store", "float32: torchreid, its transforms", 50.0),
)


def _goals(rate: dict[Any, float], made: set[str]) -> None:
    print("\n| ours | against | goal | 0 | 1 | 2 | ours at 2 against theirs at 0 |\n|---|---|---|---|---|---|---|")
    for name, other, goal in GOALS:
        if other in made:
            ratios = [rate[name, one] / rate[other, one] for one in MAKERS]
            cells = [f"{one:.1f}x" for one in (*ratios, rate[name, 2] / rate[other, 0])]
            print(f"| {name} | {other} | {goal:g}x | " + " | ".join(cells) + " |")


def memory(where: Set) -> None:
    """Print what a process of its own holds, its workers included, in the middle of an epoch."""
    print("| MiB of a process and its workers | 0: all / own | 2: all / own |\n|---|---|---|")
    for name in ("nothing but the imports", *sides(where)[0]):
        cells = []
        for count in (0, 2):
            command = [sys.executable, __file__, "--folder", str(where.folder), "--hold", json.dumps([name, count])]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            cells.append(done.stdout.strip() if done.returncode == 0 else done.stderr.strip().splitlines()[-1])
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def hold(where: Set, name: str, count: int) -> None:
    """Print the memory after a warm epoch and twelve batches."""
    made = sides(where)[0]
    if name in made:
        batches = made[name](count)
        timed(batches, 0)
        for number, _ in enumerate(batches):
            if number == 12:
                print(_pss())
                return
    print(_pss())


def _pss() -> str:
    """Return proportional set sizes, all of it and what is no file: pages of a file are the system's to take back."""
    whole = own = 0
    for process in (multiprocessing.process.current_process(), *multiprocessing.active_children()):
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()[1:]
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
        whole, own = whole + sizes["Pss"], own + sizes["Pss_Anon"] + sizes["Pss_Shmem"]
    return f"{whole >> 10:,} / {own >> 10:,}"


def ladder(where: Set, turns: int) -> Iterator[tuple[str, float]]:
    """Yield what an epoch from the pixel store is made of, and the seconds of each step, the steps before included."""
    data = where.data("pixels")
    store = data.store
    assert store is not None
    batches = loader(data, BATCH, threads=0)
    order = [np.array(one) for one in batches.sampler.batches()]
    out = np.empty((BATCH, *SIZE, 3), np.uint8)

    def fresh() -> None:
        for one in order:
            store.gather(one)

    def whole() -> None:
        for one in batches.sampler.batches():
            data.batch(one)

    def gathered() -> None:
        for one in order:
            store.gather(one, out[: len(one)])

    def least(run: Callable[[], Any]) -> float:
        found = []
        for _ in range(turns + 1):
            began = time.perf_counter()
            run()
            found.append(time.perf_counter() - began)
        return min(found[1:])

    yield "a plain copy, in order, to one place", least(lambda: copied(where))
    yield "gathered in shuffled order, to one place", least(gathered)
    yield "each batch in memory of its own", least(fresh)
    yield "with pid, label, camid, body, image_id and index, as tensors", least(whole)
    yield "through the loader", least(lambda: timed_same(batches))
    yield "with the epoch's keyed order (`set_epoch`)", min(timed(batches, epoch) for epoch in range(1, turns + 2))


def timed_same(batches: Any) -> None:
    """Load the epoch at hand again."""
    for _ in batches:
        pass


def where_it_goes(where: Set, turns: int) -> None:
    """Print the steps of the pixel store's epoch and profiles of the rest."""
    count = len(where.manifest)
    print("| uint8 from the pixel store, without threads | µs a picture |\n|---|---|")
    for name, seconds in ladder(where, turns):
        print(f"| {name} | {1e6 * seconds / count:.1f} |")
    print()
    for name, make in ours(where).items():
        batches = make(0)
        for epoch in range(1 + PATIENCE // count):
            timed(batches, epoch)
        profile = cProfile.Profile()
        profile.runcall(timed, batches, 9)
        print(f"- {name}: {_shares(profile)}")


def _shares(profile: cProfile.Profile) -> str:
    """Return the six functions that took longest by themselves."""
    stats: Any = pstats.Stats(profile)
    rows = sorted(((row[2], place[2]) for place, row in stats.stats.items()), reverse=True)
    return ", ".join(f"`{name.strip('<>{}')}` {own / stats.total_tt:.0%}" for own, name in rows[:6])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--pictures", type=int, default=6400)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", choices=("times", "memory", "where"))
    parser.add_argument("--hold", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    import torch  # optional, and this file is collected by the tests
    from this_machine import machine

    # On shared cores its threads wait for each other, ours and theirs, up to ten times as long.
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        where = prepared(given.folder or Path(name), 1280 if given.quick else given.pictures)
        if given.hold:
            hold(where, *given.hold)
            sys.stdout.flush()
            os._exit(0)  # with all peers loaded, an orderly end can take minutes on busy cores
        turns = 1 if given.quick else given.turns
        print(machine(), end="")
        parts = {"times": times, "where": where_it_goes, "memory": lambda where, _: memory(where)}
        for part, run in parts.items():
            if given.only in (None, part):
                run(where, turns)
                print()


if __name__ == "__main__":
    main()
