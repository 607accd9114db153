"""``occreid-prepare evaluate``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .shared import json_option, load_manifest, root_option, rows_option, say, say_json

if TYPE_CHECKING:
    from ..manifest import Manifest
    from ..protocol import Protocol


@click.command("evaluate")
@click.argument("manifest")
@click.option("--protocol", required=True, metavar="NAME", help="A protocol's name or id (see info), or a JSON file.")
@click.option(
    "--features", required=True, type=click.Path(dir_okay=False, path_type=Path),
    help="Features (.npz with image_id and features, or .parquet), or a matrix (.npz).",
)  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where the score record is written.")
@click.option(
    "--distance", type=click.Choice(["cosine", "euclidean"]), default="cosine", show_default=True,
    help="How vectors are compared; a matrix is used as it is.",
)  # fmt: skip
@click.option(
    "--rerank", type=click.Choice(["none", "k-reciprocal"]), default="none", show_default=True,
    help="Re-rank first; such a score never compares with one that is not re-ranked.",
)  # fmt: skip
@click.option(
    "--declare", multiple=True, metavar="KEY=VALUE|FILE.json",
    help="What is stated of the model: training_sets, pretraining, extra_inputs, cameras_fed_to_model, input_size, "
    "flip_test, model_selection, seed, occlusion_augmentation. May be repeated.",
)  # fmt: skip
@click.option(
    "--figures", type=click.Path(file_okay=False, path_type=Path), help="Folder for plots (needs matplotlib)."
)
@click.option("--replace", is_flag=True, help="Put this record in the place of another one.")
@click.option("--level", metavar="F", help="Of a simulated set: the probes of this level alone.")
@rows_option
@click.option("--bootstrap", type=click.IntRange(0), default=1000, show_default=True, help="Replicates of intervals.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the bootstrap.")
@click.option("--any-fingerprint", is_flag=True, help="Take features whose header names another manifest.")
@click.option("--threads", type=click.IntRange(1), help="One for each core by default; the result is the same.")
@root_option
@json_option
def command(
    manifest: str,
    protocol: str,
    features: Path,
    out: Path | None,
    replace: bool,
    distance: str,
    rerank: str,
    declare: tuple[str, ...],
    figures: Path | None,
    level: str | None,
    rows: str,
    bootstrap: int,
    seed: int,
    any_fingerprint: bool,
    threads: int | None,
    root: Path | None,
    as_json: bool,
) -> None:
    """Score features of MANIFEST's images under a named protocol: a table to read and a record to keep.

    \b
    Example:
      occreid-prepare evaluate data/partial-reid/manifest.csv --protocol transfer-all-occluded-probe \\
        --features features.npz --declare pretraining=ImageNet --out score.json
    """
    from ..evaluation import evaluate
    from ..evaluation.record.declared import parse
    from ..evaluation.record.score import require_place

    if out is not None:
        require_place(out)
    loaded = load_manifest(manifest, root)
    score = evaluate(
        loaded, protocol_of(loaded, protocol, level), features, rows=rows, distance=distance, rerank=rerank,
        declare=parse(declare), bootstrap=bootstrap, seed=seed, any_fingerprint=any_fingerprint, threads=threads,
    )  # fmt: skip
    written = out is not None and score.write(out, replace=replace)
    drawn = [] if figures is None else _draw(score.record, figures)
    if as_json:
        say_json(score.record)
        return
    say(score.table())
    if out is not None:
        say(f"  record        {out}{'' if written else '  (unchanged)'}")
    for path in drawn:
        say(f"  figure        {path}")


def protocol_of(manifest: Manifest, name: str, level: str | None) -> Protocol:
    """Return the protocol that the options name."""
    from ..protocol import find_protocol

    found = find_protocol(manifest.dataset, name)
    return found if level is None else found.at_level(level)


def _draw(record: Mapping[str, Any], folder: Path) -> list[Path]:
    from ..evaluation.record.figures import figures

    return figures(record, folder)
