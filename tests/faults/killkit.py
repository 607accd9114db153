"""Random kills, counted: how many runs were killed at work, and which of them the same command did not heal."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

KILLS = int(os.environ.get("OCCREID_KILLS", "5"))


@dataclass
class Tally:
    """Kills of one kind: `died` counts those that met a run at work, `faults` what was not healed."""

    what: str
    runs: int = 0
    died: int = 0
    faults: list[str] = field(default_factory=list)

    def judge(self, died: bool, moment: float, healed: Callable[[], object]) -> None:
        """Count one kill, `moment` seconds after the start, and let `healed` say whether all is well again."""
        self.runs += 1
        self.died += died
        try:
            healed()
        except Exception as error:  # whatever it is, the other kills are still counted
            self.faults.append(f"kill {self.runs} at {moment:.3f} s: {type(error).__name__}: {error}")

    def close(self) -> None:
        """Print the count and each fault, and raise if there is one."""
        print(f"\n{self.what}: {self.runs} kills, {self.died} of a run at work, {len(self.faults)} not healed")
        for fault in self.faults:
            print(f"  {fault}")
        assert not self.faults
        assert self.died or self.runs < 5
