"""Training rows and training batches: which images, in which views, with which labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from ..benchmark import benchmark_parts, find_benchmark
from ..errors import UsageError
from ..hashing import key
from ..manifest import Manifest, fingerprint, from_frame
from ..occlusion import Pool
from ..occlusion.recipes.recipe import POOLED
from ..protocol import split
from ..torch import PairedOcclusionDataset, ReidDataset, loader, normalized
from ..torch.loading import Loader
from ..torch.normalizing import IMAGENET
from .config import CLEAN_VIEW, HELP, Config

if TYPE_CHECKING:
    import os

    import numpy.typing as npt
    import pandas as pd

    from ..store import Store

HIDDEN_BODIES = ("occluded", "partial")


class Batch(NamedTuple):
    """What a model is trained on at once: all first views, then all second ones.

    Parameters
    ----------
    pictures : torch.Tensor
        Float32, (V x B, 3, H, W), normalised by ImageNet's figures, on the device.
    labels : torch.Tensor
        int64, (V x B,): identities.
    hidden : torch.Tensor
        int64, (V x B,): 1 where something hides the person, else 0.
    """

    pictures: Any
    labels: Any
    hidden: Any


def training_rows(manifest: Manifest, config: Config) -> pd.DataFrame:
    """Return the rows that a config trains on.

    Raises
    ------
    UsageError
        If there are none.
    """
    frame = manifest.frame
    if config.hold_out:
        rows = benchmark_parts(find_benchmark(config.hold_out), manifest).train
    elif config.train_protocol:
        rows = split(manifest, config.train_protocol).train
    elif (frame["split"] == "train").any():
        rows = frame[frame["split"] == "train"]
    else:
        rows = frame if frame["split"].eq("").all() else frame.iloc[:0]
    if not len(rows):
        raise UsageError(
            f"{manifest.dataset}: no training rows.",
            f"Expected rows of the split train, found {sorted(set(frame['split']))}."
            if not config.train_protocol else f"{config.train_protocol} leaves none to train on.",
            "--train-protocol NAME, whose training part is taken (occreid-prepare info DATASET lists them)",
        )  # fmt: skip
    return rows.sort_values("image_id", ignore_index=True)


def precision(config: Config, device: Any) -> str:
    """Return ``bf16`` or ``float32``: what a config's precision is on a device."""
    half = config.precision == "bf16" or (config.precision == "auto" and device.type == "cuda")
    return "bf16" if half else "float32"


def rows_fingerprint(rows: pd.DataFrame) -> str:
    """Return the fingerprint of the rows that are trained on."""
    return fingerprint(from_frame(rows))


def shuffled(labels: npt.NDArray[np.int64], pixels: Iterable[str], seed: int) -> npt.NDArray[np.int64]:
    """Return the labels dealt out anew among the images, by key: a control that can learn nothing about people.

    Parameters
    ----------
    labels : numpy.ndarray
        Shape (N,), int64: the label of each image.
    pixels : iterable of str
        The sha256 of each image's pixels, in hex, N of them in the order of `labels`.
    seed : int
        Of the shuffle. The same arguments give the same labels.

    Returns
    -------
    numpy.ndarray
        Shape (N,), int64: a permutation of `labels`.
    """
    keys = [(key(seed, "shuffle", 0, one), index) for index, one in enumerate(pixels)]
    order = [index for _, index in sorted(keys)]
    return labels[np.array(order, np.int64)]


