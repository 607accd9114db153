"""Build a set that is made of another set's images by published name lists; nothing is copied."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..acquire.fetch import FOLDER as ARCHIVES
from ..catalog import get
from ..catalog.spec import Dataset, Variant
from ..errors import IncompleteError, InputError, ManifestError, UsageError
from ..layouts import Row, Verdict, judge_copy, parse_tree, stem_of
from ..manifest import IGNORED_ROLES, header_of, read_header, to_text
from ..manifest.claims import DRAWN, UNKNOWN
from ..paths import data_root
from .build import Progress, build
from .namelists import Bring, NameList, derivation_of, read_lists
from .options import Built
from .parents import Parent, look, parents_of, scanned, table_at
from .rows import build_table, header_fields
from .workspace import Workspace


@dataclass(frozen=True)
class _Chosen:
    """What the lists choose: the file of each new name, and the names that no parent has, by list."""

    files: dict[str, tuple[Parent, int]]
    absent: dict[str, list[str]]

    @property
    def missing(self) -> list[str]:
        """The absent names of all lists."""
        return [name for names in self.absent.values() for name in names]


def derive(
    dataset: str,
    parents: Sequence[str | os.PathLike[str]],
    root: str | os.PathLike[str] | None = None,
    variant: str | None = None,
    *,
    lists: Sequence[str | os.PathLike[str]] = (),
    accept_unpinned_lists: bool = False,
    bring: Bring | None = None,
    allow_subset: bool = False,
    allow_different: bool = False,
    replace: bool = False,
    dry_run: bool = False,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Built:
    """Build `dataset` from its parents' images by its name lists; rows refer to the parents, nothing is copied.

    Parameters
    ----------
    dataset : str
        An id whose catalog file has a `Derivation`.
    parents : sequence of path
        One a parent: its manifest, the folder that holds it, or a raw copy, which is built under the data root first.
    root : path, optional
        The data root; else ``$OCCREID_ROOT``, else the platform's data folder.
    lists : sequence of path
        Files of the name lists; others are looked for beside the parents and in the working folder.
    accept_unpinned_lists : bool
        Take lists that are not the published text.
    bring : callable, optional
        Fetches a list that is nowhere, by its name, and returns its path; without it that is an error.
    allow_subset, allow_different, replace, dry_run, executor, workers, progress
        As for `build`; they hold for a parent that is built on the way too.

    Raises
    ------
    IncompleteError
        If the parents lack listed images and that was not allowed; nothing is published.
    UsageError, InputError, StorageError
        If a list or a parent is not as it should be.

    Examples
    --------
    >>> import tempfile
    >>> from occluded_datasets.twin import twin
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tree = twin("dukemtmc-reid", folder, ids=2).tree
    ...     derive("occluded-dukemtmc", [tree], f"{folder}/data", allow_subset=True)
    Traceback (most recent call last):
    ...
    occluded_datasets.errors.UsageError: occluded-dukemtmc: the name list train.list was not given and is not here. \
