"""Re-ranking and figures through `evaluate`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import occluded_datasets as od
from occluded_datasets.cli.app import group
from occluded_datasets.evaluation.feature_file import write_features
from occluded_datasets.evaluation.record.figures import figures
from occluded_datasets.evaluation.scoring.k_reciprocal import k_reciprocal
from occluded_datasets.twin import twin

PROTOCOL = "transfer-all-occluded-probe"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> od.Manifest:
    """A small drawn Partial-REID."""
    folder = tmp_path_factory.mktemp("twin")
    tree = twin("partial-reid", folder, ids=6).tree
    return od.load(od.build("partial-reid", tree, folder / "data", allow_subset=True).manifest)


@pytest.fixture(scope="module")
def vectors(manifest: od.Manifest) -> np.ndarray:
    """Vectors that know the identity a little."""
    random = np.random.default_rng(0)
    return np.eye(8)[manifest.frame["pid"]] + random.normal(0, 0.6, (len(manifest), 8))


def test_reranked_scores_are_those_of_the_reranked_distances(manifest: od.Manifest, vectors: np.ndarray) -> None:
    """`rerank` gives what ranking by k_reciprocal's distances gives, and says so in the record."""
    plain = od.evaluate(manifest, PROTOCOL, vectors, order="manifest", bootstrap=0)
    ranked = od.evaluate(manifest, PROTOCOL, vectors, order="manifest", bootstrap=0, rerank="k-reciprocal")
    assert ranked.record["rerank"] == "k-reciprocal k1=20 k2=6 lambda=0.3"
    assert plain.record["rerank"] == "none"
    split = od.split(manifest, PROTOCOL)
    row = dict(zip(manifest.frame["image_id"], vectors, strict=True))
    sides = [np.array([row[name] for name in side["image_id"]]) for side in (split.probe, split.gallery)]
    distance = k_reciprocal(*sides)
    same = split.probe["pid"].to_numpy()[:, None] == split.gallery["pid"].to_numpy()[None]
    nearest = np.take_along_axis(same, distance.argmin(axis=1)[:, None], axis=1)
    assert ranked.record["cmc"]["1"] == pytest.approx(nearest.mean(), abs=1e-6)
    assert od.compare(plain, ranked).kind == "not comparable"


def test_reranking_is_refused_where_it_means_nothing(manifest: od.Manifest, vectors: np.ndarray) -> None:
    """Under drawn galleries, and by a name that does not exist, re-ranking is refused."""
    for protocol, name in (("single-shot-occluded-probe", "k-reciprocal"), (PROTOCOL, "magic")):
        with pytest.raises(od.OccludedDatasetsError):
            od.evaluate(manifest, protocol, vectors, order="manifest", rerank=name, bootstrap=0)


def test_figures(manifest: od.Manifest, vectors: np.ndarray, tmp_path: Path) -> None:
    """--figures draws the CMC, and the score against the occluded fraction where it is known."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    write_features(tmp_path / "F.npz", manifest.frame["image_id"].tolist(), vectors.astype(np.float32))
    options = ["--protocol", PROTOCOL, "--features", str(tmp_path / "F.npz"), "--figures", str(tmp_path / "figures")]
    done = CliRunner().invoke(group, ["evaluate", str(manifest.path), *options, "--bootstrap", "20"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "figures" / "cmc.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "figures" / "occlusion.png").exists()
    frame = manifest.frame.assign(
        visible_fraction=[0.5 if body == "occluded" else 1.0 for body in manifest.frame["body"]],
        visibility_source="annotated",
    )
    known = od.Manifest(frame, manifest.header, manifest.path)
    made = figures(od.evaluate(known, PROTOCOL, vectors, order="manifest", bootstrap=0).record, tmp_path / "more")
    assert [path.name for path in made] == ["cmc.png", "occlusion.png"]


def test_a_withdrawn_parent_is_stamped_on_the_score(manifest: od.Manifest, vectors: np.ndarray) -> None:
    """The stamp of the manifest is on the record."""
    assert od.evaluate(manifest, PROTOCOL, vectors, order="manifest", bootstrap=0).record["withdrawn_parent"] is False
    stamped = od.Manifest(manifest.frame, {**manifest.header, "withdrawn_parent": True}, manifest.path)
    assert od.evaluate(stamped, PROTOCOL, vectors, order="manifest", bootstrap=0).record["withdrawn_parent"] is True
