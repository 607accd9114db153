"""Between what was made and the rows of a simulated manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...manifest import COLUMNS, SIMULATED, Manifest, from_frame
from ...manifest.claims import SIMULATED as SIMULATED_OF
from ..engine.application import Record
from ..recipes.keys import PPM
from .render import Condition, ImageOutput, OccludedImage, name_of

if TYPE_CHECKING:
    import pandas as pd

EXTRA = ("x_occluder", "x_placement", "x_note", "x_drawn_sha256")
NAMES = (*(column.name for column in COLUMNS), *(column.name for column in SIMULATED), *EXTRA)
PREFIX = "simulated/"


def simulated_table(
    source: Manifest,
    occluded: pd.DataFrame,
    clean: pd.DataFrame,
    made: Sequence[OccludedImage],
    versions: Sequence[Condition],
    output: ImageOutput,
) -> dict[str, list[str]]:
    """Return the cells of a simulated manifest: the occluded images and the clean ones it refers to.

    Parameters
    ----------
    source : Manifest
        The set that was occluded.
    occluded : pandas.DataFrame
        Its rows that were to be occluded.
    clean : pandas.DataFrame
        Its rows that the simulated set refers to.
    made : sequence of OccludedImage
        What was made; `clean` of each is a position in `occluded`, and `version` one in `versions`.
    versions : sequence of Condition
        The ways in which images are occluded.
    output : ImageOutput
        The format of the images.

    Returns
    -------
    dict of str to list of str
        Cells by column (`NAMES`, in this order); rows are sorted by image_id.
    """
    base = plain_cells(occluded)
    rows = [
        simulated_cells({name: base[name][one.clean] for name in base}, one, versions[one.version], output)
        for one in made
    ]
    texts = plain_cells(clean)
    rows += [_referred({name: texts[name][at] for name in texts}, source.dataset) for at in range(len(clean))]
    rows.sort(key=lambda row: row["image_id"])
    return {name: [row[name] for row in rows] for name in NAMES}


def plain_cells(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Return the cells of a source's rows, without its own extra columns."""
    return {name: cells for name, cells in from_frame(rows).items() if not name.startswith("x_")}


def _referred(row: dict[str, str], dataset: str) -> dict[str, str]:
    """Return the row of a clean image, which stays where it is."""
    return {
        **row,
        "root": row["root"] or dataset,
        "group": row["group"] or row["image_id"],
        "source_image_id": row["image_id"],
        "occluders": "", "boxes": "", "requested_fraction": "", "occluded_fraction": "", "level": "", "copy": "0",
        "mask_path": "", "mask_sha256": "", "key": row["pixel_sha256"],
        **dict.fromkeys(EXTRA, ""),
    }  # fmt: skip


def simulated_cells(
    row: Mapping[str, str], made: OccludedImage, version: Condition, output: ImageOutput
) -> dict[str, str]:
    """Return the row of an occluded image.

    Parameters
    ----------
    row : mapping of str to str
        The row of its source image, as cells.
    made : OccludedImage
        What was made of it.
    version : Condition
        The way in which it is occluded.
    output : ImageOutput
        The format of the images.

    Returns
    -------
    dict of str to str
        Cells by column. Fractions have six decimals; boxes are ``x:y:w:h`` in pixels from the top left.
    """
    name = name_of(row["image_id"], version)
    return {
        **row,
        "image_id": PREFIX + name,
        "root": "",
        "path": f"images/{name}{output.extension}",
        "body": "partial" if made.record.occluder == "partial-crop" else "occluded",
        "group": row["group"] or row["image_id"],
        "width": str(made.width),
        "height": str(made.height),
        "bytes": str(made.bytes),
        "sha256": made.sha256,
        "pixel_sha256": made.pixel_sha256,
        "visible_fraction": "" if made.visible is None else six(made.visible),
        "visibility_source": "unknown" if made.visible is None else "simulated",
        "source_image_id": row["image_id"],
        **record_cells(made.record),
        "level": version.level,
        "copy": str(version.copy),
        "mask_path": f"masks/{name}.png",
        "mask_sha256": made.mask_sha256,
        "x_drawn_sha256": "" if output.format == "png" else made.drawn_sha256,
    }


def record_cells(record: Record) -> dict[str, str]:
    """Return what a record says as cells."""
    return {
        "occluders": ";".join(record.occluders),
        "boxes": ";".join(":".join(map(str, box)) for box in record.boxes),
        "requested_fraction": six(record.requested),
        "occluded_fraction": six(record.realised),
        "key": record.key.picture,
        "x_occluder": record.occluder,
        "x_placement": record.placement,
        "x_note": record.note,
    }


def six(ppm: int) -> str:
    """Return parts per million as a fraction of six decimals.

    Examples
    --------
    >>> six(256348), six(1_000_000)
    ('0.256348', '1.000000')
    """
    return f"{ppm // PPM}.{ppm % PPM:06d}"


def simulated_header_fields(
    source: Manifest, recipe: Mapping[str, Any], skipped: Mapping[str, int], name: str
) -> dict[str, Any]:
    """Return what a header says beyond what is counted from its table.

    Parameters
    ----------
    source : Manifest
        The set that was occluded. Its terms, agreement and lineage are passed on.
    recipe : mapping
        Every parameter that decides a pixel: `plan_dict` of ``simulate`` and what identifies the source.
    skipped : mapping of str to int
        How many rows of the source were skipped, by the reason.
    name : str
        What the variant is called, after the source's dataset and ``/``.

    Returns
    -------
    dict
        JSON-ready fields of the header.
    """
    header = source.header
    relation = "its pictures, occluded by a program"
    return {
        "dataset": "simulated",
        "variant": f"{source.dataset}/{name}",
        "verdict": "complete",
        "verdict_detail": {
            "sentence": "Every picture that the recipe makes of the source is there.",
            "missing": 0, "extra": 0, "first_missing": [], "first_extra": [], "parts": [],
        },
        "skipped": dict(skipped),
        "archives": [],
        "twin": source.twin,
        "terms": header.get("terms", {}),
        "agreement": header.get("agreement"),
        "redistributable": source.twin and bool(header.get("redistributable", False)),
        "withdrawn_parent": source.withdrawn_parent,
        "reference": SIMULATED_OF + source.reference,
        "known_as": [],
        "lineage": [
            {"parent": source.dataset, "relation": relation, "withdrawn": "", "fingerprint": source.fingerprint},
            *header.get("lineage", ()),
        ],
        "roots": {**header.get("roots", {}), source.dataset: source.fingerprint},
        "recipe": dict(recipe),
    }  # fmt: skip
