"""`ReidDataset`: the same bytes from anywhere, labels that are held against a map, faults that are named."""

from __future__ import annotations

import copy
import pickle
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from storekit import small

import occluded_datasets as od
from occluded_datasets.errors import InputError, UnknownNameError, UsageError
from occluded_datasets.manifest import Manifest, image_refs, read_image
from occluded_datasets.store import Store, pack
from occluded_datasets.torch import ReidDataset
from occluded_datasets.torch.labels import read_label_map, write_label_map
from occluded_datasets.torch.rows import StringArray
from occluded_datasets.twin import twin

SIZE = (16, 8)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return a set of sixty pictures of one size."""
    return small(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def stores(made: Manifest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    """Return its stores."""
    folder = tmp_path_factory.mktemp("stores")
    return {
        "pixels": Store.open(pack(made, folder / "pixels", SIZE).path),
        "encoded": Store.open(pack(made, folder / "encoded", encoded=True).path),
    }


@pytest.fixture
def torch() -> Any:
    """Return PyTorch, or skip."""
    return pytest.importorskip("torch", reason="PyTorch is not installed")


def data_of(made: Manifest, stores: dict[str, Store], place: str, **given: Any) -> ReidDataset:
    """Return the dataset that reads from `place`."""
    return ReidDataset(made, split="all", store=stores.get(place), size=SIZE, **given)


@pytest.mark.parametrize("place", ["files", "encoded", "pixels"])
def test_pictures_are_those_of_the_files(made: Manifest, stores: dict[str, Store], place: str) -> None:
    """One by one, several at once: the same bytes from files and from both stores, in any order."""
    data = data_of(made, stores, place, kind="array")
    want = [read_image(one, SIZE) for one in image_refs(made)]
    assert all((data[index]["image"] == want[index]).all() for index in range(len(made)))
    order = [7, 3, -1, 7]
    for sample, index in zip(data.__getitems__(order), order, strict=True):
        assert (sample["image"] == want[index]).all()
    with pytest.raises(IndexError, match="60 samples"):
        data[60]


@pytest.mark.parametrize("place", ["files", "encoded", "pixels"])
def test_a_batch_is_its_samples_collated(made: Manifest, stores: dict[str, Store], place: str, torch: Any) -> None:
    """The short way gives what the long way does."""
    data = data_of(made, stores, place)
    order = [5, 59, 0, 5]
    short, long = data.batch(order), torch.utils.data.default_collate(data.__getitems__(order))
    assert list(short) == list(long)
    for name, value in long.items():
        assert torch.equal(short[name], value) if isinstance(value, torch.Tensor) else short[name] == value
    assert short["image"].dtype == torch.uint8
    assert short["image"].shape == (4, 3, *SIZE)


def test_a_sample(made: Manifest, stores: dict[str, Store], torch: Any) -> None:
    """A mapping with what is known of the row, or torchreid's tuple; a picture of PIL for a transform."""
    row = made.frame.iloc[25]
    sample = data_of(made, stores, "pixels")[25]
    assert {name: value for name, value in sample.items() if name != "image"} == {
        "pid": row["pid"], "label": row["pid"] - 1, "camid": -1, "body": row["body"], "image_id": row["image_id"],
        "index": 25,
    }  # fmt: skip
    image, label, camid, path = ReidDataset(made, lambda picture: picture.size, as_tuple=True, split="all")[25]
    assert (image, label, camid, Path(path)) == ((12, 24), row["pid"] - 1, -1, made.file(row["image_id"]))
    data = ReidDataset(made, split="all")
    assert data.tuples()[25] == (str(made.file(row["image_id"])), label, -1)
    assert data.pixel_sha256[25] == row["pixel_sha256"]
    assert data[25]["image"].is_contiguous()


def test_tv_tensors(made: Manifest, stores: dict[str, Store]) -> None:
    """Transforms of torchvision v2 take the picture in any kind."""
    v2 = pytest.importorskip("torchvision.transforms.v2", reason="torchvision is not installed")
    torch = pytest.importorskip("torch")
    change = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    want = data_of(made, stores, "pixels")[3]["image"].float() / 255
    for kind in ("pil", "tensor", "image"):
        assert torch.allclose(data_of(made, stores, "pixels", transform=change, kind=kind)[3]["image"], want)
    assert data_of(made, stores, "pixels", transform=change).batch([3, 4])["image"].dtype == torch.float32


