"""``occreid-prepare export``."""

from __future__ import annotations

from pathlib import Path

import click

from .shared import json_option, load_manifest, root_option, say, say_json, source_option


@click.command("export")
@click.argument("manifest")
@click.option("--to", required=True, metavar="FORMAT", help="fast-reid, or tuples (TransReID, CLIP-ReID).")
@click.option("--protocol", metavar="NAME", help="A protocol's name or id (see info), or a JSON file.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write into.")
@click.option("--draw", type=click.IntRange(0), help="Which draw, where the protocol has several.")
@click.option("--copy", is_flag=True, help="Copy pictures instead of hard-linking them.")
@click.option("--replace", is_flag=True, help="Put this export in the place of another one.")
@root_option
@source_option
@json_option
def command(
    manifest: str,
    to: str,
    protocol: str | None,
    out: Path,
    draw: int | None,
    copy: bool,
    replace: bool,
    root: Path | None,
    sources: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write the rows of MANIFEST (a path or a dataset id) under a protocol as another code base reads them.

    To fast-reid: a folder below --out, which is its FASTREID_DATASETS; read by its own class of the set where it has
    one for the protocol, and by a class in the folder. To tuples: lists of (path, pid, camid, view).

    \b
    Example:
      occreid-prepare export data/partial-reid --to fast-reid --protocol transfer-all-partial-probe --out datasets
      occreid-prepare export data/partial-reid --to tuples --protocol transfer-all-occluded-probe --out lists
    """
    from ..exporters import export

    done = export(load_manifest(manifest, root, sources), to, out, protocol, draw=draw, copy=copy, replace=replace)
    if as_json:
        say_json(done._asdict())
        return
    sizes = ", ".join(f"{count:,} {name}" for name, count in done.rows.items())
    say(f"{done.protocol}: {sizes}; cameras {done.cameras}")
    say(f"  {done.path}{'  (unchanged)' if done.unchanged else ''}, read by {done.reader}")
    for note in done.notes:
        say(f"  note: {note}")
    if done.linked or done.copied:
        say(f"  {done.linked:,} pictures linked, {done.copied:,} copied")
    say("  not redistributable: the set's terms hold for it")
