"""``occreid-afpb train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..shared import json_option, load_manifest, progress_bar, root_option, say, say_json, source_option
from .options import config_of, config_options, require_pytorch


@click.command("train")
@click.option("--train", "manifest", required=True, metavar="MANIFEST", help="Training set: a path or a dataset id.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the run.")
@click.option(
    "--occlusion", metavar="NAME",
    help="Second view: none (each picture once), clean, or a recipe of the simulator by name or path. [default: afpb]",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0), help="Seed of initialisation, sampling, augmentation and occlusion. [default: 0]"
)
@config_options
@click.option("--store", type=click.Path(file_okay=False, path_type=Path), help="A store of `pack`, at --size.")
@click.option(
    "--start", type=click.Path(file_okay=False, path_type=Path), help="A finished run on the same rows to go on from."
)
@click.option("--resume", is_flag=True, help="Take up what is kept for the same inputs, to the same end.")
@click.option("--every", type=click.IntRange(1), default=200, show_default=True, help="Steps between checkpoints.")
@click.option("--tensorboard", is_flag=True, help="Write a log for TensorBoard too.")
@root_option
@source_option
@json_option
def command(
    manifest: str,
    out: Path,
    config_file: Path | None,
    size: str | None,
    store: Path | None,
    start: Path | None,
    resume: bool,
    every: int,
    tensorboard: bool,
    root: Path | None,
    sources: tuple[str, ...],
    as_json: bool,
    **parameters: Any,
) -> None:
    """Train a model on a manifest's training rows, with a schedule fixed beforehand.

    The folder holds config.json, run.json (data, weights, machine), label_map.json, log.csv and model.pt.
    A killed run goes on with --resume. Under torchrun, processes share each epoch.

    \b
    Example:
      occreid-afpb train --train data/market-1501/manifest.csv --out runs/a --occlusion afpb --obc-weight 0.2 \\
        --backbone efficientnet-lite0 --size 128x64 --epochs 8
      occreid-afpb train --train data/partial-reid/manifest.csv --train-protocol afpb-nshot-1 --out runs/b \\
        --backbone resnet18 --weights none --epochs 20
    """
    require_pytorch()
    config = config_of(config_file, size, parameters)
    from ...afpb.ranks import keep_memory
    from ...afpb.training import train

    keep_memory()
    loaded = load_manifest(manifest, root, sources)
    with progress_bar() as tell:
        run = train(
            loaded, out, config, store=store, start=start, resume=resume, every=every, tensorboard=tensorboard,
            progress=lambda at, total: tell("train", at, total),
        )  # fmt: skip
    if as_json:
        say_json({"run": str(out), **run.record})
        return
    training, steps, minutes = run.record["training"], run.record["steps"], run.record["seconds"] / 60
    say(f"{training['dataset']}: {training['rows']:,} pictures of {training['identities']:,} identities trained on")
    say(f"  steps         {steps:,}, {run.record['pictures_seen']:,} pictures seen, {minutes:.1f} minutes")
    say(f"  weights       {run.record['weights']['source']}")
    say(f"  run           {out}")
