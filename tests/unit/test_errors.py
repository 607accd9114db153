"""Errors: one tree, three parts, one exit status each."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from occluded_datasets import errors
from occluded_datasets.errors import (
    ArchiveError,
    BankError,
    FeatureError,
    FetchError,
    ImageError,
    IncompleteError,
    InputError,
    LayoutError,
    ManifestError,
    MissingPackageError,
    MissingReaderError,
    OccludedDatasetsError,
    PasswordError,
    ProtocolError,
    RecordError,
    StorageError,
    UnavailableError,
    UnknownNameError,
    UnsafeNameError,
    UsageError,
)

PARENTS = {
    OccludedDatasetsError: Exception,
    UsageError: OccludedDatasetsError,
    UnknownNameError: UsageError,
    ProtocolError: UsageError,
    MissingPackageError: UsageError,
    InputError: OccludedDatasetsError,
    UnsafeNameError: InputError,
    ArchiveError: InputError,
    PasswordError: ArchiveError,
    MissingReaderError: ArchiveError,
    LayoutError: InputError,
    ImageError: InputError,
    ManifestError: InputError,
    FeatureError: InputError,
    RecordError: InputError,
    BankError: InputError,
    FetchError: OccludedDatasetsError,
    UnavailableError: OccludedDatasetsError,
    StorageError: OccludedDatasetsError,
    IncompleteError: OccludedDatasetsError,
}


def drawn() -> dict[str, str]:
    """Return child -> parent as the tree in the module's docstring draws it."""
    tree: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"([\s│├└─]*)([A-Z]\w+Error)\b", line)
        if not found or (above and not found[1].strip()):
            continue
        depth = len(found[1])
        above = [(d, name) for d, name in above if d < depth]
        tree[found[2]] = above[-1][1] if above else "Exception"
        above.append((depth, found[2]))
    return tree


def test_the_drawn_tree_is_the_tree() -> None:
    """The docstring draws every class below its true parent, and no other."""
    assert drawn() == {child.__name__: parent.__name__ for child, parent in PARENTS.items()}


def test_there_are_no_other_classes() -> None:
    """The table of this test is the whole module."""
    found = {value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, Exception)}
    assert found == set(PARENTS)
    assert all(child.__bases__ == (parent,) for child, parent in PARENTS.items())


def test_exit_status_is_two_but_for_a_no() -> None:
    """1 says the answer is no; 2 says the question could not be answered."""
    assert {kind.__name__ for kind in PARENTS if kind.exit_code == 1} == {"IncompleteError", "UnavailableError"}
    assert {kind.exit_code for kind in PARENTS} == {1, 2}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("a.zip: what.", "Why.", "do this"), "a.zip: what. Why. Next: do this"),
        (("a.zip: what.", "Why."), "a.zip: what. Why."),
        (("a.zip: what.", "", "do this"), "a.zip: what. Next: do this"),
        (("a.zip: what.",), "a.zip: what."),
    ],
)
def test_a_message_is_what_why_and_next(parts: tuple[str, ...], message: str) -> None:
    """Three parts in one order; a part that is empty leaves no trace."""
    assert str(LayoutError(*parts)) == message


def test_to_dict_is_json_ready() -> None:
    """The same parts under their names, with the class and the exit status."""
    assert IncompleteError("what", "why", "do").to_dict() == {
        "type": "IncompleteError",
        "what": "what",
        "why": "why",
        "next": "do",
        "exit_code": 1,
    }


def test_errors_cross_processes() -> None:
    """A worker's error arrives with its parts."""
    error = pickle.loads(pickle.dumps(ImageError("what", "why", "do")))
    assert (type(error), error.to_dict()) == (ImageError, ImageError("what", "why", "do").to_dict())


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("partial-ried", "Did you mean partial-reid?"),
        ("Partial-REID", "Did you mean partial-reid?"),
        ("xyz", "Known: market-1501, partial-reid."),
    ],
)
def test_an_unknown_name_meets_its_nearest(name: str, hint: str) -> None:
    """A typing error is answered by the name that was meant, anything else by all names."""
    error = UnknownNameError.of("dataset", name, ["partial-reid", "market-1501"], "occreid-prepare list")
    assert str(error) == f"Unknown dataset {name!r}. {hint} Next: occreid-prepare list"
