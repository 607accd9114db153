"""The set that the attacks are about: two identities, two parts, eight pictures."""

from __future__ import annotations

from typing import Any

from occluded_datasets import catalog
from occluded_datasets.catalog.spec import OCCLUDED, WHOLE, Count, Dataset, Form, Numbering, Part, Terms, Variant

ID = "tiny-reid"
NUMBERS = Numbering("{pid:03d}_{index:03d}", 2, 2)
_STEM = r"(?P<pid>\d{3})_(?P<index>\d{3})"


def _part(folder: str, body: Any, role: Any, folders: tuple[str, ...]) -> Part:
    return Part(folder, body, role, "", (Form(folders, _STEM),), Count(4, 2, "documented"), numbering=NUMBERS)


TINY = Dataset(
    id=ID,
    title="Tiny",
    paper="none",
    year=2026,
    bibtex="@misc{tiny}",
    status="open download",
    status_note="Made by the tests.",
    terms=Terms("None.", "here"),
    sources=(),
    tree="Tiny",
    parts=(
        _part("occluded_body_images", "occluded", "probe", OCCLUDED),
        _part("whole_body_images", "full", "gallery", WHOLE),
    ),
    variants=(Variant("full", "all", ("occluded_body_images", "whole_body_images"), Count(8, 2, "documented")),),
)


def register() -> None:
    """Make the tiny set known to this process."""
    if ID not in catalog.ids():
        catalog.register(TINY)
