"""What is said of a copy: what stops a build, what a plan mends, and what is only worth knowing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..catalog import get, ids
from ..catalog.spec import Dataset
from ..hashing import file_digests
from ..layouts import TWIN_MARK, is_picture, is_readme
from ..manifest import Manifest, verify
from .fixes import Finding, Mend
from .inspect import Contents, Listing, Trouble, contents

EXCERPT = 100
README = "Readme.txt"
UNLISTED = ("damaged", "no-reader", "encrypted")
SUFFIXES = {"zip": ".zip", "rar": ".rar", "tar": ".tar .gz .tgz .bz2 .tbz .tbz2 .xz .txz"}


@dataclass(frozen=True)
class Case:
    """A copy of a known set, looked through.

    `others` are the ids of sets that it might be as well, `placed` how many of its images lie and are named as the
    set's.
    """

    path: Path
    found: Listing
    dataset: Dataset
    others: tuple[str, ...]
    placed: int
    inside: Contents
    plan: Mend | None

    @property
    def troubles(self) -> list[Trouble]:
        """What stops a build."""
        return [*self.found.troubles, *self.inside.troubles]

    @property
    def pictures(self) -> int:
        """How many images there are."""
        return sum(map(is_picture, self.found.names))

    @property
    def cut(self) -> bool:
        """Whether not even all names could be read."""
        return any(one.code in UNLISTED for one in self.found.troubles)

    @property
    def why(self) -> str:
        """What the set is judged by."""
        if self.cut:
            return f"the {self.placed:,} names that can still be read are {self.dataset.title}'s"
        return f"{self.placed:,} of {self.pictures:,} pictures have the folders and names of {self.dataset.title}"


def look_inside(
    path: Path, found: Listing, dataset: Dataset, pictures: Sequence[str], password: bytes | None
) -> Contents:
    """Return what the files hold; nothing where the archive cannot be read through.

    Parameters
    ----------
    path : Path
        The folder or archive.
    found : Listing
        Its names, as of `list_names`.
    dataset : Dataset
        The catalogue's entry of the set; it says which files are published name lists.
    pictures : sequence of str
        Names of the images to decode, from `found`.
    password : bytes or None
        The archive's; None where it has none.
    """
    if any(one.code in UNLISTED for one in found.troubles):
        return Contents((), {}, {}, 0)
    listed = {name.lower(): name for name, _ in dataset.lists}
    lists = {name: name.rsplit("/", 1)[-1].lower() for name in found.names}
    held = {name: listed[basename] for name, basename in lists.items() if basename in listed}
    held |= {name: README for name in found.names if is_readme(name)}
    return contents(path, found, pictures, held, password)


def summed(troubles: Iterable[Trouble]) -> list[Finding]:
    """Return one finding a kind of trouble, with the first case and how many more there are."""
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for one in troubles:
        first.setdefault(one.code, one.text)
        counts[one.code] += 1
    return [
        Finding(code, text.rstrip(".") + (f" (and {counts[code] - 1:,} more)" if counts[code] > 1 else ""))
        for code, text in first.items()
    ]


def wrong(plan: Mend) -> list[Finding]:
    """Return what the plan mends, and what a build then lacks or has too much."""
    if plan.verdict.kind == "complete":
        return list(plan.findings)
    sentence = plan.verdict.sentence.partition(": ")[2].rstrip(".")
    return [*plan.findings, Finding(plan.verdict.kind, sentence)]


def unread(case: Case) -> list[Finding]:
    """Return what is wrong with a copy that no option builds: that not one image of it can be read."""
    bad = case.inside.unreadable
    name = min(bad, default="")
    return [Finding("unreadable", f"{len(bad):,} pictures are not readable: {name} ({bad[name]})")] if bad else []


def notes(case: Case) -> list[Finding]:
    """Return what is worth knowing and not wrong."""
    path, found, plan = case.path, case.found, case.plan
    notes = []
    if case.others:
        notes.append(
            ("other-set", f"{', '.join(case.others)} has such folders and names too: which it is, you know best")
        )
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES.get(found.kind, suffix) and suffix in " ".join(SUFFIXES.values()).split():
        notes.append(("wrong-extension", f"it is called {suffix} and is a {found.kind}; it is read as what it is"))
    if case.inside.lists.get(README, "").startswith(TWIN_MARK):
        notes.append(
            ("twin", "a twin: every picture is drawn by a program, and scores on it say nothing about methods")
        )
    if found.nested:
        notes.append(("nested", f"zips inside are read too: {', '.join(found.nested[:3])}"))
    if plan is not None and plan.variant != case.dataset.variants[0]:
        notes.append(("variant", f"variant {plan.variant.name}: {plan.variant.title}"))
    if plan is not None and plan.arrangement.known_as:
        notes.append(("renamed", f"renamed by a known script, read back: {', '.join(plan.arrangement.known_as)}"))
    if found.kind != "folder" and 0 < case.inside.decoded < case.placed:
        notes.append(
            ("sampled", f"every file was read; {case.inside.decoded:,} of {case.placed:,} pictures were decoded")
        )
    if found.kind != "folder" and has_published_hash(path, case.dataset):
        notes.append(("as-published", "byte for byte the archive that was published"))
    return [Finding(code, text, note=True) for code, text in notes]


def has_published_hash(path: Path, dataset: Dataset) -> bool:
    """Whether an archive has a hash that is known of the published one."""
    pins = {pin for source in dataset.sources for pin in (source.sha256, source.git_blob) if pin}
    return bool(pins) and not pins.isdisjoint(file_digests(path))


def pointed_set(pointer: bytes) -> str:
    """Return the id of the set whose archive a Git LFS pointer stands for, by its sha256; empty if it is none."""
    text = pointer.decode("utf-8", "replace")
    sets = (one for one in map(get, ids()) for source in one.sources if source.sha256 and source.sha256 in text)
    return next((one.id for one in sets), "")


def excerpt(text: bytes, code: str) -> str:
    """Return what a page or message says of itself, in a few printable words."""
    plain = text.decode("utf-8", "replace")
    if code == "web-page":
        title = re.search(r"<title[^>]*>(.*?)</title>", plain, re.DOTALL | re.IGNORECASE)
        plain = title[1] if title else ""
    elif code == "lfs-pointer":
        return "; git lfs pull in the repository it came from gets the real one"
    elif code != "json":
        return ""
    words = "".join(letter if letter.isprintable() else " " for letter in plain)
    short = " ".join(words.split())[:EXCERPT]
    return f"; it says: {short}" if short else ""


def changes(manifest: Manifest) -> str:
    """Return how the files differ from those the manifest vouches for; empty if they do not."""
    result = verify(manifest)
    counts = {"missing": result.missing, "changed": result.changed, "a link": result.refused}
    words = [f"{len(paths):,} {word} ({paths[0]})" for word, paths in counts.items() if paths]
    return f"of {result.checked:,} files {', '.join(words)}" if words else ""
