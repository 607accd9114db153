"""``occreid-afpb ablate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..shared import json_option, load_manifest, progress_bar, root_option, say, say_json, source_option
from .options import config_of, config_options, require_pytorch

if TYPE_CHECKING:
    from ...afpb.study.run import Test

ROWS = ("baseline", "noise", "simulator", "obc", "afpb")


@click.command("ablate")
@click.option("--train", "manifest", required=True, metavar="MANIFEST", help="Training set: a path or a dataset id.")
@click.option("--test", "tested", metavar="MANIFEST", help="Test set; by default the training set.")
@click.option("--protocol", "protocols", multiple=True, metavar="NAME", help="Of the test set; may be repeated.")
@click.option(
    "--levels", metavar="MANIFEST", help="A benchmark's set that `simulate --benchmark` made of --train: mAP by level."
)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for all runs.")
@click.option(
    "--arm", "arms", multiple=True, metavar="NAME",
    help="baseline, noise, simulator, obc, afpb, erasing or noise-obc, or a variant (afpb:obc_weight=1,lr=1e-3); may "
    "be repeated. By default the first five.",
)  # fmt: skip
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Runs of each arm.")
@click.option(
    "--occlusion",
    default="afpb-wide",
    show_default=True,
    metavar="NAME",
    help="The simulator's recipe, by name or path.",
)
@click.option(
    "--noise", default="afpb-wide-noise", show_default=True, metavar="NAME",
    help="The recipe with the same boxes and other content.",
)  # fmt: skip
@click.option(
    "--start", type=click.Path(file_okay=False, path_type=Path), help="A finished run that all arms go on from."
)
@click.option("--start-epochs", type=click.IntRange(0), default=0, show_default=True, help="Train such a run first.")
@click.option("--start-lr", type=float, default=3.5e-4, show_default=True, help="Its learning rate.")
@click.option("--jobs", type=click.IntRange(0), default=0, help="Runs at once; by default one a core, one with a GPU.")
@config_options
@root_option
@source_option
@json_option
def command(
    manifest: str,
    tested: str | None,
    protocols: tuple[str, ...],
    levels: str | None,
    out: Path,
    arms: tuple[str, ...],
    seeds: int,
    occlusion: str,
    noise: str,
    start: Path | None,
    start_epochs: int,
    start_lr: float,
    jobs: int,
    config_file: Path | None,
    size: str | None,
    root: Path | None,
    sources: tuple[str, ...],
    as_json: bool,
    **parameters: Any,
) -> None:
    """Train every arm with every seed, score each, and say what differs: with intervals over identities and seeds.

    Arms differ in one thing each and see the same number of images. A stopped ablation goes on by the same command.
    The folder holds ablation.json, ablation.md, figures, and a run each in ARM-SEED.

    \b
    Example:
      occreid-afpb ablate --train data/market-1501/manifest.csv --test data/partial-reid/manifest.csv \\
        --protocol transfer-all-occluded-probe --seeds 3 --backbone efficientnet-lite0 --start-epochs 8 \\
        --epochs 2 --lr 1e-4 --out runs/ablation
      occreid-afpb ablate --train data/market-1501 --hold-out market-1501-occ-v1-dev --levels occ-dev/manifest.csv \\
        --arm afpb --arm afpb:obc_weight=1 --arm afpb:occlusion=thin.json --seeds 1 --out runs/weights
    """
    if not protocols and levels is None:
        raise click.UsageError("--protocol or --levels: expected at least one, found neither: nothing would be scored")
    require_pytorch()
    config = config_of(config_file, size, {**parameters, "occlusion": occlusion})
    from ...afpb.study.outcome import write_outcome
    from ...afpb.study.run import AblationPlan, Test, ablate
    from ...afpb.study.tables import markdown

    train = load_manifest(manifest, root, sources)
    test = train if tested is None else load_manifest(tested, root, sources)
    tests = [Test(test, name) for name in protocols]
    if levels is not None:
        tests.append(_levels(levels, train, root, sources))
    plan = AblationPlan(train, tests, config, arms or ROWS, seeds, noise, start, start_epochs, start_lr)
    with progress_bar() as tell:
        done = ablate(plan, out, jobs=jobs, progress=lambda at, total: tell("ablate", at, total))
    found = write_outcome(done)
    if as_json:
        say_json(found)
        return
    say(markdown(found))
    say(f"  written to {out}")


def _levels(path: str, parent: Any, root: Path | None, sources: tuple[str, ...]) -> Test:
    from ...afpb.study.run import Test
    from ...benchmark import benchmarks

    simulated = load_manifest(path, root, sources)
    named = simulated.variant.rpartition("/")[2]
    if named not in benchmarks():
        raise click.UsageError(f"--levels: expected a set of a benchmark ({', '.join(benchmarks())}), found {named!r}")
    return Test(simulated, named, parent)
