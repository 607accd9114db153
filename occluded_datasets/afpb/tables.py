"""An ablation to read: Markdown tables of its tests, its contrasts and its levels, per cent throughout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .contrasts import HEADLINE, METRICS, SHOWN, Interval, per_cent


def markdown(found: Mapping[str, Any]) -> str:
    """Return an outcome to read: a table a test, contrasts below it, and mAP by kind of occluder and by level."""
    training = found["training"]
    lines = [
        f"Trained on {training['rows']:,} pictures of {training['identities']:,} identities of {training['dataset']} "
        f"(rows `{training['rows_fingerprint'][:16]}`), {found['seeds']} seeds, "
        f"{_seen(found)} pictures seen by each run, {found['seconds'] / 60:.0f} minutes of training in all, "
        f"{found['machine']['threads']} thread(s) a run.",
        "",
    ]
    lines += [f"- `{arm}`: {one['words']}{_after(one['paper'])}" for arm, one in found["arms"].items()]
    lines += [f"- `{arm}` is undefined here: {reason}" for arm, reason in found["undefined"].items()]
    for name, test in found["tests"].items():
        lines += ["", *_table(name, test)]
    if found["levels"]:
        lines += ["", *kind_tables(found), "", *_level_table(found)]
    return "\n".join(lines) + "\n"


def _seen(found: Mapping[str, Any]) -> str:
    return " or ".join(f"{one:,}" for one in sorted(set(found["pictures_seen"].values())))


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
        yield f"| {_title(contrast, one)} | {shown[0]} | {shown[1]} |"


def _points(values: Mapping[str, float]) -> str:
    return per_cent(Interval(**values))


def kind_tables(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines of Markdown: mAP by kind of occluder, and what each contrast is there."""
    kinds = found["levels"]["kinds"]
    order = [HEADLINE, *(kind for kind in kinds if kind != HEADLINE)]
    yield "### mAP by kind of occluder, mean over its levels, held-out identities"
    yield ""
    yield f"| arm | {' | '.join(order)} |"
    yield f"|---|{'---|' * len(order)}"
    for arm in _defined(found):
        yield f"| {arm} | {' | '.join(_between(kinds[kind][arm]) for kind in order)} |"
    yield ""
    yield f"| contrast, points of mAP | {' | '.join(order)} |"
    yield f"|---|{'---|' * len(order)}"
    for name, one in kinds[HEADLINE]["contrasts"].items():
        shown = [_points(kinds[kind]["contrasts"][name]["mAP"]) for kind in order]
        yield f"| {_title(name, one)} | {' | '.join(shown)} |"


def _level_table(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield mAP by cell; variants are in the table by kind alone."""
    arms = [arm for arm in _defined(found) if ":" not in arm]
    yield "### mAP against the level of occlusion, held-out identities"
    yield ""
    yield f"| cell | {' | '.join(arms)} | afpb less baseline |"
    yield f"|---|{'---|' * (len(arms) + 1)}"
    for cell, own in found["levels"]["cells"].items():
        contrast = own["contrasts"].get("afpb")
        told = _points(contrast["mAP"]) if contrast else ""
        yield f"| {cell} | {' | '.join(_between(own[arm]) for arm in arms)} | {told} |"


def _defined(found: Mapping[str, Any]) -> list[str]:
    return [arm for arm in found["arms"] if arm not in found["undefined"]]


def _between(values: Mapping[str, float]) -> str:
    return f"{100 * values['mean']:.1f} [{100 * values['low']:.1f}, {100 * values['high']:.1f}]"


def _title(name: str, one: Mapping[str, Any]) -> str:
    plus, minus = one["of"]
    return f"{plus} less {minus}" if name == plus and ":" in name else f"{name}: {plus} less {minus}"
