"""An ablation to read: what leads, what brackets are, what is corrected; and the page that was made of one."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from occluded_datasets.afpb.study.contrasts import over_seeds
from occluded_datasets.afpb.study.tables import markdown

torch = pytest.importorskip("torch")

from occluded_datasets.afpb.study.outcome import corrected  # noqa: E402 - after torch is known to be there

DOCS = Path(__file__).parents[2] / "docs"
QUANTILE = 4.303
"""Student's t at 97.5 %, 2 degrees of freedom: three seeds."""


def found(scores: dict[str, list[float]], contrasts: dict[str, tuple[str, str]], seeds: int) -> dict[str, Any]:
    """Return an outcome of one test with these mAP of each seed; rank-1 is the same and 10 points higher."""
    own = {"mean": 0.0, "low": 0.0, "high": 0.0}
    test: dict[str, Any] = {
        "protocol": "partial-reid/made@00000000", "probes": 300, "shared": {"text": "different sets"},
        "arms": {
            arm: {
                "seeds": [{"mAP": one, "rank-1": one + 0.1, "rank-5": 1.0} for one in each],
                "mean": {"mAP": math.fsum(each) / seeds, "rank-1": math.fsum(each) / seeds + 0.1, "rank-5": 1.0},
                "occlusion_auroc": [None] * seeds,
            }
            for arm, each in scores.items()
        },
        "contrasts": {},
    }  # fmt: skip
    for name, (plus, minus) in contrasts.items():
        each = over_seeds([a - b for a, b in zip(scores[plus], scores[minus], strict=True)])
        over = None if each is None else each._asdict()
        test["contrasts"][name] = {
            "of": [plus, minus], "mAP": own, "rank-1": own, "over_seeds": {"mAP": over, "rank-1": over},
        }  # fmt: skip
    tests = {"partial-reid/made": test}
    return {
        "training": {"rows": 9, "identities": 3, "dataset": "market-1501", "rows_fingerprint": "0" * 64},
        "seeds": seeds, "seconds": 60, "machine": {"threads": 1}, "pictures_seen": {"afpb-0": 64},
        "arms": {arm: {"words": "", "paper": ""} for arm in scores}, "undefined": {}, "tests": tests,
        "holm": corrected(tests), "levels": {},
    }  # fmt: skip


SCORES = {"baseline": [0.381, 0.377, 0.364], "simulator": [0.430, 0.420, 0.427], "afpb": [0.429, 0.420, 0.424]}
PAIRS = {"obc": ("afpb", "simulator"), "afpb": ("afpb", "baseline"), "simulator": ("simulator", "baseline")}


def test_map_leads_with_both_intervals_and_primary_contrasts_alone_are_corrected() -> None:
    """Bootstrap, t interval and p beside each other; Holm for two of three contrasts, for all that are primary here."""
    text = markdown(found(SCORES, PAIRS, 3))
    assert "| arm | mAP of each seed | mean | rank-1 of each seed | mean | rank-5 | OBC AUROC |" in text
    assert "| afpb: afpb less baseline (primary) | +0.0 [+0.0, +0.0] | [+2.9, +7.2] | 0.010; 0.020 |" in text
    assert "| obc: afpb less simulator (primary) | +0.0 [+0.0, +0.0] | [-0.5, +0.2] | 0.270; 0.270 |" in text
    assert re.search(r"\| simulator: simulator less baseline \| [^|]+ \| \[\+2\.6, \+7\.7\] \| 0\.013 \|", text)
    assert "3 seeds" in text
    assert "over the 2 primary contrasts here (obc, afpb, under each protocol)" in text
    assert "One seed" not in text


def test_one_seed_says_so_at_the_head_and_gives_no_interval_over_seeds() -> None:
    """A number of one seed carries no p, no t interval, and no word that its brackets are over seeds."""
    text = markdown(found({arm: each[:1] for arm, each in SCORES.items()}, PAIRS, 1))
    head = text.split("\n\n")[1]
    assert head.startswith("**One seed: no interval over seeds.**")
    assert "over probe identities." in head
    assert "identities and seeds" not in text
    assert "Holm*" not in text
    assert "1 seed, 64 pictures seen by each run, 1.0 minutes" in text
    assert "| afpb: afpb less baseline (primary) | +0.0 [+0.0, +0.0] | - | - | +0.0 [+0.0, +0.0] | - |" in text


def test_the_family_is_over_all_protocols() -> None:
    """The same contrasts under a second protocol double what p is multiplied with."""
    one = found(SCORES, PAIRS, 3)["tests"]
    two = corrected({"a": one["partial-reid/made"], "b": one["partial-reid/made"]})
    assert two["a"]["afpb"] == pytest.approx(2 * corrected(one)["partial-reid/made"]["afpb"])
    assert set(two["b"]) == {"obc", "afpb"}


def tables(text: str) -> list[list[list[str]]]:
    """Return the tables of a page, rows of cells."""
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|\n").split("|")] for line in block.splitlines()] for block in blocks
    ]


def test_every_interval_over_seeds_of_the_page_is_that_of_the_scores_printed_above_it() -> None:
    """Twenty-one contrasts, twice: mean difference by seed, 4.303 standard errors each way."""
    checked = 0
    pages = tables((DOCS / "results-afpb.md").read_text("utf-8"))
    for arms, contrasts in pairwise(pages):
        if arms[0][1] != "mAP of each seed":
            continue
        for row in contrasts[2:]:
            plus, minus = re.fullmatch(r"[\w-]+: ([\w-]+) less ([\w-]+)(?: \(primary\))?", row[0]).groups()  # type: ignore[union-attr]
            for seeds, mean, over in ((1, 1, 2), (3, 4, 5)):
                each = {own[0]: [float(one) for one in own[seeds].split(", ")] for own in arms[2:]}
                gaps = [a - b for a, b in zip(each[plus], each[minus], strict=True)]
                middle = sum(gaps) / 3
                half = QUANTILE * (sum((one - middle) ** 2 for one in gaps) / 2 / 3) ** 0.5
                assert [float(one) for one in row[over].strip("[]").split(",")] == pytest.approx(
                    [middle - half, middle + half], abs=0.06
                ), row
                assert float(row[mean].split(" ")[0]) == pytest.approx(middle, abs=0.11), row
                checked += 1
    assert checked == 2 * (6 + 6 + 3 + 3 + 3)


def test_the_page_leads_with_map_of_both_probe_sets_in_one_sentence() -> None:
    """The favourable probe set is not told without the other, nor rank-1 before mAP."""
    notes = (DOCS / "results-afpb-notes.md").read_text("utf-8")
    assert notes.strip() in (DOCS / "results-afpb.md").read_text("utf-8")
    first = re.search(r"\*\*AFPB less baseline.*?\*\*", notes, re.DOTALL)
    assert first is not None
    assert re.search(r"mAP: \+5\.0 .*occluded-probe.*, and -0\.4 .*partial-probe", " ".join(first[0].split()))
    assert "Rank-1" not in first[0]