Looked beside the parent and in the working folder. It is published at \
https://github.com/lightas/Occluded-DukeMTMC-Dataset. Next: download it and add --list train.list
    """
    facts = get(dataset)
    chosen = facts.variant(variant)
    derivation_of(facts)
    space = Workspace(data_root(root).absolute() / facts.id)
    folders = [Path(path).expanduser().absolute() for path in parents]
    named = read_lists(
        facts, chosen, [Path(path).expanduser() for path in lists], _places(facts, folders, space),
        accept_unpinned=accept_unpinned_lists, bring=bring,
    )  # fmt: skip

    def built(parent: str, raw: Path) -> Path:
        if dry_run:
            raise UsageError(
                f"{facts.id}: {raw} is not built yet.", "A dry run writes nothing.", "name the manifest of its build"
            )
        made = build(
            parent, raw, root, allow_subset=allow_subset, allow_different=allow_different, replace=replace,
            executor=executor, workers=workers, progress=progress,
        )  # fmt: skip
        return Path(made.manifest)

    found = parents_of(facts, [table_at(facts, path, built) for path in folders])
    work = _Derive(facts, chosen, named, found, (allow_subset, allow_different), replace, space)
    if dry_run:
        return work.plan()
    with space.opened():
        return work.run()


def _places(facts: Dataset, parents: Sequence[Path], space: Workspace) -> list[Path]:
    """Return the folders in which name lists are looked for, in order."""
    homes = [parent.parent if parent.suffix in (".csv", ".parquet") else parent for parent in parents]
    near = [folder for home in homes for folder in (home, home / "raw", home.parent)]
    near += [Path.cwd(), space.home, space.home.parent / ARCHIVES / facts.id]
    return [place for folder in near for place in (folder, folder / facts.tree)]


@dataclass(frozen=True)
class _Derive:
    """One run: lists and parents to a published manifest."""

    facts: Dataset
    variant: Variant
    lists: Sequence[NameList]
    parents: Mapping[str, Parent]
    allowed: tuple[bool, bool]
    replace: bool
    space: Workspace

    def plan(self) -> Built:
        """Return what would be built."""
        rows, verdict, _ = self._rows()
        identities = len({row.pid for row in rows if row.role not in IGNORED_ROLES})
        return Built(
            self.facts.id, self.variant.name, str(self.space.manifest), len(rows), identities, verdict.kind, "",
            skipped=self._skipped(), detail=verdict.sentence,
        )  # fmt: skip

    def run(self) -> Built:
        """Return what was built, or what an earlier run left if lists and parents are the same."""
        source = self._identity()
        header = self.space.published(source)
        if header is not None:
            return self._built(header, unchanged=True)
        rows, verdict, files = self._rows()
        self._require_accepted(verdict)
        texts = self._texts(rows, files)
        text = to_text(texts)
        header = header_of(texts, text, self._facts(verdict))
        self._require_ours(header)
        self.space.staged(source)  # an empty raw/: a derived set holds no image of its own
        self.space.publish(self.space.staging / "raw", text, header, source)
        return self._built(header)

    def _rows(self) -> tuple[tuple[Row, ...], Verdict, dict[str, tuple[Parent, int]]]:
        """Return the rows, the verdict on them and the parent's row of each by its name."""
        chosen = self._chosen()
        if not chosen.files:
            held = ", ".join(f"{name} ({len(parent.manifest)} pictures)" for name, parent in self.parents.items())
            raise InputError(
                f"{self.facts.id}: none of the {len(chosen.missing)} listed names is in {held}.",
                f"The first is {next(iter(chosen.missing), 'none')}.",
                "name the right copy with --from-parent",
            )
        rows = parse_tree(chosen.files, self.facts, self.variant).rows
        names = {one.file: "\n".join(entry.name for entry in one.entries) for one in self.lists}
        verdict = judge_copy(rows, self.facts, self.variant, names)
        if chosen.missing:
            each = [f"{file} lists {len(names)} (first {names[0]})" for file, names in chosen.absent.items() if names]
            sentence = f"{self.facts.id}: pictures that the parent does not have: {'; '.join(each)}."
            verdict = verdict._replace(kind="subset", missing=tuple(chosen.missing), sentence=sentence)
        return rows, verdict, chosen.files

    def _chosen(self) -> _Chosen:
        picked = {one.file: one for one in derivation_of(self.facts).picked}
        chosen = _Chosen({}, {})
        for names in self.lists:
            rule, folder = picked[names.file], _folder(self.facts, names.file)
            parent, absent = self.parents[rule.parent], []
            for entry in names.entries:
                number = look(parent, rule, stem_of(entry.old))
                if number is None:
                    absent.append(entry.old)
                else:
                    chosen.files[f"{folder}/{entry.name}"] = parent, number
            chosen.absent[names.file] = absent
        return chosen

    def _texts(self, rows: Sequence[Row], files: Mapping[str, tuple[Parent, int]]) -> dict[str, list[str]]:
        """Return the cells: labels from the lists, facts of the images from the parents."""
        texts = build_table(rows, {row.name: scanned(row.name, *files[row.name]) for row in rows}, self.facts)
        places = [files[row.name] for row in rows]
        texts["root"] = [parent.manifest.dataset for parent, _ in places]
        texts["path"] = [parent.texts["path"][number] for parent, number in places]
        return texts

    def _facts(self, verdict: Verdict) -> dict[str, Any]:
        """Return what the header says beyond what is counted."""
        lists = [one.to_dict() for one in self.lists]
        twin = all(parent.manifest.twin for parent in self.parents.values())
        facts = header_fields(self.facts, self.variant, verdict, self._skipped(), lists, twin)
        roots = self._roots()
        known = [link["parent"] for link in facts["lineage"]]
        other = [{"parent": name, "relation": "its pictures", "withdrawn": ""} for name in roots if name not in known]
        withdrawn = any(parent.manifest.withdrawn_parent for parent in self.parents.values())
        return {
            **facts,
            "roots": roots,
            "lineage": [{**link, "fingerprint": roots.get(link["parent"])} for link in (*facts["lineage"], *other)],
            "withdrawn_parent": facts["withdrawn_parent"] or bool(withdrawn),
            "reference": DRAWN if twin else UNKNOWN,
            "known_as": [],
        }

    def _roots(self) -> dict[str, str]:
        return {name: parent.manifest.fingerprint for name, parent in self.parents.items()}

    def _skipped(self) -> dict[str, int]:
        repeated = sum(one.repeated for one in self.lists)
        return {"names listed twice": repeated} if repeated else {}

    def _identity(self) -> dict[str, Any]:
        """Return what tells this request from another."""
        tables = {name: parent.manifest.table_sha256 for name, parent in self.parents.items()}
        lists = {one.file: one.sha256 for one in self.lists}
        return {"variant": self.variant.name, "parents": tables, "lists": lists, "allowed": list(self.allowed)}

    def _require_accepted(self, verdict: Verdict) -> None:
        """Raise unless the verdict is complete or was allowed."""
        subset, different = self.allowed
        if verdict.kind == "complete" or different or (verdict.kind == "subset" and subset):
            return
        flag = "--allow-subset" if verdict.kind == "subset" else "--allow-different"
        raise IncompleteError(
            verdict.sentence,
            f"The copy is {'a ' if verdict.kind != 'different' else ''}{verdict.kind}. Nothing was published.",
            f"get the whole parent and the published lists, or build what is there with {flag}",
        )

    def _require_ours(self, header: Mapping[str, Any]) -> None:
        """Raise rather than replace what is published there without being asked."""
        self.space.require_ours(header, self.replace)
        with suppress(ManifestError):
            if not self.replace and not read_header(self.space.header).get("roots"):
                raise UsageError(
                    f"{self.facts.id}: a copy with pictures of its own is published in {self.space.home}.", "",
                    "add --replace to replace it, or choose another --root",
                )  # fmt: skip

    def _built(self, header: Mapping[str, Any], unchanged: bool = False) -> Built:
        return Built(
            self.facts.id, str(header["variant"]), str(self.space.manifest), int(header["rows"]),
            int(header["identities"]), str(header["verdict"]), str(header["fingerprint"]),
            reference=str(header["reference"]), skipped=dict(header.get("skipped", {})),
            detail=str(header["verdict_detail"]["sentence"]), unchanged=unchanged,
        )  # fmt: skip


def _folder(facts: Dataset, file: str) -> str:
    """Return the folder that the names of a list are read below."""
    part = facts.part(dict(facts.lists)[file])
    return next(form.folders[0] for form in part.forms if not form.pid_folder)
