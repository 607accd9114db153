"""Build a dataset's manifest from a raw copy."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from ..acquire import kind_of, unpack
from ..acquire.agreements import for_header
from ..acquire.pins import was_first_seen
from ..catalog import get
from ..catalog.files import published_files
from ..catalog.spec import Dataset, Variant
from ..errors import ImageError, IncompleteError, LayoutError
from ..hashing import file_digests
from ..layouts import ParsedTree, Verdict, compare_with_declared, ignore_option, judge_copy, parse_tree
from ..manifest import IGNORED_ROLES, header_of, to_text
from ..manifest.claims import reference
from ..paths import data_root
from ..scan import Scanned, scan, walk
from .options import BuildOptions, Built
from .rows import build_table, header_fields
from .source import has_twin_readme, listing_digest, lists_in_tree, other_set, own_names, planned_names, source_of
from .workspace import Workspace

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, in all); in all is 0 while it is not known."""


def build(
    dataset: str,
    raw: str | os.PathLike[str] | None = None,
    root: str | os.PathLike[str] | None = None,
    variant: str | None = None,
    *,
    extension: str = "",
    ignore: Sequence[str] = (),
    allow_subset: bool = False,
    allow_different: bool = False,
    replace: bool = False,
    copy: bool = False,
    password: bytes | None = None,
    dry_run: bool = False,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Built:
    """Build, check and publish the manifest of a raw copy; an unchanged one is only looked at.

    Parameters
    ----------
    dataset : str
        An id of `list_datasets`.
    raw : path, optional
        A zip, tar, rar or folder; without it, what an earlier build left under `root` is checked again, else what
        was fetched there is built.
    root : path, optional
        The data root; else ``$OCCREID_ROOT``, else the platform's data folder.
    variant : str, optional
        A variant of the dataset; the first one by default.
    extension : str
        Read images of this extension alone (``.tif``), for trees that hold two encodings.
    ignore : sequence of str
        Shell patterns of names to leave aside.
    allow_subset, allow_different : bool
        Publish a copy that lacks images; one that has other or more than the declared ones.
    replace : bool
        Replace another copy of the set that is published there.
    copy : bool
        Copy a plain folder's files instead of hard-linking them.
    password : bytes, optional
        Of an encrypted archive.
    dry_run : bool
        Say what would be built from the names alone; write nothing.
    executor : concurrent.futures.Executor, optional
        Who scans the images; a pool of threads by default.
    progress : callable, optional
        Told (stage, done, in all).

    Returns
    -------
    Built
        Dataset, variant, manifest path, rows, identities, verdict and fingerprint.

    Raises
    ------
    IncompleteError
        If the copy is not complete and that was not allowed; nothing is published.
    UsageError, InputError, StorageError
        If names, the copy or the disk are not as they should be; nothing is published.

    Examples
    --------
    >>> import tempfile
    >>> from occluded_datasets.twin import twin
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tree = twin("partial-reid", folder, ids=2).tree
    ...     built = build("partial-reid", tree, f"{folder}/data", allow_subset=True)
    >>> built.rows, built.identities, built.verdict
    (30, 2, 'subset')
    """
    facts = get(dataset)
    chosen = facts.variant(variant)
    options = BuildOptions(
        extension if extension.startswith(".") or not extension else f".{extension}",
        tuple(ignore), allow_subset, allow_different, replace, copy, password,
        "" if root is None else f" --root {shlex.quote(str(root))}",
    )  # fmt: skip
    space = Workspace(data_root(root).absolute() / facts.id)
    source = source_of(facts, space, raw, options.place)
    if dry_run:
        return _plan(facts, chosen, source, options, space)
    with space.opened():
        return _Build(facts, chosen, source, options, space, executor, workers, progress).run()


def _plan(facts: Dataset, variant: Variant, source: Path, options: BuildOptions, space: Workspace) -> Built:
    """Return what would be built, from names alone."""
    arrangement = _arrange(planned_names(source, options), facts, variant, options, source)
    verdict = judge_copy(arrangement.rows, facts, variant)
    identities = len({row.pid for row in arrangement.rows if row.role not in IGNORED_ROLES})
    return Built(
        facts.id, variant.name, str(space.manifest), len(arrangement.rows), identities, verdict.kind, "",
        known_as=arrangement.known_as, skipped=arrangement.skipped, detail=verdict.sentence,
    )  # fmt: skip


def _arrange(names: Sequence[str], facts: Dataset, variant: Variant, options: BuildOptions, source: Path) -> ParsedTree:
    try:
        return parse_tree(names, facts, variant, extension=options.extension, ignore=options.ignore)
    except LayoutError as error:
        other = other_set(names, facts)
        if other:
            command = f"occreid-prepare build {other} --raw {shlex.quote(str(source))}{options.place}"
            raise LayoutError(f"{error.what} It looks like {other}.", error.why, command) from error
        command = f"occreid-prepare doctor {shlex.quote(str(source))}"
        raise LayoutError(error.what, error.why, error.next_command or command) from error


class _Build:
    """One run: each step hands the next what it needs."""

    def __init__(
        self,
        facts: Dataset,
        variant: Variant,
        raw: Path,
        options: BuildOptions,
        space: Workspace,
        executor: Executor | None,
        workers: int | None,
        progress: Progress | None,
    ) -> None:
        self.facts, self.variant, self.raw, self.options, self.space = facts, variant, raw, options, space
        self.executor, self.workers = executor, workers
        self.tell = progress or (lambda stage, done, total: None)

    def run(self) -> Built:
        """Return what was built, or what an earlier build left if nothing changed since."""
        in_place = self.raw == self.space.raw
        source = self._identity(in_place)
        header = self.space.published(source)
        if header is not None:
            return self._built(header, unchanged=True)
        tree = self.raw if in_place else self.space.staging / "raw"
        names, archives, skipped = self._tree(tree, source, in_place)
        arrangement = _arrange(names, self.facts, self.variant, self.options, self.raw)
        lists = lists_in_tree(tree, names, self.facts)
        twin = has_twin_readme(tree, names)
        verdict = judge_copy(arrangement.rows, self.facts, self.variant, lists)
        self._require_accepted(verdict, arrangement)
        table = build_table(arrangement.rows, self._scan(tree, [row.name for row in arrangement.rows]), self.facts)
        text = to_text(table)
        skipped = dict(Counter(skipped) + Counter(arrangement.skipped))
        header = header_of(table, text, header_fields(self.facts, self.variant, verdict, skipped, archives, twin))
        header |= {"agreement": for_header(self.facts, self.space.home.parent)}
        header |= {
            "reference": reference(self.facts.id, self.variant.name, header, header["fingerprint"], twin=twin),
            "known_as": list(arrangement.known_as),
        }
        if not in_place:
            self.space.require_ours(header, self.options.replace)
        self.space.publish(tree, text, header, source)
        return self._built(header)

    def _identity(self, in_place: bool) -> dict[str, Any]:
        """Return what tells this request and its source from another, without reading the source."""
        asked = {
            "variant": self.variant.name,
            "extension": self.options.extension,
            "ignore": list(self.options.ignore),
            "allowed": [self.options.allow_subset, self.options.allow_different],
        }
        if in_place:
            return {**((self.space.read_note() or {}).get("source") or {"path": str(self.raw)}), **asked}
        if self.raw.is_dir():
            return {"path": str(self.raw), "listing": listing_digest(self.raw), **asked}
        status = self.raw.stat()
        return {"path": str(self.raw), "size": status.st_size, "mtime_ns": status.st_mtime_ns, **asked}

    def _tree(
        self, tree: Path, source: Mapping[str, Any], in_place: bool
    ) -> tuple[list[str], list[dict[str, Any]], dict[str, int]]:
        """Return the names of the unpacked tree, what it was unpacked from and what was skipped on the way."""
        if in_place:
            return own_names(tree), [{"name": "raw", "kind": "folder"}], {}
        kind = kind_of(self.raw)
        archives = [{"name": self.raw.name, "kind": "folder"}] if kind == "folder" else [self._archive(kind)]
        skipped = self.space.staged(source)
        if skipped is not None:
            return [name for name, _ in walk(tree)], archives, skipped
        unpacked = unpack(
            self.raw, tree, password=self.options.password, copy=self.options.copy,
            progress=lambda done: self.tell("unpack", done, 0),
        )  # fmt: skip
        self.space.mark_staged(source, unpacked.skipped)
        return unpacked.names, archives, unpacked.skipped

    def _archive(self, kind: str) -> dict[str, Any]:
        sha256, blob = file_digests(self.raw)
        pins = {pin for source in self.facts.sources for pin in (source.sha256, source.git_blob) if pin}
        return {
            "name": self.raw.name,
            "kind": kind,
            "bytes": self.raw.stat().st_size,
            "sha256": sha256,
            "git_blob": blob,
            "published": bool(pins & {sha256, blob}),
            "pin": "pinned" if pins & {sha256, blob} else "first-seen" if was_first_seen(self.raw, sha256) else "none",
        }

    def _require_accepted(self, verdict: Verdict, arrangement: ParsedTree) -> None:
        """Raise unless the verdict is complete or was allowed."""
        if verdict.kind == "complete":
            return
        if self.options.allow_different or (verdict.kind == "subset" and self.options.allow_subset):
            return
        better = self._better_variant(arrangement)
        flag = "--allow-subset" if verdict.kind == "subset" else "--allow-different"
        words = f"The copy is {'a ' if verdict.kind != 'different' else ''}{verdict.kind}. Nothing was published."
        if better:
            words += " It is complete for another variant."
        raise IncompleteError(
            verdict.sentence,
            words,
            better or f"get the missing files, or build what is there with {flag}"
            if verdict.kind == "subset"
            else f"remove what is not the set's, or build what is there with {flag}",
        )

    def _better_variant(self, arrangement: ParsedTree) -> str:
        """Return the command for a variant that this copy is complete for, if there is one."""
        for other in self.facts.variants:
            rows = [row for row in arrangement.rows if _part_of(row.image_id, self.facts) in other.parts]
            if other == self.variant or len(rows) != len(arrangement.rows):
                continue
            if (
                compare_with_declared(
                    rows, self.facts, other, [file.name for file in published_files(other.files)]
                ).kind
                == "complete"
            ):
                return (
                    f"occreid-prepare build {self.facts.id} --variant {other.name} --raw {shlex.quote(str(self.raw))}"
                    f"{self.options.place}"
                )
        return ""

    def _scan(self, tree: Path, names: Sequence[str]) -> dict[str, Scanned]:
        """Return the facts of every image; what a killed build scanned is not scanned again."""
        known = self.space.journal(tree)
        wanted = set(names)
        known = {name: fact for name, fact in known.items() if name in wanted}
        left = [name for name in names if name not in known]
        unreadable: list[tuple[str, str]] = []
        for good, bad in scan(tree, left, self.executor, self.workers):
            known |= {fact.name: fact for fact in good}
            unreadable += bad
            self.space.remember(good)
            self.tell("scan", len(known) + len(unreadable), len(names))
        if unreadable:
            more = f" ({len(unreadable)} such pictures)" if len(unreadable) > 1 else ""
            raise ImageError(
                f"{self.facts.id}: {unreadable[0][1]}{more}",
                "Nothing was published.",
                f"get the archive again, or leave it aside: {ignore_option(unreadable[0][0])} --allow-subset",
            )
        return known

    def _built(self, header: Mapping[str, Any], unchanged: bool = False) -> Built:
        return Built(
            self.facts.id, str(header["variant"]), str(self.space.manifest), int(header["rows"]),
            int(header["identities"]), str(header["verdict"]), str(header["fingerprint"]),
            reference=str(header.get("reference", "none known")),
            known_as=tuple(header.get("known_as", ())), skipped=dict(header.get("skipped", {})),
            detail=str(header["verdict_detail"]["sentence"]), unchanged=unchanged,
        )  # fmt: skip


def _part_of(image_id: str, facts: Dataset) -> str:
    inner = image_id[len(facts.id) + 1 :]
    return next(part.folder for part in facts.parts if inner.startswith(f"{part.folder}/"))
