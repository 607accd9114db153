"""A folder of its own for one case, the calls made in it, and the one judge of all tools: `Verdict.of`."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

CALL = Path(__file__).with_name("call.py")
FAULTS = Path(__file__).parents[2] / "faults"
NAME, SECRET = "set.zip", "hunter-two"
LIMIT_S = 20.0
MOST_SENT = 8  # times the file, before a download counts as without bound


class Outcome(NamedTuple):
    """How a call ended: `ended` within the limit, `ok` if the tool said so, and all it printed."""

    ended: bool
    ok: bool
    text: str


class Server:
    """The server's process and what it heard."""

    def __init__(self, folder: Path, payload: Path) -> None:
        command = [sys.executable, str(Path(__file__).with_name("serve.py")), str(folder), str(payload)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        place = self._read()
        self.ca, self.base = place["ca"], place["base"]

    def plays(self, name: str) -> dict[str, Any]:
        """Play a case from now on; return what was asked and sent before."""
        assert self.process.stdin
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout
        return dict(json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(20)


@dataclass
class Box:
    """One tool, with or without a known hash, in a folder of its own."""

    path: Path
    server: Server
    truth: bytes
    tool: str
    python: str
    pinned: bool
    job: dict[str, Any] = field(default_factory=dict)
    trusting: bool = True

    def __post_init__(self) -> None:
        for name in ("home", "outside", "tmp", "root"):
            (self.path / name).mkdir(parents=True)
        (self.path / "outside" / "victim.txt").write_text("as it was")

    @property
    def root(self) -> Path:
        return self.path / "root"

    @property
    def target(self) -> Path:
        return self.root / "archives" / "tiny-fetched" / NAME if self.tool == "ours" else self.root / NAME

    def start(self) -> subprocess.Popen[str]:
        """Start the call that this box is about."""
        job = {
            "root": str(self.root), "name": NAME, "urls": [f"{self.server.base}/{NAME}"], "pinned": self.pinned,
            "sha256": hashlib.sha256(self.truth).hexdigest(), "md5": hashlib.md5(self.truth).hexdigest(),
            "faults": str(FAULTS), **self.job,
        }  # fmt: skip
        return started(self.python, self.tool, job, self.path, self.server.ca if self.trusting else "")

    def run(self) -> Outcome:
        return ended(self.start())

    def final(self) -> str:
        """Return what lies under the final name: ``absent``, ``true`` or ``wrong``."""
        if not self.target.exists():
            return "absent"
        return "true" if self.target.is_file() and self.target.read_bytes() == self.truth else "wrong"

    def outside(self) -> dict[str, bytes]:
        """Return all that no call may touch: what is beside the root, the home and the temporary folder."""
        kept = [path for path in self.path.iterdir() if path.name not in ("root", "home", "tmp")]
        files = [file for place in kept for file in ([place] if place.is_file() else place.rglob("*"))]
        return {str(file): file.read_bytes() if file.is_file() else b"" for file in files}

    @contextmanager
    def disk(self, options: str) -> Iterator[None]:
        """Have a small disk of its own at the root for a block."""
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.root)], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", str(self.root)], check=False)

    def remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.root)], check=True)


def started(python: str, tool: str, job: dict[str, Any], box: Path, ca: str) -> subprocess.Popen[str]:
    """Start one call in a process group of its own, with a home of its own and no proxy."""
    env = {key: value for key, value in os.environ.items() if "proxy" not in key.lower() and key != "PYTHONPATH"}
    env |= {"HOME": str(box / "home"), "TMPDIR": str(box / "tmp"), "NETRC": str(box / "home" / ".netrc")}
    if ca:
        env |= {"SSL_CERT_FILE": ca, "REQUESTS_CA_BUNDLE": ca, "CURL_CA_BUNDLE": ca}
    return subprocess.Popen(
        [python, str(CALL), tool, json.dumps(job)], env=env, cwd=box / "home", start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip


def ended(process: subprocess.Popen[str], limit: float = LIMIT_S) -> Outcome:
    """Return how a call ended, killing it at the limit."""
    try:
        text, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return Outcome(False, False, process.communicate()[0] or "")
    return Outcome(True, process.returncode == 0, text)


class Verdict(NamedTuple):
    """What came of one case. The promise is held if no flag is up."""

    flags: tuple[str, ...]
    said: str

    @property
    def held(self) -> bool:
        return not self.flags

    @classmethod
    def of(
        cls, box: Box, outcomes: list[Outcome], finals: list[str], heard: dict[str, Any], before: dict[str, bytes],
        healed: Outcome, after: str, must_fail: bool,
    ) -> Verdict:  # fmt: skip
        """Judge a case by the whole promise, whatever the tool: each flag is a clause that was broken.

        `outcomes` and `finals` are of the calls that met the fault; `healed` and `after` of the same call once it was
        gone.
        """
        said = outcomes[-1].text.strip().rpartition("\n")[2][:300]
        flags = {
            "not ended": not all(one.ended for one in outcomes),
            "silent wrong": any(one.ok and final != "true" for one, final in zip(outcomes, finals, strict=True)),
            "accepted": must_fail and any(one.ok for one in outcomes),
            "wrong file left": any(
                not one.ok and final == "wrong" for one, final in zip(outcomes, finals, strict=True)
            ),
            "escape": box.outside() != before,
            "leak": leaks(box, outcomes, heard),
            "no bound": heard["sent"] > MOST_SENT * len(box.truth),
            "not healed": not (healed.ended and healed.ok and after == "true"),
        }
        return cls(tuple(name for name, up in flags.items() if up), said)


def leaks(box: Box, outcomes: list[Outcome], heard: dict[str, Any]) -> bool:
    """Whether a password of ~/.netrc was sent, one was shown, or the plain server heard anything."""
    told = (box.path / "home" / ".netrc").exists() and any("Authorization" in headers for _, headers in heard["asked"])
    return told or heard["plain"] > 0 or any(SECRET in one.text for one in outcomes)
