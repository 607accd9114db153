"""``occreid-afpb saliency``."""

from __future__ import annotations

from pathlib import Path

import click

from ..shared import json_option, load_manifest, progress_bar, root_option, say, say_json, source_option
from .options import require_pytorch

RUN = click.Path(file_okay=False, path_type=Path)


@click.command("saliency")
@click.argument("run", type=RUN)
@click.argument("manifest")
@click.option("--out", required=True, type=RUN, help="Folder for saliency.png and energy.json.")
@click.option("--against", type=RUN, metavar="RUN2", help="Another run of the same --size, on the same pictures.")
@click.option(
    "--bodies", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Person masks: the (clean) picture's path with .png, as `twin --masks` writes them.",
)  # fmt: skip
@click.option("--pictures", type=click.IntRange(1, 40), default=8, show_default=True, help="How many are drawn.")
@click.option("--limit", type=click.IntRange(1), default=500, show_default=True, help="At most so many are measured.")
@click.option(
    "--method", default="gradient", show_default=True,
    help="gradient, or grad-cam, whose map has but 1/32 of the picture's sides.",
)  # fmt: skip
@click.option("--samples", type=click.IntRange(0), default=16, show_default=True, help="Noisy copies a gradient.")
@click.option(
    "--noise", type=click.FloatRange(0), default=0.15, show_default=True, help="Their noise; pixels are 0..1."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the noise.")
@root_option
@source_option
@json_option
def command(
    run: Path,
    manifest: str,
    out: Path,
    against: Path | None,
    bodies: Path | None,
    pictures: int,
    limit: int,
    method: str,
    samples: int,
    noise: float,
    seed: int,
    root: Path | None,
    sources: tuple[str, ...],
    as_json: bool,
) -> None:
    """Draw where RUN's largest identity logit hangs on the pixels, and measure it where masks are known.

    A set that `simulate` made has masks of its occluders. The figure shows the images, chosen by key: where they are
    of real people it is for your own disk, under the set's terms.

    \b
    Example:
      occreid-afpb saliency runs/afpb data/partial-reid/manifest.csv --out figs
      occreid-afpb saliency runs/afpb occ/manifest.csv --against runs/baseline --bodies masks --out figs
    """
    require_pytorch()
    from ...afpb.runs import open_run
    from ...afpb.saliency.maps import Way
    from ...afpb.saliency.run import lines, saliency

    way = Way(method, samples, noise, seed)
    opened, other = open_run(run), None if against is None else open_run(against)
    loaded = load_manifest(manifest, root, sources)
    with progress_bar() as tell:
        found = saliency(
            opened, loaded, out, against=other, bodies=bodies, way=way, pictures=pictures, limit=limit,
            progress=lambda at, total: tell("maps", at, total),
        )  # fmt: skip
    if as_json:
        say_json({name: value for name, value in found.record.items() if name != "per_picture"})
        return
    for line in lines(found.record):
        say(line)
    say(f"  figure        {found.figure}")
