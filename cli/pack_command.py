"""``occreid-prepare pack``."""

from __future__ import annotations

from pathlib import Path

import click

from .shared import json_option, load_manifest, progress_bar, root_option, say, say_json, source_option


@click.command("pack")
@click.argument("manifest")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the store.")
@click.option("--size", metavar="HxW", help="Height and width of all pictures; else their own, if they have but one.")
@click.option("--encoded", is_flag=True, help="Keep the files' bytes instead of pixels: smaller, decoded each time.")
@click.option("--replace", is_flag=True, help="Put this store in the place of another one.")
@click.option("--workers", type=click.IntRange(1, 256), help="Threads; one a core by default.")
@root_option
@source_option
@json_option
def command(
    manifest: str,
    out: Path,
    size: str | None,
    encoded: bool,
    replace: bool,
    workers: int | None,
    root: Path | None,
    sources: tuple[str, ...],
    as_json: bool,
) -> None:
    """Pack the images of MANIFEST (a path or a dataset id) into one memory map for training.

    Each image is checked on the way. A killed run is taken up by the same command.

    \b
    Example:
      occreid-prepare pack data/partial-reid/manifest.csv --size 256x128 --out store
      occreid-prepare pack data/partial-reid/manifest.csv --encoded --out store
    """
    from ..features import parse_size
    from ..store import pack

    if encoded and size:
        raise click.UsageError("--encoded keeps files as they are: leave out --size")
    given = parse_size(size) if size else None
    loaded = load_manifest(manifest, root, sources)
    with progress_bar() as tell:
        done = pack(
            loaded, out, given, encoded=encoded, workers=workers, replace=replace,
            progress=lambda at, total: tell("pack", at, total),
        )  # fmt: skip
    if as_json:
        say_json(done._asdict())
        return
    shape = "x".join(map(str, done.size)) if done.size else "sizes as published"
    taken_up = f", {done.resumed:,} of them by an earlier run" if done.resumed else ""
    say(f"{loaded.dataset}: {done.rows:,} pictures, {done.kind}, {shape}, {done.bytes:,} bytes{taken_up}")
    say(f"  {out}{'  (unchanged)' if done.unchanged else ''}")
    say("  a copy of the pictures: not redistributable, the set's terms hold for it")