class Batches:
    """The batches of a run, epoch by epoch; the same for any number of ranks and after any resume.

    Parameters
    ----------
    rows : pandas.DataFrame
        What is trained on.
    manifest : Manifest
        Which knows where their images are.
    config : Config
        What is made of them.
    store : Store or path
        A packed store of the manifest at the config's size.
    device : torch.device
        Where batches go.

    Attributes
    ----------
    pool : Pool or None
        Where a recipe that puts other people in front takes them from: the same rows, so never a held-out person.
    """

    def __init__(
        self, rows: pd.DataFrame, manifest: Manifest, config: Config, store: Store | str | os.PathLike[str], device: Any
    ) -> None:
        self.config, self.device = config, device
        self.train = ReidDataset(rows, store=store, size=config.size, manifest=manifest)
        if config.shuffle_labels:
            pixels = (self.train.pixel_sha256[index] for index in range(len(self.train)))
            self.train.labels = shuffled(self.train.labels, pixels, config.seed)
        recipe = config.recipe()
        self.pool = Pool.of(manifest, rows=rows) if recipe and recipe.kinds & set(POOLED) else None
        pairs = PairedOcclusionDataset(self.train, recipe, seed=config.seed, pool=self.pool) if recipe else None
        self.loader: Loader = loader(
            pairs or self.train, identities=config.identities, instances=config.instances, workers=0, seed=config.seed
        )
        hidden = np.isin(rows["body"].to_numpy(), HIDDEN_BODIES)
        if config.obc_weight and not hidden.any() and recipe is None:
            raise UsageError(
                "obc_weight: occluded / non-occluded is undefined here.",
                "No training row is of an occluded body, and nothing is put in front of any.",
                "--obc-weight 0, or --occlusion afpb",
            )
        self._hidden = hidden.astype(np.int64)

    def __len__(self) -> int:
        """Return the number of steps in an epoch."""
        return len(self.loader) // self.config.accumulate

    def epoch(self, epoch: int, steps: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch that are left after `steps` of it."""
        self.loader.set_epoch(epoch)
        if steps:
            self._skip(steps)
        for raw in self.loader:
            yield self.made(raw, epoch)

    def _skip(self, steps: int) -> None:
        """Leave steps of this epoch out: visits of images are counted as if those had been taken."""
        received = steps * self.config.accumulate
        state: dict[str, Any] = {"sampler": self.loader.sampler.state_dict(received)}
        if hasattr(self.loader.dataset, "state_dict"):
            taken = [index for batch in self.loader.sampler.batches()[:received] for index in batch]
            state["dataset"] = self.loader.dataset.state_dict(taken)
        self.loader.load_state_dict(state)

    def made(self, raw: dict[str, Any], epoch: int) -> Batch:
        """Return what a model takes, of a batch of the loader."""
        config, index = self.config, raw["index"].numpy()
        first, second = raw.get("clean", raw.get("image")), raw.get("occluded")
        views = [first] if second is None else [first, second]
        if config.occlusion == CLEAN_VIEW:
            views = [first, first]
        pixels = [str(self.train.pixel_sha256[int(one)]) for one in index]
        pictures = [
            augmented(view, draws(pixels, config.seed, epoch, number, config.pad), config.pad, flip=config.flip)
            for number, view in enumerate(views)
        ]
        own = torch.from_numpy(self._hidden[index])
        put = (raw["fraction"] > 0).long() if "fraction" in raw else torch.zeros_like(own)
        hidden = [own, own | put][: len(views)]
        batch = {"image": torch.cat(pictures).to(self.device, non_blocking=True)}
        return Batch(
            normalized(batch, *IMAGENET)["image"],
            raw["label"].repeat(len(views)).to(self.device),
            torch.cat(hidden).to(self.device),
        )


def draws(pixels: Sequence[str], seed: int, epoch: int, view: int, pad: int) -> npt.NDArray[np.int64]:
    """Return by image (mirrored, down, right), (B, 3): keyed by pixels, so the same on any rank and after a resume.

    An image that is twice in a batch has another draw the second time.

    Parameters
    ----------
    pixels : sequence of str
        The sha256 of each image's pixels, in hex, B of them.
    seed : int
        Of the run.
    epoch : int
        Each epoch has its own draws.
    view : int
        Which view of the images: 0 for the first, 1 for the second. Each has its own draws.
    pad : int
        Pixels of black at each side, as of `augmented`.

    Returns
    -------
    numpy.ndarray
        Shape (B, 3), int64. ``mirrored`` is 0 or 1. ``down`` and ``right`` are pixels in 0..2 x `pad`: where the crop
        starts in the padded image, from its top left.
    """
    met: Counter[str] = Counter()
    found = np.empty((len(pixels), 3), np.int64)
    for number, one in enumerate(pixels):
        word = key(seed, "augment", epoch, f"{view}|{met[one]}|{one}")
        met[one] += 1
        # 32 bits of the key, scaled to 0..2 * pad in integers: exact, so the same on any machine.
        spread = (int.from_bytes(word[start : start + 4], "big") * (2 * pad + 1) >> 32 for start in (1, 5))
        found[number] = word[0] & 1, *spread
    return found


def augmented(pictures: Any, drawn: npt.NDArray[np.int64], pad: int, *, flip: bool) -> Any:
    """Return images padded with black, cropped to their size at random places, and mirrored.

    Parameters
    ----------
    pictures : torch.Tensor
        uint8, (B, 3, H, W).
    drawn : numpy.ndarray
        Of `draws`.
    pad : int
        Pixels at each side.
    flip : bool
        Whether any is mirrored.

    Examples
    --------
    >>> one = torch.arange(6, dtype=torch.uint8).view(1, 1, 2, 3)
    >>> augmented(one, np.array([[1, 1, 1]]), 1, flip=True)[0, 0].tolist()  # the middle crop, mirrored
    [[2, 1, 0], [5, 4, 3]]
    """
    source = pictures.permute(0, 2, 3, 1).numpy()
    count, height, width, _ = source.shape
    out = np.zeros_like(source)
    for number in range(count):
        mirrored, down, right = drawn[number]
        one = source[number, :, ::-1] if flip and mirrored else source[number]
        top, left = down - pad, right - pad
        y, x = max(0, top), max(0, left)
        part = one[y : height + min(0, top), x : width + min(0, left)]
        at_y, at_x = max(0, -top), max(0, -left)
        out[number, at_y : at_y + part.shape[0], at_x : at_x + part.shape[1]] = part
    return torch.from_numpy(out).permute(0, 3, 1, 2)


def require_identities(batches: Batches) -> int:
    """Return the number of identities, two or more.

    Raises
    ------
    UsageError
        If there are fewer, or no whole step in an epoch.
    """
    found = len(batches.train.label_map)
    if found < 2 or not len(batches):
        raise UsageError(
            f"{found} identities, {len(batches)} steps an epoch: too few.", "Expected two or more, and a step.",
            f"fewer --identities or --accumulate: {HELP}",
        )  # fmt: skip
    return found
