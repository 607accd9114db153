"""``occreid-prepare cite``."""

from __future__ import annotations

import click

from .shared import json_option, say, say_json


@click.command("cite")
@click.argument("dataset")
@json_option
def command(dataset: str, as_json: bool) -> None:
    """Print BibTeX of DATASET and of the sets it was made from.

    \b
    Example:
      occreid-prepare cite p-dukemtmc-reid > datasets.bib
    """
    from ..catalog import get, ids

    facts = get(dataset)
    sets = [facts, *(get(link.parent) for link in facts.lineage if link.parent in ids())]
    if as_json:
        say_json({"dataset": dataset, "bibtex": {entry.id: entry.bibtex for entry in sets}})
        return
    for entry in sets:
        say(entry.bibtex + "\n")
