"""``occreid-prepare features``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .shared import json_option, load_manifest, progress_bar, root_option, say, say_json, source_option

if TYPE_CHECKING:
    from ..features import Extractor

BIOMETRIC = "features of people are biometric data: keep this file as you keep the pictures"


@click.command("features")
@click.argument("manifest")
@click.option("--model", required=True, metavar="MODEL", help="histogram, efficientnet-lite0, timm:NAME or onnx:FILE.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The .npz file to write.")
@click.option("--replace", is_flag=True, help="Put this file in the place of another feature file.")
@click.option("--size", metavar="HxW", help="Height and width to resize to; else the model's own.")
@click.option(
    "--normalisation", metavar="NAME", help="Of an onnx:FILE: imagenet (the default), unit (0 to 1), none (0 to 255)."
)
@click.option(
    "--batch", type=click.IntRange(1), default=8, show_default=True, help="Pictures a network gets at a time."
)
@click.option("--workers", type=click.IntRange(1), help="Threads that read pictures; else one a core.")
@root_option
@source_option
@json_option
def command(
    manifest: str,
    model: str,
    out: Path,
    replace: bool,
    size: str | None,
    normalisation: str | None,
    batch: int,
    workers: int | None,
    root: Path | None,
    sources: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write the features of every row of MANIFEST (a path or a dataset id) to one file.

    A killed run is taken up by the same command. The file says which model, weights, input size and manifest it is
    from. timm:NAME downloads its weights when they are first used.

    \b
    Example:
      occreid-prepare features data/partial-reid/manifest.csv --model histogram --out F.npz
      occreid-prepare features data/partial-reid/manifest.csv --model onnx:model.onnx --size 256x128 --out F.npz
    """
    from ..features import extract

    loaded = load_manifest(manifest, root, sources)
    extractor = _extractor(model, size, normalisation)
    click.echo(f"{out}: {BIOMETRIC}", err=True)
    with progress_bar() as tell:
        done = extract(
            loaded, extractor, out, batch=batch, workers=workers, replace=replace,
            progress=lambda at, total: tell("features", at, total),
        )  # fmt: skip
    if as_json:
        facts = {"rows": done.rows, "dim": done.dim, "resumed": done.resumed, "unchanged": done.unchanged}
        say_json({"out": str(out), **facts, **done.header})
        return
    taken_up = f", {done.resumed:,} of them by an earlier run" if done.resumed else ""
    say(f"{loaded.dataset}: {done.rows:,} pictures, {done.dim:,} numbers each, by {extractor.name}{taken_up}")
    say(f"  {out}{'  (unchanged)' if done.unchanged else ''}")
    for name in ("weights_sha256", "input_size", "normalisation", "resize", "manifest_fingerprint"):
        value = done.header[name]
        say(f"  {name:21}{'x'.join(map(str, value)) if name == 'input_size' else value or 'none'}")


def _extractor(model: str, size: str | None, normalisation: str | None) -> Extractor:
    """Return the model that the options name; PyTorch is touched for its own alone."""
    from ..features import load_model, parse_size

    given = parse_size(size) if size else None
    if normalisation is None and (model == "efficientnet-lite0" or model.startswith("timm:")):
        from ..torch.features import load_model as load_network

        return load_network(model, given)
    return load_model(model, given, normalisation)
