"""Extract: read, resize, compute, keep what is done, publish one file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from .._version import __version__
from ..errors import UnknownNameError, UsageError
from ..evaluation.feature_file import FeatureFile, read_any, write_features
from ..evaluation.record.outputs import FEATURES, require_free
from ..files import storage_errors
from ..manifest import Manifest
from ..scan import Progress, cores
from .extractor import MODELS, Extractor
from .histogram import Histogram
from .onnx_file import OnnxFile
from .reading import RESIZE, image_refs
from .shards import Shards, key_of
from .work import Extraction

BATCH = 8
"""Small, so that a network's layers stay where memory is reused: on two idle cores 8 is three times as fast as 64."""
HELP = "occreid-prepare features --help"


class Extracted(NamedTuple):
    """What an extraction wrote.

    Parameters
    ----------
    path : Path
        The feature file.
    rows, dim : int
        Shape of the features.
    resumed : int
        Rows that an earlier, killed run had done.
    header : dict
        What the file says of the model and of the manifest.
    unchanged : bool
        Whether the file was there already.
    """

    path: Path
    rows: int
    dim: int
    resumed: int
    header: dict[str, Any]
    unchanged: bool = False


def load_model(name: str, size: tuple[int, int] | None = None, normalisation: str | None = None) -> Extractor:
    """Return the model of this name that needs no PyTorch: ``histogram`` or ``onnx:FILE``.

    Parameters
    ----------
    name : str
        See `MODELS`; those of PyTorch come from ``occluded_datasets.torch.features.load_model``.
    size : tuple of int, optional
        Height and width to resize images to; by default the model's own.
    normalisation : str, optional
        What an ONNX model wants done to its pixels, a key of `NORMALISATIONS`; by default ``imagenet``.

    Raises
    ------
    UnknownNameError
        If there is no such model.
    UsageError
        If it needs PyTorch, or the options do not go with it.

    Examples
    --------
    >>> load_model("histogram").dim
    624
    >>> load_model("histogramm")
    Traceback (most recent call last):
    ...
    occluded_datasets.errors.UnknownNameError: Unknown model 'histogramm'. Did you mean histogram? Next: \
occreid-prepare features --help
    """
    if name.startswith("onnx:"):
        return OnnxFile.load(Path(name.removeprefix("onnx:")), size, normalisation or "imagenet")
    if normalisation is not None:
        raise UsageError(f"{name}: it has a normalisation of its own.", "Only onnx:FILE takes another.", HELP)
    if name == "histogram":
        return Histogram(size) if size else Histogram()
    if name == "efficientnet-lite0" or name.startswith("timm:"):
        raise UsageError(
            f"{name}: a model of PyTorch.",
            "",
            f"extract(manifest, occluded_datasets.torch.features.load_model({name!r}), out)",
        )
    raise UnknownNameError.of("model", name, MODELS, HELP)


