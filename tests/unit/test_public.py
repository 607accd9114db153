"""The public face: what is visible, that it is documented, and that importing it costs nothing."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable

import pytest

import occluded_datasets as od

HEAVY = ("numpy", "pandas", "pyarrow", "cv2", "PIL", "simplejpeg", "torch", "requests", "rich", "platformdirs")
PUBLIC = [
    "Built",
    "Comparison",
    "Dataset",
    "Manifest",
    "OccludedDatasetsError",
    "Protocol",
    "Score",
    "Split",
    "__version__",
    "build",
    "compare",
    "diagnose",
    "diff",
    "evaluate",
    "info",
    "list_datasets",
    "load",
    "occlusion",
    "protocols",
    "register",
    "split",
    "torch",
    "verify",
]


def test_all_is_what_is_visible() -> None:
    """`__all__`, `dir` and the lazy loader name the same things, and each is there."""
    assert sorted(od.__all__) == sorted(PUBLIC) == dir(od)
    assert set(od._HOMES) == set(od.__all__) - {"__version__"}
    for name in od.__all__:
        assert getattr(od, name) is not None


def test_other_names_are_not_there() -> None:
    """A misspelt name is an AttributeError, as of any module."""
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        od.laod  # noqa: B018


def test_every_room_exports_what_it_defines() -> None:
    """Each room's ``__all__`` is sorted by the linter and every name in it exists."""
    for entry in pkgutil.iter_modules(od.__path__):
        if entry.ispkg and entry.name != "afpb":
            room = importlib.import_module(f"occluded_datasets.{entry.name}")
            assert all(hasattr(room, name) for name in getattr(room, "__all__", ()))


@pytest.mark.parametrize("name", sorted(set(PUBLIC) - {"__version__"}))
def test_every_public_name_is_documented(name: str) -> None:
    """A public function or class says in its first line what comes back or what it is."""
    text = inspect.getdoc(getattr(od, name)) or ""
    assert text.split("\n")[0].rstrip().endswith(".")


@pytest.mark.parametrize("first", ["occluded_datasets.demo", "occluded_datasets.protocol", "occluded_datasets.twin"])
def test_a_name_is_a_function_whatever_was_imported_before(python: Callable[..., str], first: str) -> None:
    """No module of the same name hides a public function."""
    names = [name for name in PUBLIC if name[0].islower() and name not in ("occlusion", "torch")]
    code = f"import {first}, occluded_datasets as od; print([n for n in {names} if not callable(getattr(od, n))])"
    assert python(code) == "[]"


@pytest.mark.parametrize(
    "code",
    [
        "import occluded_datasets",
        "import occluded_datasets as od; od.list_datasets; od.OccludedDatasetsError",
        "import occluded_datasets.catalog as c; [c.get(one) for one in c.ids()]",
    ],
    ids=["package", "names", "catalog"],
)
def test_importing_is_free(python: Callable[..., str], code: str) -> None:
    """The package and its facts load no array, picture, table, network or tensor library."""
    assert python(f"{code}; import sys; print([name for name in {HEAVY} if name in sys.modules])") == "[]"


def test_help_is_free(python: Callable[..., str]) -> None:
    """``occreid-prepare --help`` needs no array and no table."""
    code = (
        "import sys, contextlib\nfrom occluded_datasets.cli import main\n"
        "with contextlib.suppress(SystemExit):\n    main(['--help'])\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    *text, loaded = python(code).splitlines()
    assert loaded == "[]"
    assert "build" in "".join(text)


def test_versions_agree() -> None:
    """One version, said in one place."""
    from occluded_datasets._version import __version__

    assert od.__version__ == __version__
