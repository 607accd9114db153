"""``occreid-prepare compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .shared import json_option, say, say_json

if TYPE_CHECKING:
    from ..evaluation import Comparison
    from ..literature.published import PublishedMatch


@click.command("compare")
@click.argument("a", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("b", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option("--paired", is_flag=True, help="Also the difference B - A with a 95 % interval over probe identities.")
@click.option("--published", is_flag=True, help="Against what papers report instead of B.")
@json_option
def command(a: Path, b: Path | None, paired: bool, published: bool, as_json: bool) -> None:
    """Say whether the score records A and B may stand side by side, and each reason; exit 1 if they may not.

    With --published: which published numbers may stand beside A, and why the others may not; exit 1 if none may.

    \b
    Example:
      occreid-prepare compare ours.json theirs.json --paired
      occreid-prepare compare --published ours.json
    """
    if published == (b is not None) or (published and paired):
        raise click.UsageError("expected two records, or one record and --published", click.get_current_context())
    good = _published(a, as_json) if b is None else _two(a, b, paired, as_json)
    click.get_current_context().exit(0 if good else 1)


def _two(a: Path, b: Path, paired: bool, as_json: bool) -> bool:
    from ..evaluation import compare

    result = compare(a, b, paired)
    if as_json:
        say_json(result.to_dict())
    else:
        _print(result)
    return result.comparable


def _print(result: Comparison) -> None:
    say(result.kind)
    for reason in result.reasons:
        say(f"  {reason}")
    for model in result.models:
        say(f"  {model}")
    for name in ("map", "rank_1") if result.difference else ():
        found = (result.difference or {})[name]
        low, high = found["interval"]
        title = {"map": "mAP", "rank_1": "rank-1"}[name]
        say(f"  {title}: B - A = {100 * found['difference']:+.2f} (95 % {100 * low:+.2f} to {100 * high:+.2f})")


def _published(a: Path, as_json: bool) -> bool:
    from ..evaluation.record.compare import record_of
    from ..literature.published import match_published

    record = record_of(a)
    found = match_published(record)
    if as_json:
        rows = [{"verdict": one.verdict, "reasons": list(one.reasons), **one.row.to_dict()} for one in found]
        say_json({"protocol": record["protocol"], "published": rows})
    else:
        _print_published(str(record["protocol"]), found)
    return any(one.verdict != "no" for one in found)


def _print_published(protocol: str, found: list[PublishedMatch]) -> None:
    say(f"beside {protocol}:")
    groups: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for one in found:
        key = (one.verdict, f"{one.row.method} ({one.row.setting})", one.reasons)
        groups.setdefault(key, []).append(f"{one.row.metric} {one.row.value:.2f}")
    for (verdict, name, reasons), numbers in sorted(groups.items(), key=lambda item: item[0][0] == "no"):
        say(f"  {verdict}: {name}: {', '.join(numbers)}")
        for reason in reasons:
            say(f"      {reason}")
    if not found:
        say("  no published number of this set is on record")
