"""Rebuild a simulated set from its rows and the clean images, and compare every pixel."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

from ...errors import ImageError, InputError, UsageError
from ...files import exclusive, remove_tree, storage_errors, write_atomic
from ...hashing import pixel_digest
from ...images import decode
from ...manifest import PLACES, Manifest, from_frame, to_frame, write
from ...scan import Progress
from ..recipes.recipe import POOLED
from ..sources.occluders import Items
from ..sources.pool import Pool
from .header import SimulationPlan, plan_in
from .render import Condition, ImageOutput, OccludedImage, SourceImage, make_shard, name_of, versions_of
from .rows import NAMES, plain_cells, simulated_cells
from .simulate import SHARD, clean_rows, places_of, pool_of_workers

Row = Mapping[str, str]


class Replay(NamedTuple):
    """What a replay found.

    Parameters
    ----------
    checked : int
        Rows of occluded images.
    differing : dict
        By image_id: what is not as the row says, a column or a file.
    missing : tuple of str
        image_ids whose clean image the source does not have.
    before_encoding : bool
        True for a JPEG set: pixels are compared before they are encoded, and files are not looked at.
    out : str
        Where the images were written; empty if they were not.
    """

    checked: int
    differing: dict[str, str]
    missing: tuple[str, ...]
    before_encoding: bool
    out: str = ""

    @property
    def ok(self) -> bool:
        """Whether every image and mask was rebuilt to the pixel."""
        return not (self.differing or self.missing)


def replay(
    simulated: Manifest,
    source: Manifest,
    *,
    out: str | os.PathLike[str] | None = None,
    pool: Manifest | None = None,
    pool_masks: Path | None = None,
    masks: Path | None = None,
    bank: Items | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Replay:
    """Return whether every occluded image and mask of `simulated` is rebuilt, pixel for pixel.

    Clean images are found by their pixels: a renamed copy of the source serves. Images that lie beside the rows are
    compared too.

    Parameters
    ----------
    simulated : Manifest
        What `simulate` wrote, with its images or as rows alone.
    source : Manifest
        The set it was made of.
    out : path, optional
        A new folder for the rebuilt set: how rows become images.
    pool, pool_masks, masks, bank
        As they were given to `simulate`.
    workers, executor, progress
        As for `simulate`.

    Raises
    ------
    UsageError
        If this is no simulated set, or pool or bank are others than the recipe names.
    InputError
        If a source image is gone or changed.

    Examples
    --------
    >>> import tempfile
    >>> import occluded_datasets as od
    >>> from occluded_datasets.occlusion import simulate
    >>> from occluded_datasets.twin import twin
    >>> folder = tempfile.mkdtemp()
    >>> tree = twin("partial-reid", folder + "/twin", ids=2).tree
    >>> source = od.load(od.build("partial-reid", tree, folder, allow_subset=True).manifest)
    >>> done = simulate(source, folder + "/occ", recipe="afpb", seed=7, rows_only=True)
    >>> replay(od.load(done.manifest), source).ok
    True
    """
    plan = plan_in(simulated)
    versions = _versions(plan, source, pool, pool_masks, bank)
    by_name = {(version.level, version.copy): number for number, version in enumerate(versions)}
    rows = _rows(simulated)
    claims, missing = _claims(rows, source, by_name)
    frame = source.frame[source.frame["image_id"].isin(set(claims))]
    clean = clean_rows(source, frame, masks)
    target = None if out is None else Path(out)
    differing: dict[str, str] = {}
    texts = plain_cells(frame)
    base = {name: {key: texts[key][at] for key in texts} for at, name in enumerate(texts["image_id"])}
    work = _Replayed(clean, versions, claims, simulated, plan, differing, base, has_pictures(simulated))
    if target is None:
        work.run(ImageOutput(None, plan.format, plan.quality), executor, workers, progress)
    elif not missing:
        _write(work, target, source, executor, workers, progress)
    done = "" if differing or missing else str(out or "")
    return Replay(len(rows), differing, tuple(missing), plan.format != "png", done)


def has_pictures(simulated: Manifest) -> bool:
    """Return whether images lie beside the rows, as they do unless the set is of rows alone."""
    plan = simulated.header.get("recipe", {})
    return simulated.path is not None and not (isinstance(plan, Mapping) and plan.get("rows_only"))


class _Replayed(NamedTuple):
    """One replay at work."""

    clean: list[SourceImage]
    versions: list[Condition]
    claims: Mapping[str, Mapping[int, Row]]
    simulated: Manifest
    plan: SimulationPlan
    differing: dict[str, str]
    base: Mapping[str, Row]
    written: bool

    def run(
        self, output: ImageOutput, executor: Executor | None, workers: int | None, progress: Progress | None
    ) -> dict[str, OccludedImage]:
        """Make every claimed image, compare it, and return what was made by image_id."""
        shards = [(start, self.clean[start : start + SHARD]) for start in range(0, len(self.clean), SHARD)]
        found: dict[str, OccludedImage] = {}
        with pool_of_workers(executor, workers) as who:
            arguments = ([s for s, _ in shards], [r for _, r in shards], repeat(self.versions), repeat(output))
            run = who.map(make_shard, *arguments) if who else map(make_shard, *arguments)
            for (start, rows), made in zip(shards, run, strict=True):
                found.update(self._compare(made, {start + n: one for n, one in enumerate(rows)}, output))
                if progress:
                    progress(start + len(rows), len(self.clean))
        return found

    def _compare(
        self, made: Sequence[OccludedImage], rows: Mapping[int, SourceImage], output: ImageOutput
    ) -> dict[str, OccludedImage]:
        found = {}
        for one in made:
            row = self.claims[rows[one.clean].image_id].get(one.version)
            if row is None:
                continue
            found[row["image_id"]] = one
            base = self.base[rows[one.clean].image_id]
            expected = simulated_cells(base, one, self.versions[one.version], output)
            fault = _differs(row, expected, row["source_image_id"] != base["image_id"])
            fault = fault or ("" if output.folder else self._file_differs(row, one))
            if fault:
                self.differing[row["image_id"]] = fault
        for row in (row for one in rows.values() for row in self.claims[one.image_id].values()):
            if row["image_id"] not in found:
                self.differing[row["image_id"]] = "the recipe leaves this picture as it is"
        return found

    def _file_differs(self, row: Row, made: OccludedImage) -> str:
        """Return which file beside the rows is missing or has other pixels; a set of rows alone has none."""
        if self.simulated.path is None or not self.written:
            return ""
        folder = self.simulated.path.parent
        for column, expected in (("path", made.pixel_sha256), ("mask_path", made.mask_sha256)):
            file = folder / row[column]
            if not file.is_file():
                return f"file {row[column]} is missing"
            if column == "path" and self.plan.format != "png":
                continue
            try:
                pixels = decode(file.read_bytes(), row[column])
            except ImageError as error:
                return f"file {row[column]}: {error.why}"
            pixels = pixels if column == "path" else pixels[..., 0].copy()
            if pixel_digest(pixels) != expected:
                return f"file {row[column]}"
        return ""


def _versions(
    plan: SimulationPlan, source: Manifest, pool: Manifest | None, masks: Path | None, bank: Items | None
) -> list[Condition]:
    """Return the versions of the plan, sure that pool and bank are those it names."""
    pooled = any(family.recipe.kinds & set(POOLED) for family in plan.families)
    taken = Pool.of(source if pool is None else pool, masks) if pooled else None
    versions = versions_of(plan.families, plan.seed, plan.copies, taken, bank)
    own = next((one.simulator.bank for one in versions if one.simulator.bank is not None), None)
    for what, expected, found, then in (
        (
            "pool",
            plan.pool,
            taken.hash if taken else "",
            "name what it was cut from: --pool MANIFEST, --pool-masks DIR",
        ),
        ("bank", plan.bank, own.hash if own else "", "name the bank it was made with: --bank DIR"),
    ):
        if expected != found:
            raise UsageError(f"The {what} is another one.", f"Expected {expected[:40]}, found {found[:40]}.", then)
    return versions


def _rows(simulated: Manifest) -> list[Row]:
    """Return the rows of occluded images: those that are in the set's own folder."""
    texts = from_frame(simulated.frame)
    missing = [name for name in NAMES if name not in texts]
    if missing:
        raise InputError(
            f"{simulated.variant}: no rows of a simulated set.", f"Missing columns: {', '.join(missing)}.",
            "get the manifest again",
        )  # fmt: skip
    return [{name: texts[name][at] for name in texts} for at, root in enumerate(texts["root"]) if not root]


