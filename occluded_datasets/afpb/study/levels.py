"""mAP against the level of occlusion: a benchmark's cells, by probe, of one run."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ...benchmark import Benchmark, score
from ...manifest import Manifest
from ...protocol import find_protocol
from ..evaluation import declaration, extract_features
from ..inputs import images_sha256
from ..runs import Run

if TYPE_CHECKING:
    import pandas as pd

CLEAN = "clean"


def level_scores(run: Run, benchmark: Benchmark, simulated: Manifest, parent: Manifest) -> str:
    """Return a CSV of the average precision of each probe in each cell: cell, pid, ap, rank1, counted.

    Parameters
    ----------
    run : Run
        A finished run that was trained without the benchmark's identities.
    benchmark : Benchmark
        Which one.
    simulated, parent : Manifest
        The set that ``simulate --benchmark`` wrote, and its parent.
    """
    features = extract_features(run, simulated, _occluded(simulated)).features
    features.update(extract_features(run, parent, _clean(parent, run)).features)
    found = score(benchmark, simulated, parent, features, declare=declaration(run), bootstrap=0)
    cells = {CLEAN: found.clean, **found.cells}
    return str(_table({name: one.per_probe for name, one in cells.items()}).to_csv(index=False, float_format="%.6f"))


def level_inputs(run: Run, benchmark: Benchmark, simulated: Manifest, parent: Manifest) -> dict[str, Any]:
    """Return all that decides what `level_scores` returns of the same arguments, by name.

    Parameters
    ----------
    run : Run
        A finished run.
    benchmark : Benchmark
        Which one.
    simulated, parent : Manifest
        The set that ``simulate --benchmark`` wrote, and its parent.

    Returns
    -------
    dict of str to str
        Digests of the model, the benchmark's rules and the images of both sets, and the names of benchmark and
        protocols.
    """
    protocols = find_protocol("simulated", "source-gallery"), find_protocol(parent.dataset, "standard")
    rules = json.dumps(benchmark.rules, sort_keys=True)
    return {
        "model": run.sha256(),
        "benchmark": benchmark.name,
        "rules": hashlib.sha256(rules.encode()).hexdigest(),
        "protocols": ", ".join(one.id for one in protocols),
        "simulated": images_sha256(simulated.frame, "level", "source_image_id"),
        "parent": images_sha256(parent.frame),
    }


def _occluded(simulated: Manifest) -> pd.DataFrame:
    frame = simulated.frame
    return frame[frame["level"].ne("") & frame["level"].notna()].reset_index(drop=True)


def _clean(parent: Manifest, run: Run) -> pd.DataFrame:
    frame = parent.frame
    return frame[~frame["pid"].isin(list(run.label_map))].reset_index(drop=True)


def _table(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    columns = ["pid", "ap", "rank1", "counted"]
    return pd.concat([table[columns].assign(cell=name) for name, table in tables.items()], ignore_index=True)
