"""What an ablation found: every seed, means, contrasts with intervals; as JSON, Markdown and figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...benchmark import Benchmark, find_benchmark
from ...errors import MissingPackageError
from ...evaluation.record.compare import record_of
from ...evaluation.record.score import sidecar_path
from ...files import storage_errors, write_atomic
from ..inputs import require_inputs
from ..runs import open_run, write_json
from .arms import PRIMARY, arms_of, contrasts_of
from .contrasts import HEADLINE, LEADING, METRICS, SHOWN, by_identity, by_seed, contrast_interval, holm, over_seeds
from .figures import ablation_figures
from .run import LEVELS, SCORES, Ablation, require_one
from .tables import markdown

if TYPE_CHECKING:
    import pandas as pd


def outcome(ablation: Ablation) -> dict[str, Any]:
    """Return what an ablation found, ready for JSON: fractions in 0..1.

    Returns
    -------
    dict
        ``tests``: by test and arm each seed's scores, their mean, and the OBC head's AUROC; by contrast the difference
        with its 95 % interval, and ``over_seeds``: the differences of each seed with their t interval and p, nothing
        for one seed. ``holm``: by test and primary contrast p over seeds in mAP, corrected over all of them.
        ``levels``: by cell, and by kind of occluder, each arm's mAP with its interval, and contrasts. Of all runs:
        seconds, images seen.
    """
    plan, runs = ablation.plan, _runs(ablation)
    arms = arms_of(plan.arms)
    records = {folder.name: open_run(folder).record for folders in runs.values() for folder in folders}
    require_one({name: one["training"]["rows_fingerprint"] for name, one in records.items()}, "training rows")
    tests = {test.name: _test(runs, test.name) for test in plan.tests if test.parent is None}
    levels = [_levels(runs, find_benchmark(test.protocol)) for test in plan.tests if test.parent is not None]
    first = next(iter(records.values()))
    return {
        "training": first["training"],
        "config": json.loads(plan.base.to_json()),
        "noise": plan.noise,
        "start": first["start"],
        "seeds": plan.seeds,
        "arms": {text: {"words": arm.words, "paper": arm.paper} for text, arm in arms.items()},
        "undefined": ablation.undefined,
        "weights": first["weights"],
        "machine": first["machine"],
        "versions": first["versions"],
        "seconds": sum(one["seconds"] for one in records.values()),
        "pictures_seen": {name: one["pictures_seen"] for name, one in records.items()},
        "tests": tests,
        "holm": corrected(tests),
        "levels": levels[0] if levels else {},
    }


def corrected(tests: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Return by test and primary contrast p over seeds in the leading metric, corrected over all that are here."""
    found = {
        (test, name): one["over_seeds"][LEADING]["p"]
        for test, own in tests.items()
        for name, one in own["contrasts"].items()
        if name in PRIMARY and one["over_seeds"][LEADING]
    }
    raised = holm(found)
    return {test: {name: p for (own, name), p in raised.items() if own == test} for test in tests}


def write_outcome(ablation: Ablation) -> dict[str, Any]:
    """Write ``ablation.json``, ``ablation.md`` and, where matplotlib is there, figures; return what was found."""
    found = outcome(ablation)
    write_json(ablation.folder / "ablation.json", found)
    pictures = {}
    with suppress(MissingPackageError):
        pictures = ablation_figures(found)
    with storage_errors(str(ablation.folder)):
        write_atomic(ablation.folder / "ablation.md", markdown(found).encode())
        for name, data in pictures.items():
            write_atomic(ablation.folder / name, data)
    return found


def _runs(ablation: Ablation) -> dict[str, list[Path]]:
    """Return by arm the folders of its runs, seed by seed; undefined arms have none."""
    arms = arms_of(arm for arm in ablation.plan.arms if arm not in ablation.undefined)
    seeds = range(ablation.plan.seeds)
    return {text: [ablation.folder / f"{arm.folder}-{seed}" for seed in seeds] for text, arm in arms.items()}


