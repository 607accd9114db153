"""A score: its record, its table by probe, and how it is shown and kept."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...files import exclusive, put_back, remove_tree, storage_errors, swap_in, write_atomic
from .declared import UNSTATED
from .digests import canonical, digest, sidecar
from .outputs import PROBES, SCORE, kind_of_file, require_free, require_kind

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

    def write(self, path: str | os.PathLike[str], *, replace: bool = False) -> bool:
        """Write the record at `path` and, beside it, ``<stem>.per_probe.csv``; return False if they are there already.

        Both are written, or neither: after a failure the two of before are there. A record that is killed between the
        two is absent, and the next call with its path puts the two of before back first.

        Parameters
        ----------
        path : path
            Where the record is written.
        replace : bool
            Whether another record may be replaced. A file of another kind never is.

        Raises
        ------
        UsageError
            If another file is at one of the two places.
        StorageError
            If the disk refuses, or another run writes the same record.
        """
        place = Path(path)
        beside = sidecar_path(place)
        data = {beside: sidecar(self.per_probe), place: canonical(self.record)}
        stage = place.with_name(f".{place.name}.writing")
        lock = stage.with_name(f"{stage.name}.lock")
        moves = [(stage / each.name, each) for each in data]
        require_place(place)
        killed = stage.exists() or lock.exists()
        if not killed and not any(_differs(each, data[each]) for each in data):
            return False
        with storage_errors(str(place)), exclusive(lock):
            try:
                put_back(moves)
                kinds = {place: SCORE, beside: PROBES}
                there = [
                    require_free(each, kinds[each], partial(_differs, each, data[each]), replace) for each in kinds
                ]
                if all(there):
                    return False
                for ready, each in moves:
                    write_atomic(ready, data[each])
                swap_in(moves)
            finally:
                remove_tree(stage)
        return True


def require_place(path: Path) -> None:
    """Raise if something other than a record and its scores by probe is where those are to be written.

    Raises
    ------
    UsageError
        With the kind of file that is there.
    """
    require_kind(path, SCORE)
    require_kind(sidecar_path(path), PROBES)


def _differs(path: Path, data: bytes) -> str:
    """Return in a sentence how the file at `path` differs from what would be written, empty if it does not."""
    found = path.read_bytes() if path.is_file() else b""
    if found == data:
        return ""
    if kind_of_file(path) == SCORE:
        there, expected = json.loads(found), json.loads(data)
        names = [name for name in sorted({*there, *expected}) if there.get(name) != expected.get(name)]
        return f"It differs in {', '.join(names) or 'its bytes'}."
    return f"Expected sha256 {digest(data)[:16]}, as would be written, found {digest(found)[:16]}."
