"""What an ablation found: every seed, means, contrasts with intervals; as JSON, Markdown and figures."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import MissingPackageError
from ..evaluation.score import sidecar_path
from ..files import storage_errors, write_atomic
from .ablation import ARMS, CONTRASTS, LEVELS, SCORES, Ablation
from .contrasts import Interval, by_identity, interval
from .levels import CLEAN
from .runs import open_run, write_json

if TYPE_CHECKING:
    import pandas as pd

METRICS = {"rank-1": "rank1", "mAP": "ap"}
"""What contrasts are taken of: its name, and the column by probe."""

SHOWN = {"rank-1": ("cmc", "1"), "rank-5": ("cmc", "5"), "mAP": ("map",)}


def outcome(ablation: Ablation) -> dict[str, Any]:
    """Return what an ablation found, ready for JSON: fractions in 0..1.

    Returns
    -------
    dict
        ``tests``: by test and arm each seed's scores, their mean, and the OBC head's AUROC; by contrast the difference
        with its 95 % interval. ``levels``: by cell and arm the mean mAP with its interval. ``runs``: seconds, pictures.
    """
    plan = ablation.plan
    tests = {test.name: _test(ablation, test.name) for test in plan.tests if test.parent is None}
    first = open_run(ablation.folder / next(_folders(ablation)))
    return {
        "training": first.record["training"],
        "config": json.loads(plan.base.to_json()),
        "noise": plan.noise,
        "start": first.record["start"],
        "seeds": plan.seeds,
        "arms": {arm: {"words": ARMS[arm].words, "paper": ARMS[arm].paper} for arm in plan.arms},
        "undefined": ablation.undefined,
        "weights": first.record["weights"],
        "machine": first.record["machine"],
        "versions": first.record["versions"],
        "seconds": sum(open_run(ablation.folder / name).record["seconds"] for name in _folders(ablation)),
        "pictures_seen": {
            name: open_run(ablation.folder / name).record["pictures_seen"] for name in _folders(ablation)
        },
        "tests": tests,
        "levels": _levels(ablation),
    }


def write_outcome(ablation: Ablation) -> dict[str, Any]:
    """Write ``ablation.json``, ``ablation.md`` and, where matplotlib is there, figures; return what was found."""
    found = outcome(ablation)
    write_json(ablation.folder / "ablation.json", found)
    pictures = {}
    with suppress(MissingPackageError):
        pictures = figures(found)
    with storage_errors(str(ablation.folder)):
        write_atomic(ablation.folder / "ablation.md", markdown(found).encode())
        for name, data in pictures.items():
            write_atomic(ablation.folder / name, data)
    return found


def _folders(ablation: Ablation) -> Iterator[str]:
    for arm in ablation.plan.arms:
        if arm not in ablation.undefined:
            yield from (f"{arm}-{seed}" for seed in range(ablation.plan.seeds))


def _test(ablation: Ablation, test: str) -> dict[str, Any]:
    arms, tables = {}, {}
    for arm in ablation.plan.arms:
        if arm in ablation.undefined:
            continue
        seeds = [_scored(ablation.folder / f"{arm}-{seed}", test) for seed in range(ablation.plan.seeds)]
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
    record = json.loads(path.read_bytes())
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
        "fingerprint": record["fingerprint"],
        "probes": record["audit"]["probes"],
    }


def _contrasts(tables: Mapping[str, list[pd.DataFrame]]) -> dict[str, Any]:
    found = {}
    for name, (plus, minus) in CONTRASTS.items():
        if plus in tables and minus in tables:
            found[name] = {
                "of": [plus, minus],
                **{
                    metric: interval(by_identity(tables[plus], column), by_identity(tables[minus], column))._asdict()
                    for metric, column in METRICS.items()
                },
            }
    return found


def _levels(ablation: Ablation) -> dict[str, Any]:
    """Return by cell and arm the mean average precision with its interval, and the contrast of AFPB with baseline."""
    import pandas as pd

    names = [name for name in _folders(ablation) if (ablation.folder / name / LEVELS).is_file()]
    tables = {name: pd.read_csv(ablation.folder / name / LEVELS) for name in names}
    if not tables:
        return {}
    cells: dict[str, Any] = {}
    for cell in dict.fromkeys(next(iter(tables.values()))["cell"]):
        own: dict[str, list[pd.DataFrame]] = {}
        for name in names:
            table = tables[name]
            own.setdefault(name.rpartition("-")[0], []).append(table[table["cell"] == cell])
        cells[cell] = {arm: interval(by_identity(seeds, "ap"))._asdict() for arm, seeds in own.items()}
        cells[cell]["contrasts"] = _contrasts(own)
    return cells


def markdown(found: Mapping[str, Any]) -> str:
    """Return an outcome to read: a table a test, contrasts below it, and mAP by level; per cent throughout."""
    training = found["training"]
    lines = [
        f"Trained on {training['rows']:,} pictures of {training['identities']:,} identities of {training['dataset']} "
        f"(rows `{training['rows_fingerprint'][:16]}`), {found['seeds']} seeds, "
        f"{found['seconds'] / 60:.0f} minutes of training in all, {found['machine']['threads']} thread(s) a run.",
        "",
    ]
    lines += [f"- `{arm}`: {one['words']}{_after(one['paper'])}" for arm, one in found["arms"].items()]
    lines += [f"- `{arm}` is undefined here: {reason}" for arm, reason in found["undefined"].items()]
    for name, test in found["tests"].items():
        lines += ["", *_table(name, test)]
    if found["levels"]:
        lines += ["", *_level_table(found)]
    return "\n".join(lines) + "\n"


def _after(paper: str) -> str:
    return f' (after the paper\'s row "{paper}")' if paper else ""


def _table(name: str, test: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    yield f"`{test['protocol']}`, {test['probes']:,} probes; {test['shared']['text']}."
    yield ""
    yield "| arm | rank-1 of each seed | mean | rank-5 | mAP of each seed | mean | OBC AUROC |"
    yield "|---|---|---|---|---|---|---|"
    for arm, own in test["arms"].items():
        each = {metric: ", ".join(f"{100 * one[metric]:.1f}" for one in own["seeds"]) for metric in SHOWN}
        areas = [one for one in own["occlusion_auroc"] if one is not None]
        auroc = ", ".join(f"{one:.2f}" for one in areas) or "not trained"
        mean = {metric: f"{100 * value:.1f}" for metric, value in own["mean"].items()}
        yield (
            f"| {arm} | {each['rank-1']} | **{mean['rank-1']}** | {mean['rank-5']} | {each['mAP']} | "
            f"**{mean['mAP']}** | {auroc} |"
        )
    yield ""
    yield "| contrast | rank-1, points | mAP, points |"
    yield "|---|---|---|"
    for contrast, one in test["contrasts"].items():
        shown = [_points(one[metric]) for metric in METRICS]
        yield f"| {contrast}: {one['of'][0]} less {one['of'][1]} | {shown[0]} | {shown[1]} |"


def _points(values: Mapping[str, float]) -> str:
    found = Interval(**values)
    return f"{100 * found.mean:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def _level_table(found: Mapping[str, Any]) -> Iterator[str]:
    arms = [arm for arm in found["arms"] if arm not in found["undefined"]]
    yield "### mAP against the level of occlusion, held-out identities"
    yield ""
    yield f"| cell | {' | '.join(arms)} | afpb less baseline |"
    yield f"|---|{'---|' * (len(arms) + 1)}"
    for cell, own in found["levels"].items():
        shown = [
            f"{100 * own[arm]['mean']:.1f} [{100 * own[arm]['low']:.1f}, {100 * own[arm]['high']:.1f}]" for arm in arms
        ]
        contrast = own["contrasts"].get("afpb")
        yield f"| {cell} | {' | '.join(shown)} | {_points(contrast['mAP']) if contrast else ''} |"


def figures(found: Mapping[str, Any]) -> dict[str, bytes]:
    """Return PNG files by name: contrasts with their intervals, and mAP against the level.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError(
            "figures: matplotlib is not installed.", "It is optional.", 'pip install "occluded-datasets[afpb]"'
        ) from error
    made = {"contrasts.png": _contrast_figure(Figure, found)}
    if found["levels"]:
        made["levels.png"] = _level_figure(Figure, found)
    return made


