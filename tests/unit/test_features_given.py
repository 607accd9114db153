"""Which row of features is of which image is known from names, or it is not scored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import occluded_datasets as od
from occluded_datasets.errors import FeatureError
from occluded_datasets.evaluation.record.digests import canonical
from occluded_datasets.manifest import Manifest

PLAIN = "transfer-all-occluded-probe"
PEOPLE, SHOTS = 6, 3


@pytest.fixture
def manifest(make_manifest: Callable[..., Manifest]) -> Manifest:
    """Return six identities with three occluded and three full-body images each."""
    return make_manifest(
        [
            {"image_id": f"{body[0]}{pid}_{shot}", "pid": str(pid), "body": body}
            for body in ("occluded", "full")
            for pid in range(1, PEOPLE + 1)
            for shot in range(SHOTS)
        ]
    )


def perfect(manifest: Manifest) -> np.ndarray:
    """Return a direction of its own for each identity, (N, 6) float32, in the order of the manifest."""
    return np.eye(PEOPLE, dtype=np.float32)[manifest.frame["pid"].to_numpy() - 1]


def record_of(manifest: Manifest, given: Any, **how: Any) -> bytes:
    """Return the canonical record."""
    return canonical(od.evaluate(manifest, PLAIN, given, bootstrap=50, **how).record)


def order_of(count: int) -> np.ndarray:
    """Return another order of `count` rows."""
    return np.random.default_rng(3).permutation(count)


def table(manifest: Manifest, kind: str) -> Any:
    """Return perfect features as a table of one kind, its rows in another order than the manifest's."""
    names, values = manifest.frame["image_id"].to_numpy(), perfect(manifest)
    order = order_of(len(names))
    names, values = names[order], values[order]
    frame = pd.DataFrame(values, index=names)
    column = pd.DataFrame(values).assign(image_id=names)
    return {
        "index": frame,
        "column": column,
        "column first": column[["image_id", *range(PEOPLE)]],
        "column over another index": column.set_index(np.arange(len(names)) * 2),
        "strings": frame.set_index(pd.Index(names, dtype="string")),
        "series of vectors": pd.Series(list(values), index=names),
        "pair with a table": (names, frame),
        "pair with a plain table": (names, pd.DataFrame(values)),
        "arrow": pa.table({"image_id": names, **{f"f{at}": values[:, at] for at in range(PEOPLE)}}),
        "mapping": dict(zip(names, values, strict=True)),
    }[kind]


KINDS = ("index", "column", "column first", "column over another index", "strings", "series of vectors",
         "pair with a table", "pair with a plain table", "arrow", "mapping")  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_tables_are_read_by_their_names(manifest: Manifest, kind: str) -> None:
    """Shuffled rows of a table give the very record that a mapping gives."""
    expected = record_of(manifest, dict(zip(manifest.frame["image_id"], perfect(manifest), strict=True)))
    assert record_of(manifest, table(manifest, kind)) == expected
    assert b'"map": 1.0,' in expected


@pytest.mark.parametrize("kind", ["index", "column", "series of vectors"])
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda table: table.iloc[:-1], "pictures are missing"),
        (lambda table: pd.concat([table, table.iloc[:1]]), "there twice"),
    ],
)
def test_one_row_more_or_less_is_refused(manifest: Manifest, kind: str, change: Any, why: str) -> None:
    """A table that lacks an image, or has it twice, is no other score."""
    with pytest.raises(FeatureError, match=why):
        od.evaluate(manifest, PLAIN, change(table(manifest, kind)))


def test_another_name_is_refused(manifest: Manifest) -> None:
    """A renamed key is missing under its own name, and unknown under the other."""
    with pytest.raises(FeatureError, match="does not know: elsewhere/1"):
        od.evaluate(manifest, PLAIN, table(manifest, "index").rename(index={"o1_0": "elsewhere/1"}))


@pytest.mark.parametrize(
    "given",
    [
        pd.DataFrame,
        lambda values: pd.DataFrame(values).sample(frac=1, random_state=0),
        lambda values: pd.Series(list(values)),
        lambda values: pd.DataFrame(values, index=pd.MultiIndex.from_tuples([(at, "a") for at in range(len(values))])),
    ],
    ids=["range", "numbers", "series", "pairs"],
)
def test_an_index_of_numbers_names_no_image(manifest: Manifest, given: Any) -> None:
    """A range, what is left of one after shuffling, and pairs say nothing of images, in any order."""
    for how in ({}, {"order": "manifest"}):
        with pytest.raises(FeatureError, match="index holds no image_ids does not say"):
            od.evaluate(manifest, PLAIN, given(perfect(manifest)), **how)


@pytest.mark.parametrize("column", ["pid", "camid", "split", "Unnamed: 0", "index"])
def test_labels_are_no_features(manifest: Manifest, column: str) -> None:
    """A label or a saved index among the columns of a table would count as a feature: it is named and refused."""
    for kind in ("index", "column"):
        with pytest.raises(FeatureError, match=rf"columns that are no features: {column}\."):
            od.evaluate(manifest, PLAIN, table(manifest, kind).assign(**{column: 1.0}))


def test_a_table_beside_other_names_is_refused(manifest: Manifest) -> None:
    """Names given beside a table that has others contradict it."""
    names = manifest.frame["image_id"].tolist()
    with pytest.raises(FeatureError, match="other names than those beside it"):
        od.evaluate(manifest, PLAIN, (names, table(manifest, "index")))


