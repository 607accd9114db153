"""The options that are parameters of a config: one each, by the config's own names, defaults and words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ...afpb.config import Config

F = TypeVar("F", bound=Callable[..., Any])
OWN = ("height", "width", "occlusion", "seed")
"""What has an option of its own form, or differs between commands."""


def config_options(command: F) -> F:
    """Add an option for each parameter of `Config`, ``--size`` and ``--config``."""
    from ...afpb.config import Config, parameter_help

    words = parameter_help()
    for one in reversed(fields(Config)):
        if one.name in OWN:
            continue
        flag = "--" + one.name.replace("_", "-")
        kind = type(one.default)
        shown = f"{words[one.name]} [default: {one.default}]" if one.default != "" else words[one.name]
        declaration = f"{flag}/--no-{flag[2:]}" if kind is bool else flag
        option = click.option(declaration, one.name, type=kind, default=None, help=shown)
        command = option(command)
    command = click.option("--size", metavar="HxW", help="Height and width of the pictures. [default: 128x64]")(command)
    return click.option(
        "--config", "config_file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A JSON file of parameters; options stand over it.",
    )(command)  # fmt: skip


def config_of(config_file: Path | None, size: str | None, given: Mapping[str, Any]) -> Config:
    """Return the config that a file and options make."""
    from ...afpb.config import Config
    from ...features import parse_size

    values = {name: value for name, value in given.items() if value is not None}
    if size is not None:
        values["height"], values["width"] = parse_size(size)
    return Config.of(values, Config.read(config_file) if config_file else None)


def require_pytorch() -> None:
    """Say at once what is missing, before anything is read."""
    from ...torch.datasets import require_torch as required

    required("occreid-afpb")
