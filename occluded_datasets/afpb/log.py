"""The log of a run: a CSV whose rows are means over some steps, and TensorBoard's form where it is asked for."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from ..errors import MissingPackageError
from ..files import storage_errors, write_atomic
from .runs import LOG

EVERY = 20
"""Steps a row is the mean of."""

PARTS = ("loss", "identity", "occlusion", "triplet", "accuracy")
COLUMNS = ("step", "epoch", "lr", *PARTS, "pictures_per_second", "waiting")
"""``accuracy`` is of the identity head on the training batch; ``waiting`` the share of time that input took."""


class Log:
    """Writes ``log.csv`` in a run's folder.

    Parameters
    ----------
    folder : Path
        The run's.
    step : int
        Where the run goes on: later rows of an earlier log are left out.
    tensorboard : bool
        Write ``tensorboard/`` too.
    """

    def __init__(self, folder: Path, step: int, *, tensorboard: bool) -> None:
        self._path, self._rows = folder / LOG, []  # type: tuple[Path, list[dict[str, float]]]
        self._board = _board(folder) if tensorboard else None
        lines = self._path.read_text("utf-8").splitlines()[1:] if step and self._path.is_file() else []
        kept = [line for line in lines if line and int(line.split(",", 1)[0]) <= step]
        with storage_errors(str(self._path)):
            write_atomic(self._path, ("\n".join([",".join(COLUMNS), *kept]) + "\n").encode())

    def note(self, row: dict[str, float], *, last: bool) -> None:
        """Take up a step: of `COLUMNS` all but the last two, and ``pictures``, ``took`` and ``waited`` in seconds."""
        self._rows.append(row)
        if int(row["step"]) % EVERY and not last:
            return
        rows, self._rows = self._rows, []
        mean = {name: sum(one[name] for one in rows) / len(rows) for name in PARTS}
        pictures, took, waited = (sum(one[name] for one in rows) for name in ("pictures", "took", "waited"))
        shown = [f"{row['step']}", f"{row['epoch']}", f"{row['lr']:.3e}", *(f"{one:.5f}" for one in mean.values())]
        with storage_errors(str(self._path)), self._path.open("a", newline="") as stream:
            csv.writer(stream).writerow([*shown, f"{pictures / took:.1f}", f"{waited / took:.4f}"])
        if self._board is not None:
            for name, value in {**mean, "lr": row["lr"]}.items():
                self._board.add_scalar(name, value, int(row["step"]))

    def close(self) -> None:
        """Write what is left."""
        if self._board is not None:
            self._board.close()


def _board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingPackageError(
            "--tensorboard: tensorboard is not installed.", "It is optional.", "pip install tensorboard"
        ) from error
    return SummaryWriter(str(folder / "tensorboard"))
