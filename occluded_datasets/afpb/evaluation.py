"""Features of a run and their score, with what the occlusion head says and which identities training and test share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from ..evaluation import Score, evaluate
from ..identities import shared_identities
from ..manifest import Manifest
from ..protocol import TEST_ROWS, Protocol, find_protocol, split
from ..scan import Progress
from ..torch import ReidDataset, normalized
from ..torch.normalizing import IMAGENET
from .data import HIDDEN_BODIES
from .inputs import require_inputs
from .runs import Run

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

BATCH = 64


class ExtractedFeatures(NamedTuple):
    """What a model says of images.

    Parameters
    ----------
    features : dict of str to numpy.ndarray
        image_id -> float32, (C,).
    hidden : dict of str to float
        image_id -> the occlusion head's logit; above 0 says occluded.
    model : str
        The digest of the model that says it.
    """

    features: dict[str, npt.NDArray[np.float32]]
    hidden: dict[str, float]
    model: str


class Evaluated(NamedTuple):
    """A run under a protocol.

    Parameters
    ----------
    score : Score
        The record and the table by probe.
    occlusion_auroc : float or None
        How well the occlusion head tells the protocol's occluded and partial images from its full-body ones; None
        where it was not trained, or there is but one kind.
    """

    score: Score
    occlusion_auroc: float | None

    @property
    def shared(self) -> Mapping[str, Any]:
        """Which identities training and test share, as of `occluded_datasets.identities.shared_identities`."""
        record: Mapping[str, Any] = self.score.record["shared"]
        return record


def extract_features(
    run: Run, manifest: Manifest, rows: pd.DataFrame, progress: Progress | None = None
) -> ExtractedFeatures:
    """Return features and occlusion logits of rows, at the run's size, on a GPU where there is one.

    Parameters
    ----------
    run : Run
        A finished run.
    manifest : Manifest
        It knows where the images of the rows are.
    rows : pandas.DataFrame
        Rows of the manifest.
    progress : callable, optional
        Called with (images described, in all), once a batch.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = run.model(device)
    dataset = ReidDataset(rows, size=run.config.size, manifest=manifest)
    features: dict[str, Any] = {}
    hidden: dict[str, float] = {}
    for start in range(0, len(dataset), BATCH):
        raw = dataset.batch(range(start, min(start + BATCH, len(dataset))))
        with torch.inference_mode():
            pictures = normalized({"image": raw["image"].to(device)}, *IMAGENET)["image"]
            pooled = model.body(pictures).mean(dim=(2, 3)).float()
            vectors, logits = model.neck(pooled).cpu().numpy(), model.occlusion(pooled).squeeze(1).cpu().numpy()
        features.update(zip(raw["image_id"], vectors, strict=True))
        hidden.update(zip(raw["image_id"], logits.tolist(), strict=True))
        if progress is not None:
            progress(min(start + BATCH, len(dataset)), len(dataset))
    return ExtractedFeatures(features, hidden, run.sha256())


def evaluate_run(
    run: Run,
    manifest: Manifest,
    protocol: str | Protocol,
    *,
    rows: str = TEST_ROWS,
    described: ExtractedFeatures | None = None,
    bootstrap: int = 1000,
    progress: Progress | None = None,
) -> Evaluated:
    """Return a run's score under a protocol, its conditions declared.

    Parameters
    ----------
    run : Run
        A finished run.
    manifest : Manifest
        Of the test set.
    protocol : str or Protocol
        As of `occluded_datasets.evaluate`.
    rows : str
        Of a simulated set: ``test`` scores no row of its source's split train, ``all`` does.
    described : ExtractedFeatures, optional
        Features that are there already, of these rows at least.
    bootstrap : int
        Replicates of the intervals.
    progress : callable, optional
        Called with (images described, in all).

    Raises
    ------
    UsageError
        If the protocol has no such name, or identities of the test were trained on, by this run or one before it.
    """
    chosen = protocol if isinstance(protocol, Protocol) else find_protocol(manifest.dataset, protocol)
    tested = compared_rows(manifest, chosen, rows)
    shared_identities(run.seen, manifest, tested)  # an error before the images are described, and not after
    found, facts = described or extract_features(run, manifest, tested, progress), run.facts()
    require_inputs(
        {"model": found.model}, {"model": facts["sha256"]}, "described", "extract_features(run, manifest, rows)"
    )
    given = {name: found.features[name] for name in tested["image_id"]}
    score = evaluate(
        manifest, chosen, given, rows=rows, declare=declaration(run), model=facts, seen=run.seen, bootstrap=bootstrap
    )
    return Evaluated(score, occlusion_auroc(run, tested, found.hidden))


def declaration(run: Run) -> dict[str, Any]:
    """Return what is stated of a run in a score record."""
    record, config = run.record, run.config
    origin = record["start"] or record
    training = record["training"]
    own = f"{training['dataset']} {training['rows_fingerprint']}"
    others = [one["set"] for one in run.seen if one["set"] != training["dataset"]]
    return {
        "training_sets": [own, *others] if others else own,
        "pretraining": origin["weights"]["source"],
        "extra_inputs": "none",
        "cameras_fed_to_model": False,
        "input_size": f"{config.height}x{config.width}",
        "flip_test": False,
        "model_selection": record["model_selection"],
        "seed": config.seed,
        "occlusion_augmentation": record["recipe"] or "none",
    }


def compared_rows(manifest: Manifest, protocol: Protocol, rows: str = TEST_ROWS) -> pd.DataFrame:
    """Return the rows that a protocol compares, probes and gallery, each once."""
    import pandas as pd

    done = split(manifest, protocol, rows=rows)
    both = pd.concat([done.probe, done.gallery])
    return both.drop_duplicates("image_id").sort_values("image_id", ignore_index=True)


def occlusion_auroc(run: Run, rows: pd.DataFrame, logits: Mapping[str, float]) -> float | None:
    """Return the area under the ROC curve of the occlusion head on rows whose body is known; None where undefined.

    Occluded and partial images are the positives, full-body images the negatives. Other rows are left out.

    Parameters
    ----------
    run : Run
        A finished run. Where its ``obc_weight`` is 0 the head was not trained, and the answer is None.
    rows : pandas.DataFrame
        With the columns ``image_id`` and ``body``.
    logits : mapping of str to float
        image_id -> the logit of the occlusion head, of each row whose body is known.

    Returns
    -------
    float or None
        A fraction 0..1; None also where the rows have positives alone or negatives alone.
    """
    if not run.config.obc_weight:
        return None
    known = rows[rows["body"].isin(("full", *HIDDEN_BODIES))]
    values = np.array([logits[name] for name in known["image_id"]])
    return auroc(values, known["body"].isin(HIDDEN_BODIES).to_numpy())


def auroc(values: npt.NDArray[np.floating[Any]], positive: npt.NDArray[np.bool_]) -> float | None:
    """Return the chance that a positive has a greater value than a negative, equals counting half; None without both.

    After Hanley and McNeil, Radiology 143 (1982): the Mann-Whitney statistic.

    Examples
    --------
    >>> auroc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True]))
    0.875
    """
    import pandas as pd

    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return None
    ranks = pd.Series(values).rank().to_numpy()
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))