def extract(
    manifest: Manifest,
    model: str | Extractor,
    out: str | os.PathLike[str],
    *,
    batch: int = BATCH,
    workers: int | None = None,
    executor: Executor | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> Extracted:
    """Write the features of every row of `manifest` to one ``.npz`` file, and return what was written.

    The file holds ``image_id`` (N,), ``features`` (N, dim) float32 and a ``header``. Its bytes do not depend on
    `workers` or on how often the work was interrupted: 512 rows at a time are kept in ``<out>.partial`` and taken
    up by the next call with the same arguments. A file that is there with the same header and names is left as it is,
    and nothing is computed. Features of people are biometric data: keep the file as you keep
    the images.

    Parameters
    ----------
    manifest : Manifest
        Every row is read, junk and distractors too, and must have the bytes that its ``sha256`` vouches for.
    model : str or Extractor
        ``histogram``, ``onnx:FILE`` or an `Extractor`.
    out : path
        A name that ends in ``.npz``.
    batch : int
        Images that are handed to a model at a time. A network's last bits may depend on it, so the header says it.
    workers : int, optional
        Threads that read, decode and resize; by default the cores this process may use.
    executor : concurrent.futures.Executor, optional
        Who does that work instead.
    replace : bool
        Whether another feature file may be replaced. A file of another kind never is.
    progress : callable, optional
        Called with (rows done, rows in all).

    Raises
    ------
    UsageError
        If another file is at `out`, or something else at ``<out>.partial``: before anything is computed.
    InputError
        If an image is missing, changed or damaged, or the model returns a wrong shape, NaN or infinity.
    StorageError
        If the disk refuses, or another run writes the same file.

    Examples
    --------
    >>> import occluded_datasets as od, tempfile
    >>> from occluded_datasets.features import extract
    >>> folder = tempfile.mkdtemp()
    >>> from occluded_datasets.twin import twin
    >>> tree = twin("partial-reid", folder + "/twin", ids=2).tree
    >>> built = od.build("partial-reid", tree, folder, allow_subset=True)
    >>> done = extract(od.load("partial-reid", folder), "histogram", folder + "/F.npz")
    >>> done.rows, done.dim, done.header["input_size"]
    (30, 624, [128, 64])
    """
    target = Path(out)
    if target.suffix != ".npz":
        raise UsageError(f"{target}: not the name of a feature file.", "Expected it to end in .npz.")
    if batch < 1 or (workers is not None and workers < 1):
        raise UsageError(f"batch {batch}, workers {workers}: too few.", "Expected 1 or more.")
    extractor = load_model(model) if isinstance(model, str) else model
    work = Extraction(image_refs(manifest), extractor, batch, progress or (lambda done, total: None))
    header = _header(manifest, work)
    shards = Shards(target.with_name(f"{target.name}.partial"), key_of({**header, **work.facts()}), extractor.dim)
    shards.require_own()
    if require_free(target, FEATURES, lambda: _differs(target, work, header), replace):
        shards.forget()
        return Extracted(target, len(work.pictures), extractor.dim, 0, header, unchanged=True)
    with storage_errors(str(target)), shards.opened():
        with _pool(executor, workers) as (pool, window):
            features, resumed = work.run(shards, pool, window)
        write_features(target, [picture.image_id for picture in work.pictures], features, header=header)
        shards.clear()
    return Extracted(target, len(work.pictures), extractor.dim, resumed, header)


def _differs(path: Path, work: Extraction, header: dict[str, Any]) -> str:
    """Return in a sentence how a feature file differs from what would be written, empty if it says the same."""
    found = read_any(path)
    for name in sorted({*header, *found.header}):
        expected, there = json.loads(json.dumps(header.get(name))), found.header.get(name)
        if expected != there:
            return f"Expected {name} {expected}, found {there}."
    names, dim = tuple(picture.image_id for picture in work.pictures), work.extractor.dim
    if not isinstance(found, FeatureFile) or found.image_id != names:
        return "Its rows are of other images, or in another order."
    form = f"float32 of {(len(names), dim)}"
    is_now = f"{found.features.dtype} of {found.features.shape}"
    return "" if form == is_now and found.visibility is None else f"Expected {form}, found {is_now}."


def _header(manifest: Manifest, work: Extraction) -> dict[str, Any]:
    """Return what the file says of itself; everything that another lab needs to make it again."""
    extractor = work.extractor
    facts = {
        "model": extractor.name,
        "weights_sha256": extractor.weights_sha256,
        "input_size": list(extractor.input_size),
        "normalisation": extractor.normalisation,
        "resize": RESIZE,
        "manifest_fingerprint": manifest.fingerprint,
        "tool_version": __version__,
    }
    return facts if extractor.rowwise else {**facts, "runtime": extractor.runtime, "batch": work.batch}


@contextmanager
def _pool(executor: Executor | None, workers: int | None) -> Iterator[tuple[Executor, int]]:
    """Yield who reads the images, and how many batches may be read ahead."""
    count = workers or cores()
    if executor is not None:
        yield executor, 4 * count
        return
    with ThreadPoolExecutor(count) as pool:
        yield pool, count + 1
