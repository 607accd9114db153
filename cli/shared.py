"""What several commands have in common: options, output and progress."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..manifest import Manifest

F = TypeVar("F", bound=Callable[..., Any])
WHOLE = ("fingerprint", "protocol", "status", "kind", "certainty")  # what is copied by hand is never broken over lines
PASSWORD_VARIABLE = "OCCREID_ARCHIVE_PASSWORD"  # the name of a variable, no password


def json_option(command: F) -> F:
    """Add ``--json``: one JSON object on stdout and nothing else."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout and nothing else.")(
        command
    )


def root_option(command: F) -> F:
    """Add ``--root``: where all datasets live."""
    return click.option(
        "--root",
        type=click.Path(file_okay=False, path_type=Path),
        help="The data root; else $OCCREID_ROOT, else the platform's data folder.",
    )(command)


def source_option(command: F) -> F:
    """Add ``--source NAME=PATH``: where a named root is on this machine."""
    return click.option(
        "--source", "sources", multiple=True, metavar="NAME=PATH", help="Where a root named in the manifest is."
    )(command)


def rows_option(command: F) -> F:
    """Add ``--rows``: which rows of a simulated set are tested on."""
    return click.option(
        "--rows", type=click.Choice(["test", "all"]), default="test", show_default=True,
        help="Of a simulated set: no row of its source's split train, or all rows.",
    )(command)  # fmt: skip


def say(text: str = "") -> None:
    """Print a line for people on stdout."""
    click.echo(text)


def say_json(record: Mapping[str, Any]) -> None:
    """Print one JSON object on stdout."""
    click.echo(json.dumps(record))  # ASCII alone: a path need not be text that every output can hold


def password_of(file: Path | None) -> bytes | None:
    """Return an archive's password: the first line of `file`, else the environment's; never an argument."""
    if file is not None:
        return file.read_bytes().splitlines()[0] if file.stat().st_size else None
    word = os.environ.get(PASSWORD_VARIABLE)
    return word.encode() if word else None


def agreed_words(agreement: Mapping[str, Mapping[str, str]]) -> str:
    """Return in a line what was agreed to, when and how."""
    return "; ".join(f"{kind} on {one['date'][:10]} ({one['accepted_by']})" for kind, one in sorted(agreement.items()))


def load_manifest(path: str, root: Path | None = None, sources: tuple[str, ...] = ()) -> Manifest:
    """Return the manifest at a path or of a dataset id."""
    from ..library import load

    return load(path, root, places(sources))


def places(sources: tuple[str, ...]) -> dict[str, str]:
    """Return the mapping that ``--source NAME=PATH`` options spell."""
    pairs = {}
    for source in sources:
        name, separator, path = source.partition("=")
        if not separator or not name or not path:
            raise click.BadParameter(f"expected NAME=PATH, found {source!r}", param_hint="--source")
        pairs[name] = path
    return pairs


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function (stage, done, in all) that draws a bar with rate and time left on stderr, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda stage, done, total: None
        return
    with ExitStack() as stack:
        drawn: list[Callable[[str, int, int], None]] = []

        def tell(stage: str, done: int, total: int) -> None:
            if not drawn:  # not before there is something to draw: a bar would lie over a question
                drawn.append(stack.enter_context(_bar()))
            drawn[0](stage, done, total)

        yield tell


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(stage: str, done: int, total: int) -> None:
            task = tasks.setdefault(
                stage, bar.add_task(stage, total=total or None, rate="") if stage not in tasks else TaskID(0)
            )
            speed = bar.tasks[task].speed
            bar.update(task, completed=done, total=total or None, rate=f"{speed:,.0f}/s" if speed else "")

        yield tell


def agreement_options(command: F) -> F:
    """Add what agrees to terms beforehand, for scripts, and ``--offline``."""
    for option in (
        click.option("--offline", is_flag=True, help="Open no connection: what is not there is an error."),
        click.option(
            "--accept-unpinned", is_flag=True, help="Fetch over plain http a file whose hash nobody published."
        ),
        click.option(
            "--accept-withdrawn-parent", is_flag=True, help="Agree to the notice that its parent was withdrawn."
        ),
        click.option(
            "--accept-terms", is_flag=True, help="Agree to the set's terms (see info); else you are asked once."
        ),
    ):
        command = option(command)
    return command


def asker() -> Callable[[str, str], bool] | None:
    """Return what shows a text and asks for agreement; None where no one sits at a terminal."""
    return _ask if sys.stdin.isatty() and sys.stderr.isatty() else None


def _ask(kind: str, text: str) -> bool:
    click.echo(f"\n{text}\n", err=True)
    question = "Do you agree to these terms?" if kind == "terms" else "Have you read this, and go on?"
    return click.confirm(question, default=False, err=True)


def table(*columns: str) -> Any:
    """Return an empty table for people, with these column names."""
    from rich import box
    from rich.table import Table

    result = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for number, column in enumerate(columns):
        name = column.removeprefix(">")
        whole = number == 0 or column != name or name in WHOLE
        result.add_column(name, justify="right" if column != name else "left", overflow="fold", no_wrap=whole)
    return result


def show(renderable: Any) -> None:
    """Print a table on stdout, as wide as the terminal or, where there is none, as wide as it needs."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
    Console(width=width, highlight=False, markup=False).print(renderable)
