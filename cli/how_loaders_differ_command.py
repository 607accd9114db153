"""``occreid-prepare how-loaders-differ``."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .shared import json_option, load_manifest, root_option, say, say_json, show, table

if TYPE_CHECKING:
    from ..evaluation.feature_file import FeatureFile, Matrix
    from ..literature.loader_rules import LoaderRule
    from ..manifest import Manifest

TIES = "the same for all (cosine, or the given matrix); equal ones in the order of image_id, ours by expectation"
_CAMERAS = {
    "role": "by side",
    "folder": "by folder",
    "name-field-2": "name field 2",
    "own": "one a picture",
    "none": "-",
}
_UNMATCHED = {"dropped": "dropped", "zero": "count 0", "minus-one": "AP 0, rank-1 -1"}


@click.command("how-loaders-differ")
@click.argument("dataset")
@click.option("--manifest", metavar="MANIFEST", help="A manifest of the set: count what each rule filters and drops.")
@click.option(
    "--features", type=click.Path(dir_okay=False, path_type=Path), metavar="F.npz",
    help="One feature file: rank-1 and mAP under each rule. Without --manifest, of the set below the root.",
)  # fmt: skip
@root_option
@json_option
def command(dataset: str, manifest: str | None, features: Path | None, root: Path | None, as_json: bool) -> None:
    """Say what other code bases make of DATASET: folders, cameras, filters, AP, and the numbers that result.

    Each rule was read in the code base's source, at a commit that is given, unless it says otherwise.

    \b
    Example:
      occreid-prepare how-loaders-differ partial-reid
      occreid-prepare how-loaders-differ partial-reid --manifest data/partial-reid/manifest.csv --features F.npz
    """
    from ..literature.loaders import loader_text, rules

    known = rules(dataset)
    loaded = load_manifest(manifest or dataset, root) if manifest or features else None
    if loaded is not None and loaded.dataset != dataset:
        raise click.BadParameter(f"is of {loaded.dataset}, expected {dataset}", param_hint="--manifest")
    record: dict[str, Any] = {"dataset": dataset, "ties": TIES, "rules": [loader_text(rule) for rule in known]}
    if loaded is not None:
        record |= _measured(known, loaded, features)
        told = zip(record["rules"], record.pop("results"), strict=True)
        record["rules"] = [{**rule, **result} for rule, result in told]
    if as_json:
        say_json(record)
        return
    _show_rules(record["rules"])
    if loaded is not None:
        _show_numbers(record)
    _say_notes(record["rules"])
    if loaded is None:
        say(f"Next: occreid-prepare how-loaders-differ {dataset} --manifest MANIFEST --features F.npz")


def _measured(known: Sequence[LoaderRule], manifest: Manifest, path: Path | None) -> dict[str, Any]:
    """Return each rule's effect and numbers, and ours under the protocols with the same images."""
    from ..errors import InputError
    from ..evaluation.feature_file import read_any

    given = read_any(path) if path else None
    results = [_result(rule, manifest, given) for rule in known]
    names = sorted({rule.protocol for rule, result in zip(known, results, strict=True) if result["numbers"]})
    if given is not None and not names:
        raise InputError(f"{path}: no rule can be applied to these features.", _first(results))
    return {
        "manifest": {"fingerprint": manifest.fingerprint, "verdict": manifest.verdict, "rows": len(manifest)},
        "features": {"sha256": given.sha256} if given else None,
        "results": results,
        "ours": {name: _ours(manifest, name, given) for name in names} if given else {},
    }


def _first(results: Sequence[Mapping[str, Any]]) -> str:
    """Return why the first rule that has a loader was refused."""
    return next((str(result["refused"]) for result in results if result["effect"]), str(results[0]["refused"]))


def _result(rule: LoaderRule, manifest: Manifest, given: FeatureFile | Matrix | None) -> dict[str, Any]:
    """Return effect and numbers of one rule, or why there are none."""
    from dataclasses import asdict

    from ..errors import OccludedDatasetsError
    from ..literature.loaders import effect, loader_score

    result: dict[str, Any] = {"effect": None, "numbers": None, "refused": rule.obstacle}
    if rule.obstacle:
        return result
    try:
        result["effect"] = asdict(effect(rule, manifest))
        if given is not None:
            result["numbers"] = asdict(loader_score(rule, manifest, given))
    except OccludedDatasetsError as error:
        result["refused"] = str(error)
    return result