def test_what_it_is_made_of(made: Manifest, stores: dict[str, Store], tmp_path: Path) -> None:
    """A manifest, its path, rows of a split with their manifest or a store; else what is wrong is said."""
    assert made.path
    parts = od.split(made, "afpb-nshot-1")
    assert len(ReidDataset(made.path, split="all", kind="array")) == len(made)
    rows = ReidDataset(parts.train, manifest=made, kind="array")
    packed = ReidDataset(parts.train, store=stores["encoded"].path, kind="array")
    assert len(rows) == len(packed) == len(parts.train) > 0
    assert all((rows[index]["image"] == packed[index]["image"]).all() for index in range(len(rows)))
    for wrong, message in (
        (lambda: ReidDataset(parts.train, kind="array"), r"manifest=m\), or give store="),
        (lambda: ReidDataset(parts, kind="array"), r"od.split\(m, PROTOCOL\).train"),  # type: ignore[arg-type]
        (lambda: ReidDataset(parts.train.iloc[:0], manifest=made, kind="pil"), "there are none"),
        (lambda: ReidDataset(parts.train[["pid"]], manifest=made, kind="pil"), "lack image_id"),
        (
            lambda: ReidDataset(made, split="all", store=stores["pixels"], size=(9, 9), kind="array"),
            "pack MANIFEST --size 9x9",
        ),
        (lambda: ReidDataset(tmp_path / "no.csv", kind="pil"), "no manifest header"),
    ):
        with pytest.raises((UsageError, InputError), match=message):
            wrong()
    with pytest.raises(UsageError, match="there are none"):
        ReidDataset(Manifest(made.frame.iloc[:0], made.header, made.path), kind="array")
    empty = od.split(made, "transfer-all-occluded-probe").train
    with pytest.raises(UsageError, match=r"rows: there are none\. .* no train rows\. Next: occreid-prepare info"):
        ReidDataset(empty, manifest=made, kind="array")
    for given in ({"kind": "pill"}, {"on_error": "ignore"}):
        with pytest.raises(UnknownNameError):
            ReidDataset(made, split="all", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"data": None}, "data: expected a manifest.*Found NoneType"),
        ({"data": [1, 2]}, "data: expected a manifest.*Found list"),
        ({"manifest": "here"}, "manifest: expected a Manifest. Found str"),
        ({"store": 3}, "store: expected a Store or its path. Found int"),
        ({"size": 256}, r"size 256: expected \(height, width\)"),
        ({"size": (1, 2, 3)}, r"expected \(height, width\)"),
        ({"size": (0, 8)}, "size: height: expected a whole number of 1 or more, found 0"),
        ({"size": (16, 8.0)}, "size: width: expected a whole number of 1 or more, found 8.0"),
        ({"transform": 3}, "transform: expected a function of a picture. Found 3"),
        ({"labels": {"a": 0}}, "labels: not a label map"),
        ({"labels": {1: None}}, "labels: not a label map"),
    ],
)
def test_wrong_types(made: Manifest, given: dict[str, Any], message: str) -> None:
    """What cannot be is said where it is given, not when the first picture is read."""
    with pytest.raises(UsageError, match=message):
        ReidDataset(**{"data": made, "kind": "array", "split": "all", **given})
    assert ReidDataset(made, split="all", size=list(SIZE), kind="array")[0]["image"].shape == (*SIZE, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("pid", "Ann", "Ann"),
        ("pid", float("nan"), "missing values"),
        ("pid", 1.5, "non-equivalent"),
        ("body", "whole", "'whole' is none of full, occluded, partial, unknown"),
        ("camid", "left", "left"),
        ("sha256", "00", "reshape"),
        ("pixel_sha256", "x" * 64, "non-hexadecimal"),
        ("image_id", None, "NoneType"),
    ],
)
def test_wrong_cells(made: Manifest, column: str, value: Any, message: str) -> None:
    """Rows that a user put together: the column is named, before a cell becomes another number."""
    with pytest.raises(UsageError, match=f"rows: {column}: a cell is not of its column's type.*{message}"):
        ReidDataset(made.frame.assign(**{column: value}), manifest=made, kind="array")


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return the twin of a set with training rows, test rows, junk and distractors."""
    folder = tmp_path_factory.mktemp("market")
    tree = twin("market-1501", folder / "twin", ids=3, workers=1).tree
    return od.load(od.build("market-1501", tree, folder, allow_subset=True).manifest)


def test_training_rows_are_the_default(market: Manifest) -> None:
    """Of a manifest, its path and its id: no test identity, nothing without a label; `test` and `all` are asked for."""
    assert market.path
    frame = market.frame
    train, test = (list(frame["image_id"][frame["split"] == split]) for split in ("train", "test"))
    for data in (market, market.path, str(market.path.parent)):
        default = ReidDataset(data, kind="array")
        assert [default[index]["image_id"] for index in range(len(default))] == train
        assert default.labels.min() == 0
    assert len(ReidDataset("market-1501", kind="array", root=market.path.parents[1])) == len(train)
    assert not set(default.pids) & set(ReidDataset(market, split="test", kind="array").pids)
    for split, names in (("train", train), ("test", test), ("all", list(frame["image_id"]))):
        data = ReidDataset(market, split=split, kind="array")
        assert [data._rows.image_ids[index] for index in range(len(data))] == names
    with pytest.raises(UnknownNameError, match=r"Unknown split 'trian'\. Expected one of train, test, all"):
        ReidDataset(market, split="trian", kind="array")


def test_rows_given_are_taken_as_they_are(market: Manifest) -> None:
    """A DataFrame is the user's own choice; a split beside it takes those rows of it, and says so where there are none."""
    frame = market.frame
    assert len(ReidDataset(frame, manifest=market, kind="array")) == len(frame)
    assert len(ReidDataset(frame, manifest=market, kind="array", split="all")) == len(frame)
    count = int((frame["split"] == "test").sum())
    assert len(ReidDataset(frame, manifest=market, kind="array", split="test")) == count > 0
    with pytest.raises(UsageError, match=rf"rows: none of {count} is of the split train.*leave split= out"):
        ReidDataset(frame[frame["split"] == "test"], manifest=market, kind="array", split="train")
    with pytest.raises(UsageError, match="rows: they lack split"):
        ReidDataset(frame.drop(columns="split"), manifest=market, kind="array", split="train")


