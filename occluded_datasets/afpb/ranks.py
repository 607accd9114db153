"""Processes that train together: who this one is, and waiting for the others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..files import exclusive


class Place(NamedTuple):
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


@contextmanager
def joined() -> Iterator[Place]:
    """Join the processes that ``torchrun`` started, for the block; by itself a process is the first of one."""
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if gpu else torch.device("cpu")
    started = world > 1 and not torch.distributed.is_initialized()
    if started:
        torch.distributed.init_process_group("nccl" if gpu else "gloo")
    try:
        yield Place(rank, world, device)
    finally:
        if started:
            torch.distributed.destroy_process_group()
