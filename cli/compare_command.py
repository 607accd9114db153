"""``occreid-prepare compare``."""

from __future__ import annotations

from pathlib import Path

import click

from .shared import json_option, say, say_json


@click.command("compare")
@click.argument("a", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("b", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--paired", is_flag=True, help="Also the difference B - A with a 95 % interval over probe identities.")
@json_option
def command(a: Path, b: Path, paired: bool, as_json: bool) -> None:
    """Say whether the score records A and B may stand side by side, and each reason; exit 1 if they may not.

    \b
    Example:
      occreid-prepare compare ours.json theirs.json --paired
    """
    from ..evaluation import compare

    result = compare(a, b, paired)
    if as_json:
        say_json(result.to_dict())
    else:
        say(result.kind)
        for reason in result.reasons:
            say(f"  {reason}")
        for name in ("map", "rank_1") if result.difference else ():
            found = (result.difference or {})[name]
            low, high = found["interval"]
            title = {"map": "mAP", "rank_1": "rank-1"}[name]
            say(f"  {title}: B - A = {100 * found['difference']:+.2f} (95 % {100 * low:+.2f} to {100 * high:+.2f})")
    click.get_current_context().exit(0 if result.comparable else 1)
