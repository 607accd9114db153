"""One line that names the machine of a table: every script here prints it, so that no two are taken for one."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return ``Machine: 2 cores of AMD EPYC, Linux x86_64.`` of this process, as Markdown with its empty line.

    The cores are those that this process may use. Where the system does not name its processor the line says so.
    """
    lines = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    model = names[0] if names else "a processor whose model the system does not name"
    return f"Machine: {cores} core{'' if cores == 1 else 's'} of {model}, {platform.system()} {platform.machine()}.\n\n"
