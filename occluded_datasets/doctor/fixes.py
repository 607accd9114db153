"""From the names in a copy and what is wrong inside it to the options that build it: pure."""

from __future__ import annotations

import fnmatch
import glob
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..catalog import get, ids
from ..catalog.spec import Dataset, Variant
from ..errors import LayoutError
from ..layouts import Guess, ParsedTree, Verdict, guess, is_picture, judge_copy, parse_tree, stem_of
from ..layouts.parse import FolderMatcher, filter_names, row_of

KINDS = ("complete", "subset", "superset", "different")


@dataclass(frozen=True)
class Finding:
    """One thing that was found; a `note` is worth knowing and nothing wrong."""

    code: str
    text: str
    note: bool = False


@dataclass(frozen=True)
class Mend:
    """The options a build needs to read a copy, and what it would then find."""

    variant: Variant
    extension: str
    ignore: tuple[str, ...]
    arrangement: ParsedTree
    verdict: Verdict
    findings: tuple[Finding, ...]

    def options(self, dataset: Dataset) -> list[str]:
        """Return the arguments of ``occreid-prepare build``."""
        words = [] if self.variant == dataset.variants[0] else ["--variant", self.variant.name]
        words += ["--extension", self.extension] if self.extension else []
        for pattern in self.ignore:
            words += ["--ignore", pattern]
        allow = {"complete": [], "subset": ["--allow-subset"]}
        return words + allow.get(self.verdict.kind, ["--allow-different"])


class _Read(NamedTuple):
    """A name as one dataset reads it."""

    name: str
    place: Any
    match: re.Match[str]


class Likely(NamedTuple):
    """The set that names are most likely of, and the ids of others that they might be of as well."""

    dataset: Dataset
    others: tuple[str, ...]


def likely(names: Sequence[str], hints: Sequence[str]) -> Likely | None:
    """Return the set that the images among `names` are most likely of, or None if no set has half of them.

    Where several sets read the same images equally well, the one that the folders or `hints` name comes first,
    then the one whose images have the extension met here.
    """
    pictures = [name for name in names if is_picture(name)]
    guesses = guess(pictures, map(get, ids()))
    if not guesses:
        return None
    hinted = named_by([*hints, *sorted({name.partition("/")[0] for name in pictures if "/" in name})])
    extensions = Counter(_ending(name).lower() for name in pictures)

    def like(one: Guess) -> tuple[Any, ...]:
        return one.refusal is None, one.matched, one.verdict.kind if one.verdict else ""

    equal = [one for one in guesses if like(one) == like(guesses[0])]
    best = min(equal, key=lambda one: (one.dataset.id != hinted, -extensions[one.dataset.extension]))
    tops = {place.top for _, place, _ in readings(pictures, best.dataset)[0]}
    around = sum(any(not top or name.startswith(f"{top}/") for top in tops) for name in pictures)
    if 2 * best.matched < around:
        return None
    others = {one.dataset.id for one in equal} - {best.dataset.id} if best.dataset.id != hinted else ()
    return Likely(best.dataset, tuple(sorted(others)))


def named_by(words: Iterable[str]) -> str:
    """Return the id of the set that one of `words` (names of files or folders) spells; empty if none does.

    Examples
    --------
    >>> named_by(["Downloads", "P-DukeMTMC-reid (1).zip"])
    'p-dukemtmc-reid'
    """
    found = [(len(own), dataset) for word in map(_plain, words) for own, dataset in _spellings() if own in word]
    return max(found)[1] if found else ""


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.casefold())


def _spellings() -> Iterator[tuple[str, str]]:
    """Yield (plain spelling, id) of every set; very short ones would be met by chance."""
    for facts in map(get, ids()):
        archives = [source.name.rsplit(".", 1)[0] for source in facts.sources if not source.name.endswith(".list")]
        for own in {_plain(text) for text in (facts.id, facts.tree, *archives)}:
            if len(own) > 4:
                yield own, facts.id


