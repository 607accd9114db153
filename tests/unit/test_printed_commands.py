"""Every command that a message, a help text or a page prints exists, with the options that are printed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from occluded_datasets.cli.afpb import group as afpb
from occluded_datasets.cli.app import group

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {"occreid-prepare": group, "occreid-afpb": afpb}
PRINTED = re.compile(r"(occreid-prepare|occreid-afpb) ([a-z][a-z-]*)((?:[^\n`;|]|\\\n)*)")
SOURCES = sorted([*(ROOT / "occluded_datasets").rglob("*.py"), *(ROOT / "cli").rglob("*.py")])
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs" / "tasks").glob("*.md"), *(ROOT / "docs").glob("*.md")])


def texts(path: Path) -> Iterator[str]:
    """Yield the strings of a source file, each placeholder of an f-string as the word X; a page is one text."""
    if path.suffix != ".py":
        yield path.read_text("utf-8")
        return
    inside: set[int] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            inside.update(id(part) for part in node.values)
            yield "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


def printed(path: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Yield (program, verb, options) of each command that a file prints; a sentence may follow a command."""
    for text in texts(path):
        for program, verb, rest in PRINTED.findall(text.replace("\\\n", " ")):
            line = re.split(r"\. |, (?:which|then|or|and)|\(|   ", rest)[0]
            yield program, verb, re.findall(r"(?<![\w-])--[a-z][a-z-]*", line)


def options(command: click.Command) -> set[str]:
    """Return the long options of a command, and of what is below it."""
    below = getattr(command, "commands", {}).values()
    own = {name for option in command.params for name in [*option.opts, *option.secondary_opts]}
    return {"--help", "--version", *own}.union(*(options(inner) for inner in below))


@pytest.mark.parametrize("path", [*SOURCES, *PAGES], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_printed_commands_can_be_typed(path: Path) -> None:
    """The verb is a command's, and it takes each option that is printed with it."""
    wrong = []
    for program, verb, flags in printed(path):
        command = PROGRAMS[program].get_command(click.Context(PROGRAMS[program]), verb)
        if command is None:
            wrong.append(f"{program} {verb}: no such command")
        else:
            wrong += [f"{program} {verb}: no {flag}" for flag in flags if flag not in options(command)]
    assert wrong == []


def test_commands_are_found() -> None:
    """The search finds commands with options in code and in pages: an empty one would prove nothing."""
    found = [one for path in [*SOURCES, *PAGES] for one in printed(path)]
    assert len(found) > 150
    assert sum(bool(flags) for _, _, flags in found) > 80
