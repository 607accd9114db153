"""Time `simulate` from JPEGs to PNGs with masks against a Pillow script of the same work, in one run.

    python tests/benchmarks/bench_simulate.py [--quick] [--write]

Both read the same drawn JPEGs of 64x128, put one drawn thing over 15 to 45 % of the lower body, and write the picture and its
mask as PNG. The script is what people write: open, resize, paste, save, in one process or in two. Turns alternate; the
least of each is printed. --write puts the table into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

import occluded_datasets as od
from occluded_datasets.occlusion import Bank, Recipe, simulate
from occluded_datasets.twin import twin

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- bench_simulate begin -->\n", "<!-- bench_simulate end -->\n"
PLAIN = {"placement": "lower-body", "fraction": (0.15, 0.45), "feather": 0, "colour_match": 0, "shadow": 0}


def pillow_script(paths: Sequence[str], things: Sequence[str], out: str) -> None:
    """Occlude some JPEGs as a plain script would, with the things as RGBA files."""
    chance = random.Random(7)
    sprites = [Image.open(thing).convert("RGBA") for thing in things]
    for path in paths:
        picture = Image.open(path).convert("RGB")
        sprite = chance.choice(sprites)
        area = chance.uniform(0.15, 0.45) * picture.width * picture.height / 0.7
        width = max(1, min(picture.width, round((area * sprite.width / sprite.height) ** 0.5)))
        height = max(1, min(picture.height, round(area / width)))
        thing = sprite.resize((width, height))
        at = chance.randint(0, picture.width - width), picture.height - height
        picture.paste(thing, at, thing)
        mask = Image.new("L", picture.size)
        mask.paste(thing.getchannel("A").point(lambda value: 255 if value >= 128 else 0), at)
        name = Path(path).stem
        picture.save(f"{out}/images/{name}.png")
        mask.save(f"{out}/masks/{name}.png")


def peer(paths: Sequence[str], things: Sequence[str], out: Path, processes: int) -> None:
    """Run the script in one process, or its halves in two."""
    for kind in ("images", "masks"):
        (out / kind).mkdir(parents=True)
    if processes == 1:
        pillow_script(paths, things, str(out))
        return
    with ProcessPoolExecutor(processes) as pool:
        list(
            pool.map(
                pillow_script,
                [paths[n::processes] for n in range(processes)],
                [things] * processes,
                [str(out)] * processes,
            )
        )


def main() -> None:
    """Draw the pictures, take turns, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer pictures and turns")
    parser.add_argument("--write", action="store_true", help="write the section of docs/benchmarks.md")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        table = measured(folder, 20 if options.quick else 150, 1 if options.quick else 3)
    finally:
        shutil.rmtree(folder)
    sys.stdout.write(table)
    if options.write:
        text = PAGE.read_text("utf-8")
        begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
        PAGE.write_text(text[:begin] + table + text[end:], "utf-8", newline="\n")


def measured(folder: Path, ids: int, turns: int) -> str:
    """Return the table."""
    drawn = twin("market-1501", folder / "twin", ids=ids, variant="train-only")
    source = od.load(od.build("market-1501", drawn.tree, folder, variant="train-only", allow_subset=True).manifest)
    paths = [str(source.file(name)) for name in source.frame["image_id"]]
    bank, things = Bank.drawn(), []
    for number in range(len(bank)):
        rgba = bank[number].levels[0].astype(np.float32)
        rgba[..., :3] *= 255 / np.maximum(rgba[..., 3:], 1)
        things.append(str(folder / f"{number}.png"))
        Image.fromarray(np.clip(rgba, 0, 255).astype(np.uint8)).save(things[-1])
    recipe = Recipe.of("bank", **PLAIN)
    runs: dict[str, Callable[[Path], object]] = {
        "Pillow script, one process": lambda out: peer(paths, things, out, 1),
        "Pillow script, two processes": lambda out: peer(paths, things, out, 2),
        "simulate, one worker": lambda out: simulate(source, out, recipe=recipe, seed=7, workers=1),
        "simulate, two workers": lambda out: simulate(source, out, recipe=recipe, seed=7, workers=2),
        "simulate, two workers, rows only": lambda out: simulate(
            source, out, recipe=recipe, seed=7, workers=2, rows_only=True
        ),
        "simulate, two workers, all stages": lambda out: simulate(source, out, recipe="bank", seed=7, workers=2),
    }
    best = dict.fromkeys(runs, float("inf"))
    for turn in range(turns):
        for name, run in runs.items():
            out = folder / f"out-{turn}-{len(name)}"
            start = time.perf_counter()
            run(out)
            best[name] = min(best[name], time.perf_counter() - start)
            shutil.rmtree(out)
    from this_machine import machine

    one, two = best["Pillow script, one process"], best["Pillow script, two processes"]
    lines = [f"{machine()}{len(paths):,} drawn pictures of 64x128; least of {turns} turns.\n",
             "| | pictures a second | against the script in one process | in two |", "|---|---|---|---|"]  # fmt: skip
    lines += [
        f"| {name} | {len(paths) / value:,.0f} | {one / value:.1f}x | {two / value:.1f}x |"
        for name, value in best.items()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