def _contrast_figure(figure_class: Any, found: Mapping[str, Any]) -> bytes:
    rows = [
        (f"{contrast}\n{name.partition('/')[2]}", one)
        for name, test in found["tests"].items()
        for contrast, one in test["contrasts"].items()
    ]
    figure = figure_class(figsize=(9, 1.2 + 0.55 * len(rows)), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2, sharey=True), METRICS, strict=True):
        for place, (_, one) in enumerate(rows):
            own = one[metric]
            axes.plot([100 * own["low"], 100 * own["high"]], [place, place], color="#35618f", linewidth=2)
            axes.plot(100 * own["mean"], place, "o", color="#35618f")
        axes.axvline(0, color="#999999", linewidth=1)
        axes.set_xlabel(f"{metric}, points (95 % over identities and seeds)")
        axes.set_yticks(range(len(rows)), [label for label, _ in rows], fontsize=8)
    axes.invert_yaxis()  # both share it
    return _png(figure)


def _level_figure(figure_class: Any, found: Mapping[str, Any]) -> bytes:
    families = list(dict.fromkeys(cell.partition("/")[0] for cell in found["levels"] if cell != CLEAN))
    arms = [arm for arm in found["arms"] if arm not in found["undefined"]]
    figure = figure_class(figsize=(4.2 * len(families), 3.8), layout="constrained")
    grid = figure.subplots(1, len(families), sharey=True, squeeze=False)[0]
    for axes, family in zip(grid, families, strict=True):
        cells = {CLEAN: 0.0}
        cells |= {cell: float(cell.partition("/")[2]) for cell in found["levels"] if cell.startswith(f"{family}/")}
        for number, arm in enumerate(arms):
            own = [found["levels"][cell][arm] for cell in cells]
            colour = f"C{number}"
            axes.plot(list(cells.values()), [100 * one["mean"] for one in own], marker="o", color=colour, label=arm)
            low, high = ([100 * one[side] for one in own] for side in ("low", "high"))
            axes.fill_between(list(cells.values()), low, high, color=colour, alpha=0.12, linewidth=0)
        axes.set_title(family)
        axes.set_xlabel("occluded, per cent of the picture")
    grid[0].set_ylabel("mAP, per cent")
    grid[0].legend()
    return _png(figure)


def _png(figure: Any) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    return stream.getvalue()