def _claims(
    rows: Sequence[Row], source: Manifest, by_name: Mapping[tuple[str, int], int]
) -> tuple[dict[str, dict[int, Row]], list[str]]:
    """Return the rows by clean image and version, and the ids of those whose clean image is not in the source.

    A clean image is the one of the row's name if it has the row's pixels, else one with these pixels.
    """
    owners: dict[str, list[str]] = defaultdict(list)
    for image_id, pixels in zip(source.frame["image_id"], source.frame["pixel_sha256"], strict=True):
        owners[pixels].append(image_id)
    claims: dict[str, dict[int, Row]] = defaultdict(dict)
    missing = []
    for row in rows:
        version = by_name.get((row["level"], int(row["copy"])))
        if version is None:
            raise InputError(
                f"{row['image_id']}: level {row['level'] or 'none'}, copy {row['copy']} is not in the recipe."
            )
        names = sorted(owners.get(row["key"], ()), key=lambda name: (name != row["source_image_id"], name))
        owner = next((name for name in names if version not in claims[name]), None)
        if owner is None:
            missing.append(row["image_id"])
        else:
            claims[owner][version] = row
    return dict(claims), missing


def _differs(row: Row, expected: Row, renamed: bool) -> str:
    """Return the first column in which a row is not what was made, empty for none.

    Bytes of files are the encoder's. Where the clean image has another name than the row says, so have its rows.
    """
    free = {"bytes", "sha256", "pixel_sha256" if row["x_drawn_sha256"] else ""}
    free |= {"image_id", "path", "mask_path", "source_image_id", "group"} if renamed else set()
    return next((name for name, cell in expected.items() if name not in free and row[name] != cell), "")


