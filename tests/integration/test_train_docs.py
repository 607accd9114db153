"""The page on training says what works: its script trains on a twin's training rows, and ends in a score."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import occluded_datasets as od
from occluded_datasets.torch.labels import read_label_map
from occluded_datasets.twin import twin

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tasks" / "train.md"


def test_the_page_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[..., Any]) -> None:
    """The blocks run in order, as a reader pastes them, after the command that packs; no test identity is learned."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    monkeypatch.chdir(tmp_path)
    od.build("partial-reid", twin("partial-reid", "twin", ids=12).tree, "data", allow_subset=True)
    assert command("pack", "data/partial-reid", "--size", "64x32", "--out", "store").code == 0
    script, *blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(script, str(PAGE), "exec"), names)
    losses = names["losses"]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    parts, score = names["parts"], names["score"]
    assert set(read_label_map("label_map.json")) == set(parts.train["pid"])
    assert len(parts.train) == len(parts.probe) + len(parts.gallery)
    assert not set(parts.train["pid"]) & {*parts.probe["pid"], *parts.gallery["pid"]}
    assert set(names["features"]) == {*parts.probe["image_id"], *parts.gallery["image_id"]}
    assert score.record["protocol"] == parts.protocol.id
    assert score.record["cmc"]["1"] > 1.5 / 6  # more than chance gives among six identities
    assert len(script.splitlines()) < 50
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert len(blocks) == 2
    assert names["sample"]["image"].shape == (3, 128, 64)
    assert names["rest"] == len(names["batches"]) - 2
