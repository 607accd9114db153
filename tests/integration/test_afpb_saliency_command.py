"""``occreid-afpb saliency`` on a twin: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

import occluded_datasets as od
from occluded_datasets.afpb.config import Config
from occluded_datasets.afpb.runs import open_run
from occluded_datasets.afpb.saliency.maps import Way, maps_of
from occluded_datasets.afpb.saliency.regions import choose_images
from occluded_datasets.afpb.training import train
from occluded_datasets.images import decode_rgba
from occluded_datasets.occlusion import simulate
from occluded_datasets.twin import twin

CONFIG = Config(
    backbone="tiny", weights="none", height=64, width=32, identities=3, instances=2, train_protocol="afpb-nshot-1",
    occlusion="afpb-wide", max_steps=2, lr=1e-2,
)  # fmt: skip
QUICK = ("--pictures", 3, "--limit", 12, "--samples", 2)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a twin of six identities, its masks, a simulated set, and runs on half of the people."""
    folder = tmp_path_factory.mktemp("saliency")
    tree = twin("partial-reid", folder / "raw", ids=6, masks=folder / "masks", workers=1).tree
    source = od.load(od.build("partial-reid", tree, folder / "data", allow_subset=True).manifest)
    simulate(source, folder / "occ", recipe="afpb", workers=1)
    train(source, folder / "runs/afpb", CONFIG)
    train(source, folder / "runs/other", Config.of({"seed": 1}, CONFIG), store=folder / "runs/afpb/store")
    train(source, folder / "runs/small", Config.of({"height": 32, "max_steps": 1}, CONFIG))
    return folder


@pytest.fixture
def saliency(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Return a function that runs the command in that folder, and gives exit status, output and errors."""
    from occluded_datasets.cli.afpb import main

    monkeypatch.chdir(place)

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(["saliency", *map(str, arguments)])
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return run


def test_two_runs_are_drawn_and_measured(saliency: Callable[..., Any], place: Path, tmp_path: Path) -> None:
    """Shares of the regions make up the whole map, for each run and for the picture; twice gives the same bytes."""
    arguments = ("runs/afpb", "occ/manifest.csv", "--against", "runs/other", "--bodies", "masks", *QUICK)
    code, out, err = saliency(*arguments, "--out", tmp_path / "figs", "--json")
    assert (code, err) == (0, "")
    said = json.loads(out)
    record = json.loads((tmp_path / "figs/energy.json").read_bytes())
    assert said == {name: value for name, value in record.items() if name != "per_picture"}
    assert (record["pictures"], record["of"]) == (12, 30)
    assert list(record["energy"]) == ["occluder", "visible body", "rest"]
    for run in ("run", "against"):
        parts = [one["energy"][run]["mean"] for one in record["energy"].values()]
        assert sum(parts) == pytest.approx(1, abs=1e-5)
        assert min(parts) > 0
    assert sum(one["area"]["mean"] for one in record["energy"].values()) == pytest.approx(1, abs=1e-5)
    one = record["energy"]["occluder"]["ratio"]
    assert one["difference"]["mean"] == pytest.approx(one["run"]["mean"] - one["against"]["mean"], abs=2e-6)
    assert len(record["per_picture"]["image_id"]) == 12
    picture = decode_rgba((tmp_path / "figs/saliency.png").read_bytes())
    assert picture.std() > 20
    trained = {pid for pid in open_run(place / "runs/afpb").label_map if pid in set(record["per_picture"]["pid"])}
    assert record["runs"]["run"]["identities_trained_on"] == len(trained) > 0

    assert saliency(*arguments, "--out", tmp_path / "again")[0] == 0
    for name in ("energy.json", "saliency.png"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "figs" / name).read_bytes()


def test_a_table_says_what_was_measured(saliency: Callable[..., Any], tmp_path: Path) -> None:
    """Regions with their area, and whether the people were trained on."""
    code, out, _ = saliency("runs/afpb", "occ/manifest.csv", "--out", tmp_path, *QUICK)
    assert code == 0
    assert "12 of 30 pictures" in out
    assert "of them by afpb" in out
    assert "| occluder, 26." in out
    assert "visible body" not in out
    assert "difference" not in out


def test_without_masks_maps_are_drawn_and_nothing_is_measured(saliency: Callable[..., Any], tmp_path: Path) -> None:
    """It says so, and what an earlier call measured does not stay."""
    (tmp_path / "energy.json").write_text("{}")
    code, out, _ = saliency("runs/afpb", "data/partial-reid/manifest.csv", "--out", tmp_path, *QUICK)
    assert code == 0
    assert "no mask is known" in out
    record = json.loads((tmp_path / "energy.json").read_bytes())
    assert record["energy"] is record["per_picture"] is None
    assert record["pictures"] == 3
    assert decode_rgba((tmp_path / "saliency.png").read_bytes()).std() > 20


def test_a_map_is_the_picture_s_own(place: Path) -> None:
    """The same alone and among others, in evaluation mode; grad-cam has the same size and another content."""
    manifest, run = od.load(place / "occ" / "manifest.csv"), open_run(place / "runs/afpb")
    rows = choose_images(manifest, 5).rows
    together = maps_of(run, manifest, rows, Way(samples=2))
    alone = maps_of(run, manifest, rows.iloc[[3]], Way(samples=2))
    assert together.shape == (5, 64, 32)
    assert together.dtype == np.float32
    np.testing.assert_allclose(alone[0], together[3], rtol=1e-3, atol=1e-6)
    assert not np.allclose(together, maps_of(run, manifest, rows, Way(samples=2, seed=1)))
    assert maps_of(run, manifest, rows, Way("grad-cam")).shape == (5, 64, 32)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("runs/none", "occ/manifest.csv", "--out", "figs"), "no run.*occreid-afpb train"),
        (("runs/half", "occ/manifest.csv", "--out", "figs"), "not finished.*--resume"),
        (("runs/afpb", "occ/manifest.csv", "--out", "raw.txt"), "raw.txt.*is a file"),
        (("runs/afpb", "occ/manifest.csv", "--out", "figs", "--against", "runs/small"), "Expected 64x32, found 32x32"),
        (("runs/afpb", "occ/manifest.csv", "--out", "figs", "--bodies", "occ"), "mask .* cannot be read.*--bodies"),
        (("runs/afpb", "occ/manifest.csv", "--out", "figs", "--method", "cam"), "Did you mean grad-cam"),
    ],
    ids=["no run", "unfinished", "a file", "another size", "no body", "method"],
)
def test_what_cannot_be_is_refused_before_a_map_is_made(
    saliency: Callable[..., Any], place: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    """Exit status 2, one message, nothing written."""
    (place / "runs/half").mkdir(exist_ok=True)
    (place / "runs/half/config.json").write_text(CONFIG.to_json())
    (place / "raw.txt").touch()
    monkeypatch.setattr("occluded_datasets.afpb.saliency.run.maps_of", lambda *_: pytest.fail("a map was made"))
    code, out, err = saliency(*arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    assert re.search(words, " ".join(err.split())), err
    assert not (place / "figs").exists()


def test_without_matplotlib_it_says_what_to_install(
    saliency: Callable[..., Any], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, err = saliency("runs/afpb", "occ/manifest.csv", "--out", "figs")
    assert code == 2
    assert "matplotlib is not installed" in err
    assert "occluded-datasets[afpb]" in err
