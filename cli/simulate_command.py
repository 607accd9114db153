"""``occreid-prepare simulate``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from .shared import json_option, load_manifest, progress_bar, root_option, say, say_json, source_option

if TYPE_CHECKING:
    from ..manifest import Manifest
    from ..occlusion import Simulated

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


class ManyLevels(click.Command):
    """Lets ``--levels`` take all the numbers that follow it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Return the arguments with ``--levels a b`` written as ``--levels a --levels b``."""
        spread: list[str] = []
        level = False
        for arg in args:
            if arg == "--levels":
                level = True
            elif level and _is_number(arg):
                spread += ["--levels", arg]
            else:
                level = False
                spread.append(arg)
        return super().parse_args(ctx, spread)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@click.command("simulate", cls=ManyLevels)
@click.argument("manifest")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the set.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Other occlusions.")
@click.option("--preset", help="A recipe that ships: afpb (the default), random-erasing, person, bank, strip, "
              "partial-crop, mixed.")  # fmt: skip
@click.option("--recipe", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A recipe of your own.")
@click.option("--occluder", help="What is put in front, instead of the recipe's.")
@click.option("--placement", help="Where it stands, instead of the recipe's.")
@click.option("--fraction", nargs=2, type=float, metavar="LO HI", help="Range of the occluded fraction.")
@click.option("--levels", multiple=True, type=float, metavar="F ...", help="Occluded fractions, each of every picture.")
@click.option(
    "--copies", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Versions of each picture."
)
@click.option("--pool", metavar="MANIFEST", help="Whose train rows give occluders; else MANIFEST's own.")
@click.option("--masks", type=FOLDER, help="Masks of the pictures' persons: the picture's path with .png.")
@click.option("--pool-masks", type=FOLDER, help="Masks of the pool's persons: silhouettes instead of soft crops.")
@click.option("--bank", type=FOLDER, help="A bank of cut-outs (see bank); else the drawn one.")
@click.option("--protocol", metavar="NAME", help="Occlude this protocol's probes and refer to its gallery.")
@click.option("--benchmark", metavar="NAME", help="Make this benchmark; it says all but --out and --rows-only.")
@click.option("--allow-occluded", is_flag=True, help="Occlude pictures that are not full-body too.")
@click.option("--format", "kind", type=click.Choice(["png", "jpeg"]), default="png", show_default=True)
@click.option("--quality", type=click.IntRange(1, 100), default=92, show_default=True, help="Of JPEGs.")
@click.option("--rows-only", is_flag=True, help="Write the rows and no picture; replay --out makes the pictures.")
@click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), help="Draw some pictures to this file.")
@click.option("--replace", is_flag=True, help="Put this set in the place of another one.")
@click.option("--workers", type=click.IntRange(0, 256), help="Threads; one a core by default.")
@root_option
@source_option
@json_option
def command(
    manifest: str,
    out: Path,
    root: Path | None,
    sources: tuple[str, ...],
    sheet: Path | None,
    benchmark: str | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Make a synthetic occluded set of MANIFEST: images, masks, and the rows that rebuild them to the pixel.

    \b
    Example:
      occreid-prepare simulate data/market-1501/manifest.csv --out occ --seed 7 --preset afpb
      occreid-prepare simulate data/market-1501/manifest.csv --out occ --levels 0.1 0.3 0.5 --occluder noise
      occreid-prepare simulate data/market-1501/manifest.csv --out occ --benchmark market-1501-occ-v1
    """
    from ..occlusion import simulate

    if sheet is not None:
        _check_sheet(sheet, options)
    loaded = load_manifest(manifest, root, sources)
    if benchmark is not None:
        return _benchmark(loaded, benchmark, out, options, as_json)
    more = "".join(
        f" --{name.replace('_', '-')} {shlex.quote(str(options[name]))}"
        for name in ("pool", "masks", "pool_masks", "bank")
        if options[name]
    )
    given = _arguments(loaded, root, options)
    with progress_bar() as tell:
        done = simulate(loaded, out, progress=lambda at, total: tell("simulate", at, total), **given)
    if sheet is not None:
        from ..report import occlusion_sheet

        occlusion_sheet(load_manifest(done.manifest, root, sources), loaded, sheet)
    if as_json:
        say_json(done.to_dict())
    else:
        _print(done, manifest, sheet, more)
    return 0


