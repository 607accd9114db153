"""Count the words that docs/glossary.md avoids, and list the public names that are defined in more than one file.

A mirror to look into, no gate: run it with ``python docs/words.py``.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = ("occluded_datasets", "cli")
AVOIDED = (
    r"pictures?", r"people", r"persons?", r"somebody", r"nobody", r"whoever", r"stands?", r"lies", r"hangs? on",
    r"is told", r"go(es)? on", r"takes? up", r"left aside", r"held against", r"as it is",
    r"\w+s an? (batch|row|image|identity|core)",
)  # fmt: skip


def sources() -> list[Path]:
    """Return the files of the package and of its command line."""
    return sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py"))


def words(paths: list[Path]) -> Counter[str]:
    """Return how often each avoided word is in the text of the files."""
    found: Counter[str] = Counter()
    for path in paths:
        text = re.sub(r"[_\W]+", " ", path.read_text("utf-8")).lower()
        for pattern in AVOIDED:
            found[pattern] += len(re.findall(rf"\b{pattern}\b", text))
    return found


def doubled(paths: list[Path]) -> dict[str, list[str]]:
    """Return the public functions and classes at the top of more than one file, with the files."""
    homes: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                homes[node.name].append(path.relative_to(ROOT).as_posix())
    # Each command of the command line is called command: that is how it is found.
    return {name: where for name, where in sorted(homes.items()) if len(where) > 1 and name != "command"}


def main() -> None:
    """Print both lists."""
    paths = sources()
    counts, twice = words(paths), doubled(paths)
    lines = [f"{number:6,}  {word}" for word, number in counts.most_common() if number]
    lines += [f"{sum(counts.values()):6,}  words to avoid", ""]
    lines += [f"{name}: {', '.join(where)}" for name, where in twice.items()]
    lines.append(f"{len(twice)} public names are defined in more than one file")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
