"""Write a simulated set: images, masks and the manifest that rebuilds them. Resumable, the same for any workers."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import UsageError
from ...files import storage_errors
from ...hashing import file_digests, merge_digests
from ...manifest import Manifest, header_of, to_text, validate
from ...paths import contained, safe_name
from ...scan import Progress, cores
from ..recipes.recipe import POOLED, Recipe
from ..sources.occluders import Items
from ..sources.pool import Pool, mask_of
from .header import FORMATS, MOST_COPIES
from .render import Condition, ImageOutput, OccludedImage, RecipeLevels, SourceImage, make_shard, name_of, versions_of
from .rows import simulated_header_fields, simulated_table
from .selection import Selection, select
from .staging import Staging

if TYPE_CHECKING:
    import pandas as pd

SHARD = 64
"""Source images a task."""


@dataclass(frozen=True)
class Simulated:
    """What a simulation wrote, or found written.

    `pictures` are the occluded ones, `referred` the clean rows that stay in the source, `untouched` those that the
    recipe's probability left alone, `unreachable` those whose fraction could not be reached.
    """

    manifest: str
    recipe: str
    seed: int
    source: str
    pictures: int
    referred: int
    untouched: int
    unreachable: int
    skipped: dict[str, int]
    fingerprint: str
    rows_only: bool = False
    unchanged: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return asdict(self)


def simulate(
    source: Manifest,
    out: str | os.PathLike[str],
    *,
    recipe: Any = "afpb",
    seed: int = 0,
    levels: Sequence[float] = (),
    copies: int = 1,
    pool: Manifest | None = None,
    pool_masks: Path | None = None,
    masks: Path | None = None,
    bank: Items | None = None,
    rows: Collection[str] | None = None,
    gallery: Collection[str] | None = None,
    allow_occluded: bool = False,
    format: str = "png",  # noqa: A002 - the option's name
    quality: int = 92,
    rows_only: bool = False,
    replace: bool = False,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Simulated:
    """Write a synthetic occluded set of `source` to the folder `out`.

    The images depend on their source's pixels, the recipe, the seed, the level and the copy alone: any number of
    workers, any order of rows, any subset and any number of interruptions give the same ones.

    Parameters
    ----------
    source : Manifest
        Its full-body rows are occluded; they are also referred to as the clean gallery.
    out : path
        A new folder, or one that an earlier run of the same command began or finished.
    recipe : str, path, mapping or Recipe
        What `Recipe.of` takes.
    seed : int
        The base seed.
    levels : sequence of float, optional
        Occluded fractions, each made of every image; by default one draw from the recipe's range.
    copies : int
        Versions of each image and level.
    pool : Manifest, optional
        Where occluders of other images come from: its train rows. By default the source.
    pool_masks, masks : Path, optional
        Folders with masks of the pool's and of the source's persons: an image's path with the suffix ``.png``.
    bank : Bank, optional
        Cut-outs; by default the drawn ones.
    rows, gallery : collection of str, optional
        image_ids to occlude, and to refer to; by default all full-body rows.
    allow_occluded : bool
        Occlude rows that are not full-body too.
    format, quality : str, int
        ``png``, or ``jpeg`` with its quality.
    rows_only : bool
        Write the rows and no image: the set as a text file.
    replace : bool
        Put this set in the place of another one.
    workers : int, optional
        Threads; by default the cores this process may use.
    executor : concurrent.futures.Executor, optional
        Who does the work instead.
    progress : callable, optional
        Called with (images done, images in all).

    Raises
    ------
    UsageError
        If an option is impossible, no row is left, or the folder holds something else.
    InputError
        If a source image is gone or changed; its hashes are named.
    StorageError
        If the disk refuses; the same command goes on from there.

    Examples
    --------
    >>> import tempfile
    >>> import occluded_datasets as od
    >>> from occluded_datasets.twin import twin
    >>> folder = tempfile.mkdtemp()
    >>> tree = twin("partial-reid", folder + "/twin", ids=2).tree
    >>> source = od.load(od.build("partial-reid", tree, folder, allow_subset=True).manifest)
    >>> done = simulate(source, folder + "/occ", recipe="afpb", seed=7)
    >>> done.pictures, done.referred, done.skipped
    (10, 10, {'body occluded': 10, 'body partial': 10})
    """
    chosen = Recipe.of(recipe)
    families = [RecipeLevels(chosen, tuple(levels))]
    sources = SetOccluders(pool, pool_masks, masks, bank)
    what = SetOptions(seed, copies, format, quality, rows_only)
    selection = select(source, rows, gallery, allow_occluded)
    return write_set(
        source, Path(out), families, selection, sources, what, replace=replace, workers=workers, executor=executor,
        progress=progress,
    )  # fmt: skip


class SetOccluders(NamedTuple):
    """Where occluders and masks come from, as `simulate` says."""

    pool: Manifest | None = None
    pool_masks: Path | None = None
    masks: Path | None = None
    bank: Items | None = None


class SetOptions(NamedTuple):
    """What decides how a set is written, as `simulate` says."""

    seed: int = 0
    copies: int = 1
    format: str = "png"
    quality: int = 92
    rows_only: bool = False


def write_set(
    source: Manifest,
    out: Path,
    families: Sequence[RecipeLevels],
    selection: Selection,
    sources: SetOccluders,
    what: SetOptions,
    *,
    name: str = "",
    replace: bool = False,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Simulated:
    """Write a simulated set of one or several families to `out`; see `simulate`, which is the case of one.

    Parameters
    ----------
    source : Manifest
        The set whose images are occluded.
    out : Path
        A new folder, or one that an earlier run of the same call began or finished; not inside the source.
    families : sequence of RecipeLevels
        The recipes, each with its levels.
    selection : Selection
        The rows to occlude and the rows to refer to.
    sources : SetOccluders
        Where occluders and masks come from; without a pool, occluders are cut from the source.
    what : SetOptions
        Seed, copies, format and quality, and whether to write rows alone.
    name : str
        What the variant is called; by default the recipe.
    replace : bool
        Put this set in the place of another simulated one.
    workers : int, optional
        Threads; by default the cores this process may use.
    executor : concurrent.futures.Executor, optional
        Does the work instead of threads of our own.
    progress : callable, optional
        Called with (source images done, source images in all).

    Returns
    -------
    Simulated
        What was written, or found written.

    Raises
    ------
    UsageError
        If an option is impossible, or the folder holds something else.
    InputError
        If a source image or its mask is gone or changed, or a mask does not fit its image.
    StorageError
        If the disk refuses, or a written file vanished; the same call goes on from there.
    """
    if what.format not in FORMATS or not 1 <= what.quality <= 100 or not 1 <= what.copies <= MOST_COPIES:
        raise UsageError(
            f"format {what.format}, quality {what.quality}, copies {what.copies}: not possible.",
            f"Expected {' or '.join(FORMATS)}, 1 to 100, and 1 to {MOST_COPIES}.",
        )
    pooled = any(family.recipe.kinds & set(POOLED) for family in families)
    pool = Pool.of(sources.pool or source, sources.pool_masks) if pooled else None
    versions = versions_of(families, what.seed, what.copies, pool, sources.bank)
    clean = clean_rows(source, selection.occluded, sources.masks)
    output = ImageOutput(None if what.rows_only else str(out), what.format, what.quality)
    plan = {
        **plan_dict(families, what, pool, versions),
        "source": source.fingerprint,
        "pictures": merge_digests(bytes.fromhex(one.pixel_sha256) for one in clean),
        "masks": merge_digests(bytes.fromhex(one.mask_sha256) for one in clean) if sources.masks else None,
        "referred": len(selection.clean),
    }
    folders = set() if what.rows_only else {one.image_id.rpartition("/")[0] for one in clean}
    _require_outside(out, source)
    staging = Staging(out, plan, folders)
    with storage_errors(str(out), staging.header), staging.opened(replace) as finished:
        if finished is not None:
            return _report(staging.manifest, finished, unchanged=not staging.ended)
        shards = [(start, clean[start : start + SHARD]) for start in range(0, len(clean), SHARD)]
        target = output._replace(folder=None if what.rows_only else str(staging.folder))
        made: list[OccludedImage] = []
        with pool_of_workers(executor, workers) as who:
            for number, part in enumerate(_run(staging, shards, versions, target, who), start=1):
                made += part
                if progress:
                    progress(min(number * SHARD, len(clean)), len(clean))
        texts = simulated_table(source, selection.occluded, selection.clean, made, versions, output)
        facts = simulated_header_fields(source, plan, selection.skipped, name or families[0].recipe.name)
        facts["simulation"] = {
            "pictures": len(made),
            "referred": len(selection.clean),
            "untouched": len(clean) * len(versions) - len(made),
            "unreachable": sum(bool(one.record.note) for one in made),
        }
        validate(texts, "simulated", facts["roots"])
        if not what.rows_only:
            names = (name_of(clean[one.clean].image_id, versions[one.version]) for one in made)
            staging.require_whole(names, output.extension)
        text = to_text(texts)
        header = header_of(texts, text, facts)
        staging.publish(text, header, places_of(source, out))
    return _report(staging.manifest, header)


def _require_outside(out: Path, source: Manifest) -> None:
    """Raise rather than write among the images of the source, or into nowhere that was meant."""
    home = source.path.parent.resolve() if source.path else None
    target = out.resolve()
    if target.parent == target or (home and (target == home or home in target.parents)):
        raise UsageError(
            f"{out}: no place for a simulated set.",
            f"It is {'the root folder' if target.parent == target else 'inside the source'}.", "choose another --out",
        )  # fmt: skip


def plan_dict(
    families: Sequence[RecipeLevels], what: SetOptions, pool: Pool | None, versions: Sequence[Condition]
) -> dict[str, Any]:
    """Return every parameter that decides a pixel, as the header keeps it.

    Parameters
    ----------
    families : sequence of RecipeLevels
        The recipes, each with its levels.
    what : SetOptions
        Seed, copies, format and quality, and whether rows are written alone.
    pool : Pool or None
        Training images that occluders are cut from; it is kept as its dataset and hash.
    versions : sequence of Condition
        What `versions_of` made of the families; the bank, kept as its hash, is that of their simulators.

    Returns
    -------
    dict
        JSON-ready.
    """
    bank = next((one.simulator.bank for one in versions if one.simulator.bank is not None), None)
    return {
        "families": [family.to_dict() for family in families],
        "seed": what.seed,
        "copies": what.copies,
        "pool": None if pool is None else {"dataset": pool.dataset, "hash": pool.hash},
        "bank": None if bank is None else {"hash": bank.hash},
        "format": what.format,
        "quality": what.quality if what.format == "jpeg" else None,
        "rows_only": what.rows_only,
    }


def clean_rows(source: Manifest, rows: pd.DataFrame, masks: Path | None) -> list[SourceImage]:
    """Return the images to occlude, where they are and whose they are.

    Parameters
    ----------
    source : Manifest
        Its roots say where its images are on this machine.
    rows : pandas.DataFrame
        The rows to occlude.
    masks : Path or None
        A folder with the mask of each image, as `mask_of` finds it; None for no masks.

    Returns
    -------
    list of SourceImage
        One a row, in order. No image is read; the sha256 of each mask is computed.

    Raises
    ------
    UsageError
        If the mask of an image is missing, or a root is not known on this machine.
    UnsafeNameError
        If a name or path could leave its root.
    """
    names = ("image_id", "pid", "root", "path", "sha256", "pixel_sha256")
    found = []
    roots: dict[str, Path] = {}
    for image_id, pid, root, path, sha256, pixels in zip(*(rows[name] for name in names), strict=True):
        if root not in roots:
            roots[root] = source.root(root)
        safe_name(image_id)
        mask = mask_of(masks, path) if masks else None
        if mask is not None and not mask.is_file():
            raise UsageError(
                f"{image_id}: no mask at {mask}.", "Expected one for every picture.", "leave --masks out, or add it"
            )
        place = str(contained(roots[root], path))
        said = (str(mask), file_digests(mask)[0]) if mask else ("", "")
        found.append(SourceImage(image_id, int(pid), place, sha256, pixels, *said))
    return found


def _run(
    staging: Staging,
    shards: Sequence[tuple[int, list[SourceImage]]],
    versions: Sequence[Condition],
    output: ImageOutput,
    executor: Executor | None,
) -> Iterator[list[OccludedImage]]:
    """Yield what was made of each shard, in order; shards that an earlier run finished are kept."""
    known = [staging.finished(number, output.extension) for number in range(len(shards))]
    todo = [shard for shard, made in zip(shards, known, strict=True) if made is None]
    arguments = ([start for start, _ in todo], [rows for _, rows in todo], repeat(versions), repeat(output))
    fresh = iter(executor.map(make_shard, *arguments) if executor else map(make_shard, *arguments))
    for number, (made, (start, rows)) in enumerate(zip(known, shards, strict=True)):
        if made is not None:
            yield made
            continue
        found = next(fresh)
        staging.remember(
            number, found, [name_of(rows[one.clean - start].image_id, versions[one.version]) for one in found]
        )
        yield found


@contextmanager
def pool_of_workers(executor: Executor | None, workers: int | None) -> Iterator[Executor | None]:
    """Yield who does the work: the executor given, threads of our own, or None for nobody but the caller.

    Threads serve: reading, decoding and encoding release the interpreter, and they share what is remembered.
    """
    count = cores() if workers is None else workers
    if executor is not None or count <= 1:
        yield executor
        return
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:  # an interrupt must not wait for shards that nobody wants any more
        pool.shutdown(cancel_futures=True)


def places_of(source: Manifest, out: Path) -> dict[str, str]:
    """Return where the roots are on this machine, relative to `out` where that is possible."""
    places = {name: source.root(name) for name in {*source.header.get("roots", {}), ""}}
    named = {name or source.dataset: path for name, path in places.items()}
    return {name: os.path.relpath(path.absolute(), out.absolute()) for name, path in sorted(named.items())}


def _report(path: Path, header: Mapping[str, Any], unchanged: bool = False) -> Simulated:
    plan, counts = header["recipe"], header["simulation"]
    ids = " ".join(family["recipe"]["id"] for family in plan["families"])
    return Simulated(
        str(path), ids, plan["seed"], header["variant"].partition("/")[0], **counts, skipped=dict(header["skipped"]),
        fingerprint=header["fingerprint"], rows_only=plan["rows_only"], unchanged=unchanged,
    )  # fmt: skip