def _benchmark(loaded: Manifest, name: str, out: Path, options: dict[str, Any], as_json: bool) -> int:
    """Make a benchmark and say whether it is the published one: exit 1 if it is another."""
    from ..benchmark import find_benchmark, make

    context = click.get_current_context()
    free = {"rows_only", "replace", "workers"}
    given = [
        one for one in options if one not in free and context.get_parameter_source(one) == ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(f"--benchmark says everything itself: leave out {', '.join(map(spelt, given))}")
    with progress_bar() as tell:
        made = make(
            find_benchmark(name), loaded, out, rows_only=options["rows_only"], replace_other=options["replace"],
            workers=options["workers"], progress=lambda at, total: tell(name, at, total),
        )  # fmt: skip
    if as_json:
        say_json({**made._asdict(), "simulated": made.simulated.to_dict()})
        return 1 if made.verdict == "different" or made.differing else 0
    done = made.simulated
    say(f"{name}: {done.pictures:,} occluded pictures, {done.referred:,} clean ones referred to")
    for cell in made.cells.values():
        say(f"  {cell}")
    words = {"verified": "all as published", "different": "NOT the published benchmark",
             "unverified": "nobody has published these ids yet: they are unverified"}  # fmt: skip
    say(f"  {words[made.verdict]}")
    for one in made.differing[:5]:
        say(f"  differs: {one}")
    say(f"  manifest    {done.manifest}{'  (unchanged)' if done.unchanged else ''}")
    return 1 if made.verdict == "different" or made.differing else 0


def spelt(name: str) -> str:
    """Return the option that a parameter is called by."""
    return "--format" if name == "kind" else f"--{name.replace('_', '-')}"


def _check_sheet(sheet: Path, options: dict[str, Any]) -> None:
    """Raise before any work if the sheet cannot be drawn or would replace a file."""
    if sheet.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise click.UsageError(f"--sheet {sheet}: expected a name that ends in .png or .jpg")
    if options["rows_only"]:
        raise click.UsageError("--sheet needs pictures: leave out --rows-only")
    if sheet.exists() and not options["replace"]:
        raise click.UsageError(f"--sheet {sheet} is already there: choose another name, or add --replace")


def _arguments(loaded: Manifest, root: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `simulate` that the options spell."""
    from ..occlusion import Recipe

    preset, recipe = options.pop("preset"), options.pop("recipe")
    if options["levels"] and options["fraction"]:
        raise click.UsageError("--levels and --fraction both say how much: give one")
    if preset and recipe:
        raise click.UsageError("--preset and --recipe are two recipes: give one")
    occluder = options.pop("occluder")
    base = Recipe.of(recipe or preset or occluder or "afpb", occluder=occluder if recipe or preset else None)
    changes = {name: options.pop(name) or None for name in ("placement", "fraction")}
    given = {"recipe": Recipe.of(base, **changes), "format": options.pop("kind")}
    pool, bank, protocol = (options.pop(name) for name in ("pool", "bank", "protocol"))
    if pool:
        given["pool"] = load_manifest(pool, root)
    if bank:
        from ..occlusion.sources.bank import Bank

        given["bank"] = Bank.open(bank)
    if protocol:
        from ..protocol import split

        parts = split(loaded, protocol)
        given["rows"], given["gallery"] = set(parts.probe["image_id"]), set(parts.gallery["image_id"])
    return {**given, **options}


def _print(done: Simulated, manifest: str, sheet: Path | None, more: str) -> None:
    say(f"{done.recipe}, seed {done.seed}, of {done.source}: {done.pictures:,} occluded pictures"
        f"{', rows alone' if done.rows_only else ''}, {done.referred:,} clean ones referred to")  # fmt: skip
    if done.untouched:
        say(f"  {done.untouched:,} left as they are, by the recipe's probability or because nothing fits")
    if done.skipped:
        say(f"  skipped: {', '.join(f'{count:,} of {what}' for what, count in done.skipped.items())}")
    if done.unreachable:
        say(f"  {done.unreachable:,} could not reach their fraction within 1 %; their rows say so")
    say(f"  fingerprint {done.fingerprint}")
    say(f"  manifest    {done.manifest}{'  (unchanged)' if done.unchanged else ''}")
    if sheet:
        say(f"  sheet       {sheet}")
    say(f"Next: occreid-prepare replay {shlex.quote(done.manifest)} --clean {shlex.quote(manifest)}{more}")
