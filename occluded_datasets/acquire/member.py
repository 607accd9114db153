"""What every reader of archives yields, and how what it stumbles over becomes one of our errors."""

from __future__ import annotations

import errno
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ArchiveError, OccludedDatasetsError
from ..hashing import CHUNK

Sink = Callable[[bytes], None]
PASSWORD_HELP = "put the password into a file and add --password-file FILE"


@dataclass(frozen=True)
class Limits:
    """What an archive may hold, counted on real bytes: members, bytes a member, bytes in all, and the ratio."""

    members: int = 250_000
    member_bytes: int = 1 << 30
    total_bytes: int = 1 << 36
    ratio: int = 200
    ratio_from: int = 1 << 26


class Member(NamedTuple):
    """A member as stored: `kind` is ``file``, ``folder`` or the name of what is refused; `pour` sends its bytes."""

    name: str
    kind: str
    size: int
    pour: Callable[[Sink], None]
    path: str = ""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a reader raises on damaged input into `ArchiveError`."""
    try:
        yield
    except (OccludedDatasetsError, GeneratorExit, MemoryError):
        raise
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):
            raise
        raise damaged(path, error) from error
    except (
        zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, EOFError, ValueError, NotImplementedError,
        RuntimeError, KeyError, IndexError, OverflowError, TypeError, AttributeError,
    ) as error:  # fmt: skip
        raise damaged(path, error) from error
    except Exception as error:
        if type(error).__module__ in ("struct", "_struct"):
            raise damaged(path, error) from error
        raise


def damaged(path: Path, error: Exception) -> ArchiveError:
    """Return the error for an archive that its reader stumbles over."""
    return ArchiveError(
        f"{path.name}: the archive is damaged or was cut off.",
        f"The reader says: {error}.",
        "get the archive again, then run the same command",
    )


def pour_stream(stream: Any, sink: Sink) -> None:
    """Send a stream to `sink` in chunks, to its end."""
    while chunk := stream.read(CHUNK):
        sink(chunk)
