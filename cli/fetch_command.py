"""``occreid-prepare fetch``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .shared import agreement_options, asker, json_option, progress_bar, root_option, say, say_json

if TYPE_CHECKING:
    from ..acquire.fetch import Fetched


@click.command("fetch")
@click.argument("dataset")
@click.option("--from", "by_hand", type=click.Path(path_type=Path),
              help="A copy of the archive got by hand: it is checked and adopted, nothing is fetched.")  # fmt: skip
@root_option
@agreement_options
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

    with progress_bar() as tell:
        result = fetch(
            dataset, root, by_hand=by_hand, accept_terms=accept_terms,
            accept_withdrawn_parent=accept_withdrawn_parent, accept_unpinned=accept_unpinned, offline=offline,
            ask=asker(), progress=tell,
        )  # fmt: skip
    for note in result.notes:
        click.echo(f"note: {note}", err=True)
    if as_json:
        say_json(result.to_dict())
    else:
        _print(result, root)


def _print(result: Fetched, root: Path | None) -> None:
    say(f"{result.dataset}: {result.name}, {result.bytes:,} bytes, {result.how}, {result.pin}")
    for hop in result.hops:
        say(f"  from      {hop}")
    say(f"  sha256    {result.sha256}")
    say(f"  git blob  {result.git_blob}")
    say(f"  file      {result.path}")
    say(f"Next: occreid-prepare build {result.dataset}{f' --root {shlex.quote(str(root))}' if root else ''}")
