"""The record itself: its schema, what is declared, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import occluded_datasets as od
from occluded_datasets.errors import RecordError, UnknownNameError, UsageError
from occluded_datasets.evaluation import CONDITIONS, FIELDS, FeatureFile, check_record
from occluded_datasets.evaluation.record.digests import canonical
from occluded_datasets.evaluation.scoring.ap_cmc import RANKS
from occluded_datasets.manifest import Manifest

Make = Callable[..., Manifest]
PLAIN = "transfer-all-occluded-probe"


def picture(name: str, pid: int, body: str = "full", **cells: str) -> dict[str, str]:
    """Return a manifest row."""
    return {"image_id": name, "pid": str(pid), "body": body, **cells}


def small(people: int = 3, shots: int = 2) -> list[dict[str, str]]:
    """Return rows of some people with as many occluded as full-body pictures."""
    return [
        picture(f"{body[:1]}{pid}_{shot}", pid, body)
        for body in ("occluded", "full")
        for pid in range(1, people + 1)
        for shot in range(shots)
    ]


def random(manifest: Manifest, seed: int = 0, length: int = 8) -> np.ndarray:
    """Return random features in manifest order."""
    return np.random.default_rng(seed).standard_normal((len(manifest), length))


def test_parts_enter_the_record(make_manifest: Make) -> None:
    """The rule's name, its policy, and how many pairs have no part in common."""
    manifest = make_manifest(small(2, 1))
    seen = np.array([[1, 0], [1, 1], [0, 1], [1, 1]], float)
    names = tuple(manifest.frame["image_id"])
    record = od.evaluate(manifest, PLAIN, FeatureFile(names, np.ones((4, 2, 3)), seen)).record
    assert record["parts_rule"] == {"name": "visible-parts-mean", "no_common_part": "last"}
    assert record["audit"]["pairs_without_common_part"] == 1
    assert record["features"]["parts"] == 2
    with pytest.raises(UsageError, match="Unknown parts rule 'all'"):
        od.evaluate(manifest, PLAIN, np.ones((4, 2, 3)), order="manifest", parts_rule="all")


def test_declared(make_manifest: Make) -> None:
    """Unstated until said; a misspelt condition meets its nearest; an object is no condition."""
    manifest = make_manifest(small())
    record = od.evaluate(
        manifest, PLAIN, random(manifest), order="manifest", declare={"pretraining": "ImageNet", "seed": 3}
    ).record
    assert record["declared"] == {**dict.fromkeys(CONDITIONS, "unstated"), "pretraining": "ImageNet", "seed": 3}
    with pytest.raises(UnknownNameError, match="Did you mean pretraining"):
        od.evaluate(manifest, PLAIN, random(manifest), order="manifest", declare={"pretrainig": "CLIP"})
    with pytest.raises(RecordError, match="declared: seed is"):
        od.evaluate(manifest, PLAIN, random(manifest), order="manifest", declare={"seed": {"a": 1}})


def test_the_record_is_checked(make_manifest: Make) -> None:
    """What evaluate returns passes; each fault is named."""
    manifest = make_manifest(small())
    record = json.loads(canonical(od.evaluate(manifest, PLAIN, random(manifest), order="manifest").record))
    check_record(record)
    for change, why in (
        ({"map": 1.5}, "map: expected 0..1"),
        ({"map": 0.1234567}, "map: expected 0..1"),
        ({"surprise": 1}, "surprise is unknown"),
        ({"protocol": "x"}, "protocol: expected"),
        ({"audit": {**record["audit"], "ties": -1}}, "audit.ties: expected a whole number"),
        ({"audit": {**record["audit"], "more": 1}}, "audit.more is unknown"),
        ({"cmc": {"3": 0.5}}, "cmc: expected"),
        ({"cmc": {}}, "cmc: expected"),
        ({"schema": 1}, "of schema 1. This version reads schema 2. Next: evaluate again"),
        ({"schema": 3}, "of schema 3"),
        ({"map": 0.5}, "changed after it was written"),
        ({"twin": True}, "changed after it was written"),
    ):
        with pytest.raises(RecordError, match=why.replace(".", r"\.")):
            check_record({**record, **change})
    del record["map"]
    with pytest.raises(RecordError, match="map is missing"):
        check_record(record)
    with pytest.raises(RecordError, match="Expected a JSON object"):
        check_record([])


def test_the_schema_page_names_every_field() -> None:
    """docs/reference/scores.md is the table of the validator."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "scores.md").read_text("utf-8")
    missing = [field.name for field in FIELDS if f"| `{field.name}` |" not in page and not nested(field.name)]
    assert missing == []


def nested(name: str) -> bool:
    """Return whether a field is one of the four scores inside another, which the page describes once."""
    own = name.rpartition(".")[2] in ("map", "map_trapezoid", "minp", "cmc")
    return "." in name and own and name != "chance.map"


def test_a_table_to_read(make_manifest: Make) -> None:
    """Text and HTML say the protocol, the scores, what was dropped and what is unstated."""
    manifest = make_manifest(small())
    score = od.evaluate(manifest, PLAIN, np.ones((len(manifest), 2)), order="manifest")
    text = score.table()
    for words in (score.record["protocol"], "mAP trapezoid", "rank-20", "ties 0.00 to 100.00", "unstated", "0 dropped"):
        assert words in text
    assert "<table>" in score._repr_html_()
    assert repr(score).startswith("<Score partial-reid/transfer-all-occluded-probe@364ef166: mAP ")
    assert len(RANKS) == 5
