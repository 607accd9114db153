"""Benchmarks are data with ids that nobody guesses, over pictures that are chosen by key."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import occluded_datasets as od
from occluded_datasets.benchmark import (
    PACKAGE,
    UNVERIFIED,
    Benchmark,
    benchmark_parts,
    benchmark_rows_text,
    benchmarks,
    cell_ids,
    differing_rows,
    find_benchmark,
    make,
    published_rows,
    score,
)
from occluded_datasets.errors import IncompleteError, ProtocolError, UnknownNameError, UsageError
from occluded_datasets.manifest import Manifest
from occluded_datasets.twin import twin

WHOLE, PART = "market-1501-occ-v1", "market-1501-occ-v1-dev"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return the training part of Market-1501's twin, 12 identities."""
    folder = tmp_path_factory.mktemp("data")
    drawn = twin("market-1501", folder / "twin", ids=12, variant="train-only", workers=1)
    return od.load(od.build("market-1501", drawn.tree, folder, variant="train-only", allow_subset=True).manifest)


def small() -> Benchmark:
    """Return the development part over four identities, nothing published."""
    return Benchmark({**find_benchmark(PART).rules, "identities": 4, "cells": {}, "rows": ""})


def test_what_ships() -> None:
    """The whole is unverified; the development part has an id for each of its 18 cells, and a row for each probe."""
    assert benchmarks() == (WHOLE, PART)
    assert set(find_benchmark(WHOLE).cells.values()) == {UNVERIFIED}
    part = find_benchmark(PART)
    assert len(part.cells) == 18
    assert all(one.startswith(f"{PART}/{cell}@") for cell, one in part.cells.items())
    rows = published_rows(part)
    assert len(rows) == 18 * 673
    assert cell_ids(part, part.rules["parent"], rows) == part.cells
    assert part.headline == ("noise", "self-background")
    with pytest.raises(UnknownNameError, match=f"Did you mean {WHOLE}"):
        find_benchmark("market-1501-occ-v2")


def test_realised_fractions_are_within_half_a_per_cent() -> None:
    """Every published row, of every family, realises its level within 0.005."""
    for row in published_rows(find_benchmark(PART)):
        assert abs(float(row["occluded_fraction"]) - int(row["level"].rpartition("-")[2]) / 100) <= 0.005, row


def test_boxes_nest_across_levels() -> None:
    """The rectangle of a level contains that of the level below, for every probe."""
    inner: dict[str, tuple[int, ...]] = {}
    rows = [row for row in published_rows(find_benchmark(PART)) if not row["level"].startswith("person")]
    for row in sorted(rows, key=lambda row: row["level"]):
        family = row["level"].rpartition("-")[0] + row["source_image_id"]
        x, y, w, h = map(int, row["boxes"].split(":"))
        if family in inner:
            left, top, wide, high = inner[family]
            assert x <= left <= left + wide <= x + w
            assert y <= top <= top + high <= y + h
        inner[family] = (x, y, w, h)


def test_parts_are_chosen_by_key(source: Manifest) -> None:
    """The first identities by key; one probe a camera; no occluder from any of them."""
    parts = benchmark_parts(small(), source)
    pids = sorted(
        set(source.frame["pid"]), key=lambda pid: hashlib.sha256(f"1501|identities|0|{pid}".encode()).digest()
    )
    assert set(parts.probe["pid"]) == set(pids[:4])
    assert set(parts.train["pid"]) == set(pids[4:])
    assert not parts.probe.duplicated(["pid", "camid"]).any()
    assert len(parts.probe) + len(parts.gallery) + len(parts.train) == len(source)


def test_another_copy_is_said(source: Manifest, tmp_path: Path) -> None:
    """Another set, a copy without probes, a copy that is not whole: each is said before anything is made."""
    with pytest.raises(UsageError, match="Found a manifest of partial-reid"):
        benchmark_parts(small(), Manifest(source.frame, {**source.header, "dataset": "partial-reid"}))
    with pytest.raises(ProtocolError, match="no probe picture"):
        make(find_benchmark(WHOLE), source, tmp_path / "occ")
    frame = source.frame.copy()
    frame["split"], frame["role"] = "test", np.where(np.arange(len(frame)) % 2, "probe", "gallery")
    with pytest.raises(IncompleteError, match="Expected 3,368"):
        make(find_benchmark(WHOLE), source.with_rows(frame), tmp_path / "occ")
    assert not (tmp_path / "occ").exists()


def test_a_benchmark_is_made_verified_and_scored(source: Manifest, tmp_path: Path) -> None:
    """Rows and pictures give the same ids; published, they verify; a changed row is named; scores fall with the level."""
    rows = make(small(), source, tmp_path / "rows", rows_only=True)
    whole = make(small(), source, tmp_path / "whole")
    assert rows.verdict == UNVERIFIED
    assert rows.cells == whole.cells
    published = Benchmark({**small().rules, "cells": whole.cells})
    assert make(published, source, tmp_path / "whole").verdict == "verified"
    wrong = Benchmark({**small().rules, "cells": {**whole.cells, "noise/30": "x@0"}})
    found = make(wrong, source, tmp_path / "whole")
    assert (found.verdict, found.differing) == ("different", ("noise/30",))
    simulated = od.load(whole.simulated.manifest)
    person = simulated.frame[simulated.frame["level"].str.startswith("person")]
    givers = source.frame.set_index("image_id").loc[person["occluders"], "pid"]
    assert not set(givers) & set(person["pid"])
    assert set(givers) <= set(benchmark_parts(small(), source).train["pid"])
    from occluded_datasets.evaluation.feature_file import read_features
    from occluded_datasets.features import extract

    features: dict[str, Any] = {}
    for manifest in (source, simulated.with_rows(simulated.frame[simulated.frame["boxes"] != ""])):
        read = read_features(extract(manifest, "histogram", tmp_path / "F.npz", replace=True).path)
        features.update(zip(read.image_id, read.features, strict=True))
    done = score(small(), simulated, source, features, bootstrap=0)
    assert len(done.cells) == 18
    assert done.cells["noise/70"].record["map"] < done.cells["noise/10"].record["map"]
    assert done.retention == pytest.approx(done.mean / done.clean.record["map"])


def test_rows_are_compared_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that differs, is missing or is too many is named by its level and picture."""
    part = find_benchmark(PART)
    rows = published_rows(part)
    assert differing_rows(part, rows) == ()
    changed = [{**rows[0], "boxes": "0:0:1:1"}, *rows[2:]]
    assert differing_rows(part, changed) == tuple(f"{row['level']} {row['source_image_id']}" for row in rows[:2])
    text = resources.files(PACKAGE).joinpath("benchmarks", part.rules["rows"]).read_text("utf-8")
    assert benchmark_rows_text(rows) == text
