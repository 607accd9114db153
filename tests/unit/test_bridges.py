"""`register_torchreid` without torchreid: what it says, and the layout of the project on GitHub by a stand-in."""

from __future__ import annotations

import copy
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from storekit import small

import occluded_datasets as od
from occluded_datasets.errors import InputError, MissingPackageError, ProtocolError, UsageError
from occluded_datasets.manifest import Manifest
from occluded_datasets.torch import ReidDataset, register_torchreid


class TheirDataset:
    """The contract of ImageDataset in KaiyangZhou/deep-person-reid, torchreid/data/datasets/dataset.py at 08bb2cc5.

    Rows have three columns there; in the package of the index they have four, and an empty part is an IndexError.
    """

    def __init__(
        self, train: Any, query: Any, gallery: Any, transform: Any = None, mode: str = "train",
        combineall: bool = False, verbose: bool = True, **kwargs: Any,
    ) -> None:  # fmt: skip
        assert len(train[0]) == len(query[0]) == len(gallery[0]) == 3
        assert mode in {"train", "query", "gallery"}
        self.train, self.query, self.gallery, self.mode = train, query, gallery, mode
        self.num_train_pids = len({row[1] for row in train})

    def combine_all(self) -> None:
        numbers = {pid: number for number, pid in enumerate({row[1] for row in self.gallery} - {*self._junk_pids})}  # type: ignore[attr-defined]
        rows = [row for row in [*self.query, *self.gallery] if row[1] not in self._junk_pids]  # type: ignore[attr-defined]
        self.train = [*self.train, *((path, numbers[pid] + self.num_train_pids, cam) for path, pid, cam in rows)]

    def __add__(self, other: Any) -> Any:
        return TheirDataset([*copy.deepcopy(self.train), *other.train], self.query, self.gallery)

    def show_summary(self) -> None:
        print("their table")


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Put the stand-in where the project of GitHub has its modules; return its datasets by name."""
    names = ("torchreid", "torchreid.data", "torchreid.data.datasets", "torchreid.data.datasets.dataset")
    modules = {name: types.ModuleType(name) for name in names}
    for name in names[:3]:
        modules[name].__path__ = []  # type: ignore[attr-defined]
    known: dict[str, Any] = {"market1501": TheirDataset}
    setattr(modules[names[2]], "__image_datasets", known)
    modules[names[2]].register_image_dataset = known.__setitem__  # type: ignore[attr-defined]
    modules[names[3]].ImageDataset = TheirDataset  # type: ignore[attr-defined]
    monkeypatch.delitem(sys.modules, "torchreid.reid", raising=False)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return known


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return a set of sixty pictures, four people."""
    return small(tmp_path_factory.mktemp("set"))


