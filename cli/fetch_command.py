"""``occreid-prepare fetch``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .shared import json_option, progress_bar, root_option, say, say_json

if TYPE_CHECKING:
    from ..acquire.fetch import Fetched


@click.command("fetch")
@click.argument("dataset")
@click.option("--from", "by_hand", type=click.Path(path_type=Path),
              help="A copy of the archive got by hand: it is checked and adopted, nothing is fetched.")  # fmt: skip
@root_option
@click.option("--accept-terms", is_flag=True, help="Agree to the set's terms (see info); else you are asked once.")
@click.option("--accept-withdrawn-parent", is_flag=True, help="Agree to the notice that its parent was withdrawn.")
@click.option("--accept-unpinned", is_flag=True, help="Fetch over plain http a file whose hash nobody published.")
@click.option("--offline", is_flag=True, help="Open no connection: what is not there is an error.")
@json_option
def command(
    dataset: str, by_hand: Path | None, root: Path | None, accept_terms: bool, accept_withdrawn_parent: bool,
    accept_unpinned: bool, offline: bool, as_json: bool,
) -> None:  # fmt: skip
    """Fetch the archive of DATASET from its authors, or adopt a copy; verify it and put it below the data root.

    A cut-off download is gone on with by the same command. The file is published only when it is the one its authors
    published, by hash where one is known; else the first one seen is recorded, and another is refused later. A set
    that its authors give on request, or no more, exits 1 and says what remains possible.

    \b
    Example:
      occreid-prepare fetch occluded-reid --root data
      occreid-prepare fetch partial-reid --from Partial-REID_Dataset.rar --root data
    """
    from ..acquire.fetch import fetch

    ask = _ask if sys.stdin.isatty() and sys.stderr.isatty() else None
    with ExitStack() as stack:
        bars: list[Callable[[str, int, int], None]] = []

        def tell(stage: str, done: int, total: int) -> None:
            if not bars:  # not before: a bar would draw over the question
                bars.append(stack.enter_context(progress_bar()))
            bars[0](stage, done, total)

        result = fetch(
            dataset, root, by_hand=by_hand, accept_terms=accept_terms,
            accept_withdrawn_parent=accept_withdrawn_parent, accept_unpinned=accept_unpinned, offline=offline,
            ask=ask, progress=tell,
        )  # fmt: skip
    for note in result.notes:
        click.echo(f"note: {note}", err=True)
    if as_json:
        say_json(result.to_dict())
    else:
        _print(result, root)


def _ask(kind: str, text: str) -> bool:
    click.echo(f"\n{text}\n", err=True)
    question = "Do you agree to these terms?" if kind == "terms" else "Have you read this, and go on?"
    return click.confirm(question, default=False, err=True)


def _print(result: Fetched, root: Path | None) -> None:
    say(f"{result.dataset}: {result.name}, {result.bytes:,} bytes, {result.how}, {result.pin}")
    for hop in result.hops:
        say(f"  from      {hop}")
    say(f"  sha256    {result.sha256}")
    say(f"  git blob  {result.git_blob}")
    say(f"  file      {result.path}")
    say(f"Next: occreid-prepare build {result.dataset}{f' --root {root}' if root else ''}")