def test_a_set_without_training_rows_says_what_has_some(made: Manifest) -> None:
    """The calls of the message work as they are printed, and give training rows that are not those of the test."""
    with pytest.raises(UsageError, match=r"partial-reid: no row is of the split train\. .*no row with a split") as told:
        ReidDataset(made, kind="array")
    begin, calls = told.value.next_command.split(": ", 1)
    assert begin == "with your manifest m"
    names = {"m": made, "od": od, "ReidDataset": partial(ReidDataset, kind="array")}
    by_protocol, every = (eval(call, names) for call in calls.split(" or "))
    parts = od.split(made, "afpb-nshot-1")
    assert set(by_protocol.pids) == set(parts.train["pid"])
    assert not set(by_protocol.pids) & {*parts.probe["pid"], *parts.gallery["pid"]}
    assert len(every) == len(made)
    assert made.path
    with pytest.raises(UsageError) as told:
        ReidDataset("partial-reid", root=made.path.parents[1], kind="array")
    load, calls = told.value.next_command.split("; ", 1)
    exec(load, names)
    assert len(eval(calls.split(" or ")[0], names)) == len(by_protocol)
    with pytest.raises(UsageError, match=r'no row is of the split test.*m: ReidDataset\(m, split="all"\)$'):
        ReidDataset(made, kind="array", split="test")


def test_the_representation_says_which_rows(made: Manifest, stores: dict[str, Store], market: Manifest) -> None:
    """Images, split, identities, roles and the place, in one line."""
    train = ReidDataset(market, kind="array")
    assert repr(train) == (
        f"<ReidDataset: {len(train)} images of the split train (3 identities; roles: {len(train)} train), from files>"
    )
    every = repr(ReidDataset(market, kind="array", split="all"))
    roles = market.frame["role"].value_counts()
    assert "images of every split (6 identities; roles: " in every
    assert all(f"{roles[role]} {role}" in every for role in ("distractor", "junk", "probe", "gallery", "train"))
    rows = ReidDataset(made.frame[made.frame["pid"] == 1], store=stores["pixels"], kind="array")
    assert repr(rows).startswith(
        "<ReidDataset: 15 images of the rows given (1 identity; roles: 5 gallery, 10 probe), from <Store"
    )


