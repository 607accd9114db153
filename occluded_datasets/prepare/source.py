"""The raw copy that a build reads: where it is, and what its files say beyond their names."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..acquire import kind_of, member_names, unpack
from ..acquire.fetch import fetched
from ..catalog import get, ids
from ..catalog.spec import Dataset
from ..errors import LayoutError, UsageError
from ..files import storage_errors
from ..layouts import TWIN_MARK, guess, is_readme
from ..paths import data_root, safe_name
from ..scan import walk
from .options import BuildOptions
from .workspace import Workspace


def wants_archive(dataset: str, root: str | os.PathLike[str] | None = None) -> bool:
    """Return whether a build without a raw copy is one of the set's archive: no tree of an earlier build is there."""
    facts = get(dataset)
    return bool(facts.sources) and not facts.derivation and not _held(Workspace(data_root(root).absolute() / facts.id))


def _held(space: Workspace) -> bool:
    return space.raw.is_dir() and any(space.raw.iterdir())


def source_of(dataset: Dataset, space: Workspace, raw: str | os.PathLike[str] | None, place: str = "") -> Path:
    """Return the raw copy to read, or raise if there is none or it holds the data root.

    Parameters
    ----------
    dataset : Dataset
        The catalogue's entry of the set.
    space : Workspace
        The set's folder below the data root.
    raw : path or None
        The copy that the user named. None: the tree of an earlier build, else the archive that a fetch brought.
    place : str
        The option ``--root`` with a space before it, as error messages name it; empty for the default root.

    Returns
    -------
    Path
        A folder or an archive, absolute where `raw` names it.

    Raises
    ------
    UsageError
        If no copy was named and none is there, if nothing is at `raw`, or if the copy lies inside the set's folder or
        holds that folder.
    ArchiveError
        If the copy is neither a folder nor an archive.
    """
    if raw is None:
        held = _held(space)
        archive = None if held or dataset.derivation else fetched(dataset, space.home.parent)
        if archive is None and not held:
            raise UsageError(
                f"{dataset.id}: no raw copy was named and none is in {space.home}.",
                f"{dataset.status_note}",
                f"occreid-prepare build {dataset.id} --from-parent PATH{place}, or --raw PATH"
                if dataset.derivation
                else f"occreid-prepare fetch {dataset.id}{place}, or occreid-prepare build {dataset.id} --raw PATH"
                f"{place}   (zip, tar, rar or folder; see occreid-prepare info {dataset.id})",
            )
        return archive or space.raw
    path = Path(raw).expanduser().absolute()
    kind_of(path)
    if space.home.resolve() in path.resolve().parents and path.resolve() != space.raw.resolve():
        raise UsageError(
            f"{dataset.id}: {path} lies inside {space.home}, which a build may clear.",
            "Expected a copy of your own elsewhere.",
            f"occreid-prepare build {dataset.id} --raw PATH, the copy that the earlier build was made from",
        )
    inside = space.home.resolve()
    if path.is_dir() and path.resolve() != space.raw.resolve() and path.resolve() in (inside, *inside.parents):
        raise UsageError(
            f"{dataset.id}: the data root {space.home.parent} lies inside the raw folder {path}.",
            "Expected them apart.",
            "choose another --root",
        )
    return path


def planned_names(source: Path, options: BuildOptions) -> list[str]:
    """Return the names that unpacking would give; a copy that holds zips is unpacked into a temporary folder."""
    names = member_names(source, options.password)
    if not any(name.lower().endswith(".zip") for name in names):
        return names
    with tempfile.TemporaryDirectory() as folder:
        return unpack(source, Path(folder), password=options.password).names


def other_set(names: Sequence[str], facts: Dataset) -> str:
    """Return the id of another dataset, with its variant, that these names are all of; empty if there is none."""
    for one in guess(names, (get(dataset) for dataset in ids() if dataset != facts.id)):
        if one.refusal is None and one.matched == one.pictures:
            flag = "" if one.variant == one.dataset.variants[0] else f" --variant {one.variant.name}"
            return one.dataset.id + flag
    return ""


def own_names(tree: Path) -> list[str]:
    """Return the names of a tree that is used where it lies, under the rule that archives meet."""
    names = []
    for name, entry in walk(tree):
        if entry.is_symlink():
            raise LayoutError(f"{tree / name} is a symbolic link.", "Expected regular files and folders only.")
        names.append(safe_name(name))
    return names


def listing_digest(folder: Path) -> str:
    """Return a digest of the names, sizes and times below a folder."""
    digest = hashlib.sha256()
    with storage_errors(str(folder), reading=True):
        for name, entry in walk(folder):
            status = entry.stat(follow_symlinks=False)
            digest.update(f"{name}\t{status.st_size}\t{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def lists_in_tree(tree: Path, names: Sequence[str], facts: Dataset) -> dict[str, str]:
    """Return the text of the set's published name lists that are in the tree.

    Parameters
    ----------
    tree : Path
        The folder of the raw copy.
    names : sequence of str
        Names of its files, with ``/`` between folders.
    facts : Dataset
        The catalogue's entry of the set. The case of a list's file name does not count.

    Returns
    -------
    dict of str to str
        By published name of a list, its text; a byte that is not UTF-8 is replaced.
    """
    wanted = {name.lower(): name for name, _ in facts.lists}
    found = {}
    for name in names:
        key = wanted.get(name.rsplit("/", 1)[-1].lower())
        if key:
            found[key] = (tree / name).read_bytes().decode("utf-8", "replace")
    return found


def has_twin_readme(tree: Path, names: Sequence[str]) -> bool:
    """Return whether a readme in the tree says that its images are drawn."""
    mark = TWIN_MARK.encode()
    for name in filter(is_readme, names):
        with (tree / name).open("rb") as stream:
            if stream.read(len(mark)) == mark:
                return True
    return False
