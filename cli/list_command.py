"""``occreid-prepare list``."""

from __future__ import annotations

import click

from .shared import json_option, say, say_json, show, table


@click.command("list")
@json_option
def command(as_json: bool) -> None:
    """List the datasets, their status and declared sizes.

    \b
    Example:
      occreid-prepare list --json
    """
    from .. import catalog

    sets = [catalog.get(dataset) for dataset in catalog.ids()]
    if as_json:
        rows = [
            {"id": s.id, "title": s.title, "kind": s.kind, "status": s.status, "year": s.year or None,
             "images": s.variant().count.images, "identities": s.variant().count.identities,
             "certainty": s.variant().count.certainty, "variants": [v.name for v in s.variants]}
            for s in sets
        ]  # fmt: skip
        say_json({"datasets": rows})
        return
    grid = table("dataset", "status", ">images", ">identities", "certainty")
    for s in sets:
        count = s.variant().count
        known = count.certainty != "inferred"
        images = f"{count.images:,}" if known and count.images else "unknown"
        identities = f"{count.identities:,}" if known and count.identities else "unknown"
        grid.add_row(s.id, s.status, images, identities, count.certainty if known else "")
    show(grid)
    say("More: occreid-prepare info DATASET")
