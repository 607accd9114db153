"""What others load pictures with, each as its documentation says; for `bench_loading.py`."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SHARDS = 4
Peers = dict[str, Callable[[int], Any]]
Rows = list[tuple[str, int, int]]


def peers(folder: Path, rows: Rows, batch: int) -> tuple[Peers, list[str]]:
    """Return loaders by name, each given a number of worker processes, and what is not installed."""
    found: Peers = {}
    missing = []
    for one in (_torchreid, _image_folder, _datasets, _webdataset):
        try:
            found |= one(folder, rows, batch)
        except ImportError as error:
            missing.append(f"{one.__name__.strip('_')} ({error})")
    return found, missing


def _loaded(data: Any, batch: int, workers: int, **more: Any) -> Any:
    from torch.utils.data import DataLoader

    return DataLoader(data, batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0, **more)


def _floats() -> Any:
    import torch
    from torchvision.transforms import v2

    from occluded_datasets.torch.normalizing import IMAGENET

    return v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(*IMAGENET)])


class Dropped:
    """albumentations' CoarseDropout of one hole of a quarter of the picture."""

    def __init__(self) -> None:
        from albumentations import CoarseDropout

        sides = (0.5, 0.53)
        self.drop = CoarseDropout((1, 1), hole_height_range=sides, hole_width_range=sides, p=1)

    def __call__(self, picture: Any) -> Any:
        import torch

        return torch.from_numpy(self.drop(image=np.array(picture))["image"]).permute(2, 0, 1)


def _torchreid(_: Path, rows: Rows, batch: int) -> Peers:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchreid.reid.data.datasets.dataset import ImageDataset
        from torchreid.reid.data.transforms import RandomErasing, build_transforms
    from torchvision.transforms import Compose, v2

    path = rows[0][0]
    with contextlib.redirect_stdout(io.StringIO()):
        _, theirs = build_transforms(256, 128, transforms=["random_flip"])

    def made(transform: Any) -> Callable[[int], Any]:
        parts = rows, [(path, 0, 1)], [(path, 0, 2)]
        return lambda workers: _loaded(
            ImageDataset(*parts, transform=transform, mode="train", verbose=False), batch, workers
        )

    found = {
        "uint8: torchreid ImageDataset": made(v2.PILToTensor()),
        "float32: torchreid, its transforms": made(theirs),
        "occluded, float32: torchreid + its RandomErasing": made(
            Compose([*theirs.transforms, RandomErasing(probability=1, sl=0.25, sh=0.28)])
        ),
    }
    with contextlib.suppress(ImportError):
        found["occluded, uint8: torchreid + CoarseDropout"] = made(Dropped())
    return found


def _image_folder(folder: Path, _: Rows, batch: int) -> Peers:
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    erase = v2.RandomErasing(p=1, scale=(0.25, 0.28), ratio=(0.8, 1.25))

    def made(transform: Any) -> Callable[[int], Any]:
        return lambda workers: _loaded(ImageFolder(str(folder / "folder"), transform), batch, workers)

    return {
        "uint8: torchvision ImageFolder": made(v2.PILToTensor()),
        "float32: torchvision ImageFolder": made(_floats()),
        "occluded, uint8: ImageFolder + v2.RandomErasing": made(v2.Compose([v2.PILToTensor(), erase])),
        "occluded, float32: ImageFolder + v2.RandomErasing": made(v2.Compose([_floats(), erase])),
    }


def _datasets(folder: Path, _: Rows, batch: int) -> Peers:
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    import datasets

    datasets.disable_progress_bars()
    kept = folder / "arrow"
    cache = str(folder / "cache")
    pictures = datasets.load_dataset("imagefolder", data_dir=str(folder / "folder"), split="train", cache_dir=cache)
    if not kept.exists():
        kinds = {"image": datasets.Array3D((256, 128, 3), "uint8"), "label": datasets.Value("int64")}

        def pixels(row: dict[str, Any]) -> dict[str, Any]:
            return {"image": np.asarray(row["image"].convert("RGB")), "label": row["label"]}

        pictures.map(pixels, features=datasets.Features(kinds), writer_batch_size=256).save_to_disk(str(kept))
    arrays = datasets.load_from_disk(str(kept))
    return {
        "uint8: datasets, imagefolder": lambda workers: _loaded(pictures.with_format("torch"), batch, workers),
        "uint8: datasets, Arrow": lambda workers: _loaded(arrays.with_format("torch"), batch, workers),
    }


def _webdataset(folder: Path, rows: Rows, batch: int) -> Peers:
    import webdataset as wds

    names = [folder / f"shard-{number}.tar" for number in range(SHARDS)]
    for number, name in enumerate(names):
        if not name.exists():
            with tarfile.open(name, "w") as tar:
                for path, label, _ in rows[number::SHARDS]:
                    for end, data in (("jpg", Path(path).read_bytes()), ("cls", str(label).encode())):
                        facts = tarfile.TarInfo(f"{Path(path).stem}.{end}")
                        facts.size = len(data)
                        tar.addfile(facts, io.BytesIO(data))

    def made(kind: str, then: Any = None) -> Callable[[int], Any]:
        def loaded(workers: int) -> Any:
            data = wds.WebDataset([str(name) for name in names], shardshuffle=False).shuffle(256).decode(kind)
            data = data.to_tuple("jpg", "cls")
            data = data.map_tuple(then) if then else data
            # Batches are made in the workers, as its documentation advises.
            return wds.WebLoader(
                data.batched(batch), batch_size=None, num_workers=workers, persistent_workers=workers > 0
            )

        return loaded

    return {"uint8: webdataset": made("torchrgb8"), "float32: webdataset": made("pil", _floats())}
