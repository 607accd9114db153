"""Levels of an ablation: means by cell and by kind from tables whose answer is known."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from occluded_datasets.afpb.study.outcome import _levels
from occluded_datasets.afpb.study.tables import markdown
from occluded_datasets.benchmark import find_benchmark

AP = {"clean": 0.8, "noise/10": 0.6, "noise/20": 0.4, "self-background/10": 0.2, "person/10": 0.0}


def kept(folder: Path, gain: float) -> Path:
    """Return a run's folder with the average precision of six probes of three people, the same in each."""
    folder.mkdir()
    rows = [f"{pid},{ap + gain},1,1,{cell}" for cell, ap in AP.items() for pid in (1, 1, 2, 2, 3, 3)]
    (folder / "levels.csv").write_text("\n".join(["pid,ap,rank1,counted,cell", *rows]) + "\n")
    return folder


def test_kinds_are_means_over_their_levels(tmp_path: Path) -> None:
    """The headline is of the kinds that the benchmark says; a variant is set against its arm."""
    variant = "afpb:obc_weight=1"
    runs = {arm: [kept(tmp_path / str(n), gain)] for n, (arm, gain) in enumerate({"afpb": 0, variant: 0.1}.items())}
    found = _levels(runs, find_benchmark("market-1501-occ-v1-dev"))
    assert {kind: one["afpb"]["mean"] for kind, one in found["kinds"].items()} == pytest.approx(
        {"clean": 0.8, "noise": 0.5, "self-background": 0.2, "person": 0.0, "headline": 0.4}
    )
    assert found["cells"]["noise/20"]["afpb"]["mean"] == pytest.approx(0.4)
    contrast = found["kinds"]["headline"]["contrasts"][variant]
    assert contrast["of"] == [variant, "afpb"]
    assert contrast["mAP"] == pytest.approx({"mean": 0.1, "low": 0.1, "high": 0.1})

    text = markdown(
        {
            "training": {"rows": 9, "identities": 3, "dataset": "market-1501", "rows_fingerprint": "0" * 64},
            "seeds": 1, "seconds": 60, "machine": {"threads": 1}, "pictures_seen": {"afpb-0": 64, "other-0": 128},
            "arms": {arm: {"words": "", "paper": ""} for arm in runs}, "undefined": {}, "tests": {}, "holm": {}, "levels": found,
        }
    )  # fmt: skip
    assert f"| {variant} less afpb | +10.0 [+10.0, +10.0] |" in text
    assert "64 or 128 pictures seen by each run" in text
    assert "| noise/20 | 40.0 [40.0, 40.0] |\n" in text  # variants are in the table by kind alone
    assert "afpb less baseline" not in text
    assert "1 seed, 64 or 128" in text
    assert "**One seed: no interval over seeds.**" in text
    assert "1 seeds" not in text
