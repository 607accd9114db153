"""``occreid-prepare compare-attestations``."""

from __future__ import annotations

from pathlib import Path

import click

from .shared import json_option, say, say_json


@click.command("compare-attestations")
@click.argument("mine", type=click.Path(path_type=Path))
@click.argument("theirs", type=click.Path(path_type=Path))
@json_option
def command(mine: Path, theirs: Path, as_json: bool) -> None:
    """Say whether two copies are the same, from the files that attest wrote; exit 1 unless they are.

    The answer is: same; same pixels, other names; subset; different; and in which parts.

    \b
    Example:
      occreid-prepare compare-attestations mine.json theirs.json
    """
    from ..manifest import compare_attestations, read_attestation

    result = compare_attestations(read_attestation(mine), read_attestation(theirs))
    if as_json:
        say_json(result.to_dict())
    else:
        say(result.verdict + (f": {result.within} lies within the other" if result.within else ""))
        for name, part in result.parts.items():
            apart = "" if part.only_mine is None else f" ({part.only_mine} in mine alone, {part.only_theirs} in theirs)"
            say(f"  {name or '(no folder)'}: {part.verdict}, {part.mine:,} and {part.theirs:,} pictures{apart}")
        for column, values in result.groups.items():
            if values:
                say(f"  {column} that differs: {', '.join(value or '(empty)' for value in values)}")
        for note in result.notes:
            say(f"  {note}")
    click.get_current_context().exit(0 if result.same else 1)
