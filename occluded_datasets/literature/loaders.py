"""How loaders differ: the same features under the rules of other code bases.

Each rule of `occluded_datasets.literature.loader_rules` is applied to a manifest: which rows it takes for probe and
gallery, which camera it gives each, what its same-camera filter then removes, and what rank-1 and mAP result.
Similarities are the same in every case (cosine, over the parts visible in both where there are parts), so that the
rules alone make the difference. Equal similarities, at nine decimals, stand in the order of image_id; the code bases
leave them to an unstable sort.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..catalog import get
from ..errors import InputError, ProtocolError, UnknownNameError, UsageError
from .loader_rules import LOADERS, NO_LOADER, Codebase, LoaderRule, SourceFile

if TYPE_CHECKING:
    import pandas as pd

    from ..evaluation.feature_file import FeatureFile, Matrix
    from ..evaluation.scoring.exact import Array
    from ..manifest import Manifest
    from .loader_scores import Numbers


@dataclass(frozen=True)
class Effect:
    """What a rule does to a manifest's rows, whatever the features.

    Parameters
    ----------
    probes, gallery : int
        Images on each side.
    filtered : int
        (probe, gallery) pairs that the same-camera filter removes; each is a true match.
    dropped : int
        Probes left without a match: they count as the code base's `unmatched` says.
    divisor : int
        Probes that the averages are over.
    raises : bool
        Whether the Python path raises on this gallery.
    """

    probes: int
    gallery: int
    filtered: int
    dropped: int
    divisor: int
    raises: bool


def rules(dataset: str) -> tuple[LoaderRule, ...]:
    """Return the rules known for `dataset`, those without a loader last.

    Raises
    ------
    UnknownNameError
        If there is no such dataset.
    UsageError
        If no code base's rules are recorded for it.

    Examples
    --------
    >>> [rule.camera for rule in rules("partial-reid") if rule.codebase.name == "fast-reid"]
    ['name-field-2']
    """
    get(dataset)
    found = tuple(rule for rule in (*LOADERS, *NO_LOADER) if rule.dataset == dataset)
    if not found:
        raise UsageError(
            f"{dataset}: no code base's rules are recorded.",
            f"There are rules for {', '.join(dict.fromkeys(rule.dataset for rule in LOADERS))}.",
            "occreid-prepare how-loaders-differ partial-reid",
        )
    return found


def loader_text(rule: LoaderRule) -> dict[str, Any]:
    """Return a rule as a JSON-ready mapping, with a link to each file at its commit.

    Examples
    --------
    >>> loader_text(rules("partial-reid")[0])["files"][0]["commit"]
    '1cf580b6b06ce2eec4b2208719f95a724a9a0c2c'
    """
    base = rule.codebase
    return {
        "codebase": base.name,
        "dataset": rule.dataset,
        "repository": base.repository,
        "commit": rule.files[0].commit,
        "files": [_file(base, file) for file in rule.files],
        "probe_folders": list(rule.probe),
        "gallery_folders": list(rule.gallery),
        "camera": rule.camera,
        "camera_rule": rule.camera_text,
        "same_camera_filter": base.same_camera_filter,
        "ap": base.ap,
        "unmatched_probes": base.unmatched,
        "max_rank": base.max_rank,
        "small_gallery": base.small_gallery,
        "labels": base.labels,
        "protocol": rule.protocol,
        "notes": rule.notes,
        "obstacle": rule.obstacle,
        "certainty": rule.certainty,
        "evaluator": [_file(base, file) for file in base.evaluator],
        "evaluator_certainty": base.certainty,
    }


def unscored(told: Mapping[str, Any]) -> str:
    """Return in a few words why a loader that was read has no score, empty where it has one.

    Examples
    --------
    >>> unscored(loader_text(rule_of("partial-reid", "bpbreid")))
    'cannot be constructed'
    """
    return str(told["obstacle"]).partition(":")[0] if told["probe_folders"] else ""


def _file(base: Codebase, file: SourceFile) -> dict[str, str]:
    return {**asdict(file), "url": base.url(file)}


def rows(rule: LoaderRule, manifest: Manifest) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the probe and gallery rows that `rule` takes from `manifest`, in image_id order.

    Raises
    ------
    UsageError
        If the rule is of another dataset, or cannot be applied to the set as published.
    ProtocolError
        If the manifest has no image for one side.
    """
    name = f"{rule.codebase.name} on {rule.dataset}"
    if rule.obstacle or rule.dataset != manifest.dataset:
        raise UsageError(f"{name}: cannot be applied.", rule.obstacle or f"The manifest is of {manifest.dataset}.")
    frame = manifest.frame.sort_values("image_id", ignore_index=True)
    sides = []
    for folders in (rule.probe, rule.gallery):
        prefixes = tuple(f"{rule.dataset}/{folder}/" for folder in folders)
        own = frame[frame["image_id"].str.startswith(prefixes)].reset_index(drop=True)
        if own.empty:
            raise ProtocolError(f"{name}: this manifest has no picture in {', '.join(folders)}.")
        sides.append(own)
    return sides[0], sides[1]