def _write(
    work: _Replayed,
    out: Path,
    source: Manifest,
    executor: Executor | None,
    workers: int | None,
    progress: Progress | None,
) -> None:
    """Write the rebuilt set whole to a new folder, or leave nothing."""
    if out.exists():
        raise UsageError(f"{out} is already there.", "A replay never replaces anything.", "choose another --out")
    staging = out.with_name(f".{out.name}.replaying")
    if staging.exists() and not (staging / "images").exists():
        raise UsageError(f"{staging} is there and is no replay's.", "", "remove it, or choose another --out")
    with storage_errors(str(out)), exclusive(out.with_name(f".{out.name}.lock")):
        remove_tree(staging)
        try:
            for one in work.clean:
                for kind in ("images", "masks"):
                    (staging / kind / one.image_id).parent.mkdir(parents=True, exist_ok=True)
            output = ImageOutput(str(staging), work.plan.format, work.plan.quality)
            found = work.run(output, executor, workers, progress)
            if work.differing:
                return
            _write_rows(work, staging, found, output)
            write_atomic(staging / PLACES, json.dumps(places_of(source, out)).encode())
            os.replace(staging, out)
        finally:
            remove_tree(staging)


def _write_rows(work: _Replayed, folder: Path, found: Mapping[str, OccludedImage], output: ImageOutput) -> None:
    """Write the manifest of what was rebuilt: the same rows, with the bytes that this machine's encoder gives."""
    texts = {name: list(cells) for name, cells in from_frame(work.simulated.frame).items()}
    for at, image_id in enumerate(texts["image_id"]):
        if image_id in found:
            made = found[image_id]
            name = name_of(work.clean[made.clean].image_id, work.versions[made.version])
            texts["bytes"][at], texts["sha256"][at] = str(made.bytes), made.sha256
            texts["path"][at], texts["mask_path"][at] = f"images/{name}{output.extension}", f"masks/{name}.png"
    plan = {**work.simulated.header["recipe"], "rows_only": False}
    header = {**work.simulated.header, "recipe": plan}
    write(Manifest(to_frame(texts), header, work.simulated.path, work.simulated.sources), folder / "manifest.csv")
