"""An ablation to read: Markdown tables of its tests, its contrasts and its levels, per cent throughout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .arms import PRIMARY
from .contrasts import HEADLINE, LEADING, METRICS, SHOWN, Interval, per_cent


def markdown(found: Mapping[str, Any]) -> str:
    """Return an outcome to read: a table a test, contrasts below it, and mAP by kind of occluder and by level.

    The first paragraph is the setting; the second says what the brackets are.
    """
    training = found["training"]
    lines = [
        f"Trained on {training['rows']:,} pictures of {training['identities']:,} identities of {training['dataset']} "
        f"(rows `{training['rows_fingerprint'][:16]}`), {seeds_text(found['seeds'])}, "
        f"{_seen(found)} pictures seen by each run, {found['seconds'] / 60:.1f} minutes of training in all, "
        f"{found['machine']['threads']} thread(s) a run.",
        "",
        _reading(found),
        "",
    ]
    lines += [f"- `{arm}`: {one['words']}{_after(one['paper'])}" for arm, one in found["arms"].items()]
    lines += [f"- `{arm}` is undefined here: {reason}" for arm, reason in found["undefined"].items()]
    for name, test in found["tests"].items():
        lines += ["", *_table(name, test, found["holm"].get(name, {}))]
    if found["levels"]:
        lines += ["", *kind_tables(found), "", *_level_table(found)]
    return "\n".join(lines) + "\n"


def seeds_text(seeds: int) -> str:
    """Return a number of seeds in words.

    Examples
    --------
    >>> seeds_text(1), seeds_text(3)
    ('1 seed', '3 seeds')
    """
    return f"{seeds} seed{'' if seeds == 1 else 's'}"


def brackets(seeds: int) -> str:
    """Return what brackets beside a number are intervals over."""
    return "probe identities and seeds" if seeds > 1 else "probe identities"


def _reading(found: Mapping[str, Any]) -> str:
    seeds = found["seeds"]
    words = f"Per cent. Brackets beside a number: 95 % paired bootstrap over {brackets(seeds)}."
    if seeds == 1:
        return f"**One seed: no interval over seeds.** {words} How far seeds differ is not known."
    words += (
        f" *Over seeds*: 95 % t interval of the {seeds} differences by seed, {seeds - 1} degree"
        f"{'s' if seeds > 2 else ''} of freedom, the identities fixed."
    )
    family = [name for own in found["holm"].values() for name in own]
    if family:
        words += (
            f" *p*: two-sided t test over seeds in {LEADING}; *Holm*: corrected over the {len(family)} primary "
            f"contrasts here ({', '.join(dict.fromkeys(family))}, under each protocol). Nothing else is corrected."
        )
    return words


def _seen(found: Mapping[str, Any]) -> str:
    return " or ".join(f"{one:,}" for one in sorted(set(found["pictures_seen"].values())))


def _after(paper: str) -> str:
    return f' (after the paper\'s row "{paper}")' if paper else ""


def _table(name: str, test: Mapping[str, Any], raised: Mapping[str, float | None]) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    yield f"`{test['protocol']}`, {test['probes']:,} probes; {test['shared']['text']}."
    yield ""
    yield "| arm | mAP of each seed | mean | rank-1 of each seed | mean | rank-5 | OBC AUROC |"
    yield "|---|---|---|---|---|---|---|"
    for arm, own in test["arms"].items():
        each = {metric: ", ".join(f"{100 * one[metric]:.1f}" for one in own["seeds"]) for metric in SHOWN}
        areas = [one for one in own["occlusion_auroc"] if one is not None]
        auroc = ", ".join(f"{one:.2f}" for one in areas) or "not trained"
        mean = {metric: f"{100 * value:.1f}" for metric, value in own["mean"].items()}
        yield (
            f"| {arm} | {each['mAP']} | **{mean['mAP']}** | {each['rank-1']} | **{mean['rank-1']}** | "
            f"{mean['rank-5']} | {auroc} |"
        )
    yield ""
    yield "| contrast | mAP, points | over seeds | p; Holm | rank-1, points | over seeds |"
    yield "|---|---|---|---|---|---|"
    for contrast, one in test["contrasts"].items():
        shown = {metric: f"{_points(one[metric])} | {_seeds(one, metric)}" for metric in METRICS}
        title = f"{_title(contrast, one)}{' (primary)' if contrast in PRIMARY else ''}"
        yield f"| {title} | {shown['mAP']} | {_p(contrast, one, raised)} | {shown['rank-1']} |"


def _seeds(one: Mapping[str, Any], metric: str) -> str:
    own = one["over_seeds"][metric]
    return "-" if own is None else f"[{100 * own['low']:+.1f}, {100 * own['high']:+.1f}]"


def _p(contrast: str, one: Mapping[str, Any], raised: Mapping[str, float | None]) -> str:
    """Return p over seeds in the leading metric, and p corrected where the contrast is in the family."""
    own = one["over_seeds"][LEADING]
    if own is None or own["p"] is None:
        return "-"
    after = raised.get(contrast)
    return f"{own['p']:.3f}" if after is None else f"{own['p']:.3f}; {after:.3f}"


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
    yield from _kinds_over_seeds(kinds, order)


def _kinds_over_seeds(kinds: Mapping[str, Any], order: Sequence[str]) -> Iterator[str]:
    """Yield each contrast's t interval over seeds by kind, where there are seeds to see it by."""
    contrasts = {name: [kinds[kind]["contrasts"][name] for kind in order] for name in kinds[HEADLINE]["contrasts"]}
    if not contrasts or not all(one.get("over_seeds", {}).get(LEADING) for own in contrasts.values() for one in own):
        return
    yield ""
    yield f"| contrast, mAP over seeds | {' | '.join(order)} |"
    yield f"|---|{'---|' * len(order)}"
    for name, own in contrasts.items():
        yield f"| {_title(name, own[0])} | {' | '.join(_seeds(one, LEADING) for one in own)} |"


def _level_table(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield mAP by cell; variants are in the table by kind alone."""
    arms = [arm for arm in _defined(found) if ":" not in arm] or _defined(found)
    cells = found["levels"]["cells"]
    paired = all("afpb" in own["contrasts"] for own in cells.values())
    last = [["afpb less baseline"], ["---"]] if paired else [[], []]
    yield "### mAP against the level of occlusion, held-out identities"
    yield ""
    yield f"| {' | '.join(['cell', *arms, *last[0]])} |"
    yield f"|{'|'.join(['---', *['---'] * len(arms), *last[1]])}|"
    for cell, own in cells.items():
        told = [_points(own["contrasts"]["afpb"]["mAP"])] if paired else []
        yield f"| {' | '.join([cell, *(_between(own[arm]) for arm in arms), *told])} |"


def _defined(found: Mapping[str, Any]) -> list[str]:
    return [arm for arm in found["arms"] if arm not in found["undefined"]]


def _between(values: Mapping[str, float]) -> str:
    return f"{100 * values['mean']:.1f} [{100 * values['low']:.1f}, {100 * values['high']:.1f}]"


def _title(name: str, one: Mapping[str, Any]) -> str:
    plus, minus = one["of"]
    return f"{plus} less {minus}" if name == plus and ":" in name else f"{name}: {plus} less {minus}"
