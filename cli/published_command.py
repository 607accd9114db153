"""``occreid-prepare published``."""

from __future__ import annotations

import textwrap
from itertools import groupby
from typing import TYPE_CHECKING

import click

from .shared import json_option, say, say_json

if TYPE_CHECKING:
    from ..literature.published import Published


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
    from ..literature.published import published

    facts = get(dataset)
    rows = published(facts.id)
    if as_json:
        say_json({"dataset": facts.id, "published": [row.to_dict() for row in rows]})
        return
    if not rows:
        say(f"{facts.id}: no published number is on record.")
        return
    for (method, setting), numbers in groupby(rows, key=lambda row: (row.method, row.setting)):
        _print(method, setting, list(numbers))
    say("These stand apart from your own scores on purpose. occreid-prepare compare --published score.json says which")
    say("of them may stand beside one, and why the others may not. --json gives the paper and table of each.")


def _print(method: str, setting: str, numbers: list[Published]) -> None:
    first = numbers[0]
    say(f"{method}: {', '.join(f'{row.metric} {row.value:.2f}' for row in numbers)}")
    facts = f"{setting}; protocol {first.protocol}; probe set {first.probe_set}; pretraining {first.pretraining}"
    say(
        textwrap.fill(
            f"{facts}; {first.certainty}; {first.paper}", 100, initial_indent="    ", subsequent_indent="    "
        )
    )
