"""``occreid-prepare split``."""

from __future__ import annotations

from pathlib import Path

import click

from .shared import json_option, load_manifest, root_option, rows_option, say, say_json


@click.command("split")
@click.argument("manifest")
@click.option("--protocol", required=True, metavar="NAME", help="A protocol's name or id (see info), or a JSON file.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the tables.")
@rows_option
@root_option
@json_option
def command(manifest: str, protocol: str, out: Path, rows: str, root: Path | None, as_json: bool) -> None:
    """Write train.csv, probe.csv, gallery.csv (and draws.csv) of MANIFEST under a named protocol.

    \b
    Example:
      occreid-prepare split data/partial-reid/manifest.csv --protocol transfer-all-occluded-probe --out split
    """
    from ..prepare import write_split
    from ..protocol import split

    loaded = load_manifest(manifest, root)
    done = split(loaded, protocol, rows=rows)
    record = write_split(done, loaded.path or Path("manifest.csv"), out)
    if as_json:
        say_json({"out": str(out), **record})
        return
    counts, identities = record["rows"], record["identities"]
    say(f"{record['protocol']}")
    for name in ("train", "probe", "gallery"):
        say(f"  {name:8}{counts[name]:>7,} pictures {identities[name]:>6,} identities   {out / f'{name}.csv'}")
    if record["draws"]:
        say(f"  draws   {record['draws']:>7,}                            {out / 'draws.csv'}")
    if record["identities_short_of_shots"]:
        say(f"  {record['identities_short_of_shots']} identity sides have fewer pictures than shots and give all")
    if record["probes_without_match"]:
        say(f"  {record['probes_without_match']} probes have no match in the gallery")
    say(f"  how to cite: {out / 'split.json'}")
