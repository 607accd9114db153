"""A run on the twin reaches a stated level, and does not where a part of the toolkit is broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import occluded_datasets as od  # noqa: E402
from occluded_datasets.afpb import training  # noqa: E402
from occluded_datasets.afpb.config import Config  # noqa: E402
from occluded_datasets.afpb.data import Batches  # noqa: E402
from occluded_datasets.afpb.evaluation import auroc, evaluate_run  # noqa: E402
from occluded_datasets.afpb.runs import Run  # noqa: E402
from occluded_datasets.afpb.training import train  # noqa: E402
from occluded_datasets.manifest import Manifest, image_refs, read_image  # noqa: E402
from occluded_datasets.occlusion import Simulator  # noqa: E402
from occluded_datasets.store import pack  # noqa: E402
from occluded_datasets.torch import PairedOcclusionDataset, normalized  # noqa: E402
from occluded_datasets.torch.normalizing import IMAGENET  # noqa: E402
from occluded_datasets.torch.samplers import RandomIdentitySampler  # noqa: E402
from occluded_datasets.twin import twin  # noqa: E402

CONFIG = Config(
    backbone="tiny", weights="none", height=48, width=24, occlusion="afpb-wide", train_protocol="afpb-nshot-1",
    identities=6, instances=4, epochs=200, lr=1e-2, pad=2, bnneck=True, obc_weight=3.0,
)  # fmt: skip
RANK1, REAL, SIMULATED = 0.32, 0.66, 0.75
"""The level: chance is 1 in 12, 0.5 and 0.5. Three seeds reached 0.41 to 0.47, 0.75 to 0.82 and 0.86 to 0.89."""


class Level(NamedTuple):
    """What a run reached on the identities that it was not trained on.

    rank-1; AUROC of occluded against whole pictures, of the set's own folders and of whole pictures before and after the
    simulator.
    """

    rank1: float
    real: float
    simulated: float

    @property
    def reached(self) -> bool:
        """Whether that is the stated level."""
        return self.rank1 >= RANK1 and self.real >= REAL and self.simulated >= SIMULATED


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a twin of 24 identities, packed."""
    place = tmp_path_factory.mktemp("level")
    tree = twin("partial-reid", place / "raw", ids=24).tree
    od.build("partial-reid", tree, place / "data", allow_subset=True)
    pack(od.load("partial-reid", place / "data"), place / "store", CONFIG.size)
    return place


def level(folder: Path, out: Path) -> Level:
    """Train on half of the identities and return what the model reaches on the others."""
    manifest = od.load("partial-reid", folder / "data")
    torch.set_num_threads(1)
    run = train(manifest, out, CONFIG, store=folder / "store")
    found = evaluate_run(run, manifest, "afpb-nshot-1", bootstrap=0)
    assert found.occlusion_auroc is not None
    return Level(found.score.record["cmc"]["1"], found.occlusion_auroc, simulated(run, manifest))


def simulated(run: Run, manifest: Manifest) -> float:
    """Return how well the occlusion head tells whole pictures of test people from what the simulator makes of them."""
    rows = manifest.frame[manifest.frame["body"].eq("full") & ~manifest.frame["pid"].isin(list(run.label_map))]
    whole = [read_image(one, CONFIG.size) for one in image_refs(manifest.with_rows(rows))]
    occluded = [Simulator("afpb-wide", 1)(one).image for one in whole]
    pixels = torch.from_numpy(np.stack(whole + occluded)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        logits = run.model()(normalized({"image": pixels}, *IMAGENET)["image"]).occlusion.numpy()
    found = auroc(logits, np.arange(len(logits)) >= len(whole))
    assert found is not None
    return found


def test_a_run_reaches_the_level(folder: Path, tmp_path: Path) -> None:
    """From a twin's archive to a score: everything between has to work."""
    found = level(folder, tmp_path / "run")
    assert found.reached, found


def no_weight(patch: pytest.MonkeyPatch) -> None:
    """OBC is computed and weighs nothing."""
    whole = training.loss
    patch.setattr(
        training, "loss", lambda output, batch, config: whole(output, batch, Config.of({"obc_weight": 0}, config))
    )


def other_labels(patch: pytest.MonkeyPatch) -> None:
    """Pids do not mean the same class from picture to picture."""
    made = Batches.__init__

    def broken(self: Batches, *args: Any, **options: Any) -> None:
        made(self, *args, **options)
        self.train.labels = np.random.default_rng(0).permutation(self.train.labels)

    patch.setattr(Batches, "__init__", broken)


def no_occluder(patch: pytest.MonkeyPatch) -> None:
    """The simulator says that it put something in front, and did not."""
    whole = PairedOcclusionDataset.batch

    def broken(self: PairedOcclusionDataset, *given: Any) -> Any:
        found = whole(self, *given)
        return {**found, "occluded": found["clean"].clone()}

    patch.setattr(PairedOcclusionDataset, "batch", broken)


def one_person_at_a_time(patch: pytest.MonkeyPatch) -> None:
    """Batches hold the same few pictures in every epoch."""
    whole = RandomIdentitySampler._share

    def broken(self: RandomIdentitySampler) -> list[list[int]]:
        return [[batch[0]] * len(batch) for batch in whole(self)]

    patch.setattr(RandomIdentitySampler, "_share", broken)


@pytest.mark.parametrize("fault", [no_weight, other_labels, no_occluder, one_person_at_a_time])
def test_a_broken_part_is_seen(
    fault: Callable[[pytest.MonkeyPatch], None], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loss weight, label map, simulator, sampler: broken once each, the level is not reached."""
    fault(monkeypatch)
    found = level(folder, tmp_path / "run")
    assert not found.reached, found