def _test(runs: Mapping[str, list[Path]], test: str) -> dict[str, Any]:
    arms, tables = {}, {}
    scored = {folder: _scored(folder, test) for folders in runs.values() for folder in folders}
    for name, what in (("protocol", "protocols"), ("rows", "test rows")):
        require_one({folder.name: one[name] for folder, one in scored.items()}, what)
    for arm, folders in runs.items():
        seeds = [scored[folder] for folder in folders]
        tables[arm] = [one["table"] for one in seeds]
        arms[arm] = {
            "seeds": [one["scores"] for one in seeds],
            "mean": {name: float(np.mean([one["scores"][name] for one in seeds])) for name in SHOWN},
            "occlusion_auroc": [one["auroc"] for one in seeds],
        }
    return {
        "protocol": seeds[0]["protocol"],
        "fingerprint": seeds[0]["fingerprint"],
        "probes": seeds[0]["probes"],
        "shared": seeds[0]["shared"],
        "arms": arms,
        "contrasts": _contrasts(tables),
    }


def _scored(folder: Path, test: str) -> dict[str, Any]:
    import pandas as pd

    kept = json.loads((folder / SCORES).read_bytes())
    path = folder / kept["scores"][test]
    record = record_of(path)
    kept_of, own = {"model": record["model"]["sha256"]}, {"model": open_run(folder).sha256()}
    require_inputs(kept_of, own, f"{path}: the score", "the same ablate command, which scores every run anew")
    scores = {}
    for name, way in SHOWN.items():
        value: Any = record
        for step in way:
            value = value[step]
        scores[name] = value
    return {
        "scores": scores,
        "table": pd.read_csv(sidecar_path(path)),
        "auroc": kept["occlusion_auroc"][test],
        "shared": kept["shared"][test],
        "protocol": record["protocol"],
        "rows": record["rows_sha256"],
        "fingerprint": record["fingerprint"],
        "probes": record["audit"]["probes"],
    }


def _contrasts(tables: Mapping[str, list[pd.DataFrame]]) -> dict[str, Any]:
    return {name: _contrast(tables, *pair) for name, pair in contrasts_of(tables).items()}


def _contrast(tables: Mapping[str, list[pd.DataFrame]], plus: str, minus: str) -> dict[str, Any]:
    found: dict[str, Any] = {"of": [plus, minus]}
    seeds: dict[str, Any] = {}
    for metric, column in METRICS.items():
        sides = by_identity(tables[plus], column), by_identity(tables[minus], column)
        found[metric] = contrast_interval(*sides)._asdict()
        differences = by_seed(*sides)
        own = over_seeds(differences)
        seeds[metric] = None if own is None else {"differences": differences, **own._asdict()}
    return {**found, "over_seeds": seeds}


def _levels(runs: Mapping[str, list[Path]], benchmark: Benchmark) -> dict[str, Any]:
    """Return mean average precision with its interval by cell, and by kind: the mean over a kind's levels."""
    import pandas as pd

    tables = {arm: [pd.read_csv(folder / LEVELS) for folder in folders] for arm, folders in runs.items()}
    cells = list(dict.fromkeys(next(iter(tables.values()))[0]["cell"]))
    families = list(dict.fromkeys(cell.partition("/")[0] for cell in cells))
    kinds = {family: [cell for cell in cells if cell.partition("/")[0] == family] for family in families}
    kinds[HEADLINE] = [cell for family in benchmark.headline for cell in kinds[family]]
    return {
        "cells": {cell: _level(tables, [cell]) for cell in cells},
        "kinds": {kind: _level(tables, own) for kind, own in kinds.items()},
    }


def _level(tables: Mapping[str, list[pd.DataFrame]], cells: Sequence[str]) -> dict[str, Any]:
    """Return of some cells together each arm's mean with its interval, and the contrasts."""
    own = {arm: [seed[seed["cell"].isin(cells)] for seed in seeds] for arm, seeds in tables.items()}
    means: dict[str, Any] = {arm: contrast_interval(by_identity(seeds, "ap"))._asdict() for arm, seeds in own.items()}
    return {**means, "contrasts": _contrasts(own)}
