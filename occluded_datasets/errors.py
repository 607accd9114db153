"""Every error this package raises on purpose, and the exit status the command line gives it.

::

    OccludedDatasetsError
    ├── UsageError                  exit 2: a name or an option that cannot be
    │   ├── UnknownNameError        no such dataset, variant or protocol (with the nearest ones)
    │   ├── ProtocolError           a protocol that this manifest cannot answer
    │   └── MissingPackageError     an optional package that is not installed
    ├── InputError                  exit 2: what was given cannot be read
    │   ├── UnsafeNameError         a member or row name that could leave its root
    │   ├── ArchiveError            not an archive, damaged, hostile, beyond a limit
    │   │   ├── PasswordError       encrypted, and no or the wrong password
    │   │   └── MissingReaderError  a format whose reader is not installed
    │   ├── LayoutError             a tree that is not laid out as the dataset is
    │   ├── ImageError              an image that cannot be decoded to the end
    │   ├── ManifestError           a manifest that breaks its own contract
    │   ├── FeatureError            features that are not those of the images, or no numbers
    │   ├── RecordError             a score record that breaks its own contract
    │   └── BankError               a bank of cut-outs that is missing, damaged or cannot be built
    ├── FetchError                  exit 2: a download that failed or brought something else
    ├── UnavailableError            exit 1: a set that its authors give on request, or no more
    ├── StorageError                exit 2: disk full, no permission, busy
    └── IncompleteError             exit 1: readable, but not the whole set

A message has three parts, in this order: what happened (dataset, file, row), why (expected, found), and the
next command to run.

Examples
--------
>>> error = LayoutError("a.zip: no picture found.", "Expected occluded_body_images/.", "occreid-prepare doctor a.zip")
>>> print(error)
a.zip: no picture found. Expected occluded_body_images/. Next: occreid-prepare doctor a.zip
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, ClassVar


class OccludedDatasetsError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    what : str
        What happened, and to which dataset, file, member or row.
    why : str
        What was expected and what was found.
    next_command : str
        What to run or do next; empty when there is nothing to say.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, what: str, why: str = "", next_command: str = "") -> None:
        self.what, self.why, self.next_command = what, why, next_command
        super().__init__(what, why, next_command)

    def __str__(self) -> str:
        """Return the whole message: what, why, next."""
        parts = [self.what, self.why, f"Next: {self.next_command}" if self.next_command else ""]
        return " ".join(part for part in parts if part)

    def to_dict(self) -> dict[str, Any]:
        """Return the message as a JSON-ready mapping, with the class name as ``type``."""
        return {
            "type": type(self).__name__,
            "what": self.what,
            "why": self.why,
            "next": self.next_command,
            "exit_code": self.exit_code,
        }


class UsageError(OccludedDatasetsError):
    """An argument that cannot be right, whatever is on disk."""


class UnknownNameError(UsageError):
    """A dataset, variant or protocol that does not exist."""

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str], listing: str) -> UnknownNameError:
        """Return the error for `name`, with the nearest of the `known` names."""
        names = sorted(known)
        near = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(names) or 'none'}."
        return cls(f"Unknown {kind} {name!r}.", hint, listing)


class ProtocolError(UsageError):
    """A protocol that this manifest cannot answer."""


class MissingPackageError(UsageError):
    """An optional package that was asked for and is not installed, with the command that installs it."""


class InputError(OccludedDatasetsError):
    """A file or folder that cannot be read as what it should be."""


class UnsafeNameError(InputError):
    """A name that could leave its root or that some file system cannot hold."""


class ArchiveError(InputError):
    """An archive that is none, is damaged, is hostile or is beyond a limit."""


class PasswordError(ArchiveError):
    """An encrypted archive without its password."""


class MissingReaderError(ArchiveError):
    """An archive whose reader is an optional dependency that is not installed."""


class LayoutError(InputError):
    """A tree whose names are not those of the dataset."""


class ImageError(InputError):
    """An image that cannot be decoded to its end, or whose kind is refused."""


class ManifestError(InputError):
    """A manifest, or its header, that breaks the contract."""


class FeatureError(InputError):
    """Features, or a matrix, that cannot be read or are not those of the images."""


class RecordError(InputError):
    """A score record, or what is declared in it, that breaks the contract."""


class BankError(InputError):
    """A bank of cut-outs that is missing, damaged or of another schema, or whose sources cannot be used."""


class FetchError(OccludedDatasetsError):
    """A download that failed, was refused, or brought something else than the published file."""


class UnavailableError(OccludedDatasetsError):
    """A set that cannot be had by a click: given on request, or withdrawn."""

    exit_code = 1


class StorageError(OccludedDatasetsError):
    """A disk that is full, read-only or in use by another run."""


class IncompleteError(OccludedDatasetsError):
    """A readable copy that is not the whole set."""

    exit_code = 1


def first_names(names: Iterable[str], most: int = 5) -> str:
    """Return the first of some names and how many more there are, for a message.

    Examples
    --------
    >>> first_names(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    found = list(names)
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")
