"""What is kept between calls is taken up for the same inputs alone, and a model carries what it was made of."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from afpbkit import CONFIG, Small, small

torch = pytest.importorskip("torch")

from occluded_datasets.afpb.config import Config  # noqa: E402
from occluded_datasets.afpb.data import training_rows  # noqa: E402
from occluded_datasets.afpb.evaluation import declaration, evaluate_run, extract_features  # noqa: E402
from occluded_datasets.afpb.inputs import images_sha256, require_inputs  # noqa: E402
from occluded_datasets.afpb.runs import CHECKPOINT, MODEL, Run, open_run, read_state, write_state  # noqa: E402
from occluded_datasets.afpb.training import train  # noqa: E402
from occluded_datasets.errors import InputError, UsageError  # noqa: E402
from occluded_datasets.evaluation import compare  # noqa: E402
from occluded_datasets.hashing import file_digests  # noqa: E402
from occluded_datasets.manifest import Manifest, read  # noqa: E402
from occluded_datasets.occlusion import Recipe, simulate  # noqa: E402
from occluded_datasets.store.layout import header_digest  # noqa: E402

SHORT = Config.of({"max_steps": 4}, CONFIG)
OTHER = r"was made of other inputs\. .*"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Return a twin of six identities."""
    torch.set_num_threads(1)
    return small(tmp_path_factory.mktemp("afpb"), ids=6)


@pytest.fixture(scope="module")
def fewer(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Return another twin of the same set, of four identities."""
    return small(tmp_path_factory.mktemp("fewer"), ids=4)


@pytest.fixture(scope="module")
def whole(made: Small, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a finished run."""
    return train(made.manifest, tmp_path_factory.mktemp("whole") / "run", SHORT, store=made.store)


def recipe(fraction: float) -> str:
    """Return the text of a recipe."""
    return json.dumps(Recipe.of("afpb-wide", fraction=[fraction, fraction]).to_dict())


class StoppedError(Exception):
    """What a test stops a run with."""


def stop(at: int, total: int) -> None:
    """Stop a run behind its checkpoint."""
    if at == 3:
        raise StoppedError


def stopped(made: Small, folder: Path, config: Config) -> Path:
    """Return the folder of a run that was stopped behind the checkpoint of its second step."""
    with pytest.raises(StoppedError):
        train(made.manifest, folder, config, store=made.store, every=2, progress=stop)
    assert read_state(folder / CHECKPOINT)["step"] == 2
    return folder


def edited(path: Path, **changes: Any) -> None:
    """Change values of a JSON file as a hand would."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture(params=["a finished run", "a checkpoint"])
def kept(request: pytest.FixtureRequest, made: Small, tmp_path: Path) -> tuple[Path, Config]:
    """Return a folder that keeps a finished run or a checkpoint, made of files beside it."""
    (tmp_path / "recipe.json").write_text(recipe(0.3))
    source = train(made.manifest, tmp_path / "source", Config.of({"seed": 5}, SHORT), store=made.store)
    shutil.copy(source.folder / MODEL, tmp_path / "weights.pt")
    named = {"occlusion": str(tmp_path / "recipe.json"), "weights": str(tmp_path / "weights.pt")}
    config = Config.of(named, SHORT)
    if request.param == "a checkpoint":
        return stopped(made, tmp_path / "run", config), config
    return train(made.manifest, tmp_path / "run", config, store=made.store).folder, config


def anew(config: Config, **changes: Any) -> Config:
    """Return a config that has read no file yet."""
    return Config.of(changes, config)


def test_other_inputs_are_refused(made: Small, fewer: Small, kept: tuple[Path, Config], tmp_path: Path) -> None:
    """Another training set, start, store, recipe or weights: each is named, and nothing in the folder changes."""
    folder, config = kept
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != ".lock"}

    def refused(words: str, given: Small = made, config: Config = config, **options: Any) -> None:
        options = {"store": given.store, **options}
        with pytest.raises(UsageError, match=OTHER + words + ".*Next: another --out"):
            train(given.manifest, folder, anew(config), resume=True, **options)
        with pytest.raises(UsageError):
            train(given.manifest, folder, anew(config), **options)
        now = {path: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != ".lock"}
        assert now == before

    refused("training_rows [0-9a-f]{16} there, [0-9a-f]{16} here; image_ids", fewer)
    refused("start none there, [0-9a-f]{16} here", start=tmp_path / "source")
    refused("stored_pixels [0-9a-f]{16} there, [0-9a-f]{16} here", store=other_pixels(made.store, tmp_path / "store"))
    refused("lr 0.01 there, 0.02 here", config=anew(config, lr=0.02))
    (tmp_path / "recipe.json").write_text(recipe(0.2))
    refused("occlusion afpb-wide@[0-9a-f]{8} there, afpb-wide@[0-9a-f]{8} here")
    (tmp_path / "recipe.json").write_text(recipe(0.3))
    torch.save({**torch.load(tmp_path / "weights.pt"), "step": 0}, tmp_path / "weights.pt")
    refused("weights [0-9a-f]{16} there, [0-9a-f]{16} here")


def other_pixels(store: Path, out: Path) -> Path:
    """Return a copy of a store with other pixels, which its header and index vouch for."""
    shutil.copytree(store, out)
    pixels, index = np.load(out / "pixels.npy") ^ 1, np.load(out / "index.npy")
    for row, one in zip(index, pixels, strict=True):
        row["stored_sha256"] = np.frombuffer(hashlib.sha256(one.tobytes()).digest(), np.uint8)
    np.save(out / "pixels.npy", pixels)
    np.save(out / "index.npy", index)
    header = {**json.loads((out / "store.json").read_text()), "index_sha256": file_digests(out / "index.npy")[0]}
    edited(out / "store.json", **{**header, "header_sha256": header_digest(header)})
    return out


def test_the_same_inputs_in_other_places_are_taken_up(made: Small, kept: tuple[Path, Config], tmp_path: Path) -> None:
    """A folder, a recipe and weights that were moved, and a recipe of another layout, are the same inputs."""
    folder, config = kept
    expected = train(made.manifest, tmp_path / "whole", anew(config), store=made.store).sha256()
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "r.json").write_text(json.dumps(json.loads((tmp_path / "recipe.json").read_text()), indent=7))
    shutil.move(tmp_path / "weights.pt", moved / "w.pt")
    shutil.move(folder, moved / "run")
    (tmp_path / "recipe.json").unlink()
    shutil.copytree(made.store, moved / "store")
    named = anew(config, occlusion=str(moved / "r.json"), weights=str(moved / "w.pt"))
    run = train(made.manifest, moved / "run", named, store=moved / "store", resume=True)
    assert run.sha256() == expected
    (moved / "r.json").unlink()
    again = open_run(moved / "run")
    assert evaluate_run(again, made.manifest, CONFIG.train_protocol, bootstrap=0).score.record["map"] > 0


@pytest.mark.parametrize("stop_first", [False, True])
def test_a_config_that_was_edited_is_refused(made: Small, tmp_path: Path, stop_first: bool) -> None:
    """Whether the command follows the edited file or not."""
    folder = stopped(made, tmp_path / "run", SHORT) if stop_first else (
        train(made.manifest, tmp_path / "run", SHORT, store=made.store).folder
    )  # fmt: skip
    edited(folder / "config.json", lr=0.5)
    with pytest.raises(UsageError, match=OTHER + r"lr 0\.5 there, 0\.01 here"):
        train(made.manifest, folder, SHORT, store=made.store, resume=True)
    with pytest.raises(UsageError, match=OTHER + r"lr 0\.01 there, 0\.5 here"):
        train(made.manifest, folder, anew(SHORT, lr=0.5), store=made.store, resume=True)
    if not stop_first:
        with pytest.raises(UsageError, match=rf"model\.pt beside .*config\.json {OTHER}lr 0\.01 there, 0\.5 here"):
            open_run(folder)
    edited(folder / "config.json", lr=0.01)
    assert train(made.manifest, folder, SHORT, store=made.store, resume=True).record["steps"] == 4


def test_a_record_beside_another_model_is_refused(made: Small, tmp_path: Path) -> None:
    """A run's files are of one run: a record of other inputs, a damaged one."""
    one = train(made.manifest, tmp_path / "one", SHORT, store=made.store).folder
    record = json.loads((one / "run.json").read_text())
    edited(one / "run.json", inputs={**record["inputs"], "training_rows": "0" * 64})
    with pytest.raises(UsageError, match=rf"model\.pt beside .*run\.json {OTHER}training_rows .* there, 0{{16}} here"):
        open_run(one)
    (one / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"run\.json: no record of a run"):
        open_run(one)
    (one / "run.json").write_text(json.dumps(record))
    assert open_run(one).record == record


def test_a_run_of_an_earlier_version_is_opened_and_not_taken_up(made: Small, tmp_path: Path) -> None:
    """It does not say what it was made of, and whom it saw is unknown: never ``none``."""
    folder = train(made.manifest, tmp_path / "run", SHORT, store=made.store).folder
    older(folder)
    with pytest.raises(UsageError, match=r"does not say what it was made of.*Next: another --out"):
        train(made.manifest, folder, SHORT, store=made.store, resume=True)
    unknown = {"set": "unknown", "pids": None}
    assert open_run(folder).seen == [unknown]
    found = evaluate_run(open_run(folder), made.manifest, "transfer-all-occluded-probe", bootstrap=0)
    assert (found.shared["relation"], found.shared["identities"]) == ("unknown", None)
    again = train(made.manifest, tmp_path / "on", SHORT, store=made.store, start=folder)
    assert unknown in again.seen
    record = json.loads((again.folder / "run.json").read_text())
    del record["seen"]
    (again.folder / "run.json").write_text(json.dumps(record))
    assert open_run(again.folder).seen == again.seen  # a record that lost it makes no model that saw fewer
    edited(again.folder / "run.json", seen=[])
    assert open_run(again.folder).seen == again.seen


def older(folder: Path) -> None:
    """Leave out of a run what earlier versions did not write."""
    record, state = json.loads((folder / "run.json").read_text()), read_state(folder / MODEL)
    for name in ("inputs", "seen"):
        del record[name], state[name]
    (folder / "run.json").write_text(json.dumps(record))
    write_state(folder / MODEL, state)


def test_the_order_of_rows_is_an_input(made: Small) -> None:
    """Images under each other's names are the same rows in another order, and other batches."""
    rows = training_rows(made.manifest, CONFIG)
    swapped = rows.assign(image_id=rows["image_id"].tolist()[::-1])
    assert images_sha256(rows) == images_sha256(rows.copy()) != images_sha256(swapped)


def test_processes_and_precision_are_inputs(whole: Run) -> None:
    """A checkpoint of two processes, or of another precision, is not gone on with by one."""
    own = whole.record["inputs"]
    assert (own["processes"], own["precision"]) == (1, "float32")
    require_inputs({**own}, own, "it")
    with pytest.raises(UsageError, match=r"processes 2 there, 1 here\. Next"):
        require_inputs({**own, "processes": 2}, own, "it")
    with pytest.raises(UsageError, match="precision bf16 there, float32 here"):
        require_inputs({**own, "precision": "bf16"}, own, "it")


def test_a_comparison_names_how_models_differ(made: Small, whole: Run, tmp_path: Path) -> None:
    """The record carries the facts of the model and whom it saw; `compare` names what differs, and only that."""
    on = train(
        made.manifest, tmp_path / "on", anew(SHORT, lr=0.02, obc_weight=0.5), store=made.store, start=whole.folder
    )
    scores = [evaluate_run(run, made.manifest, CONFIG.train_protocol, bootstrap=10).score for run in (whole, on)]
    assert [one.record["model"] for one in scores] == [whole.facts(), on.facts()]
    assert scores[0].record["shared"]["relation"] == "same set"
    found = compare(*scores).models
    named = {text.partition(":")[0].removeprefix("model ") for text in found}
    assert named == {"sha256", "config_sha256", "config lr", "config obc_weight", "config start"}
    assert "model config lr: 0.01 and 0.02." in found
    assert compare(scores[0], scores[0]).models == ()
    described = extract_features(whole, made.manifest, made.manifest.frame)
    again = evaluate_run(whole, made.manifest, CONFIG.train_protocol, described=described, bootstrap=10).score
    assert again.record == scores[0].record
    with pytest.raises(UsageError, match=r"described was made of other inputs\. model [0-9a-f]{16} there"):
        evaluate_run(on, made.manifest, CONFIG.train_protocol, described=described)


def test_what_a_record_says_of_a_model(made: Small, whole: Run, tmp_path: Path) -> None:
    """The same training gives the same facts, whatever bytes the file has; another learning rate other ones."""
    facts = whole.facts()
    assert facts["backbone"] == facts["config"]["backbone"] == "tiny"
    assert facts["config"]["occlusion"] == whole.record["recipe"]
    same = train(made.manifest, tmp_path / "same", SHORT, store=made.store)
    write_state(same.folder / MODEL, dict(reversed(read_state(same.folder / MODEL).items())))
    assert (same.folder / MODEL).read_bytes() != (whole.folder / MODEL).read_bytes()
    assert same.facts() == facts
    other = train(made.manifest, tmp_path / "other", anew(SHORT, lr=0.02), store=made.store).facts()
    assert {name for name in facts if facts[name] != other[name]} == {"sha256", "config_sha256", "config"}
    assert {name for name, value in other["config"].items() if facts["config"][name] != value} == {"lr"}


@pytest.fixture(scope="module")
def copy(made: Small, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return a simulated copy of the set."""
    out = tmp_path_factory.mktemp("simulated") / "occ"
    return read(Path(simulate(made.manifest, out).manifest), {"partial-reid": made.manifest.path.parent})


def test_a_simulated_copy_counts_as_its_source(made: Small, copy: Manifest, tmp_path: Path) -> None:
    """Who trained on it knows the test's identities, and so does who goes on from there, by either way."""
    people = sorted(set(copy.frame["pid"].tolist()))
    run = train(copy, tmp_path / "run", anew(SHORT, train_protocol=""))
    assert run.seen == [{"set": "partial-reid", "pids": people}]
    weights = shutil.copy(run.folder / MODEL, tmp_path / "weights.pt")
    named = train(made.manifest, tmp_path / "named", anew(SHORT, weights=str(weights)), store=made.store)
    started = train(made.manifest, tmp_path / "started", SHORT, store=made.store, start=named.folder)
    assert set(people) > set(started.label_map)  # its own rows leave the test's identities out
    for one in (run, named, started):
        with pytest.raises(UsageError, match=r"partial-reid: \d identities of the test rows were trained on"):
            evaluate_run(one, made.manifest, CONFIG.train_protocol, bootstrap=0)
    text = f"simulated {run.record['training']['rows_fingerprint']}"
    assert declaration(run)["training_sets"] == [text, "partial-reid"]


def test_weights_of_unknown_origin_are_unknown(made: Small, whole: Run, tmp_path: Path) -> None:
    """A state dict that names nothing may have seen anyone; a run without weights has seen its own rows alone."""
    assert whole.seen == [{"set": "partial-reid", "pids": sorted(whole.label_map)}]
    body = {name[5:]: one for name, one in read_state(whole.folder / MODEL)["model"].items() if name[:5] == "body."}
    torch.save(body, tmp_path / "w.pt")
    run = train(made.manifest, tmp_path / "run", anew(SHORT, weights=str(tmp_path / "w.pt")), store=made.store)
    assert run.seen == [*whole.seen, {"set": "unknown", "pids": None}]
    found = evaluate_run(run, made.manifest, CONFIG.train_protocol, bootstrap=0)
    assert (found.shared["relation"], found.shared["identities"]) == ("unknown", None)
    assert declaration(run)["training_sets"][1] == "unknown"
    known = evaluate_run(whole, made.manifest, CONFIG.train_protocol, bootstrap=0)
    assert (known.shared["relation"], known.shared["identities"]) == ("same set", 0)


def test_other_test_rows_are_no_other_run(made: Small, tmp_path: Path) -> None:
    """The same training rows and pixels are taken up; a store that the folder packed of another manifest is not."""
    run = train(made.manifest, tmp_path / "run", SHORT)
    frame = made.manifest.frame
    tested = frame.index[~frame["pid"].isin(list(run.label_map))]
    shorter = made.manifest.with_rows(frame.drop(index=tested[0]))
    assert train(shorter, run.folder, SHORT, store=made.store, resume=True).record == run.record
    with pytest.raises(UsageError, match=r"store: another store is published here.*Next: another --out$"):
        train(shorter, run.folder, SHORT, resume=True)
    assert train(made.manifest, run.folder, SHORT, resume=True).record == run.record