def readings(names: Iterable[str], dataset: Dataset, extension: str = "") -> tuple[list[_Read], list[str]]:
    """Return (the images as `dataset` reads them, the files it does not know); clutter and texts are in neither.

    Parameters
    ----------
    names : iterable of str
        Names of files, with ``/`` between folders.
    dataset : Dataset
        The catalogue's entry of the set.
    extension : str
        The ending of the images to read, in lower case: ``.jpg``, say. Images with another ending are in neither
        list. Empty: images with any ending are read.
    """
    places = FolderMatcher(dataset)
    known, unknown = [], []
    for name in filter_names(names, dataset, extension, ())[0]:
        match = places.match(name)
        if match is None:
            unknown.append(name)
        else:
            known.append(_Read(name, *match))
    return known, unknown


def mend(
    names: Sequence[str], dataset: Dataset, unreadable: Mapping[str, str], lists: Mapping[str, str]
) -> Mend | None:
    """Return what makes a build of these files work: of the variants that lose no image, the most complete.

    Parameters
    ----------
    names : sequence of str
        Names of all files of the copy, with ``/`` between folders.
    dataset : Dataset
        The catalogue's entry of the set.
    unreadable : mapping of str to str
        By name of an image that cannot be read, why. A build leaves these images out.
    lists : mapping of str to str
        By name of a published name list, its text.

    Returns
    -------
    Mend or None
        None if no variant can be built.
    """
    found = []
    for variant in dataset.variants:
        try:
            found.append(_mend(names, dataset, variant, unreadable, lists))
        except LayoutError:
            continue
    return min(
        (one for one in found if one.arrangement.rows),
        key=lambda one: (
            one.arrangement.skipped.get(f"outside variant {one.variant.name}", 0),
            KINDS.index(one.verdict.kind),
        ),
        default=None,
    )


def _mend(
    names: Sequence[str], dataset: Dataset, variant: Variant, unreadable: Mapping[str, str], lists: Mapping[str, str]
) -> Mend:
    known, _ = readings(names, dataset)
    wanted = [one for one in known if one.place.part.folder in variant.parts]
    extension = _extension(wanted, dataset)
    known, unknown = readings(names, dataset, extension)
    left = _Left(known)
    if extension:
        left.findings.append(_encodings(wanted, extension))
    left.drop(unknown, "unknown-file", "not of the set")
    left.drop(_other_tops(known, dataset), "two-copies", "in a second copy beside the first")
    left.drop([one.name for one in left.reads if _misplaced(one)], "pid-folder", "in the folder of another identity")
    bad = [one.name for one in left.reads if one.name in unreadable and one.place.part.folder in variant.parts]
    left.drop(bad, "unreadable", "not readable", lambda name: f" ({unreadable[name]})")
    wanted = [one for one in left.reads if one.place.part.folder in variant.parts]
    left.drop(_doubles(dataset, wanted), "two-names", "another picture's again, under a second spelling")
    ignore = patterns(left.dropped, [one.name for one in left.reads])
    arrangement = parse_tree(names, dataset, variant, extension=extension, ignore=ignore)
    verdict = judge_copy(arrangement.rows, dataset, variant, lists)
    return Mend(variant, extension, tuple(ignore), arrangement, verdict, tuple(left.findings))


class _Left:
    """The images that are left to build, and why others were dropped."""

    def __init__(self, reads: list[_Read]) -> None:
        self.reads = reads
        self.dropped: list[str] = []
        self.findings: list[Finding] = []

    def drop(self, names: Sequence[str], code: str, what: str, why: Callable[[str], str] = lambda name: "") -> None:
        """Leave `names` aside, with a finding if there are any."""
        if not names:
            return
        self.dropped += names
        gone = set(names)
        self.reads = [one for one in self.reads if one.name not in gone]
        more = f", {names[1]}{', ...' if len(names) > 2 else ''}" if len(names) > 1 else ""
        files = f"{len(names):,} files are" if len(names) > 1 else "1 file is"
        self.findings.append(Finding(code, f"{files} {what}: {names[0]}{why(names[0])}{more}"))


def _misplaced(one: _Read) -> bool:
    return bool(one.place.pid) and int(one.place.pid) != int(one.match["pid"])