def test_a_camera_that_nobody_recorded_is_none(made: Manifest) -> None:
    """Numbers of source ``none`` are invented; a plain table of rows without that column is believed."""
    rows = made.frame.assign(camid=3, camid_source="none")
    rows.loc[5, "camid_source"] = "documented"
    assert ReidDataset(rows, manifest=made, kind="array").camids.tolist() == [-1] * 5 + [3] + [-1] * 54
    assert set(ReidDataset(rows.drop(columns="camid_source"), manifest=made, kind="array").camids) == {3}


def test_a_stale_store(made: Manifest, stores: dict[str, Store], tmp_path: Path) -> None:
    """A store of another manifest is refused by fingerprint; of other rows, by the first that is not in it."""
    other = small(tmp_path, 5, ((20, 10),))
    with pytest.raises(UsageError, match=r"not of this manifest.*Expected fingerprint"):
        ReidDataset(other, store=stores["pixels"], kind="array")
    name = other.frame["image_id"][0]
    with pytest.raises(UsageError, match=f"Expected all 75 pictures in it, found 0; .*{name}"):
        ReidDataset(other.frame, store=stores["pixels"], kind="array")


def test_labels_are_places_among_sorted_pids(made: Manifest, tmp_path: Path) -> None:
    """Saved, read and held against: the first differences are shown."""
    rows = made.frame[made.frame["pid"] != 2]
    data = ReidDataset(rows, manifest=made, kind="array")
    assert data.label_map == {1: 0, 3: 1, 4: 2}
    assert set(zip(data.pids.tolist(), data.labels.tolist(), strict=True)) == set(data.label_map.items())
    data.save_labels(tmp_path / "label_map.json")
    assert read_label_map(tmp_path / "label_map.json") == data.label_map
    ReidDataset(rows, manifest=made, kind="array", labels=tmp_path / "label_map.json")
    with pytest.raises(
        UsageError,
        match=r"label_map.json: .*Expected 3 identities, found 4; 3 differ: pid 2: expected nobody, found label 1; "
        r"pid 3: expected label 1, found label 2",
    ):
        ReidDataset(made, split="all", kind="array", labels=tmp_path / "label_map.json")
    write_label_map(data.label_map, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "label_map.json").read_bytes()
    for text in (
        "",
        "{}",
        '{"schema_version": 1, "pids": [1, 1]}',
        '{"schema_version": 2, "pids": []}',
        '{"schema_version": 1, "pids": [1.5]}',
    ):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(InputError, match="not a label map"):
            read_label_map(tmp_path / "bad.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_label_map(tmp_path / "none.json")


def test_nobody_has_no_label(made: Manifest) -> None:
    """Junk and distractors are pictures without a person to learn."""
    rows = made.frame.copy()
    rows.loc[rows["pid"] == 2, "role"] = "junk"
    data = ReidDataset(rows, manifest=made, kind="array")
    assert data.label_map == {1: 0, 3: 1, 4: 2}
    assert {data[index]["label"] for index in range(60) if data.pids[index] == 2} == {-1}


@pytest.mark.parametrize("fault", ["missing", "truncated"])
def test_a_bad_picture_in_the_middle(tmp_path: Path, fault: str, torch: Any) -> None:
    """It is named; or it is left out of its batch and counted, and a single one still raises."""
    loose = small(tmp_path, 2)
    path = Path(image_refs(loose)[11].path)
    name = loose.frame["image_id"][11]
    data = path.read_bytes()
    path.unlink()
    if fault == "truncated":
        path.write_bytes(data[:-40])
    for read in (
        lambda: ReidDataset(loose, split="all")[11],
        lambda: ReidDataset(loose, split="all").batch(range(5, 15)),
    ):
        with pytest.raises(InputError, match=name):
            read()
    patient = ReidDataset(loose, split="all", on_error="skip")
    assert patient.batch([10, 11, 12])["index"].tolist() == [10, 12]
    assert [sample["index"] for sample in patient.__getitems__([11, 11, 3])] == [3]
    assert patient.skipped == {name: 3}
    assert copy.deepcopy(patient).skipped == {name: 3}
    with pytest.raises(InputError, match=name):
        patient[11]
    with pytest.raises(InputError, match=f"None of 1 pictures.*{name}"):
        patient.batch([11])


def test_sizes_that_differ(tmp_path: Path, torch: Any) -> None:
    """A batch of several sizes is refused with the way out."""
    mixed = small(tmp_path, 1, ((24, 12), (10, 6)))
    with pytest.raises(UsageError, match=r"10x6, 24x12.*size=\(256, 128\)"):
        ReidDataset(mixed, split="all").batch([0, 1])
    assert ReidDataset(mixed, split="all", size=SIZE).batch([0, 1])["image"].shape == (2, 3, *SIZE)


def many(made: Manifest, count: int) -> ReidDataset:
    """Return a dataset of `count` rows of different names; every one of them leads to a picture."""
    frame = made.frame.iloc[[number % len(made) for number in range(count)]].reset_index(drop=True)
    names = [f"{name}_{number:07d}" for number, name in enumerate(frame["image_id"])]
    return ReidDataset(frame.assign(image_id=names), manifest=made, size=SIZE, kind="array")


def cost(data: ReidDataset, index: int, told: Any) -> None:
    """Tell the private memory of this worker, in bytes, once it has walked through the rows, and what it read."""
    rows = range(0, len(data), 7)
    met = len({data._rows.path(row) for row in rows} | {data.pixel_sha256[row] for row in rows})
    told_by = Path("/proc/self/smaps_rollup")
    text = told_by.read_text() if told_by.exists() else "\nPrivate_Clean: 0\nPrivate_Dirty: 0"
    rollup = dict(line.split()[:2] for line in text.splitlines()[1:])
    private = (int(rollup["Private_Clean:"]) + int(rollup["Private_Dirty:"])) << 10
    told.put((private, met, int(data.labels.sum()), data[index]["image_id"], data[index]["image"].tobytes()))


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_many_rows_are_shared(made: Manifest, start: str) -> None:
    """A hundred thousand rows cost a worker 20 bytes a row or less: a tenth of what a million may, 200 MB, by far."""
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("no /proc/self/smaps_rollup")
    context = get_context(start)
    private = {}
    for count in (1000, 100_000):
        data, told = many(made, count), context.Queue()
        want = data[count - 1]
        found = []
        for _ in range(2):
            worker = context.Process(target=cost, args=(data, count - 1, told))
            worker.start()
            found.append(told.get(timeout=300))
            worker.join()
        assert [one[1:] for one in found] == [
            (120, int(data.labels.sum()), want["image_id"], want["image"].tobytes())
        ] * 2  # fmt: skip
        private[count] = max(one[0] for one in found)
    assert private[100_000] - private[1000] < 20 * 100_000


def test_rows_by_value(made: Manifest) -> None:
    """A plain pickle holds the numbers: less than 200 bytes a row; it and a copy read alike, after a spawn as well."""
    data = many(made, 5000)
    context = get_context("spawn")
    told = context.Queue()
    worker = context.Process(target=cost, args=(data, 0, told))
    worker.start()
    told.get(timeout=300)
    worker.join()
    for again in (pickle.loads(pickle.dumps(data)), copy.deepcopy(data)):
        assert again[4999]["image_id"] == data[4999]["image_id"]
        assert again.pixel_sha256[4999] == data.pixel_sha256[4999]
        assert (again.labels == data.labels).all()
    assert len(pickle.dumps(data._rows)) < 200 * 5000


def test_texts_are_what_went_in() -> None:
    """Slashes, none, empty and other scripts come back."""
    texts = ["a/b/c.jpg", "c", "", "a/é/字.png", "a/", "/x"]
    assert [StringArray(texts)[index] for index in range(len(texts))] == texts
    assert StringArray(texts).many(np.array([5, 0, 3, 2])) == ["/x", "a/b/c.jpg", "a/é/字.png", ""]


def test_without_torch(made: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays and pictures of PIL need no PyTorch; a tensor says what to install."""
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    assert ReidDataset(made, split="all", kind="pil", size=SIZE)[0]["image"].size == (8, 16)
    with pytest.raises(UsageError, match=r'pip install "occluded-datasets\[torch\]"'):
        ReidDataset(made, split="all")
