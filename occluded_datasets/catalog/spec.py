"""What a dataset file says: frozen records of facts, and nothing that computes on a disk.

A dataset is one `Dataset` record in one file of this folder. Every number carries a certainty: ``verified-on-copy``
(counted on a real copy), ``documented`` (the authors or several public loaders say so) or ``inferred`` (argued from
the two). Inferred numbers are never used to call a copy complete and never printed as facts.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..errors import UnknownNameError

Body = Literal["full", "occluded", "partial", "unknown"]
Role = Literal["train", "probe", "gallery", "distractor", "junk", ""]
Certainty = Literal["verified-on-copy", "documented", "inferred"]
Status = Literal["open download", "by form", "withdrawn"]

OCCLUDED = ("occluded_body_images", "occluded_images", "occluded_body", "occluded")
PARTIAL = ("partial_body_images", "partial_images", "partial_body", "partial")
WHOLE = ("whole_body_images", "whole_images", "whole_body", "whole", "full_body_images", "full_body")


@dataclass(frozen=True)
class Count:
    """A declared number of images and identities; None where nobody says."""

    images: int | None
    identities: int | None
    certainty: Certainty


@dataclass(frozen=True)
class Numbering:
    """Every name of a part: `template` filled with pid 1..identities and index 1..each."""

    template: str
    identities: int
    each: int = 1

    def names(self) -> list[str]:
        """Return all names, without extension, in order."""
        pids = range(1, self.identities + 1)
        return [self.template.format(pid=pid, index=index) for pid in pids for index in range(1, self.each + 1)]


@dataclass(frozen=True)
class Form:
    """One way a part is met on disk.

    Parameters
    ----------
    folders : tuple of str
        Folder names, relative to the top of the tree, any of which holds the part. They are compared without
        case, ``-``, ``_`` and spaces. An empty string is the top itself.
    pattern : str
        Full match on the stem (the name without its image extensions). Group ``pid`` is required; ``camid`` and
        ``x_*`` groups become columns.
    pid_folder : bool
        The images lie one folder deeper, in a folder named by the identity.
    known_as : str
        Who renames it so; empty for the published form.
    """

    folders: tuple[str, ...]
    pattern: str
    pid_folder: bool = False
    known_as: str = ""


@dataclass(frozen=True)
class Part:
    """One folder of the published tree and what an image in it is.

    Parameters
    ----------
    folder : str
        As published, relative to the top; it spells the image ids.
    forms : tuple of Form
        The published form first.
    id_folder : str
        Format of the identity folder in image ids (``"{pid:03d}"``), empty where there is none.
    stem : str
        Format of the published stem rebuilt from the pattern's groups; empty keeps the stem found.
    group : str
        Format of the photo an image was cut from; equal groups share it.
    numbering : Numbering, optional
        The rule that spells every published name, where there is one.
    roles : tuple of (str, str)
        Roles of single identities that differ from `role`, by the pid as text.
    twin : str
        Format of a twin's names (``pid``, ``index`` from 1, ``camera`` from 1) where `numbering` gives none.
    size : tuple of int
        Least and most width, least and most height of an image in pixels.
    """

    folder: str
    body: Body
    role: Role
    split: Literal["train", "test", ""]
    forms: tuple[Form, ...]
    count: Count
    id_folder: str = ""
    stem: str = ""
    group: str = ""
    numbering: Numbering | None = None
    roles: tuple[tuple[str, Role], ...] = ()
    twin: str = ""
    size: tuple[int, int, int, int] = (64, 64, 128, 128)


@dataclass(frozen=True)
class Variant:
    """A named selection of parts; `count` is declared where a total is known and its parts are not.

    `files` names the list of published files (``occluded_datasets.manifests/files/<files>.csv``) where there is one.
    """

    name: str
    title: str
    parts: tuple[str, ...]
    count: Count
    files: str = ""
    fingerprint: str = ""


@dataclass(frozen=True)
class Source:
    """An archive as its authors publish it. Pins are of the whole file."""

    name: str
    urls: tuple[str, ...] = ()
    sha256: str = ""
    sha256_from: str = ""
    git_blob: str = ""
    md5: str = ""
    bytes: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Terms:
    """What the authors ask; `source` says where the text stands."""

    text: str
    source: str
    redistributable: bool = False


@dataclass(frozen=True)
class Lineage:
    """A set that this one was made from."""

    parent: str
    relation: str
    withdrawn: str = ""


@dataclass(frozen=True)
class Picked:
    """Where the images of one published name list lie.

    Parameters
    ----------
    file : str
        The list, as in `Dataset.lists`, which says the part it makes.
    parent : str
        The dataset its images are of.
    folders : tuple of str
        Parts of the parent, in the order in which a name is looked for.
    rename : tuple of (str, str), optional
        A pattern on the listed stem and the format, filled with its groups, of the parent's stem; by default the
        two are equal.
    """

    file: str
    parent: str
    folders: tuple[str, ...]
    rename: tuple[str, str] | None = None


@dataclass(frozen=True)
class Derivation:
    """How a set is made of its parents' images by published name lists.

    Parameters
    ----------
    published : str
        The page that the lists are on.
    picked : tuple of Picked
        One a list.
    relabel : str
        What stands between the new name and the parent's in a list entry that gives both; empty where none does.
    """

    published: str
    picked: tuple[Picked, ...]
    relabel: str = ""


@dataclass(frozen=True)
class Dataset:
    """Everything the package knows of one dataset.

    Examples
    --------
    >>> from occluded_datasets.catalog import get
    >>> get("p-dukemtmc-reid").withdrawn_parent
    True
    """

    id: str
    title: str
    paper: str
    year: int
    bibtex: str
    status: Status
    status_note: str
    terms: Terms
    sources: tuple[Source, ...]
    tree: str
    parts: tuple[Part, ...]
    variants: tuple[Variant, ...]
    camid_source: Literal["filename", "none"] = "none"
    lineage: tuple[Lineage, ...] = ()
    ignored: tuple[str, ...] = ()
    lists: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    kind: Literal["target", "neighbour", "parent"] = "target"
    extension: str = ".jpg"
    derivation: Derivation | None = None

    def part(self, folder: str) -> Part:
        """Return the part published as `folder`."""
        return next(part for part in self.parts if part.folder == folder)

    def variant(self, name: str | None = None) -> Variant:
        """Return the variant `name`, or the first one.

        Raises
        ------
        UnknownNameError
            If there is none of that name.
        """
        for variant in self.variants:
            if name in (None, variant.name):
                return variant
        known = [variant.name for variant in self.variants]
        raise UnknownNameError.of(f"variant of {self.id}", str(name), known, f"occreid-prepare info {self.id}")

    @property
    def withdrawn_parent(self) -> bool:
        """Whether this set, or one it was made from, was withdrawn."""
        return self.status == "withdrawn" or any(link.withdrawn for link in self.lineage)

    def to_dict(self) -> dict[str, Any]:
        """Return all facts as a JSON-ready mapping."""
        return asdict(self)


def check(dataset: Dataset) -> Dataset:
    """Return `dataset` if its record is consistent.

    Raises
    ------
    ValueError
        If an id is not lower-case words joined by ``-``, a pattern has no ``pid`` group or does not compile, a
        variant names a part that does not exist, or a derivation names a list that does not exist.
    """
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", dataset.id):
        raise ValueError(f"dataset id {dataset.id!r}: expected lower-case words joined by '-'")
    folders = {part.folder for part in dataset.parts}
    for variant in dataset.variants:
        if unknown := set(variant.parts) - folders:
            raise ValueError(f"{dataset.id}: variant {variant.name!r} names unknown parts {sorted(unknown)}")
    if dataset.derivation and {one.file for one in dataset.derivation.picked} - dict(dataset.lists).keys():
        raise ValueError(f"{dataset.id}: its derivation names a list that is not among its lists")
    for form in (form for part in dataset.parts for form in part.forms):
        if "pid" not in re.compile(form.pattern).groupindex:
            raise ValueError(f"{dataset.id}: pattern {form.pattern!r} has no group named pid")
    return dataset
