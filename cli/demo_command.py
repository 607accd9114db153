"""``occreid-prepare demo``."""

from __future__ import annotations

from pathlib import Path

import click

from .shared import json_option, progress_bar, say, say_json, show, table


@click.command("demo")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("demo"), show_default=True,
              help="Where twins, manifests, splits and sheets go.")  # fmt: skip
@click.option("--ids", type=click.IntRange(4), help="Identities a set; all declared ones by default.")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes that render; all cores by default.")
@json_option
def command(out: Path, ids: int | None, workers: int | None, as_json: bool) -> None:
    """Do the main job on licence-free twins of the four sets: manifests, splits, a synthetic set, sheets to look at.

    \b
    Example:
      occreid-prepare demo --out demo --ids 20
    """
    from ..demo import demo, synthetic

    with progress_bar() as tell:
        steps = list(demo(out, ids, workers, tell))
        own = synthetic(out, next(step.manifest for step in steps if step.dataset == "partial-reid"), tell)
    if as_json:
        say_json({"out": str(out), "sets": [step.to_dict() for step in steps], "synthetic": own.to_dict()})
        return
    grid = table("set (twin)", ">rows", ">identities", "verdict", "verified", "fingerprint", "protocol", ">train",
                 ">probe", ">gallery")  # fmt: skip
    for step in steps:
        for number, (name, sizes) in enumerate(step.splits.items()):
            facts = (step.dataset, f"{step.rows:,}", f"{step.identities:,}", step.verdict,
                     "yes" if step.verified else "NO", step.fingerprint[:16])  # fmt: skip
            grid.add_row(*(facts if number == 0 else ("",) * len(facts)), name, *(f"{size:,}" for size in sizes))
    show(grid)
    say(f"Synthetic set: {own.pictures:,} pictures of partial-reid's twin by {own.recipe}, "
        f"{'all rebuilt from their rows, pixel for pixel' if own.replayed else 'NOT rebuilt from their rows'}; "
        f"a colour histogram finds {100 * own.rank1:.1f} % at rank 1 ({own.protocol})")  # fmt: skip
    say(f"Pictures to look at: {out / 'sheets'}/*.png   (drawn people; no real picture was used)")
    say("Next, with a real archive (after: source .venv/bin/activate):")
    say("  occreid-prepare doctor PATH --root data")
    say("  occreid-prepare build partial-reid --raw Partial-REID_Dataset.zip --root data")
    say(f"or in Python: import occluded_datasets as od; od.load('partial-reid', root='{out / 'built'}')")