def test_an_array_says_whose_rows_it_has(manifest: Manifest) -> None:
    """Without names an array is refused; in manifest order it is the mapping's score; a list of lists is no other."""
    values = perfect(manifest)
    for bare in (values, values.tolist()):
        with pytest.raises(FeatureError, match=r"does not say which row is of which image.*order='manifest'"):
            od.evaluate(manifest, PLAIN, bare)
        expected = record_of(manifest, table(manifest, "mapping"))
        assert record_of(manifest, bare if bare is values else np.float32(bare), order="manifest") == expected
    with pytest.raises(FeatureError, match=r"has 35 rows\. The manifest has 36"):
        od.evaluate(manifest, PLAIN, values[:-1], order="manifest")
    with pytest.raises(FeatureError, match="order 'files'"):
        od.evaluate(manifest, PLAIN, values, order="files")
    with pytest.raises(FeatureError, match="these features have names"):
        od.evaluate(manifest, PLAIN, table(manifest, "mapping"), order="manifest")


def test_masked_numbers_are_refused(manifest: Manifest) -> None:
    """What is under a mask is no number of a model; a masked array without a mask is a plain one."""
    values = np.ma.masked_array(perfect(manifest))
    assert record_of(manifest, values, order="manifest") == record_of(manifest, perfect(manifest), order="manifest")
    values[3, 1] = np.ma.masked
    with pytest.raises(FeatureError, match=r"masked\. Found 1 masked"):
        od.evaluate(manifest, PLAIN, values, order="manifest")
    with pytest.raises(FeatureError, match="masked"):
        od.evaluate(manifest, PLAIN, (manifest.frame["image_id"].tolist(), values))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint8", "int64"])
def test_another_type_is_the_same_score(manifest: Manifest, dtype: str) -> None:
    """Numbers that a type holds exactly give the same bytes in every type."""
    values = perfect(manifest)
    assert record_of(manifest, values.astype(dtype), order="manifest") == record_of(manifest, values, order="manifest")


def test_tensors_of_training_are_taken(manifest: Manifest) -> None:
    """A tensor that needs a gradient, in bfloat16 or not, in a mapping, a pair or alone."""
    torch = pytest.importorskip("torch")
    values, names = perfect(manifest), manifest.frame["image_id"].tolist()
    expected = record_of(manifest, values, order="manifest")
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        tensor = torch.tensor(values, dtype=dtype, requires_grad=True)
        assert record_of(manifest, tensor, order="manifest") == expected
        assert record_of(manifest, (names, tensor)) == expected
        assert record_of(manifest, dict(zip(names, tensor, strict=True))) == expected
    with pytest.raises(FeatureError, match="no array"):
        od.evaluate(manifest, PLAIN, (names, torch.tensor(values).to_sparse()))


def test_a_score_of_chance_says_so(manifest: Manifest) -> None:
    """Perfect features under other images' names are no better than chance, and the table says it; in order they are."""
    values, names = perfect(manifest), manifest.frame["image_id"].tolist()
    right = od.evaluate(manifest, PLAIN, (names, values))
    wrong = od.evaluate(manifest, PLAIN, (names, values[order_of(len(names))]))
    assert (right.record["chance"]["above"], wrong.record["chance"]["above"]) == (True, False)
    assert "this mAP is no better" in wrong.table()
    assert "this mAP is no better" not in right.table()
    assert wrong.record["chance"]["rank_1"] == round(SHOTS / (PEOPLE * SHOTS), 6)


@pytest.mark.parametrize("protocol", [PLAIN, "single-shot-occluded-probe", "afpb-nshot-1"])
def test_chance_is_what_constant_features_score(manifest: Manifest, protocol: str) -> None:
    """A gallery in random order, by formula, is the expectation over ties of all pictures being equally near."""
    values = np.ones((len(manifest), 2))
    record = od.evaluate(manifest, protocol, values, order="manifest", bootstrap=0).record
    assert record["chance"]["map"] == pytest.approx(record["map"], abs=1e-6)
    assert record["chance"]["rank_1"] == pytest.approx(record["cmc"]["1"], abs=1e-6)
    assert not record["chance"]["above"]


def test_chance_knows_what_rules_remove(make_manifest: Callable[..., Manifest]) -> None:
    """Gallery images that the camera rule removes are no rivals, junk neither."""
    real = {"camid_source": "filename"}
    rows = [
        {"image_id": "p", "pid": "1", "role": "probe", "camid": "1", **real},
        {"image_id": "a", "pid": "1", "role": "gallery", "camid": "1", **real},
        *({"image_id": f"b{at}", "pid": "1", "role": "gallery", "camid": "2", **real} for at in range(2)),
        *({"image_id": f"d{at}", "pid": "2", "role": "gallery", "camid": "2", **real} for at in range(3)),
        {"image_id": "j", "pid": "-1", "role": "junk", "camid": "2", **real},
    ]
    manifest = make_manifest(rows, "market-1501")
    record = od.evaluate(manifest, "standard", np.ones((len(rows), 1)), order="manifest", bootstrap=0).record
    assert record["chance"]["rank_1"] == round(2 / 5, 6)
    assert record["chance"]["map"] == record["map"]
