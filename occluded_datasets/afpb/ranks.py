"""Processes that train together: who this one is, and waiting for the others."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..files import exclusive

_KEPT = ((-4, 0), (-1, 2**31 - 1), (-2, 1 << 26))
"""malloc.h: M_MMAP_MAX, M_TRIM_THRESHOLD and M_TOP_PAD, with no mapping of its own for a block, no trimming, 64 MiB."""


class ProcessPlace(NamedTuple):
    """Where a process stands in a distributed run, and on which device."""

    rank: int
    world: int
    device: Any

    def wait(self) -> None:
        """Wait for the other processes."""
        if self.world > 1:
            torch.distributed.barrier()

    def alone(self, folder: Path) -> AbstractContextManager[None]:
        """Return what keeps a second run out of a folder for a block."""
        return exclusive(folder / ".lock") if self.rank == 0 else nullcontext()


def keep_memory() -> bool:
    """Tell the C library to keep what is freed for the next step; return whether it was told.

    A step on a CPU frees and asks for the same gigabyte, and fresh pages cost as much as the arithmetic where several
    processes train at once. It is of the whole process, so commands do it and `train` does not. With glibc alone.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is None or not hasattr(library, "gnu_get_libc_version"):
        return False
    return all(library.mallopt(name, value) for name, value in _KEPT)


@contextmanager
def join_processes() -> Iterator[ProcessPlace]:
    """Join the processes that ``torchrun`` started, for the block; by itself a process is the first of one."""
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if gpu else torch.device("cpu")
    started = world > 1 and not torch.distributed.is_initialized()
    if started:
        torch.distributed.init_process_group("nccl" if gpu else "gloo")
    try:
        yield ProcessPlace(rank, world, device)
    finally:
        if started:
            torch.distributed.destroy_process_group()
