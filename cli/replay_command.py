"""``occreid-prepare replay``."""

from __future__ import annotations

from pathlib import Path

import click

from .shared import json_option, load_manifest, progress_bar, root_option, say, say_json, source_option

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
SHOWN = 5


@click.command("replay")
@click.argument("manifest")
@click.option("--clean", required=True, metavar="MANIFEST", help="The set that it was made of.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write the rebuilt set to this folder.")
@click.option("--pool", metavar="MANIFEST", help="Where its occluders came from, if not from the source.")
@click.option("--masks", type=FOLDER, help="Masks of the source's persons, if it was made with them.")
@click.option("--pool-masks", type=FOLDER, help="Masks of the pool's persons, if it was made with them.")
@click.option("--bank", type=FOLDER, help="The bank it was made with; else the drawn one.")
@click.option("--workers", type=click.IntRange(0, 256), help="Threads; one a core by default.")
@root_option
@source_option
@json_option
def command(
    manifest: str,
    clean: str,
    out: Path | None,
    pool: str | None,
    masks: Path | None,
    pool_masks: Path | None,
    bank: Path | None,
    workers: int | None,
    root: Path | None,
    sources: tuple[str, ...],
    as_json: bool,
) -> int:
    """Rebuild the simulated set MANIFEST from its rows and the clean images: exit 0 if every pixel is the same.

    \b
    Example:
      occreid-prepare replay occ/manifest.csv --clean data/market-1501/manifest.csv
      occreid-prepare replay rows/manifest.csv --clean data/market-1501/manifest.csv --out images
    """
    from ..occlusion import replay

    cutouts = None
    if bank is not None:
        from ..occlusion.sources.bank import Bank

        cutouts = Bank.open(bank)
    with progress_bar() as tell:
        found = replay(
            load_manifest(manifest, root, sources), load_manifest(clean, root, sources), out=out,
            pool=load_manifest(pool, root, sources) if pool else None, masks=masks, pool_masks=pool_masks, bank=cutouts,
            workers=workers, progress=lambda at, total: tell("replay", at, total),
        )  # fmt: skip
    if as_json:
        say_json({"ok": found.ok, **found._asdict()})
        return 0 if found.ok else 1
    words = " before encoding" if found.before_encoding else ""
    say(f"{found.checked:,} occluded pictures and masks: "
        f"{f'all rebuilt, pixel for pixel{words}' if found.ok else 'not all rebuilt'}")  # fmt: skip
    for name, fault in list(found.differing.items())[:SHOWN]:
        say(f"  differs: {name} ({fault})")
    for name in found.missing[:SHOWN]:
        say(f"  no clean picture in the source: {name}")
    more = len(found.differing) + len(found.missing) - 2 * SHOWN
    if more > 0:
        say(f"  and up to {more:,} more")
    if found.out:
        say(f"  written to {found.out}")
    return 0 if found.ok else 1
