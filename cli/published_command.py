"""``occreid-prepare published``."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import click

from .shared import json_option, say, say_json, show, table

if TYPE_CHECKING:
    from ..evaluation.published import Published


@click.command("published")
@click.argument("dataset")
@json_option
def command(dataset: str, as_json: bool) -> None:
    """Show what papers report on DATASET, each number with its source, protocol and probe set.

    \b
    Example:
      occreid-prepare published occluded-reid
    """
    from ..catalog import get
    from ..evaluation.published import published

    facts = get(dataset)
    rows = published(facts.id)
    if as_json:
        say_json({"dataset": facts.id, "published": [row.to_dict() for row in rows]})
        return
    if not rows:
        say(f"{facts.id}: no published number is on record.")
        return
    grid = table("method", "year", "scores (%)", "setting", "protocol", "probe set", "pretraining", "how sure")
    for _, numbers in groupby(rows, key=lambda row: (row.method, row.setting, row.protocol)):
        _add(grid, list(numbers))
    show(grid)
    say("These stand apart from scores of ours on purpose. occreid-prepare compare --published score.json says which")
    say("of them may stand beside one, and why not. --json gives the paper and table of each.")


def _add(grid: object, numbers: list[Published]) -> None:
    first = numbers[0]
    scores = "  ".join(f"{row.metric} {row.value:.2f}" for row in numbers)
    grid.add_row(  # type: ignore[attr-defined]
        first.method, first.year, scores, first.setting, first.protocol, first.probe_set, first.pretraining,
        first.certainty,
    )  # fmt: skip
