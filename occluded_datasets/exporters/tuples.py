"""Lists for loaders in the style of TransReID and CLIP-ReID; the images stay where they are.

::

    <out>/
        tuples.json   {"train": [[path, label, camid, view], ...], "query": [[path, pid, camid, view], ...], ...}
        rows.csv      the same with the pid, the recorded camera, the body and the image_id of each row
        export.json   protocol, fingerprint, cameras, terms
"""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import InputError
from .parts import PARTS, Parts
from .tables import ROWS, Content, require_equal, rows_of, rows_text

LISTS = "tuples.json"


def tuples_content(parts: Parts, dataset: str, out: Path) -> Content:
    """Return the lists of `parts`, with absolute paths.

    Parameters
    ----------
    parts : Parts
        Training, query and gallery rows of a protocol.
    dataset : str
        Not used: these lists do not name the set.
    out : Path
        The folder of the export.
    """
    del dataset  # the exporters share one signature
    lists = {name: parts.tuples(name, views=True) for name in PARTS}
    files = {ROWS: rows_text(parts, lambda _, row: row.path), LISTS: (json.dumps(lists) + "\n").encode()}

    def check(folder: Path) -> None:
        wanted = [(name, row.path, row.pid) for name in PARTS for row in parts.part(name)]
        require_equal(rows_of(folder), wanted, ROWS)
        missing = next((path for _, path, _ in wanted if not Path(path).is_file()), None)
        if missing:
            raise InputError(f"{missing}: the picture is not there.", "", "occreid-prepare verify MANIFEST")

    reader = {
        "name": "lists of (path, pid, camid, view)",
        "source": "damo-cv/TransReID datasets/make_dataloader.py, Syliz517/CLIP-ReID datasets/bases.py",
    }
    return Content(out, files, {}, (), reader, (), check)