def test_the_layout_of_github(made: Manifest, github: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Three columns a row; a part that is empty under the protocol; what is printed says invented."""
    cls = register_torchreid("partial-reid", made.path, "transfer-all-occluded-probe")
    assert github["partial-reid"] is cls
    probes = cls(root="no/where", mode="query", transform=None, split_id=0)
    assert (len(probes.data), probes.train, probes.num_train_pids) == (20, [], 0)
    done = od.split(made, "transfer-all-occluded-probe")
    assert [(Path(path), pid) for path, pid, _ in probes.query] == [
        (made.file(name), pid) for name, pid in zip(done.probe["image_id"], done.probe["pid"], strict=True)
    ]
    assert {row[2] for row in probes.query}.isdisjoint({row[2] for row in probes.gallery})
    said = capsys.readouterr().out
    assert "their table" in said
    assert "cameras: invented for query, gallery" in said
    assert cls.cameras == "invented for query, gallery"
    everything = cls(combineall=True, verbose=False)
    assert (len(everything.train), everything.num_train_pids, everything.num_train_cams) == (40, 4, 2)
    assert sorted({row[1] for row in everything.train}) == [0, 1, 2, 3]
    assert capsys.readouterr().out == ""


def test_a_name_may_be_registered_again(made: Manifest, github: dict[str, Any]) -> None:
    """A notebook's cell runs twice; a dataset of torchreid's own is never replaced."""
    first = register_torchreid("partial-reid", made, "afpb-nshot-1", draw=0)
    again = register_torchreid("partial-reid", made, "transfer-all-partial-probe")
    assert github["partial-reid"] is again is not first
    with pytest.raises(UsageError, match=r"torchreid has a dataset of that name.*TheirDataset.*name='market1501-occl"):
        register_torchreid("partial-reid", made, "transfer-all-partial-probe", name="market1501")
    assert github["market1501"] is TheirDataset


def test_sources_are_added(made: Manifest, github: dict[str, Any]) -> None:
    """Labels count from 0 in each; a copy without test pictures can be the first summand."""
    cls = register_torchreid("partial-reid", made, "afpb-nshot-1", draw=3)
    one = cls(verbose=False)
    assert sorted({row[1] for row in one.train}) == [0, 1]
    one.query, one.gallery = [], []
    both = one + cls(verbose=False)
    assert (len(both.train), both.query, both.gallery) == (2 * len(one.train), [], [])
    with pytest.raises(UsageError, match=r"has no train rows.*trains elsewhere.*sources="):
        register_torchreid("partial-reid", made, "transfer-all-partial-probe")(mode="train")


def test_what_it_refuses(made: Manifest, github: dict[str, Any], tmp_path: Path) -> None:
    """No protocol where several are obvious, another set's manifest, a draw that nobody named, a picture that is gone."""
    with pytest.raises(ProtocolError, match=r"single-shot-occluded-probe.*protocol=NAME"):
        register_torchreid("partial-reid", made)
    with pytest.raises(UsageError, match=r"The manifest is of partial-reid. Expected one of market-1501"):
        register_torchreid("market-1501", made)
    with pytest.raises(ProtocolError, match="draw=0"):
        register_torchreid("partial-reid", made, "afpb-nshot-1")
    with pytest.raises(UsageError, match="occreid-prepare build occluded-reid"):
        register_torchreid("occluded-reid", root=tmp_path)
    other = small(tmp_path)
    name = od.split(other, "transfer-all-partial-probe").probe["image_id"][5]
    other.file(name).unlink()
    with pytest.raises(InputError, match=f"{name}: its picture is not there"):
        register_torchreid("partial-reid", other, "transfer-all-partial-probe")


class Absent:
    """A finder that knows of no torchreid."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name == "torchreid":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, r"torchreid is not installed. It is optional.*occluded-datasets\[torchreid\]"),
        ("import gdown_that_is_not_there", "cannot be imported. The system says: No module named 'gdown_that_is_not_"),
        ("", "cannot be imported. The system says: No module named 'torchreid.reid'"),
    ],
    ids=["absent", "its needs are absent", "something else of that name"],
)
def test_torchreid_is_missing(
    made: Manifest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str | None, message: str
) -> None:
    """What is missing is named, and the line that installs it all."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchreid"]:
        monkeypatch.delitem(sys.modules, name)
    if source is None:
        monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    else:
        (tmp_path / "torchreid").mkdir()
        (tmp_path / "torchreid" / "__init__.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
    try:
        with pytest.raises(MissingPackageError, match=message):
            register_torchreid("partial-reid", made, "transfer-all-partial-probe")
    finally:
        sys.modules.pop("torchreid", None)


def test_importing_asks_for_nothing(python: Callable[..., str]) -> None:
    """Neither torchreid nor fast-reid nor torch is loaded before it is used."""
    code = "import occluded_datasets.torch, sys; print([n for n in ('torch', 'torchreid', 'fastreid') if n in sys.modules])"
    assert python(code) == "[]"


def test_tuples_with_views(made: Manifest) -> None:
    """Four columns; cameras count from 0, as an embedding needs them."""
    frame = made.frame.copy()
    data = ReidDataset(frame, manifest=made, kind="array")
    assert data.tuples(views=True) == [(*row[:2], 0, 0) for row in data.tuples()]
    frame["camid"] = frame["pid"].map({1: 6, 2: 2, 3: 6, 4: 4}).astype("Int64")
    frame["camid_source"] = "filename"
    data = ReidDataset(frame, manifest=made, kind="array")
    number = {6: 2, 2: 0, 4: 1}
    assert data.tuples(views=True) == [(path, label, number[cam], 0) for path, label, cam in data.tuples()]
