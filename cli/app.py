"""The group of commands, and how errors, interrupts and JSON leave it."""

from __future__ import annotations

import difflib
import errno
import json
import os
import signal
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from .. import __version__
from ..errors import OccludedDatasetsError

SECTIONS = {
    "Get a set": ("list", "info", "cite", "fetch", "build", "twin", "demo"),
    "Check a copy": ("doctor", "verify", "diff", "attest", "compare-attestations"),
    "Make occluded sets": ("simulate", "replay", "bank"),
    "Train and extract": ("pack", "split", "features"),
    "Score": ("evaluate", "compare", "published", "how-loaders-differ"),
    "Share": ("export",),
}
"""The commands by what they are for, in the order of work."""

REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO)


class Commands(click.Group):
    """Loads each command from its own file, and guesses what a misspelt one was meant to be."""

    sections: Mapping[str, tuple[str, ...]] = SECTIONS
    where = "."

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all commands."""
        return tuple(name for names in self.sections.values() for name in names)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of work."""
        del ctx
        return list(self.names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command `cmd_name`, or None."""
        del ctx
        if cmd_name not in self.names:
            return None
        module = import_module(f"{self.where}{cmd_name.replace('-', '_')}_command", __package__)
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, each with the first sentence of its help."""
        for title, names in self.sections.items():
            found = ((name, self.get_command(ctx, name)) for name in names)
            rows = [(name, _sentence(command.help or "")) for name, command in found if command is not None]
            with formatter.section(title):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that `args` name, or fail with the nearest ones."""
        name = args[0]
        if name in self.names or name.startswith("-"):
            return super().resolve_command(ctx, args)
        near = difflib.get_close_matches(name, self.names, n=2, cutoff=0.6)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Commands: {', '.join(self.names)}."
        raise click.UsageError(f"no such command {name!r}. {hint}", ctx)


def _sentence(text: str) -> str:
    """Return the first sentence of a help text, on one line."""
    words = " ".join(text.partition("\b")[0].split())
    return words.partition(". ")[0].rstrip(".:") + "."


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="occreid-prepare")
def group() -> None:
    """Turn a raw copy of an occluded re-id set into a verified manifest and its splits.

    \b
    Example:
      occreid-prepare doctor ~/Downloads/Partial-REID_Dataset.zip
      occreid-prepare build partial-reid --raw ~/Downloads/Partial-REID_Dataset.zip --root data
      occreid-prepare split data/partial-reid/manifest.csv --protocol transfer-all-occluded-probe --out split
    """


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit: 0 right, 1 the answer is no, 2 a usage or input error, 130 on Ctrl-C."""
    leave(group, "occreid-prepare", args)


def leave(commands: click.Group, program: str, args: list[str] | None) -> None:
    """Run a group of commands under its program's name, and exit."""
    arguments = sys.argv[1:] if args is None else args
    try:
        code = _run(commands, program, arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has left: nothing more can be said, and that is no fault.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + getattr(signal, "SIGPIPE", 13)
    sys.exit(code)


def _run(commands: click.Group, program: str, arguments: list[str]) -> int:
    arguments = arguments or ["--help"]
    as_json = "--json" in arguments
    try:
        code = commands.main(arguments, prog_name=program, standalone_mode=False)
        return code if isinstance(code, int) else 0
    except OccludedDatasetsError as error:
        return _fail(error.to_dict(), str(error), error.exit_code, as_json)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _said("Interrupted", "Interrupted.", "run the same command again", 130, as_json)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else program
        said = error.format_message().strip()
        said += "" if said.endswith((".", "?")) else "."
        return _said("UsageError", said, f"{path} --help", 2, as_json)
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        what = f"{error.strerror}: {error.filename or 'standard output'}."
        return _said("StorageError", what, "choose another place, then run the same command again", 2, as_json)


def _said(kind: str, what: str, then: str, code: int, as_json: bool) -> int:
    record = {"type": kind, "what": what, "why": "", "next": then}
    return _fail(record, f"{what} Next: {then}", code, as_json)


def _fail(record: dict[str, Any], message: str, code: int, as_json: bool) -> int:
    """Say what went wrong, on stderr for people and as one JSON object on stdout where that was asked for."""
    click.echo(f"error: {message}".encode(errors="backslashreplace").decode(), err=True)
    if as_json:
        click.echo(json.dumps({"error": {**record, "exit_code": code}}))
    return code
