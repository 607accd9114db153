"""The main job on twins of the four sets: render, build, verify, split, and a sheet; a synthetic set and its score."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .evaluation import evaluate
from .features import extract
from .library import load
from .manifest import verify
from .occlusion import replay, simulate
from .prepare import build, write_split
from .protocol import split
from .report import contact_sheet, occlusion_sheet
from .twin import twin

PROTOCOLS = {
    "occluded-reid": ("transfer-all", "afpb-nshot-1"),
    "partial-reid": ("transfer-all-occluded-probe", "transfer-all-partial-probe"),
    "p-ethz": ("transfer-all", "afpb-nshot-1"),
    "p-dukemtmc-reid": ("supervised", "transfer"),
}

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Step:
    """What the demo did with one set; `splits` maps a protocol to its (train, probe, gallery) images."""

    dataset: str
    rows: int
    identities: int
    verdict: str
    verified: bool
    fingerprint: str
    splits: dict[str, tuple[int, int, int]]
    manifest: str
    sheet: str

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return asdict(self)


def demo(
    out: str | os.PathLike[str], ids: int | None = None, workers: int | None = 1, progress: Progress | None = None
) -> Iterator[Step]:
    """Yield what was done for each of the four sets: twin, manifest, verification, two splits, contact sheet.

    A twin that an earlier demo left in `out` is used again.

    Parameters
    ----------
    out : path
        Where everything goes: ``twins/``, ``built/``, ``splits/``, ``sheets/``.
    ids : int, optional
        Identities a set; all declared ones by default.
    workers : int, optional
        Processes that render; None for all cores.

    Raises
    ------
    OccludedDatasetsError
        If a step fails.
    """
    for dataset in PROTOCOLS:
        yield _step(Path(out), dataset, ids, workers, progress or (lambda stage, done, total: None))


@dataclass(frozen=True)
class Synthetic:
    """A synthetic occluded set of one twin: images made, whether all were rebuilt from their rows, and a score."""

    recipe: str
    pictures: int
    replayed: bool
    protocol: str
    rank1: float
    map: float
    manifest: str
    sheet: str

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return asdict(self)


def synthetic(
    out: str | os.PathLike[str], manifest: str | os.PathLike[str], progress: Progress | None = None
) -> Synthetic:
    """Return what was made of a built twin: things of the drawn bank in front of its people, replayed and scored.

    Parameters
    ----------
    out : path
        Where everything goes: ``synthetic/``, and a sheet beside the others.
    manifest : path
        A set that the demo built.
    """
    tell = progress or (lambda stage, done, total: None)
    folder, source = Path(out) / "synthetic", load(manifest)
    made = simulate(
        source, folder, recipe="bank", seed=7, replace=True, progress=lambda done, total: tell("occlude", done, total)
    )
    occluded = load(made.manifest)
    again = replay(occluded, source, progress=lambda done, total: tell("rebuild", done, total))
    features = extract(occluded, "histogram", folder / "histogram.npz", replace=True)
    record = evaluate(occluded, "source-gallery", features.path, bootstrap=0).record
    sheet = occlusion_sheet(occluded, source, Path(out) / "sheets" / "synthetic.png")
    return Synthetic(
        made.recipe, made.pictures, again.ok, record["protocol"], record["cmc"]["1"], record["map"], made.manifest,
        str(sheet),
    )  # fmt: skip


def _step(out: Path, dataset: str, ids: int | None, workers: int | None, tell: Progress) -> Step:
    tree = _twin(out / "twins" / dataset, dataset, ids, workers, tell)
    built = build(
        dataset, tree, out / "built", allow_subset=ids is not None, replace=True,
        progress=lambda stage, done, total: tell(f"{dataset}: {stage}", done, total),
    )  # fmt: skip
    manifest = load(built.manifest)
    splits = {}
    for name in PROTOCOLS[dataset]:
        made = split(manifest, name)
        write_split(made, Path(built.manifest), out / "splits" / dataset / name)
        splits[name] = (len(made.train), len(made.probe), len(made.gallery))
    sheet = contact_sheet(manifest, out / "sheets" / f"{dataset}.png")
    verified = verify(manifest).ok
    return Step(
        dataset, built.rows, built.identities, built.verdict, verified, built.fingerprint, splits, built.manifest,
        str(sheet),
    )  # fmt: skip


def _twin(folder: Path, dataset: str, ids: int | None, workers: int | None, tell: Progress) -> Path:
    """Return a twin's tree, rendered unless an earlier demo left it."""
    folder = folder / (f"{ids}-ids" if ids else "all-ids")
    if folder.is_dir():
        for tree in sorted(folder.iterdir()):
            if tree.is_dir() and not tree.name.startswith("."):
                return tree
    made = twin(
        dataset, folder, ids=ids, workers=workers,
        progress=lambda done, total: tell(f"{dataset}: render", done, total),
    )  # fmt: skip
    return Path(made.tree)