def _twins(reads: Iterable[_Read]) -> list[list[str]]:
    """Return the names of each image that is there more than once but for its extension."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in reads:
        folder, _, basename = one.name.rpartition("/")
        groups[folder, stem_of(basename).casefold()].append(one.name)
    return [group for group in groups.values() if len(group) > 1]


def _extension(reads: Sequence[_Read], dataset: Dataset) -> str:
    """Return the extension to read by where images are there in several encodings: the published one if it can."""
    twins = [name for group in _twins(reads) if len({_ending(name).lower() for name in group}) > 1 for name in group]
    if not twins:
        return ""
    counts = Counter(_ending(one.name).lower() for one in reads)
    return max({_ending(name).lower() for name in twins}, key=lambda one: (counts[one], one == dataset.extension))


def _encodings(reads: Sequence[_Read], extension: str) -> Finding:
    twins = _twins(reads)
    others = sorted({_ending(name).lower() for group in twins for name in group} - {extension})
    return Finding(
        "two-encodings",
        f"{len(twins):,} pictures are there twice, as {extension} and as {', '.join(others)}: each would count twice",
    )


def _other_tops(reads: Sequence[_Read], dataset: Dataset) -> list[str]:
    """Return the images of all copies but the best."""
    best = best_top(reads, dataset)
    return [one.name for one in reads if one.place.top != best]


def best_top(reads: Sequence[_Read], dataset: Dataset) -> str:
    """Return the folder that holds the most complete of the copies that lie side by side; of equals the first."""
    names: dict[str, list[str]] = defaultdict(list)
    for one in reads:
        names[one.place.top].append(one.name)
    if len(names) < 2:
        return next(iter(names), "")

    def rank(top: str) -> tuple[int, int, str]:
        one = guess(names[top], [dataset])[0]
        return KINDS.index(one.verdict.kind) if one.verdict else len(KINDS), -len(names[top]), top

    return min(names, key=rank)


def _doubles(dataset: Dataset, reads: Sequence[_Read]) -> list[str]:
    """Return the images that stand for one that is there already; the published spelling is kept."""
    groups: dict[str, list[str]] = defaultdict(list)
    for one in reads:
        groups[row_of(dataset, *one).image_id].append(one.name)
    doubles = []
    for image_id, group in groups.items():
        if len(group) > 1:
            stem = image_id.rsplit("/", 1)[-1]
            kept = min(group, key=lambda name: (stem_of(name.rsplit("/", 1)[-1]) != stem, name))
            doubles += [name for name in group if name != kept]
    return doubles


def patterns(unwanted: Iterable[str], wanted: Sequence[str]) -> list[str]:
    """Return shell patterns that match all the `unwanted` names and none of the `wanted`: few rather than many.

    Examples
    --------
    >>> patterns(["a.doc", "x/b.doc", "Probe/001.jpg", "Probe/002.jpg"], ["Probe/1.jpg", "Probe/2.jpg"])
    ['Probe/00*.jpg', '*.doc']
    """
    left = sorted(set(unwanted))
    used = {name[:at] for name in wanted for at, letter in enumerate(name) if letter == "/"}

    def outermost(name: str) -> str:
        folders = (name[:at] for at, letter in enumerate(name) if letter == "/")
        return next((folder for folder in folders if folder not in used), "")

    found = []
    for alike in (outermost, _ending, lambda name: name.rpartition("/")[0]):
        groups: dict[str, list[str]] = defaultdict(list)
        for name in left:
            groups[alike(name)].append(name)
        for group in groups.values():
            pattern = _spanning(group)
            matches = re.compile(fnmatch.translate(pattern)).match
            if len(group) > 1 and all(map(matches, group)) and not any(map(matches, wanted)):
                found.append(pattern)
                left = [name for name in left if name not in set(group)]
    return found + [glob.escape(name) for name in left]


def _spanning(names: Sequence[str]) -> str:
    """Return the pattern of what `names` begin with and, if it is one, the extension they end in."""
    endings = {_ending(name) for name in names}
    ending = endings.pop() if len(endings) == 1 else ""
    first, last = min(names), max(names)
    alike = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return f"{glob.escape(first[:alike])}*{glob.escape(ending)}"


def _ending(name: str) -> str:
    return name[name.rfind(".") :] if "." in name.rpartition("/")[2] else ""
