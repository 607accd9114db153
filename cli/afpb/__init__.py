"""The command line ``occreid-afpb``: one file a command, each parses, calls and prints."""

from __future__ import annotations

import click

from ... import __version__
from ..app import Commands, leave

SECTIONS = {"Train": ("train",), "Score": ("evaluate", "ablate"), "Look": ("saliency",)}


class AfpbCommands(Commands):
    """The commands of this folder."""

    sections = SECTIONS
    where = ".afpb."


@click.group(cls=AfpbCommands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="occreid-afpb")
def group() -> None:
    """Train and examine the AFPB baseline, the reference that validates the toolkit.

    \b
    Example:
      occreid-afpb train --train data/market-1501/manifest.csv --out runs/a --occlusion afpb --obc-weight 0.2
      occreid-afpb evaluate runs/a data/partial-reid/manifest.csv --protocol transfer-all-occluded-probe
    """


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit: 0 right, 1 the answer is no, 2 a usage or input error, 130 on Ctrl-C."""
    leave(group, "occreid-afpb", args)
