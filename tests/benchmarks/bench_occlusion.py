"""Time the occlusion simulator against what people use, and write docs/benchmarks.md.

    python tests/benchmarks/bench_occlusion.py [--quick] [--repeat N] [--write]

One process bound to one core, sides take turns, times are the least of the repetitions, per picture. Ours returns
picture, mask and record; peers return what they return. A peer that is not installed is named and left out.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import hashlib
import math
import os
import platform
import pstats
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from occluded_datasets.hashing import pixel_digest
from occluded_datasets.occlusion import Recipe, Simulator
from occluded_datasets.occlusion.engine import simulator
from occluded_datasets.occlusion.sources.bank import Bank

SIZES = ((128, 64), (256, 128))
COUNT = 64
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
HEADING = "## simulate: occluders on a picture\n"
BEGIN, END = "<!-- occlusion: begin -->\n", "<!-- occlusion: end -->\n"
TEXT = """
One core, one run, realised fraction 0.3, stages off unless said. Ours returns picture, mask and record with keyed
draws; the peers return the picture alone. *Compiled* is with the extra `fast` (numba), which gives the same bytes; kinds
that fill rectangles have no compiled form. `python tests/benchmarks/bench_occlusion.py --write` puts the table here.

"""
PACKAGES = ("numpy", "opencv-python-headless", "pillow", "numba", "albumentations", "torch", "torchvision")

Side = Callable[[int], object]


def main() -> None:
    """Run all measurements and print the tables; with --write put them into docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one size, three repetitions")
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--write", action="store_true", help="write the tables into docs/benchmarks.md")
    options = parser.parse_args()
    repeat = 3 if options.quick else options.repeat
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    warnings.simplefilter("ignore")
    text = _head(repeat)
    for size in SIZES[:1] if options.quick else SIZES:
        text += _table(size, repeat)
    text += _profile()
    sys.stdout.write(text)
    if options.write:
        page = PAGE.read_text("utf-8")
        if BEGIN not in page:
            page += f"\n{HEADING}{TEXT}{BEGIN}{END}"
        PAGE.write_text(page.split(BEGIN)[0] + BEGIN + text + END + page.split(END)[1], "utf-8")


