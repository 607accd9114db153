"""Write a twin: render its images and put them where the real set has them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from .. import catalog
from ..catalog.spec import Dataset, Variant
from ..errors import UsageError
from ..files import remove_tree, storage_errors
from ..images import encode
from ..layouts import TWIN_MARK
from ..scan import cores
from .plan import PlannedImage, plan, unknown_totals

SHARD = 128
IN_PROCESS = 1500
MASKS = ".masks"


@dataclass(frozen=True)
class Twin:
    """What was rendered."""

    dataset: str
    variant: str
    tree: str
    images: int
    identities: int

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return asdict(self)


def twin(
    dataset: str,
    out: str | os.PathLike[str],
    *,
    ids: int | None = None,
    seed: int = 0,
    variant: str | None = None,
    workers: int | None = 1,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
    masks: str | os.PathLike[str] | None = None,
) -> Twin:
    """Render a licence-free raw tree with the true names, folders, formats and counts of `dataset`.

    Parameters
    ----------
    dataset : str
        An id of `list_datasets`.
    out : path
        The tree is written below it, under its published name.
    ids : int, optional
        Identities; all declared ones by default.
    seed : int
        Other people and other images.
    workers : int, optional
        Processes; None for all cores. More than one needs a main module that can be imported, as `multiprocessing`
        does.
    progress : callable, optional
        Called with (images done, images in all).
    masks : path, optional
        Write the true mask of the visible person of each image too: 255 the person, 0 else, a grey PNG below this
        folder by the image's name inside the tree, such as ``whole_body_images/001_001.png``.

    Raises
    ------
    UsageError
        If the tree, or the folder of masks, is already there or the facts have no naming.
    StorageError
        If the disk refuses; nothing is left at the final path.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = twin("partial-reid", folder, ids=2)
    >>> made.images, made.identities
    (30, 2)
    """
    facts = catalog.get(dataset)
    chosen = facts.variant(variant)
    pictures = plan(facts, chosen, ids, seed)
    out = Path(out)
    final, staging = out / facts.tree, out / f".{facts.tree}.part"
    if final.exists():
        raise UsageError(f"{final} is already there.", "A twin never replaces anything.", "choose another --out")
    shapes = None if masks is None else Path(masks)
    if shapes is not None and shapes.exists():
        raise UsageError(f"{shapes} is already there.", "Masks never replace anything.", "choose another --masks")
    with storage_errors(str(out)):
        try:
            remove_tree(staging)
            for folder in sorted({picture.name.rpartition("/")[0] for picture in pictures}):
                (staging / folder).mkdir(parents=True, exist_ok=True)
                if shapes is not None:
                    (staging / MASKS / folder).mkdir(parents=True, exist_ok=True)
            _render_all(staging, pictures, seed, workers, executor, progress, shapes is not None)
            _write_texts(staging / facts.tree, facts, chosen, pictures, ids)
            if shapes is not None:
                _publish_masks(staging / MASKS / facts.tree, shapes)
            os.replace(staging / facts.tree, final)
        finally:
            remove_tree(staging)
    identities = len({picture.pid for picture in pictures if picture.pid > 0})
    return Twin(dataset, chosen.name, str(final), len(pictures), identities)


def _render_all(
    folder: Path,
    pictures: Sequence[PlannedImage],
    seed: int,
    workers: int | None,
    executor: Executor | None,
    progress: Callable[[int, int], None] | None,
    masks: bool,
) -> None:
    shards = [pictures[start : start + SHARD] for start in range(0, len(pictures), SHARD)]
    done = 0
    with ExitStack() as stack:
        run: Iterator[int]
        count = workers or cores()
        if executor is None and count > 1 and len(pictures) > IN_PROCESS:
            executor = stack.enter_context(ProcessPoolExecutor(count, mp_context=get_context("spawn")))
        if executor is None:
            run = (write_shard(str(folder), shard, seed, masks) for shard in shards)
        else:
            run = executor.map(
                write_shard, [str(folder)] * len(shards), shards, [seed] * len(shards), [masks] * len(shards)
            )
        for number in run:
            done += number
            if progress:
                progress(done, len(pictures))


def _publish_masks(staged: Path, masks: Path) -> None:
    """Move masks to where they were asked for: another disk gets them whole or not at all."""
    masks.parent.mkdir(parents=True, exist_ok=True)
    part = masks.with_name(f".{masks.name}.part")
    try:
        remove_tree(part)
        shutil.move(staged, part)
        os.replace(part, masks)
    finally:
        remove_tree(part)


def write_shard(folder: str, pictures: Sequence[PlannedImage], seed: int, masks: bool = False) -> int:
    """Render and write some images below `folder`, and their masks if asked for, and return how many."""
    import cv2

    cv2.setNumThreads(1)
    for picture in pictures:
        data, mask = draw_image(picture, seed, masks)
        with open(f"{folder}/{picture.name}", "wb") as stream:
            stream.write(data)
        if masks:
            with open(f"{folder}/{MASKS}/{picture.name.rpartition('.')[0]}.png", "wb") as stream:
                stream.write(mask)
    return len(pictures)


def draw_image(picture: PlannedImage, seed: int, masks: bool = False) -> tuple[bytes, bytes]:
    """Return the encoded file of one image and, if asked for, of the mask of its visible person."""
    import numpy as np

    from .render import Shot, render

    shot = Shot(picture.pid, picture.photo, picture.body, picture.camera, picture.width, picture.height)
    rendered = render(shot, seed)
    pixels, mask = rendered.image, rendered.mask
    if picture.crop:
        x, y, width, height = rendered.visible_box
        pixels, mask = (np.ascontiguousarray(part[y : y + height, x : x + width]) for part in (pixels, mask))
    return encode(pixels, picture.name[picture.name.rfind(".") :]), encode(mask, ".png") if masks else b""


def _write_texts(
    tree: Path, facts: Dataset, variant: Variant, pictures: Sequence[PlannedImage], ids: int | None
) -> None:
    """Write the readme and the name lists that the published set has."""
    (tree / "Readme.txt").write_text(_readme(facts, variant, pictures, ids), "utf-8", newline="\n")
    prefix = f"{facts.tree}/"
    for name, folder in facts.lists:
        if folder not in variant.parts:
            continue
        own = [p.name.removeprefix(prefix) for p in pictures if p.name.startswith(f"{prefix}{folder}/")]
        if name.endswith(".list"):
            own = [entry.rsplit("/", 1)[-1] for entry in own]
        (tree / name).write_text("".join(f"{entry}\n" for entry in own), "utf-8", newline="\n")


def _readme(facts: Dataset, variant: Variant, pictures: Sequence[PlannedImage], ids: int | None) -> str:
    lines = [
        f"{TWIN_MARK}{facts.title}, variant {variant.name}, made by occluded-datasets.",
        "Every person, place and thing in it is drawn by a program: no picture of anyone is in here.",
        "Public domain (CC0). Scores on it say that code runs, nothing about methods.",
        "",
        f"{len(pictures)} pictures.",
    ]
    if ids is None:
        lines.append(f"The totals are those declared for the set ({variant.count.certainty}).")
    else:
        lines.append(f"Reduced to {ids} identities in the largest part; the set declares more.")
    for part in map(facts.part, variant.parts):
        number = sum(picture.name.startswith(f"{facts.tree}/{part.folder}/") for picture in pictures)
        unknown = part.count.images is None or part.count.certainty == "inferred"
        lines.append(
            f"  {part.folder}: {number}{'  (our choice: nobody says how many the set has)' if unknown else ''}"
        )
    if unknown_totals(facts, variant):
        lines.append("Numbers marked as our choice are inferred and no fact about the set.")
    if any(part.roles for part in map(facts.part, variant.parts)):
        lines.append("Junk and distractor pictures are in numbers of our choice.")
    return "\n".join(lines) + "\n"
