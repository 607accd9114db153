"""``occreid-prepare attest``."""

from __future__ import annotations

from pathlib import Path

import click

from .shared import json_option, load_manifest, root_option, say, say_json


@click.command("attest")
@click.argument("manifest")
@root_option
@json_option
def command(manifest: str, root: Path | None, as_json: bool) -> None:
    """Print what MANIFEST (a path or a dataset id) may tell another laboratory: counts and digests as JSON.

    No image, no name of an image and no path is in it. It repeats what the manifest says: run verify --full first
    if the files may have changed since. With --json it stands on one line.

    \b
    Example:
      occreid-prepare attest data/partial-reid/manifest.csv > mine.json
    """
    from ..manifest import attest, attestation_text

    said = attest(load_manifest(manifest, root))
    if as_json:
        say_json(said)
    else:
        say(attestation_text(said).rstrip("\n"))