def pictures(height: int, width: int) -> Any:
    """Return pictures, shape (N, H, W, 3): ramps and a little noise."""
    rows, columns = np.mgrid[:height, :width]
    base = np.dstack([columns * 200 // width, rows * 200 // height, (rows + columns) * 200 // (height + width)])
    noise = np.frombuffer(hashlib.shake_128(b"bench").digest(COUNT * base.size), np.uint8) >> 3
    return (base.astype(np.uint8) + noise.reshape(COUNT, height, width, 3)).astype(np.uint8)


def ours(images: Any) -> Iterator[tuple[str, Side, Side]]:
    """Yield (name, a single call, a batch of `COUNT`) of what is timed."""
    keys = [pixel_digest(image) for image in images]
    bank = Bank.drawn()
    off: dict[str, Any] = {"feather": 0, "colour_match": 0, "shadow": 0, "fraction": [0.3, 0.3]}
    recipes = {
        "alpha occluder": Recipe.of("bank", **off),
        "constant": Recipe.of("afpb", occluder="constant", fraction=[0.3, 0.3]),
        "noise": Recipe.of("afpb", occluder="noise", fraction=[0.3, 0.3]),
        "random-erasing preset": Recipe.of("random-erasing"),
        "self-background": Recipe.of("afpb", fraction=[0.3, 0.3]),
        "alpha occluder, stages on": Recipe.of("bank", fraction=[0.3, 0.3]),
    }
    for name, recipe in recipes.items():
        sim = Simulator(recipe, 7, bank=bank)
        yield (
            name,
            lambda turn, sim=sim: [sim(image, key, turn) for image, key in zip(images, keys, strict=True)],
            lambda turn, sim=sim: sim.batch(images, keys, turn),
        )


def pillow(images: Any) -> dict[str, Side]:
    """Return Pillow's resize and paste(mask) of the drawn bank's items, then with a mask of what is solid."""
    from PIL import Image

    height, width = images.shape[1:3]
    given = [Image.fromarray(image) for image in images]
    items = [(Image.fromarray(np.array(one.levels[0])), one.coverage) for one in Bank.drawn()]
    rng = random.Random(0)

    def put(masked: bool) -> None:
        for picture in given:
            item, coverage = items[rng.randrange(len(items))]
            scale = math.sqrt(0.3 * height * width / coverage)
            w, h = max(1, round(item.width * scale)), max(1, round(item.height * scale))
            at = (rng.randint(min(0, width - w), max(0, width - w)), height - min(h, height))
            small, out = item.resize((w, h), Image.Resampling.BILINEAR), picture.copy()
            out.paste(small, at, small)
            if masked:
                mask = Image.new("L", (width, height))
                mask.paste(small.getchannel("A").point(lambda value: 255 * (value >= 128)), at)

    return {"Pillow resize + paste(mask)": lambda _: put(False), "the same + mask": lambda _: put(True)}


def zhong(images: Any) -> dict[str, Side]:
    """Return algorithm 1 of Zhong et al. in plain NumPy, written from the paper."""
    height, width = images.shape[1:3]
    rng, noise = random.Random(0), np.random.default_rng(0)

    def erase(image: Any) -> Any:
        out = image.copy()
        while rng.random() < 0.5:
            area, aspect = rng.uniform(0.02, 0.4) * height * width, rng.uniform(0.3, 1 / 0.3)
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if h < height and w < width:
                y, x = rng.randint(0, height - h), rng.randint(0, width - w)
                out[y : y + h, x : x + w] = noise.integers(0, 256, (h, w, 3), np.uint8)
                break
        return out

    return {"plain NumPy, Zhong's algorithm": lambda _: [erase(image) for image in images]}


def dropout(images: Any) -> dict[str, Side]:
    """Return albumentations' CoarseDropout with one hole of 0.3, constant and random."""
    import albumentations

    hole: dict[str, Any] = {"num_holes_range": (1, 1), "hole_height_range": (0.5, 0.5), "hole_width_range": (0.6, 0.6)}
    constant = albumentations.CoarseDropout(**hole, fill=0, p=1)
    noise = albumentations.CoarseDropout(**hole, fill="random", p=1)
    return {
        "CoarseDropout": lambda _: [constant(image=image) for image in images],
        "CoarseDropout, random": lambda _: [noise(image=image) for image in images],
    }


def erasing(images: Any) -> dict[str, Side]:
    """Return torchvision's RandomErasing: float tensors, as after ToTensor."""
    import torch
    from torchvision.transforms import v2

    torch.set_num_threads(1)
    tensors = [torch.from_numpy(image.transpose(2, 0, 1).copy()).float() / 255 for image in images]
    constant = v2.RandomErasing(p=1, scale=(0.3, 0.3), ratio=(0.7, 1.4))
    noise = v2.RandomErasing(p=1, scale=(0.3, 0.3), ratio=(0.7, 1.4), value="random")
    preset = v2.RandomErasing(p=0.5, scale=(0.02, 0.4), ratio=(0.3, 3.3), value="random")
    return {
        "torchvision RE (float32)": lambda _: [constant(one) for one in tensors],
        "torchvision RE (float32), random": lambda _: [noise(one) for one in tensors],
        "torchvision RE (float32), preset": lambda _: [preset(one) for one in tensors],
    }


AGAINST = {
    "alpha occluder": (("Pillow resize + paste(mask)", 12), ("the same + mask", 0)),
    "constant": (("CoarseDropout", 8), ("torchvision RE (float32)", 10)),
    "noise": (("CoarseDropout, random", 8), ("torchvision RE (float32), random", 10)),
    "random-erasing preset": (("torchvision RE (float32), preset", 0), ("plain NumPy, Zhong's algorithm", 0)),
}
"""What each is compared with, and the ratio that was the goal; 0 for none."""


def _table(size: tuple[int, int], repeat: int) -> str:
    images = pictures(*size)
    peers: dict[str, Side] = {"copy of the picture": lambda _: [image.copy() for image in images]}
    missing = []
    for make in (pillow, zhong, dropout, erasing):
        try:
            peers |= make(images)
        except ImportError as error:
            missing.append(str(error.name))
    plain, fast = list(ours(images)), list(ours(images))
    sides: dict[str, Side] = {f"peer {name}": side for name, side in peers.items()}
    for name, single, batch in plain:
        sides |= {f"plain single {name}": _with(None, single), f"plain batch {name}": _with(None, batch)}
    kernel = _kernel()
    for name, single, batch in fast if kernel else []:
        if "alpha" in name:
            sides |= {f"fast single {name}": _with(kernel, single), f"fast batch {name}": _with(kernel, batch)}
    spent = _turns(sides, repeat)
    return _rows(size, spent, [name for name, _, _ in plain], missing)


def _rows(size: tuple[int, int], spent: dict[str, float], names: list[str], missing: list[str]) -> str:
    copy = spent["peer copy of the picture"]
    text = f"\n**{size[1]}x{size[0]} (width x height)**: a copy of the picture takes {copy:.1f} µs."
    text += f" Not installed, so left out: {', '.join(missing)}.\n\n" if missing else "\n\n"
    text += "| ours | a single call | in a batch | pictures/s, batch | against | ratio, single / batch | goal |\n"
    text += "|---|---|---|---|---|---|---|\n"
    for name in names:
        for kind in ("plain", "fast"):
            if f"{kind} single {name}" not in spent:
                continue
            single, batch = spent[f"{kind} single {name}"], spent[f"{kind} batch {name}"]
            peers = [one for one in AGAINST.get(name, ()) if f"peer {one[0]}" in spent] or [("", 0)]
            label = f"{name}, compiled" if kind == "fast" else name
            for peer, goal in peers:
                cells = [label, f"{single:.1f} µs", f"{batch:.1f} µs", f"{1e6 / batch:,.0f}"]
                theirs = spent.get(f"peer {peer}", 0)
                cells.append(f"{peer}, {theirs:.1f} µs" if peer else "-")
                cells.append(f"{theirs / single:.1f}x / {theirs / batch:.1f}x" if peer else "-")
                best = theirs / min(single, batch)
                cells.append(f"{goal}x: {'reached' if best >= goal else 'not reached'}" if goal else "-")
                text += "| " + " | ".join(cells) + " |\n"
    return text


def _kernel() -> Any:
    with contextlib.suppress(ImportError):
        from occluded_datasets.occlusion.engine import compiled as kernel

        return kernel
    return None


def _with(kernel: Any, side: Side) -> Side:
    """Return the side run with this kernel, or with none, from the first picture on."""

    def run(turn: int) -> None:
        simulator._kernel, simulator.PATIENCE = (lambda: kernel), 0
        side(turn)

    return run


def _turns(sides: dict[str, Side], repeat: int) -> dict[str, float]:
    """Return the least µs per picture of every side; the first turn warms up and does not count."""
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeat + 1):
        for name, side in sides.items():
            start = time.perf_counter()
            side(turn)
            if turn:
                spent[name].append((time.perf_counter() - start) / COUNT * 1e6)
    return {name: min(times) for name, times in spent.items()}


def _profile() -> str:
    """Return where the time of single calls with an alpha occluder and with a constant goes."""
    text = "\nShare of time by function (profiled, so small functions weigh more than they do):\n\n"
    images = pictures(*SIZES[0])
    kernel = _kernel()
    for name, single, _ in ours(images):
        if name not in ("alpha occluder", "constant"):
            continue
        side = _with(kernel, single)
        side(0)
        profile = cProfile.Profile()
        profile.runcall(lambda side=side: [side(turn) for turn in range(10)])
        stats = pstats.Stats(profile)
        total = stats.total_tt  # type: ignore[attr-defined]
        top = sorted(((row[2], key[2]) for key, row in stats.stats.items()), reverse=True)[:6]  # type: ignore[attr-defined]
        shares = ", ".join(f"`{what.strip('<>')}` {100 * spent / total:.0f} %" for spent, what in top)
        text += f"- {name}{', compiled' if kernel else ''}: {shares}\n"
    return text


def _head(repeat: int) -> str:
    from this_machine import machine

    found = []
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{package.replace('-python-headless', '')} {version(package)}")
    return f"{machine()}Python {platform.python_version()}, {', '.join(found)}; the least of {repeat} turns.\n"


if __name__ == "__main__":
    main()
