"""The page on training says what works: its snippets run as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tasks" / "occlude-in-training.md"


def test_the_snippets_of_the_page_run_in_order() -> None:
    """Each block goes on from the one before, as a reader pastes them."""
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 6
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["tensor"].shape == (3, 256, 128)
    assert names["sample"]["occlusion"].shape == (128, 64)
    assert names["out"]["keypoints"][:, 2].tolist() == [0, 1]
    assert names["images"].shape == (4, 3, 128, 64)
    assert names["data"].epoch == 1