def _ours(manifest: Manifest, protocol: str, given: FeatureFile | Matrix) -> dict[str, Any]:
    """Return what `evaluate` says of the same features under a protocol with the same images."""
    from ..evaluation.evaluate import evaluate

    record = evaluate(manifest, protocol, given, bootstrap=0).record
    audit = record["audit"]
    return {
        "protocol": record["protocol"],
        "probes": audit["probes"],
        "gallery": audit["gallery"],
        "dropped": audit["dropped_probes"],
        "rank1": record["cmc"]["1"],
        "map": record["map"],
        "map_trapezoid": record["map_trapezoid"],
    }


def _show_rules(known: Sequence[Mapping[str, Any]]) -> None:
    from ..literature.loaders import unscored

    grid = table("code base", "probe", "gallery", "camera", "AP", "probes without a match", "known")
    for rule in known:
        certainty = f"{rule['certainty']}; {unscored(rule)}" if unscored(rule) else rule["certainty"]
        scoring = [_ap(rule), _UNMATCHED[rule["unmatched_probes"]], certainty]
        if rule["camera_rule"]:
            sides = [", ".join(rule[f"{side}_folders"]) or "-" for side in ("probe", "gallery")]
            grid.add_row(rule["codebase"], *sides, _CAMERAS[rule["camera"]], *scoring)
        else:
            grid.add_row(rule["codebase"], rule["obstacle"], "", "", *scoring)
    show(grid)
    say("All of them remove gallery pictures of the probe's person and camera before they score.")


def _show_numbers(record: Mapping[str, Any]) -> None:
    from ..literature.loaders import unscored

    grid = table("rules of", ">probes", ">gallery", ">matches filtered", ">probes dropped", ">rank-1", ">mAP", "AP",
                 "protocol with these pictures")  # fmt: skip
    for rule in record["rules"]:
        effect, numbers = rule["effect"], rule["numbers"]
        if effect is None:
            if unscored(rule):
                grid.add_row(rule["codebase"], *[""] * 6, rule["ap"], f"not scored: {unscored(rule)}")
            continue
        grid.add_row(
            rule["codebase"], *(f"{effect[name]:,}" for name in ("probes", "gallery", "filtered", "dropped")),
            *([_percent(numbers["rank1"]), _percent(numbers["map"])] if numbers else ["", ""]),
            rule["ap"], rule["protocol"],
        )  # fmt: skip
    for ours in record["ours"].values():
        for ap, column in (("hits", "map"), ("trapezoid", "map_trapezoid")):
            grid.add_row("ours", f"{ours['probes']:,}", f"{ours['gallery']:,}", "0", f"{ours['dropped']:,}",
                         _percent(ours["rank1"]), _percent(ours[column]), ap, ours["protocol"])  # fmt: skip
    show(grid)
    for rule in record["rules"]:
        if rule["refused"] and not rule["obstacle"]:
            say(f"{rule['codebase']}: {rule['refused']}")
        if rule["effect"] and rule["effect"]["raises"]:
            say(f"{rule['codebase']}: on this gallery its Python path raises: a filtered curve is too short.")
    say(f"Similarities: {record['ties']}.")


def _ap(rule: Mapping[str, Any]) -> str:
    known = rule["evaluator_certainty"]
    return str(rule["ap"]) if known == "read-in-source" else f"{rule['ap']} ({known})"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _say_notes(known: Sequence[Mapping[str, Any]]) -> None:
    for rule in known:
        heading = f"{rule['codebase']} ({rule['repository']})"
        say(heading if rule["certainty"] == "read-in-source" else f"{heading}, {rule['certainty']}")
        facts = [
            ("Camera", rule["camera_rule"]), ("Note", rule["notes"]), ("Not scored", rule["obstacle"]),
            ("Small gallery", f"{rule['small_gallery']} ({rule['evaluator_certainty']})"), ("Labels", rule["labels"]),
        ]  # fmt: skip
        for label, text in facts:
            if text:
                say(textwrap.fill(f"{label}: {text}", 110, initial_indent="  ", subsequent_indent="    "))
        for file in [*rule["files"], *rule["evaluator"]]:
            say(f"  {file['url']}")
