"""``occreid-prepare build``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .shared import json_option, password_of, progress_bar, root_option, say, say_json

if TYPE_CHECKING:
    from ..prepare import Built


@click.command("build")
@click.argument("dataset")
@click.option("--raw", type=click.Path(path_type=Path), help="A zip, rar, tar or folder of the set as published.")
@root_option
@click.option("--variant", help="Build this variant (see info).")
@click.option("--extension", default="", help="Read pictures of this extension alone, e.g. .tif.")
@click.option("--ignore", multiple=True, metavar="PATTERN", help="Leave files of this name or pattern aside.")
@click.option("--allow-subset", is_flag=True, help="Publish a copy that lacks pictures.")
@click.option("--allow-different", is_flag=True, help="Publish a copy that has more or other pictures.")
@click.option("--replace", is_flag=True, help="Replace another copy that is published there.")
@click.option("--copy", is_flag=True, help="Copy a folder's files; else they are hard-linked where possible.")
@click.option("--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A file whose first line is the archive's password (or set $OCCREID_ARCHIVE_PASSWORD).")  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 256), help="Threads that scan pictures; all cores by default.")
@click.option("--dry-run", is_flag=True, help="Say what would be built, from names alone; write nothing.")
@json_option
def command(
    dataset: str, raw: Path | None, root: Path | None, variant: str | None, extension: str, ignore: tuple[str, ...],
    allow_subset: bool, allow_different: bool, replace: bool, copy: bool, password_file: Path | None,
    workers: int | None, dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Build and verify the manifest of a raw copy of DATASET.

    The copy is unpacked below ROOT/DATASET/raw, every picture is decoded and hashed, names and counts are checked,
    and manifest.csv is written when all is well. An incomplete copy exits 1 and publishes nothing.

    \b
    Example:
      occreid-prepare build partial-reid --raw Partial-REID_Dataset.zip --root data
    """
    from ..prepare import build

    with progress_bar() as tell:
        built = build(
            dataset, raw, root, variant, extension=extension, ignore=ignore, allow_subset=allow_subset,
            allow_different=allow_different, replace=replace, copy=copy, password=password_of(password_file),
            dry_run=dry_run, workers=workers, progress=tell,
        )  # fmt: skip
    if as_json:
        say_json(built.to_dict())
    else:
        _print(built, dry_run)


def _print(built: Built, dry_run: bool) -> None:
    say(f"{built.dataset} ({built.variant}): {built.rows:,} rows, {built.identities:,} identities, {built.verdict}")
    if built.verdict != "complete":
        say(f"  {built.detail}")
    if built.known_as:
        say(f"  renamed by a known script, read back: {', '.join(built.known_as)}")
    if built.skipped:
        say(f"  left aside: {', '.join(f'{count} {what}' for what, count in built.skipped.items())}")
    if dry_run:
        say("  dry run: nothing was written")
        return
    if built.reference != "none known":
        say(f"  {built.reference}")
    say(f"  fingerprint {built.fingerprint}")
    say(f"  manifest    {built.manifest}{'  (unchanged)' if built.unchanged else ''}")
    protocol = _first_protocol(built.dataset)
    if protocol:
        say(f"Next: occreid-prepare split {built.manifest} --protocol {protocol} --out split")


def _first_protocol(dataset: str) -> str:
    from ..protocol import protocols

    names = [protocol.name for protocol in protocols(dataset)]
    preferred = [name for name in names if name.startswith(("transfer-all", "supervised", "standard"))]
    return (preferred or names or [""])[0]
