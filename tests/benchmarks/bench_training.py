"""What a run of `occreid-afpb train` costs: pictures a second, peak memory, and the share of time that input takes.

    python tests/benchmarks/bench_training.py [--steps N] [--only NAME ...]

A Market-1501 of twins, 40 identities; weights `none`, so nothing is downloaded; each line is a process of its own, with
AFPB's second views. The first 20 steps are warm-up and are left out. Peak memory is the process's (`ru_maxrss`), imports
and all. Needs the extra backbones; the backbones that torchvision, timm or a weights package give are left out without
them, by name.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import occluded_datasets as od
from occluded_datasets.store import pack
from occluded_datasets.twin import twin

LINES = {
    "efficientnet-lite0": "128x64",
    "mobilenet-v2": "128x64",
    "resnet18": "128x64",
    "timm:mobilenetv3_small_100": "128x64",
    "resnet50": "128x64",
    "resnet50, 256x128": "256x128",
}
CHILD = """
import json, resource, sys
from occluded_datasets.cli.afpb import main
try:
    main(sys.argv[1:])
except SystemExit as left:
    if left.code:
        raise
print(json.dumps({"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), file=sys.stderr)
"""


def measured(folder: Path, backbone: str, size: str, steps: int) -> dict[str, Any]:
    """Return what one run costs, or the error that says why there is none."""
    out = folder / "run" / f"{backbone.replace(':', '_')}-{size}"
    given = ["train", "--train", str(folder / "data" / "market-1501" / "manifest.csv"), "--store", str(folder / size)]
    given += ["--out", str(out), "--backbone", backbone, "--weights", "none", "--size", size, "--max-steps", str(steps)]
    given += ["--occlusion", "afpb-wide"]
    done = subprocess.run([sys.executable, "-c", CHILD, *given], capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1]}
    rows = list(csv.DictReader((out / "log.csv").read_text().splitlines()))[1:]
    rates = [float(row["pictures_per_second"]) for row in rows]
    waiting = [float(row["waiting"]) for row in rows]
    model = (out / "model.pt").stat().st_size / 1e6
    return {
        "rate": sum(rates) / len(rates),
        "waiting": max(waiting),
        "peak": json.loads(done.stderr.strip().splitlines()[-1])["peak"],
        "model": model,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--only", nargs="*", choices=list(LINES))
    given = parser.parse_args()
    from this_machine import machine

    print(machine(), end="")
    print("| backbone | size | pictures/s | input waits, most | peak memory, MiB | model.pt, MB |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drawn = twin("market-1501", folder / "raw", ids=40, variant="train-only")
        od.build("market-1501", drawn.tree, folder / "data", variant="train-only", allow_subset=True)
        manifest = od.load("market-1501", folder / "data")
        for size in sorted(set(LINES.values())):
            height, width = map(int, size.split("x"))
            pack(manifest, folder / size, (height, width))
        for label in given.only or LINES:
            backbone, size = label.partition(",")[0], LINES[label]
            one = measured(folder, backbone, size, given.steps)
            if "error" in one:
                print(f"| {backbone} | {size} | not run: {one['error']} | | | |", flush=True)
                continue
            numbers = f"{one['rate']:.0f} | {100 * one['waiting']:.1f} % | {one['peak']:,.0f} | {one['model']:.0f}"
            print(f"| {backbone} | {size} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
