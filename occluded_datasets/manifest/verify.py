"""Whether every file is still the one the manifest vouches for."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ImageError, UnsafeNameError
from ..hashing import file_digests, pixel_digest
from ..images import decode
from ..paths import contained
from ..scan import Progress, Scanned, cores, scan, walk
from .core import Manifest

if TYPE_CHECKING:
    import pandas as pd

STAT_FILE = ".stat.tsv"


class Verification(NamedTuple):
    """What was checked and what is wrong, by path."""

    mode: str
    checked: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    refused: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.missing or self.changed or self.refused)


def stat_text(folder: Path, top: str = "raw") -> str:
    """Return one line a file below ``folder/top``: path, size and modification time, in path order."""
    lines = []
    for name, entry in walk(folder / top):
        status = entry.stat(follow_symlinks=False)
        lines.append(f"{top}/{name}\t{status.st_size}\t{status.st_mtime_ns}\n")
    lines.sort()
    return "".join(lines)


def verify(
    manifest: Manifest,
    full: bool = False,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Return what differs between a manifest's rows and the files on disk: images, and the masks of a simulated set.

    Parameters
    ----------
    manifest : Manifest
        The rows, and where their roots are on this machine.
    full : bool
        Read, decode and hash every file again. Without it sizes are compared, and modification times where the
        build left them (`STAT_FILE`); of masks, whether they are there.
    executor : concurrent.futures.Executor, optional
        What reads the files where `full` is true; by default a pool of threads.
    workers : int, optional
        Threads of that pool; by default the cores that this process may use.
    progress : callable, optional
        Called with (images done, images in all), for each root anew, where `full` is true; masks are not counted.

    Raises
    ------
    UsageError
        If a root is not known on this machine, or holds another copy than the one that the rows refer to.

    Examples
    --------
    >>> import tempfile
    >>> import occluded_datasets as od
    >>> from occluded_datasets.twin import twin
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tree = twin("partial-reid", folder, ids=2).tree
    ...     m = od.load(od.build("partial-reid", tree, f"{folder}/data", allow_subset=True).manifest)
    ...     verify(m, full=True).ok
    True
    """
    missing: list[str] = []
    refused: list[str] = []
    changed: list[str] = []
    checked = 0
    for root, rows in manifest.frame.groupby("root", sort=True):
        folder = manifest.root(str(root))
        facts = dict(
            zip(rows["path"], zip(rows["bytes"], rows["sha256"], rows["pixel_sha256"], strict=True), strict=True)
        )
        masks = _masks(rows)
        present = _present(folder, list(facts), missing, refused)
        drawn = _present(folder, list(masks), missing, refused)
        checked += len(facts) + len(masks)
        if full:
            changed += _rehash(folder, present, facts, executor, workers, progress)
            changed += _remask(folder, {name: masks[name] for name in drawn}, executor, workers)
        else:
            changed += _restat(folder, present, facts)
    mode = "full" if full else "size and time"
    return Verification(mode, checked, tuple(sorted(missing)), tuple(sorted(changed)), tuple(sorted(refused)))


def _masks(rows: pd.DataFrame) -> dict[str, str]:
    """Return the digest of the pixels of each mask, by its path; only a simulated set has masks."""
    if "mask_path" not in rows:
        return {}
    own = rows[rows["mask_path"].notna()]
    return dict(zip(own["mask_path"].tolist(), own["mask_sha256"].tolist(), strict=True))


def _present(folder: Path, paths: Sequence[str], missing: list[str], refused: list[str]) -> list[str]:
    """Return the paths that are regular files inside the root; sort the others into `missing` and `refused`."""
    present = []
    safe: dict[str, bool] = {}
    for path in paths:
        parent = path.rpartition("/")[0]
        if parent and parent not in safe:
            safe[parent] = _inside(folder, parent)
        whole = folder / path
        if not safe.get(parent, True) or whole.is_symlink():
            refused.append(path)
        elif whole.is_file():
            present.append(path)
        else:
            missing.append(path)
    return present


def _inside(folder: Path, name: str) -> bool:
    try:
        contained(folder, name)
    except UnsafeNameError:
        return False
    return True


def _restat(folder: Path, paths: Sequence[str], facts: dict[str, tuple[int, str, str]]) -> list[str]:
    """Return the paths of another size, or of another time than the build left and other bytes.

    A tree that was copied has other times and the same bytes: only such files are read.
    """
    known: dict[str, str] = {}
    if (folder / STAT_FILE).is_file():
        lines = (folder / STAT_FILE).read_text("utf-8").split("\n")[:-1]
        known = {line.split("\t")[0]: line.split("\t")[-1] for line in lines}
    changed = []
    for path in paths:
        status = (folder / path).stat()
        same_time = known.get(path, str(status.st_mtime_ns)) == str(status.st_mtime_ns)
        if status.st_size != facts[path][0] or (not same_time and file_digests(folder / path)[0] != facts[path][1]):
            changed.append(path)
    return changed


def _rehash(
    folder: Path,
    paths: Sequence[str],
    facts: dict[str, tuple[int, str, str]],
    executor: Executor | None,
    workers: int | None,
    progress: Progress | None,
) -> list[str]:
    changed = []
    done = 0
    for good, bad in scan(folder, paths, executor, workers):
        changed += [fact.name for fact in good if _differs(fact, facts[fact.name])]
        changed += [name for name, _ in bad]
        done += len(good) + len(bad)
        if progress:
            progress(done, len(paths))
    return changed


def _differs(found: Scanned, expected: tuple[int, str, str]) -> bool:
    return (found.sha256, found.pixel_sha256) != (expected[1], expected[2])


def _remask(folder: Path, masks: dict[str, str], executor: Executor | None, workers: int | None) -> list[str]:
    """Return the masks of other pixels."""
    with ThreadPoolExecutor(workers or cores()) as pool:
        same = (executor or pool).map(is_mask, repeat(str(folder)), masks, masks.values())
        return [name for name, good in zip(masks, same, strict=True) if not good]


def is_mask(folder: str, name: str, digest: str) -> bool:
    """Return whether the mask ``folder/name`` has the pixels of this digest: of shape (H, W), whatever the encoder."""
    try:
        return pixel_digest(decode(Path(folder, name).read_bytes(), name)[..., 0].copy()) == digest
    except (OSError, ImageError):
        return False
