"""Time `build` against a Pillow + hashlib loop on a full-size P-DukeMTMC-reID twin, and write docs/benchmarks.md.

    python tests/benchmarks/bench_build.py [--quick] [--repeat N] [--write]

Every measurement is a fresh process; sides take turns, so that a slow minute hits both. Ratios are of medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

DATASET = "p-dukemtmc-reid"
SIZES = ((64, 128), (128, 256))
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- build: begin -->\n", "<!-- build: end -->\n"

PEER = """
import csv, hashlib, io, json, os, resource, sys, time
from PIL import Image
tree, out = sys.argv[1:3]
start = time.perf_counter()
rows = []
for folder, folders, names in os.walk(tree):
    folders.sort()
    for name in sorted(names):
        if not name.endswith(".jpg"):
            continue
        path = os.path.join(folder, name)
        with open(path, "rb") as stream:
            data = stream.read()
        with Image.open(io.BytesIO(data)) as picture:
            pixels = picture.convert("RGB")
        digest = hashlib.sha256(b"%dx%d\\n" % pixels.size)
        digest.update(pixels.tobytes())
        rows.append((path, *pixels.size, len(data), hashlib.sha256(data).hexdigest(), digest.hexdigest()))
with open(out, "w", newline="") as stream:
    csv.writer(stream).writerows(rows)
spent = time.perf_counter() - start
print(json.dumps({"seconds": spent, "rows": len(rows),
                  "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""

OURS = """
import json, resource, sys, time
start = time.perf_counter()
from occluded_datasets.prepare import build
dataset, tree, root, workers = sys.argv[1:5]
built = build(dataset, tree or None, root, allow_subset=True, workers=int(workers))
spent = time.perf_counter() - start
print(json.dumps({"seconds": spent, "rows": built.rows, "unchanged": built.unchanged,
                  "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def main() -> None:
    """Run all measurements and print the table; with --write put it into docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 identities, one repetition")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    options = parser.parse_args()
    repeat = 1 if options.quick else options.repeat
    with tempfile.TemporaryDirectory() as folder:
        lines = [_measure(Path(folder), size, 100 if options.quick else None, repeat) for size in SIZES]
    text = _table(lines, repeat)
    sys.stdout.write(text)
    if options.write:
        page = PAGE.read_text("utf-8")
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(before + BEGIN + text + END + after, "utf-8")


def _measure(folder: Path, size: tuple[int, int], ids: int | None, repeat: int) -> dict[str, object]:
    tree = _twin(folder / f"{size[0]}x{size[1]}", size, ids)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in ("peer", "one", "two", "rescan", "folder")}
    home = folder / f"root-{size[0]}"
    raw = home / DATASET / "raw"
    raw.parent.mkdir(parents=True)
    tree.rename(raw)
    for number in range(repeat):
        runs["peer"].append(_run(PEER, [str(raw), str(folder / "peer.csv")], 1))
        for name, cores in (("one", 1), ("two", 2), ("rescan", 2)):
            if name != "rescan":
                _forget(raw.parent)
            runs[name].append(_run(OURS, [DATASET, "", str(home), str(cores)], cores))
        runs["folder"].append(_run(OURS, [DATASET, str(raw), f"{home}-{number}", "2"], 2))
        assert runs["rescan"][-1]["unchanged"]
        assert not runs["two"][-1]["unchanged"]
        assert len({runs[name][-1]["rows"] for name in runs}) == 1
    medians = {name: statistics.median(run["seconds"] for run in side) for name, side in runs.items()}
    peak = max(run["mib"] for side in ("one", "two", "folder") for run in runs[side])
    return {"size": size, "rows": runs["one"][0]["rows"], "peak": peak, **medians}


def _forget(home: Path) -> None:
    """Remove what a build left beside ``raw/``."""
    for entry in home.iterdir():
        if entry.is_file():
            entry.unlink()


def _twin(folder: Path, size: tuple[int, int], ids: int | None) -> Path:
    """Render the twin with every picture at one size."""
    from concurrent.futures import ProcessPoolExecutor

    from occluded_datasets.catalog import get
    from occluded_datasets.twin.plan import plan
    from occluded_datasets.twin.tree import write_shard

    facts = get(DATASET)
    parts = tuple(replace(part, size=(size[0], size[0], size[1], size[1])) for part in facts.parts)
    pictures = plan(replace(facts, parts=parts), facts.variant(), ids, 0)
    pictures = [picture._replace(width=size[0], height=size[1]) for picture in pictures]
    for parent in {picture.name.rpartition("/")[0] for picture in pictures}:
        (folder / parent).mkdir(parents=True, exist_ok=True)
    shards = [pictures[start : start + 256] for start in range(0, len(pictures), 256)]
    with ProcessPoolExecutor() as pool:
        list(pool.map(write_shard, [str(folder)] * len(shards), shards, [0] * len(shards)))
    return folder


def _run(code: str, arguments: list[str], cores: int) -> dict[str, float]:
    """Run `code` in a fresh interpreter bound to `cores` cores."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _table(lines: list[dict[str, object]], repeat: int) -> str:
    from importlib.metadata import version

    from this_machine import machine

    packages = ", ".join(f"{name} {version(name)}" for name in ("pillow", "simplejpeg", "numpy", "pandas"))
    text = machine() + (
        f"Python {platform.python_version()}, {packages}; medians of {repeat}; warm disk cache.\n\n"
        "| pictures (width x height) | Pillow + hashlib, 1 core | build in place, 1 core | in place, 2 cores |"
        " unchanged re-build | build from a folder, 2 cores | peak memory |\n|---|---|---|---|---|---|---|\n"
    )
    for line in lines:
        peer = float(line["peer"])  # type: ignore[arg-type]
        cells = [f"{line['rows']:,} at {line['size'][0]}x{line['size'][1]}", f"{peer:.2f} s"]  # type: ignore[index]
        for name in ("one", "two", "rescan", "folder"):
            spent = float(line[name])  # type: ignore[arg-type]
            cells.append(f"{spent:.2f} s ({peer / spent:.1f}x)")
        cells.append(f"{line['peak']:.0f} MiB")
        text += "| " + " | ".join(cells) + " |\n"
    return text


if __name__ == "__main__":
    main()
