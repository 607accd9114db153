"""A manifest: a table of images and the header that vouches for it."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..errors import ManifestError, UsageError
from ..files import storage_errors, write_atomic
from ..hashing import merge_digests
from ..paths import contained
from . import claims, table
from .schema import COLUMNS, SCHEMA_VERSION
from .validate import validate

if TYPE_CHECKING:
    import pandas as pd

FINGERPRINT_COLUMNS = ("body", "split", "role", "pid", "pixel_sha256")
HEADER = "manifest.json"
CLAIMS = ("verdict", "reference", "twin", "withdrawn_parent")
IGNORED_ROLES = ("junk", "distractor")  # roles whose pid stands for no one person


class Manifest:
    """Rows, header and where the files are. It never changes: other rows are another manifest.

    What is claimed of the rows (`verdict`, `reference`, `twin`, `withdrawn_parent`, `fingerprint`) is derived from the
    rows and the catalog when it is asked for, so a claim of a header never outlives the rows that it was made of.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row an image, columns of `occluded_datasets.manifest.COLUMNS` in order. It is copied.
    header : mapping
        What ``manifest.json`` says.
    path : Path, optional
        Where the table was read from; rows with an empty root are relative to its folder.
    sources : mapping of str to Path, optional
        Where the named roots are on this machine.

    Examples
    --------
    >>> import tempfile
    >>> import occluded_datasets as od
    >>> from occluded_datasets.twin import twin
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tree = twin("partial-reid", folder, ids=2).tree
    ...     m = od.load(od.build("partial-reid", tree, f"{folder}/data", allow_subset=True).manifest)
    >>> len(m), m.verdict, m.frame["body"].value_counts().to_dict()
    (30, 'subset', {'occluded': 10, 'partial': 10, 'full': 10})
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        header: Mapping[str, Any],
        path: Path | None = None,
        sources: Mapping[str, Path] | None = None,
    ) -> None:
        self._frame = _own(frame)
        self.header: Mapping[str, Any] = dict(header)
        self.path = path
        self.sources: Mapping[str, Path] = dict(sources or {})

    @property
    def frame(self) -> pd.DataFrame:
        """The rows, in a data frame of the caller's own: what is done to it changes no manifest."""
        return _own(self._frame)

    def with_rows(self, frame: pd.DataFrame) -> Manifest:
        """Return a manifest of other rows with the same header and places."""
        return Manifest(frame, self.header, self.path, self.sources)

    def with_sources(self, sources: Mapping[str, Path]) -> Manifest:
        """Return the same manifest with other places of its roots."""
        return Manifest(self._frame, self.header, self.path, sources)

    @property
    def dataset(self) -> str:
        """The dataset's id."""
        return str(self.header["dataset"])

    @property
    def variant(self) -> str:
        """The variant's name."""
        return str(self.header["variant"])

    @cached_property
    def fingerprint(self) -> str:
        """The digest of body, split, role, pid and pixels of all rows."""
        return fingerprint(table.from_frame(self._frame[[column.name for column in COLUMNS]]))

    @cached_property
    def table_sha256(self) -> str:
        """The sha256 of the canonical CSV text of all rows, in their order."""
        return hashlib.sha256(table.to_text(table.from_frame(self._frame)).encode()).hexdigest()

    @cached_property
    def verdict(self) -> str:
        """``complete``, ``subset``, ``superset`` or ``different``, by the rows' names, labels and number."""
        return claims.verdict(self.dataset, self.variant, self._frame, self.header, self.fingerprint)

    @cached_property
    def reference(self) -> str:
        """How pixels and labels compare with the copy that the catalog was verified on."""
        return claims.reference(self.dataset, self.variant, self.header, self.fingerprint, twin=self.twin)

    @cached_property
    def twin(self) -> bool:
        """Whether the images are drawn by a program: scores on them say nothing about methods."""
        homes = [self.path.parent] if self.path else []
        return claims.is_twin(
            self.dataset, self.variant, self.header, self.fingerprint, [*homes, *self.sources.values()]
        )

    @cached_property
    def withdrawn_parent(self) -> bool:
        """Whether the set, or one that it was made of, was withdrawn."""
        return claims.withdrawn(self.dataset, self._frame, self.header)

    @cached_property
    def identities(self) -> int:
        """How many identities the rows show; junk and distractors are none."""
        return int(self._frame.loc[~self._frame["role"].isin(IGNORED_ROLES), "pid"].nunique())

    @property
    def claims(self) -> dict[str, Any]:
        """What is claimed of the rows, by the name of its field in a header."""
        return {name: getattr(self, name) for name in CLAIMS}

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._frame)

    def __repr__(self) -> str:
        """Return one line: dataset, rows, identities, verdict, fingerprint."""
        return (
            f"<Manifest {self.dataset} ({self.variant}): {len(self)} rows, {self.identities} identities, "
            f"{self.verdict}, {self.fingerprint[:16]}>"
        )

    def file(self, image_id: str) -> Path:
        """Return where the image `image_id` is, inside its root and through no symbolic link.

        Raises
        ------
        UsageError
            If there is no such row, or its root is not known on this machine.
        """
        rows = self._frame.loc[self._frame["image_id"] == image_id]
        if rows.empty:
            raise UsageError(f"{self.dataset}: no picture {image_id!r} in the manifest.")
        return contained(self.root(str(rows["root"].iloc[0])), str(rows["path"].iloc[0]))

    def root(self, name: str) -> Path:
        """Return the folder of the root `name`; the empty name is the manifest's own folder.

        Raises
        ------
        UsageError
            If it is not known on this machine, or another copy than the one that the rows refer to is there.
        """
        place = self.sources.get(name) if name else self.path and self.path.parent
        if place is None:
            raise UsageError(
                f"{self.dataset}: the root {name!r} of this manifest is not known here.",
                "Its rows refer to another set's pictures.",
                f"say where it is with --source {name}=PATH",
            )
        known = self.header.get("roots", {}).get(name)
        found = _fingerprint_in(place) if known else ""
        if found and found != known:
            raise UsageError(
                f"{self.dataset}: the root {name!r} in {place} is not the copy that this manifest was made from.",
                f"Expected fingerprint {str(known)[:16]}, found {found[:16]}.",
                f"say where that copy is with --source {name}=PATH, or build {self.dataset} again",
            )
        return place


