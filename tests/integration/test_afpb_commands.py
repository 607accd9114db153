"""``occreid-afpb`` as a user types it: each command, its JSON, and what it says when something is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from occluded_datasets.cli.afpb import SECTIONS


@pytest.mark.parametrize("name", [name for names in SECTIONS.values() for name in names])
def test_every_command_has_help_with_an_example(afpb: Callable[..., Any], name: str) -> None:
    """Without PyTorch too."""
    done = afpb(name, "--help")
    assert done.code == 0
    assert f"occreid-afpb {name}" in done.out


def test_a_misspelt_command_gets_the_nearest(afpb: Callable[..., Any]) -> None:
    """And the program's own name."""
    done = afpb("trian")
    assert done.code == 2
    assert "Did you mean train?" in done.err


def test_without_pytorch_the_line_that_installs_it_is_said() -> None:
    """No traceback."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from occluded_datasets.cli.afpb import main\n"
        "main(['train', '--train', 'x', '--out', 'y', '--json'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "torch is not installed" in done.stderr
    assert 'pip install "occluded-datasets[torch]"' in json.loads(done.stdout)["error"]["next"]


def options() -> list[str]:
    """Return what makes a run small."""
    return [
        "--backbone", "tiny", "--weights", "none", "--size", "32x16", "--identities", "2", "--instances", "2",
        "--train-protocol", "afpb-nshot-1", "--epochs", "1", "--lr", "1e-2",
    ]  # fmt: skip


def test_train_and_evaluate(afpb: Callable[..., Any], tmp_path: Path) -> None:
    """From a manifest to a score record, with what the run was declared."""
    pytest.importorskip("torch")
    from afpbkit import small

    made = small(tmp_path, ids=6)
    path = made.manifest.path
    done = afpb("train", "--train", path, "--out", tmp_path / "run", "--store", made.store, *options(), "--json")
    assert done.code == 0, done.err
    assert done.json()["training"]["identities"] == 3
    out = tmp_path / "score.json"
    done = afpb(
        "evaluate", tmp_path / "run", path, "--protocol", "afpb-nshot-1", "--bootstrap", "0", "--out", out, "--json"
    )
    assert done.code == 0, done.err
    assert done.json()["score"] == json.loads(out.read_text())
    assert 0 <= done.json()["occlusion_auroc"] <= 1
    scoring = ["evaluate", tmp_path / "run", path, "--protocol", "afpb-nshot-1", "--out", out, "--bootstrap"]
    told = afpb(*scoring, "0")
    assert "OBC AUROC" in told.out
    assert f"{out}  (unchanged)" in told.out
    before = out.read_bytes()
    other = afpb(*scoring, "10")
    assert other.code == 2
    assert "score.json is a score record already, and another one" in other.err
    assert out.read_bytes() == before
    assert afpb(*scoring, "10", "--replace").code == 0
    assert json.loads(out.read_text())["intervals"]["replicates"] == 10
    model = (tmp_path / "run" / "model.pt").read_bytes()
    taken = afpb(*scoring[:5], "--out", tmp_path / "run" / "model.pt", "--replace")
    assert taken.code == 2
    assert (tmp_path / "run" / "model.pt").read_bytes() == model
    assert afpb("evaluate", tmp_path / "none", path, "--protocol", "afpb-nshot-1").code == 2
    again = afpb("train", "--train", path, "--out", tmp_path / "run", "--store", made.store, *options())
    assert again.code == 2
    assert "--resume" in again.err


def test_a_config_file_stands_below_options(afpb: Callable[..., Any], tmp_path: Path) -> None:
    """A name that is none is an error with the nearest."""
    pytest.importorskip("torch")
    from afpbkit import small

    made = small(tmp_path, ids=4)
    (tmp_path / "c.json").write_text('{"backbone": "tiny", "weights": "none", "epochs": 7, "obc_weight": 0.5}')
    given = ["--train", made.manifest.path, "--store", made.store, "--config", tmp_path / "c.json", *options()]
    assert afpb("train", *given, "--out", tmp_path / "run").code == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["obc_weight"], config["epochs"], config["height"]) == (0.5, 1, 32)
    (tmp_path / "c.json").write_text('{"obc_wieght": 0.5}')
    done = afpb("train", *given, "--out", tmp_path / "other")
    assert done.code == 2
    assert "obc_weight" in done.err


VARIANT = "afpb:schedule=constant"
ARMS = ("baseline", "simulator", "obc", "afpb", VARIANT)


def test_ablate(afpb: Callable[..., Any], tmp_path: Path) -> None:
    """Rows that differ as they say, every seed, contrasts; what is finished is kept; what is undefined is said."""
    pytest.importorskip("torch")
    from afpbkit import small

    made = small(tmp_path, ids=6)
    given = ["--train", made.manifest.path, "--protocol", "afpb-nshot-1", "--seeds", 2, "--out", tmp_path / "abl"]
    given += ["--jobs", 1, "--start-epochs", 1]
    for arm in ARMS:
        given += ["--arm", arm]
    done = afpb("ablate", *given, *options(), "--json")
    assert done.code == 0, done.err
    found = done.json()
    assert found == json.loads((tmp_path / "abl" / "ablation.json").read_text())
    test = found["tests"]["partial-reid/afpb-nshot-1"]
    assert {arm: len(one["seeds"]) for arm, one in test["arms"].items()} == dict.fromkeys(ARMS, 2)
    assert len(set(found["pictures_seen"].values())) == 1
    assert set(test["contrasts"]) == {"obc", "afpb", "simulator", VARIANT}
    assert test["contrasts"]["afpb"]["mAP"]["low"] <= test["contrasts"]["afpb"]["mAP"]["high"]
    configs = {
        arm: json.loads((tmp_path / "abl" / f"{arm.replace(':', '_')}-1" / "config.json").read_text()) for arm in ARMS
    }
    named = [configs[arm] for arm in ARMS if arm != VARIANT]
    assert {name for name in named[0] if len({str(one[name]) for one in named}) > 1} == {"occlusion", "obc_weight"}
    afpb_config, varied = configs["afpb"], configs[VARIANT]
    assert {name for name in varied if varied[name] != afpb_config[name]} == {"schedule"}
    text = (tmp_path / "abl" / "ablation.md").read_text()
    assert "| afpb: afpb less baseline (primary) |" in text
    assert "2 seeds" in text
    seeds = [[one["mAP"] for one in test["arms"][arm]["seeds"]] for arm in ("afpb", "baseline")]
    over = test["contrasts"]["afpb"]["over_seeds"]["mAP"]
    assert over["differences"] == pytest.approx([plus - minus for plus, minus in zip(*seeds, strict=True)], abs=2e-6)
    assert set(found["holm"]["partial-reid/afpb-nshot-1"]) <= {"obc", "afpb"}
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "abl").glob("*/model.pt")}
    assert len(before) == 11
    score = tmp_path / "abl" / "afpb-1" / "partial-reid-afpb-nshot-1.json"
    kept = score.read_text()
    score.write_text(json.dumps({**json.loads(kept), "map": 0.0}))
    assert afpb("ablate", *given, *options()).code == 0
    assert score.read_text() == kept  # a record of its own, in its own folder, is written again
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "abl").glob("*/model.pt")} == before


def test_ablate_says_what_is_missing(afpb: Callable[..., Any], tmp_path: Path) -> None:
    """Nothing to score, an arm that is none: before anything is trained or written."""
    pytest.importorskip("torch")
    from afpbkit import small

    path = small(tmp_path, ids=4).manifest.path
    done = afpb("ablate", "--train", path, "--out", tmp_path / "abl", *options())
    assert done.code == 2
    assert "nothing would be scored" in done.err
    given = ["ablate", "--train", path, "--protocol", "afpb-nshot-1", "--out", tmp_path / "abl", *options()]
    for arm, words in (("afpb:obc_wieght=1", "obc_weight"), ("afbp", "afpb"), ("afpb:lr=quick", "lr=quick")):
        done = afpb(*given, "--arm", arm)
        assert done.code == 2
        assert words in done.err
    for given, words in (
        (["--protocol", "afpb-nshot-7"], "afpb-nshot"),
        (["--protocol", "transfer-all-occluded-probe"], "identities of the test rows were trained on"),
    ):
        done = afpb("ablate", "--train", path, "--out", tmp_path / "abl", *options(), *given)
        assert done.code == 2
        assert words in done.err
    assert not (tmp_path / "abl").exists()


def test_ablate_looks_at_every_run_before_it_trains_one(afpb: Callable[..., Any], tmp_path: Path) -> None:
    """A run of another config in the last seed would end it after hours."""
    pytest.importorskip("torch")
    from afpbkit import small

    path = small(tmp_path, ids=4).manifest.path
    taken = tmp_path / "abl" / "afpb-1"
    taken.mkdir(parents=True)
    (taken / "config.json").write_text('{"epochs": 7}')
    done = afpb("ablate", "--train", path, "--protocol", "afpb-nshot-1", "--out", tmp_path / "abl", *options())
    assert done.code == 2
    assert "afpb-1: the run was made of other inputs." in done.err
    assert "epochs 7 there, 1 here" in done.err
    assert [one.name for one in (tmp_path / "abl").iterdir()] == ["afpb-1"]


def test_obc_alone_is_undefined_on_whole_bodies(tmp_path: Path) -> None:
    """Market-1501 has one kind: the arm is left out, and why is said."""
    pytest.importorskip("torch")
    from afpbkit import CONFIG, small

    from occluded_datasets.afpb.config import Config
    from occluded_datasets.afpb.study.run import AblationPlan, Test, _undefined

    made = small(tmp_path, ids=4, dataset="market-1501", variant="train-only")
    config = Config.of({"train_protocol": ""}, CONFIG)
    plan = AblationPlan(made.manifest, [Test(made.manifest, "standard")], config, ("baseline", "obc"), 1)
    assert "full bodies alone" in _undefined(plan)["obc"]
