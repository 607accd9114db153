"""Agreements: each text once, in a ledger that stays on this machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from occluded_datasets._version import __version__
from occluded_datasets.acquire.agreements import (
    LEDGER,
    PARENT,
    TERMS,
    agreed,
    for_header,
    read_ledger,
    require_agreement,
    text_hash,
    texts_of,
)
from occluded_datasets.catalog import get, ids
from occluded_datasets.catalog.spec import Terms
from occluded_datasets.errors import InputError, UsageError

SET = get("p-ethz")
WITHDRAWN = get("p-dukemtmc-reid")


class Asker:
    """Answers every question so, and remembers them."""

    def __init__(self, answer: bool) -> None:
        self.answer = answer
        self.shown: list[tuple[str, str]] = []

    def __call__(self, kind: str, text: str) -> bool:
        self.shown.append((kind, text))
        return self.answer


def test_a_text_is_shown_once(tmp_path: Path) -> None:
    """The user sees the whole text; the next call asks nothing."""
    ask = Asker(True)
    require_agreement(SET, tmp_path, ask=ask)
    require_agreement(SET, tmp_path, ask=ask)
    assert [kind for kind, _ in ask.shown] == [TERMS]
    assert SET.terms.text in ask.shown[0][1]


def test_a_changed_text_asks_again(tmp_path: Path) -> None:
    """An agreement is to one version of a text; the older one stays in the ledger."""
    require_agreement(SET, tmp_path, [TERMS])
    changed = replace(SET, terms=Terms("Other terms.", "elsewhere"))
    assert agreed(changed, tmp_path) == {}
    with pytest.raises(UsageError, match="Other terms"):
        require_agreement(changed, tmp_path)
    ask = Asker(True)
    require_agreement(changed, tmp_path, ask=ask)
    assert len(ask.shown) == 1
    assert len(read_ledger(tmp_path)) == 2
    assert agreed(SET, tmp_path).keys() == {TERMS}


def test_another_set_is_another_agreement(tmp_path: Path) -> None:
    """The same words for another set are asked for again."""
    require_agreement(SET, tmp_path, [TERMS])
    other = get("occluded-reid")
    assert other.terms.text == SET.terms.text
    assert agreed(other, tmp_path) == {}


@pytest.mark.parametrize("ask", [None, Asker(False)], ids=["no terminal", "a no"])
def test_without_agreement_nothing(tmp_path: Path, ask: Asker | None) -> None:
    """The error holds the text and the option that agrees; nothing is written."""
    with pytest.raises(UsageError) as caught:
        require_agreement(SET, tmp_path / "root", ask=ask)
    assert "--accept-terms" in caught.value.next_command
    assert SET.terms.text in caught.value.why
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_withdrawn_parent_is_acknowledged_apart(tmp_path: Path) -> None:
    """The terms alone do not do."""
    with pytest.raises(UsageError, match="withdrawn") as caught:
        require_agreement(WITHDRAWN, tmp_path, [TERMS])
    assert "--accept-withdrawn-parent" in caught.value.next_command
    assert read_ledger(tmp_path) == []
    require_agreement(WITHDRAWN, tmp_path, [TERMS, PARENT])
    assert agreed(WITHDRAWN, tmp_path).keys() == {TERMS, PARENT}


def test_who_needs_which() -> None:
    """Every set has terms; those of a withdrawn parent have the notice, which says since when."""
    for dataset in map(get, ids()):
        texts = texts_of(dataset)
        assert (PARENT in texts) == dataset.withdrawn_parent
        if PARENT in texts:
            assert "2019" in texts[PARENT]


def test_the_ledger_says_what_when_and_how(tmp_path: Path) -> None:
    """Dataset, text, date, version, how: and no one's name."""
    require_agreement(SET, tmp_path, [TERMS])
    record = json.loads((tmp_path / LEDGER).read_bytes())
    (line,) = record["agreements"]
    assert set(line) == {"dataset", "kind", "text_sha256", "date", "tool_version", "accepted_by"}
    assert line["text_sha256"] == text_hash(texts_of(SET)[TERMS])
    assert (line["dataset"], line["tool_version"], line["accepted_by"]) == ("p-ethz", __version__, "--accept-terms")
    assert line["date"].endswith("Z")


def test_for_a_header(tmp_path: Path) -> None:
    """The manifest carries it; where nothing was agreed it says so."""
    assert for_header(SET, tmp_path) is None
    require_agreement(SET, tmp_path, ask=Asker(True))
    header = for_header(SET, tmp_path)
    assert header is not None
    assert header[TERMS]["accepted_by"] == "asked"


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"{}", b'{"agreements": 3}', b'{"agreements": [{}]}', b"\xff\xfe", b"[" * 9000]
)
def test_a_broken_ledger(tmp_path: Path, text: bytes) -> None:
    """Whatever it holds is an error with a way out, and is not written over."""
    (tmp_path / LEDGER).write_bytes(text)
    with pytest.raises(InputError, match="ledger") as caught:
        require_agreement(SET, tmp_path, [TERMS])
    assert caught.value.next_command
    assert (tmp_path / LEDGER).read_bytes() == text
