"""Features to record to comparison on the command line, on a twin and, where it lies, on the real set."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import occluded_datasets as od
from occluded_datasets.evaluation import CONDITIONS, check_record, write_features
from occluded_datasets.images import decode
from occluded_datasets.manifest import Manifest

PLAIN = "transfer-all-occluded-probe"
REAL = Path(__file__).parents[3] / "shared" / "data" / "partial-reid" / "Partial-REID_Dataset.zip"
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, cheap_tree: Callable[..., Path]) -> Path:
    """Return the manifest of a cheap Partial-REID twin."""
    folder = tmp_path_factory.mktemp("evaluate")
    tree = cheap_tree("partial-reid", None, 8, folder / "raw")
    return Path(od.build("partial-reid", tree, folder / "data", allow_subset=True).manifest)


@pytest.fixture
def features(built: Path, tmp_path: Path) -> Path:
    """Return a file of random features of every picture."""
    manifest = od.load(built)
    values = np.random.default_rng(0).standard_normal((len(manifest), 16)).astype(np.float32)
    header = {"model": "noise", "manifest_fingerprint": manifest.fingerprint}
    write_features(tmp_path / "f.npz", manifest.frame["image_id"].tolist(), values, header=header)
    return tmp_path / "f.npz"


@pytest.mark.parametrize(
    "protocol", [PLAIN, "transfer-all-partial-probe", "single-shot-occluded-probe", "afpb-nshot-1"]
)
def test_evaluate_writes_a_record(command: Run, built: Path, features: Path, tmp_path: Path, protocol: str) -> None:
    """Under every kind of protocol: a valid record, its sidecar, a table, and the same bytes with one thread."""
    out = tmp_path / "score.json"
    ran = command("evaluate", built, "--protocol", protocol, "--features", features, "--out", out)
    assert ran.code == 0, ran.err
    assert "mAP trapezoid" in ran.out
    record = json.loads(out.read_bytes())
    check_record(record)
    assert len((tmp_path / "score.per_probe.csv").read_text().splitlines()) == record["per_probe"]["rows"] + 1
    before = out.read_bytes()
    said = command(
        "evaluate", built, "--protocol", protocol, "--features", features, "--out", out, "--threads", 1, "--json"
    )
    assert out.read_bytes() == before
    assert said.json() == record


def test_evaluate_replaces_nothing_unasked(
    command: Run, built: Path, features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same score is unchanged, another one refused or put in its place, and no other file is ever replaced."""
    out = tmp_path / "score.json"
    run = partial(command, "evaluate", built, "--features", features, "--out", out, "--bootstrap", 0, "--protocol")
    assert f"{out}\n" in run(PLAIN).out
    first = out.read_bytes()
    assert f"record        {out}  (unchanged)" in run(PLAIN).out
    refused = run("transfer-all-partial-probe")
    assert refused.code == 2
    assert "score.json is a score record already, and another one." in refused.err
    assert "Next: add --replace, or choose another --out" in refused.err
    assert out.read_bytes() == first
    replaced = run("transfer-all-partial-probe", "--replace")
    assert (replaced.code, "(unchanged)" in replaced.out) == (0, False)
    assert json.loads(out.read_bytes())["protocol"].startswith("partial-reid/transfer-all-partial-probe@")

    def never(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("it was scored before it was refused")

    monkeypatch.setattr("occluded_datasets.evaluation.evaluate", never)
    for place, kind in (
        (features, "a feature file"),
        (built, "a manifest's table"),
        (built.with_suffix(".json"), "a manifest's header"),
        (tmp_path / "score.per_probe.csv", "a table of scores by probe"),
    ):
        before = place.read_bytes()
        for more in ((), ("--replace",)):
            ran = command(
                "evaluate", built, "--features", features, "--protocol", PLAIN, "--out", place, "--json", *more
            )
            assert ran.code == 2
            assert ran.json()["error"]["what"] == f"{place} is {kind}."
            assert place.read_bytes() == before


def test_declare_and_compare(command: Run, built: Path, features: Path, tmp_path: Path) -> None:
    """Exit 0 when two scores compare, 1 with the reason when not; the paired difference."""
    said = tmp_path / "said.json"
    said.write_text(json.dumps(dict.fromkeys(CONDITIONS, "none")))
    whole = ["--declare", said]
    names: dict[str, list[Any]] = {
        "a": whole,
        "b": whole,
        "other": [*whole, "--declare", "pretraining=ImageNet", "--declare", "seed=7"],
        "silent": [],
        "euclid": [*whole, "--distance", "euclidean"],
    }
    for name, more in names.items():
        out = tmp_path / f"{name}.json"
        assert command("evaluate", built, "--protocol", PLAIN, "--features", features, "--out", out, *more).code == 0
    same = command("compare", tmp_path / "a.json", tmp_path / "b.json", "--paired")
    assert (same.code, same.out.splitlines()[0]) == (0, "comparable")
    assert "mAP: B - A = +0.00 (95 % +0.00 to +0.00)" in same.out
    other = command("compare", tmp_path / "a.json", tmp_path / "other.json")
    assert (other.code, other.out.splitlines()) == (
        1, ["same protocol, other conditions", "  declared pretraining: none and ImageNet.", "  declared seed: none and 7."],
    )  # fmt: skip
    silent = command("compare", tmp_path / "a.json", tmp_path / "silent.json")
    assert (silent.code, silent.out.splitlines()) == (1, ["undeclared", f"  B does not state {', '.join(CONDITIONS)}."])
    found = command("compare", tmp_path / "a.json", tmp_path / "euclid.json", "--json")
    assert (found.code, found.json()["reasons"]) == (1, ["distance: cosine and euclidean."])
    out = tmp_path / "partial.json"
    command("evaluate", built, "--protocol", "transfer-all-partial-probe", "--features", features, "--out", out)
    assert command("compare", tmp_path / "a.json", out).out.startswith("not comparable\n  The protocols differ")


def test_errors_are_one_message(command: Run, built: Path, features: Path, tmp_path: Path) -> None:
    """Exit 2, no traceback, the pictures and what to do next; with --json as an object."""
    with np.load(features) as data:
        write_features(tmp_path / "short.npz", data["image_id"][3:].tolist(), data["features"][3:])
    ran = command("evaluate", built, "--protocol", PLAIN, "--features", tmp_path / "short.npz", "--json")
    assert (ran.code, ran.json()["error"]["type"]) == (2, "FeatureError")
    for arguments, why in (
        (["--features", tmp_path / "none.npz"], "there is no such file"),
        (["--features", features, "--declare", "pretrained=yes"], "Did you mean pretraining"),
        (["--features", features, "--declare", "nothing"], "no declaration"),
        (["--features", features, "--distance", "manhattan"], "manhattan"),
    ):
        ran = command("evaluate", built, "--protocol", PLAIN, *arguments)
        assert (ran.code, "Traceback" in ran.err) == (2, False)
        assert why in ran.err
    ran = command("compare", tmp_path / "a.json", tmp_path / "b.json")
    assert ran.code == 2
    assert "there is no score record" in ran.err
    assert not list(tmp_path.glob("*.json"))


def histogram(manifest: Manifest, bins: int = 8) -> dict[str, np.ndarray]:
    """Return a colour histogram of six stripes of each picture, square roots of shares."""
    found = {}
    for name in manifest.frame["image_id"]:
        pixels = decode(manifest.file(name).read_bytes(), name) // (256 // bins)
        stripes = np.array_split(pixels.reshape(len(pixels), -1, 3), 6)
        counts = [np.bincount(one[..., band].ravel(), minlength=bins) for one in stripes for band in range(3)]
        found[name] = np.sqrt(np.concatenate(counts) / pixels.size)
    return found


@pytest.mark.skipif(not REAL.is_file(), reason="the real Partial-REID is not here")
def test_real_pictures_score_above_chance(tmp_path: Path) -> None:
    """A histogram sees more than chance and far from everything, under both AP definitions."""
    od.build("partial-reid", REAL, tmp_path / "data")
    manifest = od.load("partial-reid", tmp_path / "data")
    features = histogram(manifest)
    record = od.evaluate(manifest, PLAIN, features).record
    chance = od.evaluate(manifest, PLAIN, {name: np.ones(1) for name in features}, bootstrap=0).record
    assert chance["cmc"]["1"] == round(1 / 60, 6)
    for name in ("map", "map_trapezoid", "minp"):
        assert 2 * chance[name] < record[name] < 0.9
    low, high = record["intervals"]["map"]
    assert low < record["map"] < high
    assert record["audit"]["dropped_probes"] == 0