def _own(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of a frame; pandas 3 copies no cell before one is written to."""
    import pandas as pd

    return frame.copy(deep=int(pd.__version__.partition(".")[0]) < 3)


def _fingerprint_in(folder: Path) -> str:
    """Return the fingerprint of the set published in `folder`, empty where none is."""
    try:
        return _fingerprint_at(folder / HEADER, os.stat(folder / HEADER).st_mtime_ns)
    except OSError:
        return ""


@lru_cache(maxsize=64)
def _fingerprint_at(path: Path, mtime_ns: int) -> str:
    """Return the fingerprint that the header at `path` states, read once while it is not touched."""
    del mtime_ns
    return str(read_header(path)["fingerprint"])


def real_cameras(rows: pd.DataFrame) -> bool:
    """Return whether every row has a camera that somebody recorded."""
    return bool(rows["camid"].notna().all() and (rows["camid_source"] != "none").all())


def fingerprint(texts: table.ColumnText) -> str:
    """Return sha256 over the ascending row digests sha256(``body|split|role|pid|pixel_sha256``)."""
    rows = zip(*(texts[name] for name in FINGERPRINT_COLUMNS), strict=True)
    return merge_digests(hashlib.sha256("|".join(row).encode()).digest() for row in rows)


def header_of(texts: table.ColumnText, text: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the header of a table: what is counted and digested from it, then `facts`.

    Parameters
    ----------
    texts : mapping of str to sequence of str
        The cells of the table as text, by column.
    text : str
        The same table as one CSV text; `table_sha256` is the digest of its UTF-8 bytes.
    facts : mapping
        Further fields; one of the same name replaces a field of the table.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "tool_version": __version__,
        "rows": len(texts["image_id"]),
        "identities": len(
            {pid for pid, role in zip(texts["pid"], texts["role"], strict=True) if role not in IGNORED_ROLES}
        ),
        "counts": {name: _counts(texts[name]) for name in ("split", "role", "body")},
        "table_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "fingerprint": fingerprint(texts),
        **facts,
    }


def _counts(cells: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(cells).items()))


def header_path(path: Path) -> Path:
    """Return where the header of the table at `path` lies: ``manifest.json`` beside it."""
    return path.with_suffix(".json")


def header_bytes(header: Mapping[str, Any]) -> bytes:
    """Return the canonical bytes of a header."""
    return (json.dumps(header, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def write(manifest: Manifest, path: Path) -> None:
    """Write a manifest as CSV or, by its suffix, Parquet, with the header beside it, each whole or not at all.

    Writing what was read gives identical bytes; of other rows, the header claims what these rows support.

    Raises
    ------
    ManifestError
        If a cell breaks the schema.
    StorageError
        If the disk refuses.
    """
    texts = table.from_frame(manifest.frame)
    validate(texts, path.name, manifest.header.get("roots", {}))
    text = table.to_text(texts)
    facts = {key: value for key, value in manifest.header.items() if key not in _COUNTED}
    header = header_of(texts, text, {**facts, **manifest.claims})
    parquet = path.suffix == ".parquet"
    with storage_errors(str(path)):
        write_atomic(path, table.to_parquet(table.to_frame(texts)) if parquet else text.encode())
        write_atomic(header_path(path), header_bytes(header))


_COUNTED = ("schema_version", "rows", "identities", "counts", "table_sha256", "fingerprint")


def read(path: Path, sources: Mapping[str, Path] | None = None) -> Manifest:
    """Return the manifest at `path`, its header and every cell checked; no image is opened.

    Parameters
    ----------
    path : Path
        A ``.csv`` or ``.parquet`` file with its ``.json`` header beside it.
    sources : mapping of str to Path, optional
        Where named roots are.

    Raises
    ------
    ManifestError
        If the header or the table is missing, damaged, of a later schema, or the two disagree.
    """
    path = Path(path)
    header = read_header(header_path(path))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read.", f"The system says: {error.strerror}.") from error
    parquet = path.suffix == ".parquet"
    try:
        texts = table.from_parquet(data, path.name) if parquet else table.from_text(data, path.name)
    except OverflowError as error:  # an infinity where a whole number should be
        raise ManifestError(
            f"{path.name}: a cell is not of its column's type.", f"The reader says: {error}."
        ) from error
    validate(texts, path.name, header.get("roots", {}))
    text = table.to_text(texts) if parquet else data.decode()
    _agree(header, texts, text, path)
    found = Manifest(table.to_frame(texts), header, path.absolute(), sources)
    for name in ("fingerprint", "table_sha256"):  # _agree computed them; a cached property is kept here
        found.__dict__[name] = str(header[name])
    return found


def read_header(path: Path) -> dict[str, Any]:
    """Return the header at `path`.

    Raises
    ------
    ManifestError
        If it is missing, no JSON object, or of a schema this version does not know.
    """
    try:
        header = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ManifestError(
            f"{path}: there is no manifest header.",
            "Expected manifest.json beside manifest.csv.",
            "occreid-prepare build DATASET --raw PATH",
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ManifestError(f"{path}: not a manifest header.", f"The reader says: {error}.") from error
    version = header.get("schema_version") if isinstance(header, dict) else None
    if not isinstance(version, int):
        raise ManifestError(f"{path}: not a manifest header.", "Expected a JSON object with schema_version.")
    if version != SCHEMA_VERSION:
        wrote = f"written by version {header.get('tool_version', 'unknown')}"
        raise ManifestError(
            f"{path}: schema version {version} ({wrote}).",
            f"This is {__version__}, which reads version {SCHEMA_VERSION}.",
            "pip install --upgrade occluded-datasets" if version > SCHEMA_VERSION else "build the set again",
        )
    missing = [key for key in (*_COUNTED, "dataset", "variant", "verdict") if key not in header]
    if missing:
        raise ManifestError(f"{path}: the header lacks {', '.join(missing)}.", "", "build the set again")
    if not isinstance(header.get("roots", {}), dict):
        raise ManifestError(f"{path}: roots: expected names with fingerprints, found {header['roots']!r}.")
    return dict(header)


def _agree(header: Mapping[str, Any], texts: table.ColumnText, text: str, path: Path) -> None:
    """Raise unless the table is the one that the header vouches for."""
    found = header_of(texts, text, {})
    for key in ("rows", "table_sha256", "fingerprint", "identities", "counts"):
        if header[key] != found[key]:
            raise ManifestError(
                f"{path.name}: not the table its header vouches for.",
                f"Expected {key} {header[key]}, found {found[key]}.",
                "restore the file, or build the set again",
            )
