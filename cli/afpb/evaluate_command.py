"""``occreid-afpb evaluate``."""

from __future__ import annotations

from pathlib import Path

import click

from ..shared import json_option, load_manifest, progress_bar, root_option, rows_option, say, say_json, source_option
from .options import require_pytorch


@click.command("evaluate")
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@click.argument("manifest")
@click.option("--protocol", required=True, metavar="NAME", help="A protocol's name or id (see info), or a JSON file.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where the score record is written.")
@click.option("--replace", is_flag=True, help="Put this record in the place of another one.")
@click.option("--level", metavar="F", help="Of a simulated set: the probes of this level alone.")
@rows_option
@click.option("--bootstrap", type=click.IntRange(0), default=1000, show_default=True, help="Replicates of intervals.")
@root_option
@source_option
@json_option
def command(
    run: Path,
    manifest: str,
    protocol: str,
    out: Path | None,
    replace: bool,
    level: str | None,
    rows: str,
    bootstrap: int,
    root: Path | None,
    sources: tuple[str, ...],
    as_json: bool,
) -> None:
    """Score the model of RUN on MANIFEST under a named protocol, its conditions declared in the record.

    \b
    Example:
      occreid-afpb evaluate runs/a data/partial-reid/manifest.csv --protocol transfer-all-occluded-probe \\
        --out score.json
    """
    require_pytorch()
    from ...afpb.evaluation import evaluate_run
    from ...afpb.runs import open_run
    from ...evaluation.record.score import require_place
    from ..evaluate_command import protocol_of

    if out is not None:
        require_place(out)
    opened = open_run(run)
    loaded = load_manifest(manifest, root, sources)
    with progress_bar() as tell:
        found = evaluate_run(
            opened, loaded, protocol_of(loaded, protocol, level), rows=rows, bootstrap=bootstrap,
            progress=lambda at, total: tell("describe", at, total),
        )  # fmt: skip
    written = out is not None and found.score.write(out, replace=replace)
    if as_json:
        facts = {"occlusion_auroc": found.occlusion_auroc, "shared": dict(found.shared)}
        say_json({"score": found.score.record, **facts})
        return
    say(found.score.table())
    auroc = "undefined" if found.occlusion_auroc is None else f"{found.occlusion_auroc:.3f}"
    say(f"  OBC AUROC     {auroc}  occluded and partial against full-body pictures; 0.5 is chance")
    if out is not None:
        say(f"  record        {out}{'' if written else '  (unchanged)'}")