def cameras(rule: LoaderRule, probe: pd.DataFrame, gallery: pd.DataFrame) -> tuple[list[int], list[int]]:
    """Return the camera that `rule` gives each probe and each gallery row.

    Raises
    ------
    InputError
        If a camera is read from the second number of a name that has none.
    """
    if rule.camera == "own":
        own = len(gallery)
        return list(range(own, own + len(probe))), list(range(own))
    if rule.camera == "name-field-2":
        return [_second(name) for name in probe["image_id"]], [_second(name) for name in gallery["image_id"]]
    if rule.camera == "folder":
        return [int(body == "full") for body in probe["body"]], [int(body == "full") for body in gallery["body"]]
    return [0] * len(probe), [1] * len(gallery)


def _second(image_id: str) -> int:
    found = re.match(r"\d+_(\d+)", image_id.rpartition("/")[2])
    if found is None:
        raise InputError(f"{image_id}: its name has no second number to read a camera from.", "Expected NNN_MMM.")
    return int(found[1])


def effect(rule: LoaderRule, manifest: Manifest) -> Effect:
    """Return what `rule` does to the rows of `manifest`: pairs filtered, probes dropped.

    Raises
    ------
    UsageError, ProtocolError, InputError
        As `rows` and `cameras` raise.
    """
    probe, gallery = rows(rule, manifest)
    matches, removed = _relations(rule, probe, gallery)
    dropped = int((~(matches & ~removed).any(axis=1)).sum())
    least = len(gallery) - int(removed.sum(axis=1).max())
    return Effect(
        probes=len(probe),
        gallery=len(gallery),
        filtered=int(removed.sum()),
        dropped=dropped,
        divisor=len(probe) - (dropped if rule.codebase.unmatched == "dropped" else 0),
        raises=rule.codebase.raises and least < min(rule.codebase.max_rank, len(gallery)),
    )


def _relations(rule: LoaderRule, probe: pd.DataFrame, gallery: pd.DataFrame) -> tuple[Array, Array]:
    """Return two (probes, gallery) bool arrays: same person; same person and same camera, hence filtered."""
    import numpy as np

    probe_cameras, gallery_cameras = map(np.asarray, cameras(rule, probe, gallery))
    matches = probe["pid"].to_numpy()[:, None] == gallery["pid"].to_numpy()[None, :]
    return matches, matches & (probe_cameras[:, None] == gallery_cameras[None, :]) & rule.codebase.same_camera_filter


def loader_score(rule: LoaderRule, manifest: Manifest, given: FeatureFile | Matrix) -> Numbers:
    """Return rank-1 and mAP of some features, or of a matrix, as the code base of `rule` would count them.

    Parameters
    ----------
    rule : LoaderRule
        One that can be applied.
    manifest : Manifest
        The rows.
    given : FeatureFile or Matrix
        Rows that the rule does not use are left aside.

    Raises
    ------
    FeatureError
        If an image has no feature, or one that cannot be compared.
    UsageError, ProtocolError
        As `rows` raises.
    """
    from .loader_scores import loader_similarities, rank

    probe, gallery = rows(rule, manifest)
    matches, removed = _relations(rule, probe, gallery)
    source = loader_similarities(given, manifest, list(probe["image_id"]), list(gallery["image_id"]))
    return rank(source, matches, removed, rule.codebase.ap, rule.codebase.unmatched)


def rule_of(dataset: str, codebase: str) -> LoaderRule:
    """Return the rule of one code base for `dataset`.

    Raises
    ------
    UnknownNameError
        If there is none of that name; the message names the nearest ones.

    Examples
    --------
    >>> rule_of("p-dukemtmc-reid", "NIReID").codebase.ap
    'trapezoid'
    """
    found = {rule.codebase.name: rule for rule in rules(dataset)}
    if codebase not in found:
        raise UnknownNameError.of("code base", codebase, found, f"occreid-prepare how-loaders-differ {dataset}")
    return found[codebase]
