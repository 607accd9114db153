"""``occreid-prepare bank``: build a bank of cut-outs, and list what is in one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from .shared import json_option, load_manifest, progress_bar, say, say_json, show, source_option, table

if TYPE_CHECKING:
    from ..occlusion.sources.bank import Bank

HELP = {"help_option_names": ["-h", "--help"]}
WAYS = ("--from", "--from-manifest", "--drawn")


@click.group("bank", context_settings=HELP)
def command() -> None:
    """Build a bank of cut-outs to put in front of people, or list one.

    \b
    Example:
      occreid-prepare bank build --from cutouts --out bank --licence CC0-1.0
      occreid-prepare bank list bank
    """


@command.command("build")
@click.option("--from", "folder", type=click.Path(path_type=Path), help="RGBA PNG files, or pictures with masks.")
@click.option("--from-manifest", "manifest", metavar="MANIFEST", help="Its training people, with --masks.")
@click.option("--drawn", is_flag=True, help="The licence-free things that this package draws.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the bank.")
@click.option("--masks", type=click.Path(path_type=Path), help="Masks of --from-manifest: each row's path, as .png.")
@click.option("--kind-from", default="folder", show_default=True, metavar="folder|NAME",
              help="The class: the first folder below DIR, or one name for all.")  # fmt: skip
@click.option("--licence", default="", help="Written down for every item.")
@click.option("--source-note", default="", help="Where the pictures are from; written down for every item.")
@click.option("--refuse", multiple=True, metavar="MANIFEST", help="Its test pictures are an error; repeatable.")
@source_option
@click.option("--replace", is_flag=True, help="Replace another bank.")
@json_option
def build(
    folder: Path | None, manifest: str | None, drawn: bool, out: Path, masks: Path | None, kind_from: str,
    licence: str, source_note: str, refuse: tuple[str, ...], sources: tuple[str, ...], replace: bool, as_json: bool,
) -> None:  # fmt: skip
    """Cut things or people out of images and write them as one bank.

    An image is RGBA, or has a mask NAME_mask.png beside it or masks/NAME.png.

    \b
    Example:
      occreid-prepare bank build --from cutouts --out bank --refuse data/partial-reid/manifest.csv
      occreid-prepare bank build --from-manifest data/market-1501/manifest.csv --masks masks --out people
      occreid-prepare bank build --drawn --out drawn
    """
    from ..occlusion.sources.bank_build import build_bank, build_person_bank, write_drawn_bank

    _require_one_way(folder, manifest, drawn=drawn, masks=masks)
    refused = [load_manifest(path, None, sources) for path in refuse]
    with progress_bar() as tell:
        common: dict[str, Any] = {
            "licence": licence, "refuse": refused, "replace": replace,
            "progress": lambda done, total: tell("cut out", done, total),
        }  # fmt: skip
        if folder is not None:
            bank = build_bank(folder, out, kind=kind_from, source_note=source_note, **common)
        elif manifest is not None and masks is not None:
            bank = build_person_bank(load_manifest(manifest, None, sources), masks, out, **common)
        else:
            bank = write_drawn_bank(out, replace=replace)
    if as_json:
        say_json(_record(bank, out))
        return
    say(f"{out}: {len(bank):,} items, {len(bank.kinds())} classes, hash {bank.hash}")
    say(f"Next: occreid-prepare bank list {out}")


@command.command("list")
@click.argument("bank", type=click.Path(path_type=Path))
@json_option
def list_bank(bank: Path, as_json: bool) -> None:
    """List what is in a bank, its files checked.

    \b
    Example:
      occreid-prepare bank list bank
    """
    from ..occlusion.sources.bank import Bank

    opened = Bank.open(bank)
    if as_json:
        say_json({**_record(opened, bank), "items": [_shown(entry._asdict()) for entry in opened.entries]})
        return
    rows = table("class", ">items", ">largest", "licence", "source")
    counts = Counter(entry.kind for entry in opened.entries)
    for kind in opened.kinds():
        own = [entry for entry in opened.entries if entry.kind == kind]
        largest = max(own, key=lambda entry: entry.width * entry.height)
        stated = [", ".join(sorted({getattr(e, name) for e in own} - {""})) or "-" for name in ("licence", "source")]
        rows.add_row(kind, f"{counts[kind]:,}", f"{largest.width}x{largest.height}", *stated)
    show(rows)
    free = "may be passed on" if opened.redistributable else "not to be passed on: it holds pictures of others"
    say(f"{len(opened):,} items, {free}; hash {opened.hash}")


def _require_one_way(folder: Path | None, manifest: str | None, *, drawn: bool, masks: Path | None) -> None:
    given = [way for way, here in zip(WAYS, (folder is not None, manifest is not None, drawn), strict=True) if here]
    if len(given) != 1:
        raise UsageError(
            "bank build: what from?", f"Expected one of {', '.join(WAYS)}, found {' and '.join(given) or 'none'}.",
            "occreid-prepare bank build --help",
        )  # fmt: skip
    if (manifest is None) != (masks is None):
        raise UsageError(
            "bank build: --from-manifest and --masks go together.",
            "People are cut out by their masks, found one of the two options.",
            "occreid-prepare bank build --from-manifest MANIFEST --masks DIR --out BANK",
        )


def _record(bank: Bank, out: Path) -> dict[str, Any]:
    counts = Counter(entry.kind for entry in bank.entries)
    return {
        "bank": str(out),
        "hash": bank.hash,
        "count": len(bank),
        "kinds": dict(sorted(counts.items())),
        "bytes": sum(entry.size for entry in bank.entries),
        "redistributable": bank.redistributable,
    }


def _shown(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if value is not None}
