"""Time a training epoch's input from a store and from files against torchvision's ImageFolder, in one run.

    python tests/benchmarks/bench_loading.py [--quick] [--pictures N]

The pictures are drawn people, JPEGs of 256x128; batches of 64, shuffled, uint8 (or float32, normalised by ImageNet's
figures). The peer is ``ImageFolder`` with ``PILToTensor`` in a ``DataLoader`` (default collation), which reads pixels as
torchreid's ImageDataset does. One epoch of each warms up; then turns alternate and the least of each is printed. The
limit is a plain copy of the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import occluded_datasets as od
from occluded_datasets.hashing import pixel_digest
from occluded_datasets.images import decode, encode
from occluded_datasets.manifest import Manifest, pictures_of, read_picture
from occluded_datasets.store import Store, pack
from occluded_datasets.torch import PairedOcclusionDataset, ReidDataset, loader
from occluded_datasets.twin import twin

BATCH, SIZE = 64, (256, 128)


def people(folder: Path, count: int) -> Manifest:
    """Return a set of `count` different pictures of 256x128, in a tree that ImageFolder takes as well."""
    tree = Path(twin("partial-reid", folder / "twin", ids=20).tree)
    manifest = od.load(od.build("partial-reid", tree, folder / "data", allow_subset=True).manifest)
    frame = manifest.frame.iloc[np.arange(count) % len(manifest)].reset_index(drop=True)
    drawn = [np.ascontiguousarray(read_picture(one, SIZE)) for one in pictures_of(manifest)]
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


def timed(batches: Any) -> float:
    """Return the seconds an epoch takes, every picture touched."""
    began = time.perf_counter()
    for batch in batches:
        picture = batch[0] if isinstance(batch, (list, tuple)) else batch.get("image", batch.get("occluded"))
        assert picture.shape[1] == 3
    return time.perf_counter() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--pictures", type=int, default=6400)
    given = parser.parse_args()
    count, turns = (1280, 2) if given.quick else (given.pictures, 3)
    # The peers are optional, and this file is collected by the tests.
    import torch
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    from occluded_datasets.torch.loading import IMAGENET

    # On shared cores its threads wait for each other, ours and theirs, up to ten times as long.
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = people(folder, count)
        began = time.perf_counter()
        pixels = Store.open(pack(manifest, folder / "pixels").path)
        packed = time.perf_counter() - began
        encoded = Store.open(pack(manifest, folder / "encoded", encoded=True).path)
        assert (pixels.picture(3) == read_picture(pictures_of(manifest)[3])).all()
        raw = v2.PILToTensor()
        floats = v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(*IMAGENET)])

        def peer(transform: Any, workers: int) -> Any:
            data = ImageFolder(str(folder / "folder"), transform)
            return torch.utils.data.DataLoader(data, BATCH, shuffle=True, num_workers=workers,
                                               persistent_workers=workers > 0)  # fmt: skip

        def ours(store: Store | None, workers: int, **more: Any) -> Any:
            return loader(ReidDataset(manifest, store=store), BATCH, workers=workers, **more)

        pairs = PairedOcclusionDataset(ReidDataset(manifest, store=pixels), "afpb", 7)
        whole = np.ascontiguousarray(pixels.images)

        def copies() -> list[Any]:
            out = np.empty_like(whole[:BATCH])
            began = time.perf_counter()
            for start in range(0, len(whole) - BATCH + 1, BATCH):
                np.copyto(out, whole[start : start + BATCH])
            return [time.perf_counter() - began]

        rows: dict[str, Callable[[], float]] = {"memcpy, the limit": lambda: copies()[0]}
        for workers in (0, 2):
            made = {
                f"ImageFolder, uint8, {workers} workers": peer(raw, workers),
                f"ImageFolder, float32 normalised, {workers} workers": peer(floats, workers),
                f"files, uint8, {workers} workers": ours(None, workers),
                f"encoded store, uint8, {workers} workers": ours(encoded, workers),
                f"pairs from the pixel store, {workers} workers": loader(pairs, BATCH, workers=workers),
            }
            rows |= {what: (lambda batches=batches: timed(batches)) for what, batches in made.items()}  # type: ignore[misc]
        for what, more in (("uint8", {}), ("float32 normalised", {"normalize": True})):
            batches = ours(pixels, 0, **more)
            rows[f"pixel store, {what}, in process"] = lambda batches=batches: timed(batches)  # type: ignore[misc]
        times = [{what: run() for what, run in rows.items()} for _ in range(turns + 1)]
        least = {what: min(turn[what] for turn in times[1:]) for what in rows}
    base = least["ImageFolder, uint8, 0 workers"]
    print(f"{count} pictures of 256x128; packed in {packed:.1f} s ({count / packed:,.0f}/s)")
    print("| input | pictures a second | to ImageFolder uint8, 0 workers |\n|---|---|---|")
    for what, seconds in least.items():
        print(f"| {what} | {count / seconds:,.0f} | {base / seconds:.1f}x |")


if __name__ == "__main__":
    sys.exit(main())  # type: ignore[func-returns-value]
