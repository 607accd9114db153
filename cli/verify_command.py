"""``occreid-prepare verify``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from .shared import agreed_words, json_option, load_manifest, progress_bar, root_option, say, say_json, source_option

SHOWN = 10


@click.command("verify")
@click.argument("manifest")
@click.option("--full", is_flag=True, help="Read, decode and hash every file again, masks too.")
@root_option
@source_option
@json_option
def command(manifest: str, full: bool, root: Path | None, sources: tuple[str, ...], as_json: bool) -> None:
    """Check that every file is still the one MANIFEST (a path or a dataset id) vouches for; exit 1 if not.

    Of a store, made by pack, every image is read and checked.

    \b
    Example:
      occreid-prepare verify data/partial-reid/manifest.csv --full
      occreid-prepare verify store
    """
    from ..manifest import verify
    from ..store import is_store

    if is_store(manifest):
        click.get_current_context().exit(_verify_store(manifest, as_json))
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
            _list(word, paths)
        if loaded.header.get("agreement"):
            say(f"  agreed to: {agreed_words(loaded.header['agreement'])}")
        if not result.ok:
            way = "--from-parent" if loaded.header.get("roots") else "--raw"
            again = f"build {loaded.dataset} {way} PATH --replace"
            if loaded.dataset == "simulated":
                again = f"replay {shlex.quote(manifest)} --clean MANIFEST --out DIR"
            say(f"Next: occreid-prepare {again}")
    click.get_current_context().exit(0 if result.ok else 1)


def _verify_store(path: str, as_json: bool) -> int:
    """Read every image of a store, say which are not those that were packed, and return the exit status."""
    from ..store import Store

    store = Store.open(path, check=False)
    changed = store.verify()
    if as_json:
        say_json({"store": path, "dataset": store.header["dataset"], "ok": not changed, "mode": "full",
                  "fingerprint": store.fingerprint, "checked": len(store), "changed": changed})  # fmt: skip
    else:
        state = "not as packed" if changed else "as packed"
        say(f"{path}: a store of {store.header['dataset']}, {len(store):,} images checked (full), {state}")
        _list("changed", changed)
        if changed:
            say(f"Next: occreid-prepare pack MANIFEST --out {shlex.quote(path)} --replace, with the options of before")
    return 1 if changed else 0


def _list(word: str, names: Sequence[str]) -> None:
    for name in names[:SHOWN]:
        say(f"  {word}: {name}")
    if len(names) > SHOWN:
        say(f"  {word}: {len(names) - SHOWN} more")
