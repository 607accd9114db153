"""A score: its record, its table by probe, and how it is shown and kept."""

from __future__ import annotations

import html
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import storage_errors, write_atomic
from .declared import UNSTATED
from .record import canonical, sidecar

if TYPE_CHECKING:
    import pandas as pd


def sidecar_path(path: Path) -> Path:
    """Return where the scores by probe of the record at `path` lie."""
    return path.with_name(f"{path.stem}.per_probe.csv")


@dataclass(frozen=True)
class Score:
    """A score record and the scores by probe that it summarises.

    Parameters
    ----------
    record : mapping
        As docs/reference/scores.md describes it.
    per_probe : pandas.DataFrame
        Columns image_id, pid, ap, ap_trapezoid, first_hit_rank, inp, rank1 and counted: in how many draws the probe
        was counted. Between sets there is one row an identity, without image_id.

    Examples
    --------
    >>> import pandas as pd
    >>> Score({"protocol": "p/q@0", "map": 0.5}, pd.DataFrame()).record["map"]
    0.5
    """

    record: Mapping[str, Any]
    per_probe: pd.DataFrame

    def __repr__(self) -> str:
        """Return one line: protocol, mAP and rank-1."""
        return f"<Score {self.record['protocol']}: mAP {self.record['map']:.4f}, rank-1 {self.record['cmc']['1']:.4f}>"

    def table(self) -> str:
        """Return the score as text to read: numbers with intervals, then what they rest on."""
        lines = [f"{self.record['protocol']}  {self.record['fingerprint'][:16]}  {self.record['distance']}"]
        lines += [f"  {name:14}{value:>8}  {rest}".rstrip() for name, value, rest in self._numbers()]
        lines += [f"  {name:14}{value}" for name, value in self._facts()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the same as an HTML table."""
        cells = [(name, value, rest) for name, value, rest in self._numbers()]
        cells += [(name, value, "") for name, value in self._facts()]
        rows = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in cells)
        return f"<table><caption>{html.escape(self.record['protocol'])}</caption>{rows}</table>"

    def _numbers(self) -> Iterator[tuple[str, str, str]]:
        record = self.record
        rows = [("mAP", "map", None), ("mAP trapezoid", "map_trapezoid", None), ("mINP", "minp", None)]
        rows += [(f"rank-{rank}", "cmc", rank) for rank in record["cmc"]]
        for title, name, rank in rows:
            notes = []
            for source, words in ((record["intervals"], "95 %"), ((record["draws"] or {}).get("std"), "std")):
                value = None if source is None else source[name] if rank is None else source[name][rank]
                if value is not None:
                    shown = value if isinstance(value, list) else [value]
                    notes.append(f"{words} {' to '.join(f'{100 * one:.2f}' for one in shown)}")
            ends = record["tie_bounds"]
            if ends:
                low, high = (end[name] if rank is None else end[name][rank] for end in ends.values())
                notes.append(f"ties {100 * low:.2f} to {100 * high:.2f}")
            value = record[name] if rank is None else record[name][rank]
            yield title, f"{100 * value:.2f}", ", ".join(notes)

    def _facts(self) -> Iterator[tuple[str, str]]:
        record, audit = self.record, self.record["audit"]
        yield "probes", f"{audit['probes']:,} ({audit['dropped_probes']:,} dropped, {audit['ties']:,} with ties)"
        removed = ", ".join(
            f"{audit[f'removed_{name}']:,} {name.replace('_', ' ')}" for name in ("junk", "same_camera", "same_group")
        )
        yield "gallery", f"{audit['gallery']:,} (removed: {removed})"
        yield "other rows", f"{audit['rows_outside_protocol']:,} of the manifest are not in the protocol"
        if len(record["splits"]) > 1:
            for row in record["splits"]:
                name = f"split {row['split'] or '(none)'}"
                yield name, f"mAP {100 * row['map']:.2f}, rank-1 {100 * row['cmc']['1']:.2f} ({row['probes']:,} probes)"
        level = record["chance"]
        yield (
            "chance",
            f"mAP {100 * level['map']:.2f}, rank-1 {100 * level['rank_1']:.2f}"
            + (
                ""
                if level["above"]
                else ": this mAP is no better; check that each vector is of the image it is named for"
            ),
        )
        yield "shared", record["shared"]["text"]
        if record["verdict"] != "complete":
            yield "copy", record["verdict"]
        if record["draws"]:
            yield "draws", f"{record['draws']['count']:,}"
        if record["twin"]:
            yield "twin", "every picture is drawn: this says that code runs, nothing about methods"
        unstated = [name for name, value in record["declared"].items() if value == UNSTATED]
        if unstated:
            yield "unstated", ", ".join(unstated)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the record at `path` and, beside it, ``<stem>.per_probe.csv``, each whole or not at all.

        Raises
        ------
        StorageError
            If the disk refuses.
        """
        place = Path(path)
        with storage_errors(str(place)):
            write_atomic(sidecar_path(place), sidecar(self.per_probe))
            write_atomic(place, canonical(self.record))
