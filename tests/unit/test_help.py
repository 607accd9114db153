"""The help of the two programs: by section, whole sentences, and as a module."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from occluded_datasets.cli.afpb import SECTIONS as BASELINE
from occluded_datasets.cli.afpb import group as afpb_group
from occluded_datasets.cli.app import SECTIONS, group

CLI = Path(__file__).resolve().parents[2] / "cli"


@pytest.mark.parametrize(("commands", "sections"), [(group, SECTIONS), (afpb_group, BASELINE)], ids=["prepare", "afpb"])
def test_help_has_every_command_once_with_its_whole_first_sentence(commands: Any, sections: Any) -> None:
    """Sections in order, each command below one of them; no sentence is cut."""
    context = click.Context(commands, info_name="program", terminal_width=100)
    shown = commands.get_help(context)
    names = [name for own in sections.values() for name in own]
    assert len(names) == len(set(names))
    places = [shown.index(f"{title}:") for title in sections]
    assert places == sorted(places)
    flat = " ".join(shown.split())
    for name in names:
        command = commands.get_command(context, name)
        words = " ".join((command.help or "").partition("\b")[0].split()).partition(". ")[0].rstrip(".:")
        assert f"{name} {words}." in flat
    assert "..." not in flat.partition("Options")[2].replace("ARGS]...", "")


def test_every_command_file_is_in_a_section() -> None:
    """A command that is written and not listed would not be found."""
    names = {path.stem.removesuffix("_command").replace("_", "-") for path in CLI.glob("*_command.py")}
    assert names == set(group.names)


def test_the_package_runs_as_a_module(tmp_path: Path, command: Callable[..., Any]) -> None:
    """``python -m occluded_datasets`` is ``occreid-prepare``."""
    done = subprocess.run(
        [sys.executable, "-m", "occluded_datasets", "cite", "partial-reid"], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, command("cite", "partial-reid").out)
