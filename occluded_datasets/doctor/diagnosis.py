"""From a path to a diagnosis: which set it is, what is wrong, and the next command, which works as printed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..acquire import kind_of
from ..acquire.archives import looks_like
from ..catalog import get, ids
from ..catalog.spec import Dataset
from ..errors import ArchiveError, ManifestError, OccludedDatasetsError, StorageError
from ..files import storage_errors
from ..layouts import is_picture
from ..manifest import placed, read, read_header
from ..paths import data_root
from .findings import Case, changes, excerpt, look_inside, notes, pointed_set, summed, unread, wrong
from .fixes import KINDS, Finding, Likely, best_top, likely, mend, named_by, readings
from .inspect import HEAD, Listing, list_names
from .paths import above, built_around, far_below, find_table, levels_too_deep, nearest_path, own_name

STAGING = ".building"  # as prepare.workspace calls the folder of a build at work
MOST_PATTERNS = 40
_SIGNS = (
    (b"<", "web-page"),
    (b"{", "json"),
    (b"version https://git-lfs", "lfs-pointer"),
    (b"7z\xbc\xaf\x27\x1c", "seven-zip"),
)


@dataclass(frozen=True)
class Diagnosis:
    """What a folder or archive is, what is wrong with it and what to run next.

    Parameters
    ----------
    kind : str
        ``folder``, ``zip``, ``tar``, ``rar``, ``manifest``, ``other`` (a file that is none of them), ``missing`` or
        ``unreadable``.
    dataset, variant : str, optional
        The most likely set; None where nothing tells.
    why : str
        What that is judged by.
    verdict : str, optional
        What a build with `next_command` finds: complete, subset, superset or different.
    findings : tuple of Finding
        What is wrong, and notes.
    next_command : str
        Ready to paste.
    ok : bool
        Whether nothing is wrong: a build finds the copy complete.
    """

    path: str
    kind: str
    dataset: str | None
    variant: str | None
    why: str
    verdict: str | None
    findings: tuple[Finding, ...]
    next_command: str
    ok: bool

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return asdict(self)


def diagnose(
    path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None, password: bytes | None = None
) -> Diagnosis:
    """Return which set a folder or archive is, what is wrong with it and the command that mends it.

    Nothing on disk is changed. Every file of an archive is read to its checksum and every image of a folder is
    decoded; of an archive at most 3,000 are.

    Parameters
    ----------
    path : path
        Any folder or file.
    root : path, optional
        The data root that the next command is to name; none is named otherwise.
    password : bytes, optional
        Of an encrypted archive.

    Examples
    --------
    >>> found = diagnose("/nowhere/Partial-REID_Dataset.zip")
    >>> found.kind, found.next_command
    ('missing', 'occreid-prepare info partial-reid')
    """
    place = Path(path).expanduser()
    doctor = _Doctor(place, None if root is None else Path(root), password)
    try:
        with storage_errors(str(place), reading=True):
            return doctor.visit(place)
    except StorageError as error:
        return doctor.unknown(place, "unreadable", [Finding("unreadable", error.what.rstrip("."))])


class _Doctor:
    """One visit: the path that was named and what its next command is to carry."""

    def __init__(self, path: Path, root: Path | None, password: bytes | None) -> None:
        self.path, self.root, self.password = path, root, password

    def visit(self, path: Path, moved: bool = False) -> Diagnosis:
        """Return the diagnosis of `path`; `moved` when another path led here."""
        if not path.exists():
            return self._missing(path)
        made = self._made(path)
        if made is not None:
            return made
        if path.is_file() and is_picture(path.name):
            return self._elsewhere(above(path, 1), "too-deep", f"{path} is one picture; looked at", moved)
        try:
            kind_of(path)
        except ArchiveError:
            return self._no_archive(path)
        levels = 0 if moved or not path.is_dir() else levels_too_deep(path)
        if levels:
            whole = self._elsewhere(above(path, levels), "too-deep", f"{path} is a part of the set; the whole is")
            if whole.dataset:
                return whole
        found = list_names(path, self.password)
        best = likely(found.names, [own_name(path), own_name(above(path, 1))])
        return self._no_set(path, found) if best is None else self._set(path, found, best)

    def _elsewhere(self, path: Path, code: str, text: str, moved: bool = True) -> Diagnosis:
        """Return the diagnosis of another path, and say why it is the one."""
        other = self.visit(path, moved)
        findings = (Finding(code, f"{text} {path}"), *other.findings)
        return replace(other, path=str(self.path), findings=findings, ok=False)

    def _missing(self, path: Path) -> Diagnosis:
        near = nearest_path(path)
        if near is None:
            return self.unknown(path, "missing", [Finding("missing", f"there is no {path}")])
        other = self._elsewhere(near, "missing", f"there is no {path}; looked at the nearest name instead,")
        return replace(other, kind="missing")

    def _built(self, path: Path, table: Path) -> Diagnosis:
        """Return the diagnosis of a manifest, or of the folder that a build made."""
        kind = "folder" if path.is_dir() else "manifest"
        try:
            manifest = placed(read(table), data_root(self.root))
            fault = changes(manifest)
        except OccludedDatasetsError as error:
            manifest, fault = None, f"{error.what} {error.why}".strip().rstrip(".")
        if manifest is not None and not fault:
            return Diagnosis(
                str(self.path), kind, manifest.dataset, manifest.variant, "its manifest says so", manifest.verdict,
                (Finding("built", f"a build made it: {len(manifest.frame):,} rows, all as built", note=True),),
                _command("verify", given(table if table != path / table.name else path)), ok=True,
            )  # fmt: skip
        home = above(table, 1)
        if not (home / "raw").is_dir() or not any((home / "raw").iterdir()):
            return self.unknown(table, kind, [Finding("manifest", fault)], manifest.dataset if manifest else "")
        if self.root is None and own_name(home) in ids():
            self.root = above(home, 1)  # what is mended there is built there again, in place
        return replace(self._elsewhere(home / "raw", "manifest", f"{fault}; looked at"), kind=kind)

    def _made(self, path: Path) -> Diagnosis | None:
        """Return the diagnosis of what a build made or was making: a manifest, its folder, a data root; else None."""
        if (path / STAGING).is_dir() and not (path / "manifest.json").exists():
            return self._unfinished(path)
        table = find_table(path)
        if table is not None:
            return self._built(path, table)
        if not path.is_dir():
            return None
        built = [entry for entry in sorted(path.iterdir()) if entry.name in ids() and find_table(entry)]
        return self._data_root(path, built) if built else None

    def _unfinished(self, path: Path) -> Diagnosis:
        """Return the diagnosis of a folder in which a build was cut off."""
        finding = Finding("unfinished", "a build was cut off here: run the same build command again, it heals this")
        return self.unknown(path, "folder", [finding], own_name(path) if own_name(path) in ids() else "")

    def _data_root(self, path: Path, built: Sequence[Path]) -> Diagnosis:
        """Return the diagnosis of a data root: of the first built set that is not as built, else of the first."""
        answers = [self.visit(entry, moved=True) for entry in built]
        worst = min(answers, key=lambda one: one.ok)
        sets = ", ".join(own_name(entry) for entry in built)
        finding = Finding("data-root", f"{path} is a data root that holds {sets}", note=True)
        return replace(worst, path=str(self.path), findings=(finding, *worst.findings))

    def _no_archive(self, path: Path) -> Diagnosis:
        """Return the diagnosis of a file that is no archive, such as a web page saved under an archive's name."""
        if not path.is_file():
            return self.unknown(path, "unreadable", [Finding("special-file", f"{path} is neither file nor folder")])
        with path.open("rb") as stream:
            head = stream.read(HEAD)
        text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        code = next((code for sign, code in _SIGNS if text.startswith(sign)), "not-an-archive")
        said = excerpt(text, code)
        finding = Finding(code if head else "empty-file", f"the file is {looks_like(head)}{said}")
        return self.unknown(path, "other", [finding], pointed_set(text) if code == "lfs-pointer" else "")

    def _no_set(self, path: Path, found: Listing) -> Diagnosis:
        """Return the diagnosis of a folder or archive whose names are of no catalogued set."""
        deep = far_below(path, found.names) if found.kind == "folder" else None
        if deep is not None:
            return self._elsewhere(deep, "too-high", "the set is far down, at")
        pictures = [name for name in found.names if is_picture(name)]
        findings = summed(found.troubles)
        if pictures:
            findings.append(
                Finding(
                    "unknown-set", f"its {len(pictures):,} pictures are named as in no catalogued set: {pictures[0]}"
                )
            )
        elif not findings:
            what = f"{len(found.names):,} files and no picture" if found.names else "no file"
            findings.append(Finding("no-pictures", f"the {found.kind} holds {what}"))
        dataset = named_by([own_name(path), *{name.partition("/")[0] for name in found.names if "/" in name}])
        answer = self.unknown(path, found.kind, findings, dataset)
        if dataset and "encrypted" in {one.code for one in findings}:
            return replace(answer, next_command=self._build(path, get(dataset), ["--password-file", "FILE"]))
        return answer

    def unknown(self, path: Path, kind: str, findings: Sequence[Finding], dataset: str = "") -> Diagnosis:
        """Return a diagnosis that nothing inside the file speaks for; its name may tell the set."""
        own = dataset or named_by([own_name(path)])
        why = f"the name {own_name(path)} alone says so" if own and not dataset else "its content says so"
        return Diagnosis(
            str(self.path), kind, own or None, None, why if own else "neither names nor content are of a known set",
            None, tuple(findings), _command("info", own) if own else _command("list"), ok=False,
        )  # fmt: skip

    def _set(self, path: Path, found: Listing, best: Likely) -> Diagnosis:
        """Return the diagnosis of a copy of a known set."""
        dataset = best.dataset
        reads, unknown = readings(found.names, dataset)
        top = best_top(reads, dataset)
        strays = [*unknown, *(one.name for one in found.troubles), *(one.name for one in reads if one.place.top != top)]
        outside = any(not name.startswith(f"{top}/") for name in strays)
        twice = bool(found.nested and found.troubles)  # the archive beside what was unpacked from it
        if top and (outside or twice or self._holds_root(path, dataset)) and (path / top).is_dir():
            answers = (
                self._elsewhere(place, "too-high", f"{path} holds more than the set, which is")
                for place in (built_around(path / top), *(path / name for name in found.nested if twice))
            )
            return min(answers, key=lambda one: KINDS.index(one.verdict) if one.verdict else len(KINDS))
        inside = look_inside(path, found, dataset, [one.name for one in reads], self.password)
        plan = mend(found.names, dataset, inside.unreadable, inside.lists)
        return self._planned(Case(path, found, dataset, best.others, len(reads), inside, plan))

    def _planned(self, case: Case) -> Diagnosis:
        """Return the diagnosis of a copy that was looked through."""
        findings = summed(case.troubles)
        if self._holds_root(case.path, case.dataset):
            findings.append(
                Finding("root-inside", f"the data root {data_root(self.root)} lies inside it; name another")
            )
        answer = Diagnosis(
            str(self.path), case.found.kind, case.dataset.id, None, case.why, None, tuple(findings),
            _command("info", case.dataset.id), ok=False,
        )  # fmt: skip
        if case.plan is None:
            return replace(answer, findings=(*findings, *unread(case)))
        hopeless = bool(findings) and {one.code for one in findings} != {"encrypted"}
        faults = findings if case.cut else [*findings, *wrong(case.plan)]
        if len(case.plan.ignore) > MOST_PATTERNS:
            hopeless = True
            faults.append(Finding("too-many", f"{len(case.plan.ignore)} patterns would be needed to leave them aside"))
        answer = replace(answer, variant=case.plan.variant.name, findings=(*faults, *notes(case)))
        if hopeless:
            return answer
        words = case.plan.options(case.dataset) + (["--password-file", "FILE"] if findings else [])
        return self._beside_published(replace(answer, verdict=case.plan.verdict.kind, ok=not faults), case, words)

    def _beside_published(self, answer: Diagnosis, case: Case, words: list[str]) -> Diagnosis:
        """Return `answer` with its build command; with what another copy under the data root asks for."""
        command = self._build(case.path, case.dataset, words)
        home = data_root(self.root) / case.dataset.id
        if case.path.absolute() == (home / "raw").absolute():
            return replace(answer, next_command=command)
        try:
            header = read_header(home / "manifest.json")
        except ManifestError:
            return replace(answer, next_command=command)
        rows = len(case.plan.arrangement.rows) if case.plan else 0
        if (header["variant"], header["verdict"], header["rows"]) == (answer.variant, answer.verdict, rows):
            return replace(answer, next_command=command)
        other = f"another copy is published in {home} ({header['variant']}, {header['verdict']})"
        if header["verdict"] == "complete" and answer.verdict != "complete":
            finding = Finding("published", f"{other}, which is better than this one")
            command = _command("verify", given(home / "manifest.csv"))
        else:
            finding = Finding("published", f"{other}; the command replaces it")
            command = self._build(case.path, case.dataset, [*words, "--replace"])
        return replace(answer, next_command=command, findings=(*answer.findings, finding), ok=False)

    def _build(self, path: Path, dataset: Dataset, words: Sequence[str]) -> str:
        root = ["--root", given(self.root)] if self.root is not None else []
        return _command("build", dataset.id, "--raw", given(path), *words, *root)

    def _holds_root(self, path: Path, dataset: Dataset) -> bool:
        """Whether the data root lies inside the folder, which a build refuses."""
        home = (data_root(self.root).absolute() / dataset.id).resolve()
        return path.is_dir() and path.resolve() in (home, *home.parents)


def given(path: Path) -> str:
    """Return a path as an argument that is not taken for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def _command(*words: str) -> str:
    return shlex.join(["occreid-prepare", *words])
