"""``occreid-prepare verify``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from .shared import agreed_words, json_option, load_manifest, progress_bar, root_option, say, say_json, source_option

SHOWN = 10


@click.command("verify")
@click.argument("manifest")
@click.option("--full", is_flag=True, help="Read, decode and hash every file again.")
@root_option
@source_option
@json_option
def command(manifest: str, full: bool, root: Path | None, sources: tuple[str, ...], as_json: bool) -> None:
    """Check that every file is still the one MANIFEST (a path or a dataset id) vouches for; exit 1 if not.

    \b
    Example:
      occreid-prepare verify data/partial-reid/manifest.csv --full
    """
    from ..manifest import verify

    loaded = load_manifest(manifest, root, sources)
    with progress_bar() as tell:
        result = verify(loaded, full, progress=lambda done, total: tell("verify", done, total))
    if as_json:
        say_json({"dataset": loaded.dataset, "ok": result.ok, "fingerprint": loaded.fingerprint,
                  "agreement": loaded.header.get("agreement"), **result._asdict()})  # fmt: skip
    else:
        state = "as built" if result.ok else "not as built"
        say(f"{loaded.dataset}: {result.checked:,} files checked ({result.mode}), {state}")
        for word, paths in (("missing", result.missing), ("changed", result.changed), ("a link", result.refused)):
            for path in paths[:SHOWN]:
                say(f"  {word}: {path}")
            if len(paths) > SHOWN:
                say(f"  {word}: {len(paths) - SHOWN} more")
        if loaded.header.get("agreement"):
            say(f"  agreed to: {agreed_words(loaded.header['agreement'])}")
        if not result.ok:
            way = "--from-parent" if loaded.header.get("roots") else "--raw"
            again = f"build {loaded.dataset} {way} PATH --replace"
            if loaded.dataset == "simulated":
                again = f"replay {shlex.quote(manifest)} --source MANIFEST --out DIR"
            say(f"Next: occreid-prepare {again}")
    click.get_current_context().exit(0 if result.ok else 1)
