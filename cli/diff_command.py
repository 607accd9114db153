"""``occreid-prepare diff``."""

from __future__ import annotations

from pathlib import Path

import click

from .shared import json_option, load_manifest, root_option, say, say_json

SHOWN = 10


@click.command("diff")
@click.argument("a")
@click.argument("b")
@root_option
@json_option
def command(a: str, b: str, root: Path | None, as_json: bool) -> None:
    """Say what changed from manifest A to manifest B, by name and by pixels; exit 1 if anything did.

    \b
    Example:
      occreid-prepare diff old/manifest.csv new/manifest.csv
    """
    from ..manifest import diff

    result = diff(load_manifest(a, root), load_manifest(b, root))
    if as_json:
        say_json({"same": result.same, **result._asdict()})
    else:
        for kind, items in result._asdict().items():
            if items:
                say(f"{kind}: {len(items)}")
            for item in items[:SHOWN]:
                say(f"  {item if isinstance(item, str) else ' -> '.join(item)}")
        if result.same:
            say("same pictures, names and labels")
    click.get_current_context().exit(0 if result.same else 1)
