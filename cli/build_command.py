"""``occreid-prepare build``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .shared import agreement_options, asker, json_option, password_of, progress_bar, root_option, say, say_json

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
@click.option("--from-parent", "parents", multiple=True, type=click.Path(path_type=Path), metavar="PATH",
              help="Make the set of this copy of its parent: a built manifest, its folder, or a raw copy.")  # fmt: skip
@click.option("--list", "lists", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
              help="A published name list; else looked for beside the parent and here, else fetched.")  # fmt: skip
@click.option("--accept-unpinned-lists", is_flag=True, help="Take name lists that are not the published text.")
@agreement_options
@click.option("--workers", type=click.IntRange(1, 256), help="Threads that scan pictures; all cores by default.")
@click.option("--dry-run", is_flag=True, help="Say what would be built, from names alone; write nothing.")
@json_option
def command(
    dataset: str, raw: Path | None, root: Path | None, variant: str | None, extension: str, ignore: tuple[str, ...],
    allow_subset: bool, allow_different: bool, replace: bool, copy: bool, password_file: Path | None,
    parents: tuple[Path, ...], lists: tuple[Path, ...], accept_unpinned_lists: bool, accept_terms: bool,
    accept_withdrawn_parent: bool, accept_unpinned: bool, offline: bool, workers: int | None,
    dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Build and verify the manifest of a raw copy of DATASET; without --raw it is fetched first, as fetch does.

    The copy is unpacked below ROOT/DATASET/raw, every image is decoded and hashed, names and counts are checked,
    and manifest.csv is written when all is well. An incomplete copy exits 1 and publishes nothing.

    \b
    Example:
      occreid-prepare build occluded-reid --root data
      occreid-prepare build partial-reid --raw Partial-REID_Dataset.zip --root data
      occreid-prepare build occluded-dukemtmc --from-parent data/dukemtmc-reid --root data
    """
    from ..acquire.fetch import fetch
    from ..prepare import build, derive, wants_archive

    _require_one_way(raw, parents, lists or accept_unpinned_lists, extension or ignore or password_file or copy)
    named = "".join(f" --from-parent {shlex.quote(str(parent))}" for parent in parents)
    again = f"occreid-prepare build {dataset}{named}{f' --root {shlex.quote(str(root))}' if root else ''}"
    with progress_bar() as tell:

        def bring(file: str | None = None) -> Path:
            result = fetch(
                dataset, root, accept_terms=accept_terms, accept_withdrawn_parent=accept_withdrawn_parent,
                accept_unpinned=accept_unpinned, offline=offline, file=file, again=again, ask=asker(), progress=tell,
            )  # fmt: skip
            for note in result.notes:
                click.echo(f"note: {note}", err=True)
            return Path(result.path)

        if raw is None and not parents and not dry_run and wants_archive(dataset, root):
            bring()
        built = derive(
            dataset, parents, root, variant, lists=lists, accept_unpinned_lists=accept_unpinned_lists,
            bring=None if dry_run else bring, allow_subset=allow_subset, allow_different=allow_different,
            replace=replace, dry_run=dry_run, workers=workers, progress=tell,
        ) if parents else build(
            dataset, raw, root, variant, extension=extension, ignore=ignore, allow_subset=allow_subset,
            allow_different=allow_different, replace=replace, copy=copy, password=password_of(password_file),
            dry_run=dry_run, workers=workers, progress=tell,
        )  # fmt: skip
    if as_json:
        say_json(built.to_dict())
    else:
        _print(built, dry_run, root)


def _require_one_way(raw: object, parents: object, of_lists: object, of_raw: object) -> None:
    """Raise unless the set is made either of a raw copy or of a parent, with the options of that way alone."""
    if parents and (raw or of_raw):
        raise click.UsageError("--from-parent makes the set of another one: it goes without options of a raw copy")
    if of_lists and not parents:
        raise click.UsageError("--list and --accept-unpinned-lists go with --from-parent PATH")


def _print(built: Built, dry_run: bool, root: Path | None) -> None:
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
    if built.reference.startswith("other pixels"):
        say("  NOTE: complete by names and counts, but its pixels are not those of the verified copy:")
        say("        pictures were re-encoded, changed or exchanged; scores on it do not compare with others")
    elif built.reference != "none known":
        say(f"  {built.reference}")
    say(f"  fingerprint {built.fingerprint}")
    say(f"  manifest    {built.manifest}{'  (unchanged)' if built.unchanged else ''}")
    _print_roots(Path(built.manifest), root)
    protocol = _first_protocol(Path(built.manifest))
    if protocol:
        say(f"Next: occreid-prepare split {shlex.quote(built.manifest)} --protocol {protocol} --out split")


def _print_roots(path: Path, root: Path | None) -> None:
    """Say whose images a set without its own refers to, and which of them later commands will not find alone."""
    from ..manifest import header_path, placed, read, read_header
    from ..paths import data_root

    roots = read_header(header_path(path)).get("roots", {})
    places = placed(read(path), data_root(root)).sources if roots else {}
    for name, fingerprint in roots.items():
        say(f"  pictures    of {name} ({fingerprint[:16]}), nothing copied")
        if name not in places:
            say(f"              outside this data root: add --source {name}=PATH to commands that read them")


def _first_protocol(manifest: Path) -> str:
    """Return the name of a protocol that has probes and a gallery in this manifest; empty if none has."""
    from ..manifest import header_path, read_header
    from ..protocol import protocols

    header = read_header(header_path(manifest))

    def served(rules: Mapping[str, Any]) -> bool:
        filters = [rules[side].items() for side in ("probe", "gallery")]
        return all(
            sum(header["counts"][column].get(value, 0) for value in values)
            for wanted in filters
            for column, values in wanted
        )

    names = [protocol.name for protocol in protocols(header["dataset"]) if served(protocol.rules)]
    return next((name for name in names if name.startswith(("transfer-all", "supervised", "standard"))), "")
