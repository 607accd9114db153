"""The one name rule: what no file system may be asked to hold, and staying below a root."""

from __future__ import annotations

import os
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from occluded_datasets.errors import UnsafeNameError
from occluded_datasets.paths import contained, data_root, safe_name

GOOD = (
    "001_001.jpg",
    "whole_body_images/001_001.jpg",
    "Occluded_REID/occluded_body_images/001/001_01.tif",
    "-1_c1s1_000401_03.jpg",
    "a b/c d.jpg",
    "...hidden",
    ".DS_Store",
    "a..b/c.jpg",
    "图片/一.jpg",
    "\u00e9.jpg",
    "console/comma.jpg",
    "com10.jpg",
    "auxiliary",
    "null",
    "a" * 255,
    "/".join(["a"] * 16),
    "/".join(["x" * 203] * 5)[:1024].rstrip("/"),
    "~/x.jpg",
    "%2e%2e/x.jpg",
)

BAD = (
    ("", "empty"),
    ("/a.jpg", "absolute"),
    ("//server/share/a.jpg", "absolute"),
    ("..", "'..' segment"),
    ("../a.jpg", "'..' segment"),
    ("a/../../b.jpg", "'..' segment"),
    ("a/..", "'..' segment"),
    (".", "'.' segment"),
    ("./a.jpg", "'.' segment"),
    ("a/./b.jpg", "'.' segment"),
    ("a//b.jpg", "'' segment"),
    ("a/", "'' segment"),
    ("..\\a.jpg", "backslash"),
    ("a\\b.jpg", "backslash"),
    ("\\\\server\\share", "backslash"),
    ("C:/a.jpg", "colon"),
    ("C:a.jpg", "colon"),
    ("a.jpg:stream", "colon"),
    ("http://host/a.jpg", "colon"),
    ("a\0.jpg", "control"),
    ("a\n.jpg", "control"),
    ("a\r.jpg", "control"),
    ("a\t.jpg", "control"),
    ("a\x7f.jpg", "control"),
    ("a\x85.jpg", "control"),
    ("a./b.jpg", "dot or a space"),
    ("a.jpg.", "dot or a space"),
    ("a.jpg ", "dot or a space"),
    ("a /b.jpg", "dot or a space"),
    ("...", "dot or a space"),
    ("con", "device"),
    ("CON.jpg", "device"),
    ("a/nul.tar.gz", "device"),
    ("Aux/a.jpg", "device"),
    ("prn.txt", "device"),
    ("com1.jpg", "device"),
    ("LPT9", "device"),
    ("com\u00b9.jpg", "device"),
    ("CONIN$", "device"),
    ("nul .txt", "device"),
    ("a" * 256, "256 bytes"),
    ("\u00e9" * 128, "256 bytes"),
    ("/".join(["a"] * 17), "17 levels"),
    ("/".join(["x" * 204] * 5) + "x", "1025 bytes"),
    ("a\ud800.jpg", "not valid Unicode"),
)


@pytest.mark.parametrize("name", GOOD)
def test_good_names_stay_as_they_are(name: str) -> None:
    """A name that every file system can hold is given back."""
    assert safe_name(name) == name


@pytest.mark.parametrize(("name", "why"), BAD)
def test_bad_names_are_refused_and_the_message_says_why(name: str, why: str) -> None:
    """Each kind of unsafe name has its own reason, and the message is plain ASCII."""
    with pytest.raises(UnsafeNameError) as refused:
        safe_name(name)
    assert why in str(refused.value)
    assert str(refused.value).isascii()
    assert len(str(refused.value)) < 600


def test_names_come_back_in_form_c() -> None:
    """Two spellings of one letter are one name, so that a Mac's and a Linux archive agree."""
    assert safe_name("e\u0301.jpg") == "\u00e9.jpg"


NAMES = st.text(max_size=40) | st.text("abC./\\: \0\ne\u0301con1*\u2028", max_size=14)


@given(NAMES)
@example("a\u2028b")
@example("ſ/K.jpg")
def test_any_text_is_refused_or_round_trips_below_its_root(name: str) -> None:
    """Whatever the text, it is refused or names a file below the root that is listed under the same name."""
    try:
        safe = safe_name(name)
    except UnsafeNameError:
        return
    assert safe_name(safe) == safe == unicodedata.normalize("NFC", name)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        path = contained(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        found = [Path(where) / file for where, _, files in os.walk(root) for file in files]
        assert [file.relative_to(root).as_posix() for file in found] == [safe]
        assert path.resolve().is_relative_to(root)


def test_a_name_below_a_root_is_its_path(tmp_path: Path) -> None:
    """A safe name needs no existing file."""
    assert contained(tmp_path, "a/b.jpg") == tmp_path / "a" / "b.jpg"


@pytest.mark.parametrize("name", ["link.jpg", "folder/x.jpg", "real/deep/x.jpg", "broken"])
def test_no_link_on_the_way(tmp_path: Path, name: str) -> None:
    """A symbolic link in any segment is refused, whether or not it leads outside or anywhere."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.jpg").write_bytes(b"x")
    root = tmp_path / "root"
    (root / "real").mkdir(parents=True)
    (root / "link.jpg").symlink_to(outside / "x.jpg")
    (root / "folder").symlink_to(outside)
    (root / "real" / "deep").symlink_to(root / "real")
    (root / "broken").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UnsafeNameError, match="symbolic link"):
        contained(root, name)


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    """A data folder reached through a link of the user's own is fine."""
    (tmp_path / "real").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "real")
    assert contained(tmp_path / "data", "a.jpg") == tmp_path / "data" / "a.jpg"


def test_the_data_root_is_said_or_set_or_the_platforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument wins over ``$OCCREID_ROOT``, which wins over the platform's folder."""
    monkeypatch.setenv("OCCREID_ROOT", str(tmp_path / "set"))
    assert data_root(tmp_path / "said") == tmp_path / "said"
    assert data_root() == tmp_path / "set"
    monkeypatch.delenv("OCCREID_ROOT")
    assert data_root().name == "occluded-datasets"
