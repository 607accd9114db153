"""``occreid-prepare info``."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .shared import agreed_words, json_option, root_option, say, say_json, show, table

if TYPE_CHECKING:
    from ..catalog import Dataset


@click.command("info")
@click.argument("dataset")
@root_option
@json_option
def command(dataset: str, root: Path | None, as_json: bool) -> None:
    """Say everything known of DATASET: source, terms and whether you agreed, layout, counts, protocols.

    \b
    Example:
      occreid-prepare info partial-reid
    """
    from ..acquire.agreements import for_header
    from ..catalog import get
    from ..paths import data_root
    from ..protocol import protocols

    facts = get(dataset)
    agreement = for_header(facts, data_root(root))
    if as_json:
        named = [{"id": p.id, **dict(p.rules)} for p in protocols(facts.id)]
        say_json({**facts.to_dict(), "withdrawn_parent": facts.withdrawn_parent, "protocols": named,
                  "agreement": agreement})  # fmt: skip
        return
    say(f"{facts.title} ({facts.id})")
    lines = [*_lines(facts), ("Agreed to", agreed_words(agreement) if agreement else "nothing yet (fetch asks)")]
    for label, text in lines:
        say(textwrap.fill(f"{label}: {text}", 96, initial_indent="  ", subsequent_indent="    "))
    _show_parts(facts)
    say("Protocols")
    for protocol in protocols(facts.id):
        say(f"  {protocol.id}")
        used = f"{protocol.rules['title']} ({', '.join(protocol.rules['sources'])})"
        say(textwrap.fill(used, 96, initial_indent="      ", subsequent_indent="      "))
    say()
    if facts.status == "open download":
        say(f"Next: occreid-prepare fetch {facts.id} --root DIR")
    if facts.derivation:
        parents = dict.fromkeys(one.parent for one in facts.derivation.picked)
        named = " ".join(f"--from-parent DIR/{parent}" for parent in parents)
        say(f"Next: occreid-prepare build {facts.id} {named} --root DIR")
    say(f"Next: occreid-prepare build {facts.id} --raw PATH --root DIR   (zip, rar, tar or folder)")


def _lines(facts: Dataset) -> list[tuple[str, str]]:
    lines = [("Paper", facts.paper), ("Status", f"{facts.status}. {facts.status_note}"), ("Terms", facts.terms.text),
             ("Terms are in", facts.terms.source)]  # fmt: skip
    for source in facts.sources:
        pins = [f"{name} {value}" for name, value in (("sha256", source.sha256), ("git blob", source.git_blob),
                                                      ("md5", source.md5)) if value]  # fmt: skip
        said_by = f" (sha256 as said by {source.sha256_from})" if source.sha256_from else ""
        text = "; ".join([source.name, *source.urls, *(pins or ["no hash is known"])])
        lines.append(("Source", f"{text}{said_by}. {source.note}".strip()))
    lines += [("Made from", f"{link.parent}: {link.relation}. {link.withdrawn}".strip()) for link in facts.lineage]
    return lines + [("Note", note) for note in facts.notes]


def _show_parts(facts: Dataset) -> None:
    grid = table("part", "body", "role", ">images", ">identities", "certainty")
    for part in facts.parts:
        known = part.count.certainty != "inferred"
        images, identities = part.count.images, part.count.identities
        grid.add_row(
            f"{part.folder}/", part.body, part.role or "-",
            f"{images:,}" if images and known else "unknown",
            f"{identities:,}" if identities and known else "unknown", part.count.certainty if known else "",
        )  # fmt: skip
    for variant in facts.variants:
        count = variant.count
        known = count.certainty != "inferred"
        grid.add_row(
            f"variant {variant.name}", "", "",
            f"{count.images:,}" if count.images and known else "unknown",
            f"{count.identities:,}" if count.identities and known else "unknown", count.certainty if known else "",
        )  # fmt: skip
    show(grid)
