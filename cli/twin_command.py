"""``occreid-prepare twin``."""

from __future__ import annotations

from pathlib import Path

import click

from .shared import json_option, progress_bar, say, say_json


@click.command("twin")
@click.argument("dataset")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the tree.")
@click.option("--ids", type=click.IntRange(2), help="Identities; all that are declared by default.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Other people, other pictures.")
@click.option("--variant", help="The twin of this variant (see info).")
@click.option("--masks", type=click.Path(path_type=Path), help="Write true person masks below this folder too.")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes; all cores by default.")
@json_option
def command(
    dataset: str, out: Path, ids: int | None, seed: int, variant: str | None, masks: Path | None,
    workers: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Render a licence-free twin of DATASET: true names, folders and formats, drawn people.

    \b
    Example:
      occreid-prepare twin partial-reid --out twins --ids 20
    """
    from ..twin import twin

    with progress_bar() as tell:
        made = twin(
            dataset, out, ids=ids, seed=seed, variant=variant, workers=workers,
            masks=masks, progress=lambda done, total: tell("render", done, total),
        )  # fmt: skip
    if as_json:
        say_json(made.to_dict())
        return
    say(f"{made.dataset}: {made.images:,} drawn pictures of {made.identities:,} identities in {made.tree}")
    flag = "" if ids is None else " --allow-subset"
    name = "" if variant is None else f" --variant {variant}"
    say(f"Next: occreid-prepare build {made.dataset} --raw {made.tree} --root twins-built{name}{flag}")
