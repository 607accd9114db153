"""Models in a file: ONNX, run by onnxruntime."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import InputError, UsageError
from ..scan import cores
from .extractor import MEAN, NORMALISATIONS, PERSON, STD, missing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}


class _Input(NamedTuple):
    """How a model wants its images; a batch or a size of 0 is free."""

    name: str
    dtype: str
    channels_last: bool
    batch: int
    size: tuple[int, int]


@dataclass(frozen=True)
class OnnxFile:
    """The first output of an ONNX model, flattened, as features; made by `OnnxFile.load`.

    The input's name, type, layout (NCHW or NHWC) and size are read from the model. It is run on the CPU.
    """

    name: str
    weights_sha256: str
    input_size: tuple[int, int]
    normalisation: str
    runtime: str
    dim: int
    rowwise: bool = field(default=False, init=False)
    _kind: str = field(repr=False)
    _input: _Input = field(repr=False)
    _session: Any = field(repr=False, compare=False)

    @classmethod
    def load(cls, path: Path, size: tuple[int, int] | None = None, normalisation: str = "imagenet") -> OnnxFile:
        """Return the model in `path`, tried on one black image.

        Parameters
        ----------
        path : Path
            An ``.onnx`` file that holds its weights; those in a second file are not found.
        size : tuple of int, optional
            Height and width where the model leaves them free; 256x128 by default.
        normalisation : str
            What it wants done to its RGB pixels, a key of `NORMALISATIONS`. Models differ, and the file does not
            say: ``imagenet`` for torchreid's, ``none`` for those that normalise inside, such as fast-reid's.

        Raises
        ------
        MissingPackageError
            If onnxruntime is not installed.
        InputError
            If the file is no model, or takes no image.
        UsageError
            If the model has another size, or there is no such normalisation.

        Examples
        --------
        >>> OnnxFile.load(Path("none.onnx"))  # doctest: +SKIP
        Traceback (most recent call last):
        ...
        occluded_datasets.errors.InputError: none.onnx: cannot be read. The system says: No such file or directory.
        """
        if normalisation not in NORMALISATIONS:
            raise UsageError(f"normalisation {normalisation!r}: unknown.", f"Expected {', '.join(NORMALISATIONS)}.")
        runtime, session, digest = _session(path)
        taken = _input(session, path.name)
        fitting = _fitting(taken, size, path.name)
        kind = "none" if taken.dtype == "uint8" else normalisation
        facts = (f"onnx:{path.name}", digest, fitting, NORMALISATIONS[kind], runtime)
        probe = cls(*facts, dim=0, _kind=kind, _input=taken, _session=session)
        return cls(*facts, dim=probe.tried(), _kind=kind, _input=taken, _session=session)

    def tried(self) -> int:
        """Return the length of a vector, found on a black image."""
        import numpy as np

        return int(self(np.zeros((1, *self.input_size, 3), np.uint8)).shape[1])

    def __call__(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the features, shape (B, dim), of RGB images, shape (B, H, W, 3)."""
        import numpy as np

        step = self._input.batch or len(batch)
        parts = [self._run(batch[at : at + step], step) for at in range(0, len(batch), step)]
        return np.concatenate(parts)

    def _run(self, batch: npt.NDArray[np.uint8], step: int) -> npt.NDArray[np.float32]:
        """Run one batch; a model of a fixed batch gets black images to fill it."""
        import numpy as np

        pixels = _normalised(batch, self._kind)
        if len(batch) < step:
            pixels = np.concatenate([pixels, np.zeros((step - len(batch), *pixels.shape[1:]), pixels.dtype)])
        if not self._input.channels_last:
            pixels = pixels.transpose(0, 3, 1, 2)
        given = {self._input.name: np.ascontiguousarray(pixels, self._input.dtype)}
        try:
            output = np.asarray(self._session.run([self._session.get_outputs()[0].name], given)[0], np.float32)
        except Exception as error:  # onnxruntime raises classes of its own, by status
            raise InputError(
                f"{self.name}: it cannot be run on pictures of {'x'.join(map(str, self.input_size))}.",
                f"onnxruntime says: {error}.",
                "give the size that the model was made for with --size HxW",
            ) from error
        if output.ndim < 2 or len(output) != step:
            raise InputError(
                f"{self.name}: its first output is no list of vectors.",
                f"Expected shape ({step}, D), found {output.shape}.",
            )
        return output[: len(batch)].reshape(len(batch), -1)


def _session(path: Path) -> tuple[str, Any, str]:
    """Return (library and version, the session, sha256 of the very bytes it was made of)."""
    try:
        import onnxruntime
    except ImportError as error:
        raise missing(f"onnx:{path.name}", "onnxruntime", "onnxruntime") from error
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read.", f"The system says: {error.strerror}.") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise InputError(
            f"{path}: not an ONNX model that can be loaded.",
            f"onnxruntime says: {error}.",
            "export it again as one file that holds its weights",
        ) from error
    return f"onnxruntime {onnxruntime.__version__}", session, hashlib.sha256(data).hexdigest()


def _input(session: Any, name: str) -> _Input:
    """Return how the model wants its images."""
    inputs = session.get_inputs()
    shape = inputs[0].shape if inputs else []
    if len(inputs) != 1 or len(shape) != 4 or 3 not in (shape[1], shape[3]) or inputs[0].type not in _TYPES:
        found = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs) or "none"
        raise InputError(
            f"{name}: it takes no picture.",
            f"Expected one input of 4 axes, 3 channels second or last, float or uint8; found {found}.",
        )
    channels_last = shape[1] != 3
    batch, height, width = (
        axis if isinstance(axis, int) and axis > 0 else 0
        for axis in (shape[0], *shape[1 if channels_last else 2 :][:2])
    )
    return _Input(inputs[0].name, _TYPES[inputs[0].type], channels_last, batch, (height, width))


def _fitting(taken: _Input, size: tuple[int, int] | None, name: str) -> tuple[int, int]:
    """Return the size to resize to: the model's where it fixes one, else the one asked for."""
    wanted = size or PERSON
    fitting = (taken.size[0] or wanted[0], taken.size[1] or wanted[1])
    if size and fitting != size:
        raise UsageError(
            f"{name}: it takes pictures of another size.",
            f"Expected {fitting[0]}x{fitting[1]}, found --size {size[0]}x{size[1]}.",
            "leave --size out",
        )
    return fitting


def _normalised(batch: npt.NDArray[np.uint8], kind: str) -> npt.NDArray[np.float32]:
    import numpy as np

    pixels = batch.astype(np.float32)
    if kind != "none":
        pixels /= np.float32(255)
    if kind == "imagenet":
        pixels -= np.array(MEAN, np.float32)
        pixels /= np.array(STD, np.float32)
    return pixels
