"""What a run is made of, as one flat mapping: kept with all that a run leaves, and compared before that is used."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..manifest import Manifest, from_frame
from ..manifest.core import FINGERPRINT_COLUMNS
from ..occlusion import Bank, Pool
from ..occlusion.recipes.recipe import POOLED
from ..store import Store, unhex
from .backbones import NONE, Origin
from .config import Config
from .data import precision, rows_fingerprint

if TYPE_CHECKING:
    import pandas as pd

    from .ranks import ProcessPlace

ANEW = "another --out"


def inputs_of(
    manifest: Manifest, rows: pd.DataFrame, config: Config, weights: Origin, start: str, place: ProcessPlace
) -> dict[str, Any]:
    """Return all that decides a run but the pixels of its store, by name: numbers, texts and digests.

    Files count by what they hold, not by where they are.

    Parameters
    ----------
    manifest : Manifest
        Of the training set.
    rows : pandas.DataFrame
        Its rows that are trained on.
    config : Config
        Of the run.
    weights : Origin
        Where its first weights come from.
    start : str
        The digest of the model that is trained on; empty: none.
    place : ProcessPlace
        How many processes train, and on which device.

    Returns
    -------
    dict
        The config with its recipe as an id, its weights as a digest and its precision as it is here; then the training
        rows, pool, bank, start and processes.
    """
    recipe = config.recipe()
    kinds = recipe.kinds if recipe else frozenset()
    return {
        **config_values(config, recipe.id if recipe else "", weights.sha256),
        "precision": precision(config, place.device),
        "dataset": manifest.dataset,
        "training_rows": rows_fingerprint(rows),
        "image_ids": images_sha256(rows),
        "pool": Pool.of(manifest, rows=rows).hash if kinds & set(POOLED) else "",
        "bank": Bank.drawn().hash if "bank" in kinds else "",
        "start": start,
        "processes": place.world,
    }


def config_values(config: Config, recipe: str, weights: str) -> dict[str, Any]:
    """Return a config's values with its files by what they hold: the recipe's id, the sha256 of the weights."""
    return {**asdict(config), "occlusion": recipe or config.occlusion, "weights": weights or NONE}


def images_sha256(rows: pd.DataFrame, *more: str) -> str:
    """Return the sha256 over rows in their order: image_id, what a fingerprint is of, and the columns `more`."""
    texts = from_frame(rows)
    lines = zip(*(texts[name] for name in ("image_id", *FINGERPRINT_COLUMNS, *more)), strict=True)
    return hashlib.sha256("\n".join("|".join(line) for line in lines).encode()).hexdigest()


def stored_pixels(store: Store, rows: pd.DataFrame) -> str:
    """Return the sha256 over what a store keeps of some rows: the digests of its index, in the rows' order."""
    at = store.find(unhex(rows["pixel_sha256"]))
    return hashlib.sha256(store.index["stored_sha256"][at].tobytes()).hexdigest()


def require_inputs(kept: Mapping[str, Any] | None, own: Mapping[str, Any], where: str, again: str = ANEW) -> None:
    """Raise unless what is kept was made of the same, as far as `own` says.

    Parameters
    ----------
    kept : mapping, optional
        The inputs that it names; None where nothing is kept.
    own : mapping
        The inputs of this call.
    where : str
        What is kept.
    again : str
        What to do instead.

    Raises
    ------
    UsageError
        With each input that differs, its kept value and its own.

    Examples
    --------
    >>> require_inputs({"lr": 0.1, "seed": 0}, {"lr": 0.2, "seed": 0}, "runs/a")
    Traceback (most recent call last):
    ...
    occluded_datasets.errors.UsageError: runs/a was made of other inputs. lr 0.1 there, 0.2 here. Next: another --out
    """
    differing = [
        f"{name} {shown_value(kept.get(name))} there, {shown_value(value)} here"
        for name, value in own.items()
        if kept is not None and kept.get(name) != value
    ]
    if differing:
        raise UsageError(f"{where} was made of other inputs.", f"{'; '.join(differing)}.", again)


def shown_value(value: Any) -> str:
    """Return a value as a message shows it: of a digest its first 16 digits."""
    if value in {None, ""}:
        return "none"
    return value[:16] if isinstance(value, str) and len(value) == 64 else str(value)
