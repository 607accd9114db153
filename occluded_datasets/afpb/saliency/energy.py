"""How much of a map lies on the occluder, the visible body and the rest, against how much of the image they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..study.contrasts import by_identity, contrast_interval

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

RUN, AGAINST, DIFFERENCE = "run", "against", "difference"
DIGITS = 6


def shares(
    maps: npt.NDArray[np.floating[Any]], known: Mapping[str, npt.NDArray[np.bool_]]
) -> dict[str, npt.NDArray[np.float64]]:
    """Return by region the share of each map's sum that lies there, (N,); not a number where a map is 0 throughout.

    Examples
    --------
    >>> one = np.array([[[3.0, 1.0]]])
    >>> shares(one, {"left": np.array([[[True, False]]])})["left"].tolist()
    [0.75]
    """
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    total = flat.sum(axis=1)
    total[total == 0] = np.nan
    return {name: (flat * mask.reshape(flat.shape)).sum(axis=1) / total for name, mask in known.items()}


def measured(
    rows: pd.DataFrame,
    maps: Mapping[str, npt.NDArray[np.floating[Any]]],
    known: Mapping[str, npt.NDArray[np.bool_]],
) -> pd.DataFrame:
    """Return a row an image: ``image_id``, ``pid``, and by region its area, and by run its energy and their ratio.

    Columns are ``area REGION``, ``energy REGION RUN`` and ``ratio REGION RUN``: energy per area, 1 where a map treats
    the region as the whole image, undefined where the region has no pixel.

    Parameters
    ----------
    rows : pandas.DataFrame
        N rows with the columns ``image_id`` and ``pid``, in the order of the maps and masks.
    maps : mapping of str to numpy.ndarray
        By run the maps of the images, shape (N, H, W), 0 or more.
    known : mapping of str to numpy.ndarray
        By region where it is, bool, shape (N, H, W), as of `regions`.

    Returns
    -------
    pandas.DataFrame
        N rows. Areas and energies are fractions 0..1: of the image's pixels, and of the map's sum.
    """
    table = rows[["image_id", "pid"]].reset_index(drop=True)
    areas = {name: mask.mean(axis=(1, 2)) for name, mask in known.items()}
    for region, area in areas.items():
        table[f"area {region}"] = area
    for name, own in maps.items():
        for region, energy in shares(own, known).items():
            table[f"energy {region} {name}"] = energy
            table[f"ratio {region} {name}"] = energy / np.where(areas[region] > 0, areas[region], np.nan)
    return table


def measure_energy(table: pd.DataFrame) -> dict[str, Any]:
    """Return means over images with 95 % bootstrap intervals over identities, of a table of `measured`.

    Returns
    -------
    dict
        By region ``area``, and by run ``energy`` and ``ratio``; with a second run ``difference``, of each image's
        ratios and energies, the run's less the other's. An interval is null where there is but one identity.
    """
    found: dict[str, Any] = {}
    columns = [str(column) for column in table]
    both = any(column.endswith(f" {AGAINST}") for column in columns)
    for region in (column.removeprefix("area ") for column in columns if column.startswith("area ")):
        one: dict[str, Any] = {"area": _interval(table, table[f"area {region}"])}
        for kind in ("energy", "ratio"):
            values = {name: table[f"{kind} {region} {name}"] for name in ((RUN, AGAINST) if both else (RUN,))}
            if both:
                values[DIFFERENCE] = values[RUN] - values[AGAINST]
            one[kind] = {name: _interval(table, value) for name, value in values.items()}
        found[region] = one
    return found


def _interval(table: pd.DataFrame, values: pd.Series[float]) -> dict[str, Any] | None:
    """Return mean, ends, and the images and identities that have a value; None where none has."""
    defined = table.assign(value=values, counted=values.notna())
    people = int(defined.loc[values.notna(), "pid"].nunique())
    if not people:
        return None
    mean, low, high = (round(one, DIGITS) for one in contrast_interval(by_identity([defined], "value")))
    ends = {"low": low, "high": high} if people > 1 else {"low": None, "high": None}
    return {"mean": mean, **ends, "pictures": int(values.notna().sum()), "identities": people}
