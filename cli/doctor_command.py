"""``occreid-prepare doctor``."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .shared import json_option, password_of, root_option, say, say_json

if TYPE_CHECKING:
    from ..doctor import Diagnosis

WIDTH = 110
_NOTHING = ("missing", "unreadable")


@click.command("doctor")
@click.argument("path", type=click.Path(path_type=Path))
@root_option
@json_option
def command(path: Path, root: Path | None, as_json: bool) -> None:
    """Say which set a folder or archive is, what is wrong with it, and the command that mends it.

    PATH is looked at and never changed. Exit 0 when a build would find the copy complete, 1 when something is wrong,
    2 when there is nothing to look at. The password of an encrypted archive is read from $OCCREID_ARCHIVE_PASSWORD.

    \b
    Example:
      occreid-prepare doctor ~/Downloads/Partial-REID_Dataset.zip
    """
    from ..doctor import diagnose

    found = diagnose(path, root, password_of(None))
    if as_json:
        say_json(found.to_dict())
    else:
        _print(found)
    click.get_current_context().exit(0 if found.ok else 2 if found.kind in _NOTHING else 1)


def _print(found: Diagnosis) -> None:
    name = f"{found.dataset}{f' ({found.variant})' if found.variant else ''}" if found.dataset else "no known set"
    say(f"{found.path}: {name}{f', {found.verdict}' if found.verdict else ''}")
    _line("because", found.why)
    for finding in found.findings:
        _line("note" if finding.note else "wrong", finding.text)
    if found.ok:
        _line("found", "nothing wrong")
    say(f"Next: {found.next_command}")


def _line(label: str, text: str) -> None:
    say(
        textwrap.fill(
            f"{label:<8} {text}",
            WIDTH,
            initial_indent="  ",
            subsequent_indent=" " * 11,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )
