"""torchreid itself, where it is installed: it trains on our rows, tests on them, and scores as we do."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import occluded_datasets as od
from occluded_datasets.exporters import parts_of
from occluded_datasets.manifest import Manifest
from occluded_datasets.protocol import Protocol, find_protocol
from occluded_datasets.torch import register_torchreid

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torchreid: it has no Cython here
        import torchreid
except ImportError:
    pytest.skip("torchreid is not installed", allow_module_level=True)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tasks" / "bridges.md"
REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "partial-reid" / "Partial-REID_Dataset.zip"
pytestmark = pytest.mark.filterwarnings("ignore")  # torchreid is as old as its warnings; ours are tested elsewhere
Sets = Callable[..., Manifest]
IDENTITIES = 8


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Nets of a few kilobytes: threads that wait for each other on a busy machine cost a hundred times the work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rows_of(dataset: Any) -> set[tuple[str, int, str]]:
    """Return (path, pid or label, part) as torchreid holds them."""
    return {(row[0], row[1], part) for part in ("train", "query", "gallery") for row in getattr(dataset, part)}


def their_scores(manifest: Manifest, dataset: Any, features: np.ndarray) -> tuple[float, float]:
    """Return rank-1 and mAP by torchreid, of features in manifest order."""
    at = {str(manifest.file(name)): number for number, name in enumerate(manifest.frame["image_id"])}
    sides = []
    for side in (dataset.query, dataset.gallery):
        vectors = torch.from_numpy(features[[at[row[0]] for row in side]])
        sides.append((vectors, np.array([row[1] for row in side]), np.array([row[2] for row in side])))
    (probe, q_pids, q_cams), (gallery, g_pids, g_cams) = sides
    distances = torchreid.metrics.compute_distance_matrix(probe, gallery, "cosine").numpy()
    # their rank-1 is a mean of 32-bit floats
    cmc, mean = torchreid.metrics.evaluate_rank(distances, q_pids, g_pids, q_cams, g_cams, max_rank=1, use_cython=False)
    return float(cmc[0]), float(mean)


def our_scores(manifest: Manifest, protocol: str | Protocol, features: np.ndarray) -> tuple[float, float]:
    """Return rank-1 and mAP by the package, as means over probes: the record rounds them to six decimals."""
    score = od.evaluate(manifest, protocol, features, bootstrap=0)
    means = score.per_probe.loc[score.per_probe["counted"] > 0, ["rank1", "ap"]].mean()
    assert means.tolist() == pytest.approx([score.record["cmc"]["1"], score.record["map"]], abs=1e-6)
    return float(means["rank1"]), float(means["ap"])


def features_of(manifest: Manifest) -> np.ndarray:
    """Return features that know a little of the person, so that ranks are neither chance nor perfect."""
    noise = np.random.default_rng(5)
    people = noise.normal(size=(1 << 11, 16))
    return people[manifest.frame["pid"].to_numpy() % (1 << 11)] + 1.5 * noise.normal(size=(len(manifest), 16))


def one_draw(dataset: str, name: str) -> Protocol:
    """Return a protocol whose only draw is the draw 0 of the one named."""
    return Protocol({**find_protocol(dataset, name).rules, "draws": 1})


CASES = [
    ("partial-reid", "transfer-all-occluded-probe", None),
    ("partial-reid", "single-shot-partial-probe", 0),
    ("partial-reid", "afpb-nshot-1", 0),
    ("occluded-reid", "transfer-all", None),
    ("partial-ilids", "single-shot", None),
    ("p-dukemtmc-reid", "supervised", None),
    ("market-1501", "standard", None),
    ("occluded-dukemtmc", "standard", None),
]


@pytest.mark.parametrize(("dataset", "protocol", "draw"), CASES, ids=str)
def test_rows_and_scores_are_ours(built: Sets, dataset: str, protocol: str, draw: int | None) -> None:
    """(path, pid, part) are the split's; rank-1 and mAP of the same features are equal, cameras real or invented."""
    made = built(dataset)
    data = register_torchreid(dataset, made, protocol, draw=draw)(mode="query", verbose=False)
    parts = parts_of(made, protocol, draw=draw)
    assert rows_of(data) == {
        *((row.path, row.label, "train") for row in parts.train),
        *((row.path, row.pid, "query") for row in parts.query),
        *((row.path, row.pid, "gallery") for row in parts.gallery),
    }
    features = features_of(made)
    same = one_draw(dataset, protocol) if draw is not None else protocol
    assert their_scores(made, data, features) == pytest.approx(our_scores(made, same, features), abs=1e-7)


def test_ties_are_the_difference(built: Sets) -> None:
    """Equal similarities: torchreid's order is one of many; its score lies between our two ends, not at our mean."""
    made = built("partial-reid")
    protocol = "transfer-all-occluded-probe"
    data = register_torchreid("partial-reid", made, protocol)(mode="query", verbose=False)
    features = np.eye(3)[np.random.default_rng(2).integers(0, 3, len(made))]
    rank1, mean = their_scores(made, data, features)
    record = od.evaluate(made, protocol, features, bootstrap=0).record
    worst, best = record["tie_bounds"]["pessimistic"], record["tie_bounds"]["optimistic"]
    assert worst["cmc"]["1"] <= rank1 + 1e-6
    assert rank1 - 1e-6 <= best["cmc"]["1"]
    assert worst["map"] <= mean <= best["map"]
    assert abs(mean - record["map"]) > 1e-4


@pytest.mark.parametrize(("protocol", "side"), [("transfer-all-occluded-probe", "occ"), ("afpb-nshot-1", "half")])
def test_a_camera_of_the_name_would_fire(built: Sets, protocol: str, side: str) -> None:
    """The scores differ once probes and gallery share invented cameras: the comparison above can fail."""
    made = built("partial-reid")
    draw = 0 if side == "half" else None
    data = register_torchreid("partial-reid", made, protocol, draw=draw)(mode="query", verbose=False)
    features = features_of(made)
    right = their_scores(made, data, features)
    numbered = {name: int(Path(name).stem[-3:]) for name, *_ in (*data.query, *data.gallery)}
    data.query, data.gallery = (
        [(row[0], row[1], numbered[row[0]], 0) for row in side] for side in (data.query, data.gallery)
    )
    assert their_scores(made, data, features) != pytest.approx(right, abs=1e-3)


def test_market_is_as_their_own_class_reads_it(built: Sets, tmp_path: Path) -> None:
    """The same tree by torchreid's Market1501: pictures, test pids, cameras and who is one person."""
    made = built("market-1501")
    assert made.path
    (tmp_path / "market1501").mkdir()
    (tmp_path / "market1501" / "Market-1501-v15.09.15").symlink_to(made.path.parent / "raw")
    theirs = torchreid.data.datasets.init_image_dataset("market1501", root=str(tmp_path), verbose=False)
    ours = register_torchreid("market-1501", made)(verbose=False)

    def told(data: Any, part: str) -> list[tuple[str, int, int]]:
        return sorted((Path(path).name, pid, camid) for path, pid, camid, _ in getattr(data, part))

    assert told(theirs, "query") == told(ours, "query")
    assert told(theirs, "gallery") == told(ours, "gallery")
    left, right = told(theirs, "train"), told(ours, "train")
    assert [(name, camid) for name, _, camid in left] == [(name, camid) for name, _, camid in right]
    assert len({(a[1], b[1]) for a, b in zip(left, right, strict=True)}) == theirs.num_train_pids == ours.num_train_pids
    assert theirs.num_train_cams == ours.num_train_cams


def test_everything_combined(built: Sets) -> None:
    """`combineall` numbers people without a gap, leaves distractors out, and survives a probe without a match."""
    made = built("market-1501")
    data = register_torchreid("market-1501", made)(combineall=True, verbose=False)
    labels = {row[1] for row in data.train}
    assert labels == set(range(data.num_train_pids))
    assert data.num_train_cams == len({row[2] for row in data.train})
    parts = parts_of(made)
    lonely = parts.query[0].pid
    alone = Manifest(
        made.frame[(made.frame["pid"] != lonely) | (made.frame["role"] == "probe")], made.header, made.path
    )
    fewer = register_torchreid("market-1501", alone)(combineall=True, verbose=False)
    assert any("have no match in the gallery" in note for note in fewer.notes)
    assert fewer.num_train_pids == data.num_train_pids - 1


def test_a_spawned_worker_gets_it(built: Sets) -> None:
    """The class is made at run time; a worker that shares no memory makes it again."""
    data = register_torchreid("partial-reid", built("partial-reid"), "afpb-nshot-1", draw=0)(verbose=False)
    again = ForkingPickler.loads(ForkingPickler.dumps(data))
    assert (rows_of(again), again.data, type(again).__name__) == (rows_of(data), data.data, "partial-reid")


def test_it_trains_and_tests(built: Sets, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Market-1501's training part and half of Partial-REID in, two targets out, on the CPU; scores equal ours."""
    market, partial = built("market-1501", "train-only"), built("partial-reid")
    register_torchreid("market-1501", market)
    register_torchreid("partial-reid", partial, "afpb-nshot-1", draw=0)
    register_torchreid("partial-reid", partial, "transfer-all-occluded-probe", name="partial-reid-occluded")
    targets = ["partial-reid", "partial-reid-occluded"]
    manager = torchreid.data.ImageDataManager(
        sources=["market-1501", "partial-reid"], targets=targets, height=64, width=32, batch_size_train=16,
        batch_size_test=16, workers=0, use_gpu=False, train_sampler="RandomIdentitySampler", num_instances=4,
    )  # fmt: skip
    people = len({row.pid for row in parts_of(market).train}) + 4
    assert (manager.num_train_pids, manager.num_train_cams) == (people, len(market.frame["camid"].unique()) + 1)
    torch.manual_seed(0)
    model = torchreid.models.build_model("osnet_x0_25", manager.num_train_pids, pretrained=False)
    optimizer = torchreid.optim.build_optimizer(model, optim="adam", lr=1e-3)
    scheduler = torchreid.optim.build_lr_scheduler(optimizer)
    engine = torchreid.engine.ImageSoftmaxEngine(manager, model, optimizer, scheduler=scheduler, use_gpu=False)
    engine.run(save_dir=str(tmp_path), max_epoch=1, ranks=[1, 3], dist_metric="cosine", print_freq=1000)
    assert "##### Evaluating partial-reid-occluded (target) #####" in capsys.readouterr().out
    protocol = "transfer-all-occluded-probe"
    loaders = manager.test_loader["partial-reid-occluded"]
    rank1, mean = engine._evaluate(
        "partial-reid-occluded", loaders["query"], loaders["gallery"], dist_metric="cosine", ranks=[1]
    )
    names = {str(partial.file(name)): name for name in partial.frame["image_id"]}
    features = {}
    with torch.no_grad():
        for loader in loaders.values():
            for batch in loader:
                vectors = model(batch["img"]).numpy()
                features.update(zip((names[path] for path in batch["impath"]), vectors, strict=True))
    assert our_scores(partial, protocol, features) == pytest.approx((float(rank1), float(mean)), abs=1e-6)


def test_the_page_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[..., Any], cheap_tree: Callable[..., Path]
) -> None:
    """The page's Python runs in order, and its commands on the same folders."""
    monkeypatch.chdir(tmp_path)
    for dataset in ("p-dukemtmc-reid", "partial-reid"):
        od.build(dataset, cheap_tree(dataset, None, 4, tmp_path / dataset), "data", allow_subset=True)
    page = PAGE.read_text("utf-8")
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)
    assert len(names["query"][0]) == 4
    lines = re.findall(r"^occreid-prepare (export .*)$", page, re.MULTILINE)
    assert [command(*line.split()).code for line in lines] == [0, 0, 0]
    assert (tmp_path / "datasets" / "p-dukemtmc-reid-supervised" / "p_dukemtmc_reid_supervised.py").is_file()


@pytest.mark.skipif(not REAL.is_file(), reason="the real pictures of ../shared/data are not here")
def test_real_partial_reid(tmp_path: Path) -> None:
    """900 real pictures: the rows are the published ones, and a colour histogram scores the same by both."""
    from occluded_datasets.features import extract

    od.build("partial-reid", REAL, tmp_path)
    made = od.load("partial-reid", tmp_path)
    data = register_torchreid("partial-reid", made, "transfer-all-occluded-probe")(mode="query", verbose=False)
    done = od.split(made, "transfer-all-occluded-probe")
    assert rows_of(data) == {
        (str(made.file(name)), pid, part)
        for part, frame in (("query", done.probe), ("gallery", done.gallery))
        for name, pid in zip(frame["image_id"], frame["pid"], strict=True)
    }
    assert (len(data.query), len(data.gallery)) == (300, 300)
    with np.load(extract(made, "histogram", tmp_path / "F.npz").path) as file:
        assert file["image_id"].tolist() == made.frame["image_id"].tolist()
        features = file["features"].astype(np.float64)
    theirs, ours = their_scores(made, data, features), our_scores(made, "transfer-all-occluded-probe", features)
    assert theirs == pytest.approx(ours, abs=1e-7)
