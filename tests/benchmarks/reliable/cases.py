"""The named cases of fetching, played against one tool each: what happens before, during and after the fault."""

from __future__ import annotations

import os
import random
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .box import NAME, SECRET, Box, Outcome, Verdict, ended

KILLS = 5
DISKS = {"disk_full": "size=2m", "readonly_dir": "ro"}


@dataclass(frozen=True)
class Case:
    """One fault: what the server plays, whether a good call comes before, and whom it is for."""

    name: str
    act: str = ""
    before: bool = False
    must_fail: bool = False
    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    pinned: bool | None = None

    def suits(self, tool: str, pinned: bool) -> bool:
        """Whether the case has a meaning for a tool, with or without a hash."""
        return (
            (not self.only or tool in self.only) and tool not in self.never
            and self.pinned in (None, pinned)
        )  # fmt: skip


HUB = "huggingface_hub"
PLAIN = (
    "truncated_length", "truncated_chunked", "truncated_close_delimited", "status_404", "status_403_login",
    "status_503_once", "status_429_retry_after", "html_quota_page", "html_confirm_page", "lfs_pointer",
    "json_error_body", "empty_body", "wrong_magic", "content_encoding_gzip", "resume_ok", "range_ignored_200",
    "range_wrong_offset", "changed_between_attempts", "weak_etag_only", "stall_mid_body", "slow_drip",
    "retry_livelock", "redirect_loop", "redirect_to_file", "larger_than_declared", "twice_the_file", "bytes_appended", "content_disposition_traversal",
)  # fmt: skip
CASES = (
    Case("no_fault", "good"),
    *(Case(name, name) for name in PLAIN),
    Case("bitflip", "bitflip", pinned=True),
    Case("bitflip_no_hash", "bitflip_no_hash", pinned=False),
    Case("changed_between_runs", "changed_between_runs", before=True),
    Case("redirect_https_to_http", "redirect_https_to_http"),
    Case("scheme_file", "good", never=(HUB,)),
    Case("scheme_ftp", "good", never=(HUB,)),
    Case("url_with_credentials", "status_404", never=(HUB,)),
    Case("netrc_password", "good"),
    Case("tls_bad_cert", "good", must_fail=True),
    Case("kill_mid_download", "slower"),
    Case("disk_full", "good"),
    Case("readonly_dir", "good"),
    Case("existing_good_file_kept", "existing_good_file_kept", before=True),
    Case("two_processes", "slow"),
    Case("stale_lock", "good", only=("ours",)),
    Case("umask_mode", "good"),
    Case("offline_complete", "offline_complete", before=True),
    Case("mirror_falls_back", "mirror_falls_back", only=("ours", "ir_datasets")),
    Case("by_hand_file_wrong_hash", "good", only=("ours",)),
)


def _addresses(case: str, base: str) -> list[str]:
    """Return the addresses to ask, if they are others than the server's one."""
    places = {
        "scheme_file": ["file:///etc/passwd"], "scheme_ftp": [f"ftp://127.0.0.1:1/{NAME}"],
        "url_with_credentials": [f"{base.replace('://', f'://me:{SECRET}@')}/{NAME}"],
        "mirror_falls_back": [f"{base}/a", f"{base}/b"],
    }  # fmt: skip
    return places.get(case, [])


def _lay_out(case: str, box: Box) -> None:
    """Put what the case needs on the disk."""
    if case == "netrc_password":
        (box.path / "home" / ".netrc").write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    elif case == "stale_lock":
        box.target.parent.mkdir(parents=True)
        (box.target.parent / ".lock").write_text("4711")
    elif case == "by_hand_file_wrong_hash":
        (box.path / "tmp" / "by-hand.zip").write_bytes(box.truth[:-9])
        box.job["by_hand"] = str(box.path / "tmp" / "by-hand.zip")
    elif case == "larger_than_declared":
        box.job["bytes"] = len(box.truth)  # for a tool that can be told how long the file is
    elif case in DISKS:
        box.remount(DISKS[case])


@contextmanager
def _fault(case: str, box: Box) -> Iterator[None]:
    """Have the fault that is not the server's for a block."""
    if addresses := _addresses(case, box.server.base):
        box.job["urls"] = addresses
    if case == "umask_mode":
        box.job["umask"] = 0o027
    box.trusting = case != "tls_bad_cert"
    _lay_out(case, box)
    yield
    box.job.clear()
    box.trusting = True
    if case in DISKS:
        box.remount("rw,size=64m")


def _calls(case: str, box: Box) -> list[tuple[Outcome, str]]:
    """Make the calls that meet the fault and return how each ended, with what then lay under the final name."""
    if case == "kill_mid_download":
        return [_killed(box, moment) for moment in _moments(box)]
    if case == "two_processes":
        runs = [box.start(), box.start()]
        return [(outcome, box.final()) for outcome in [ended(run) for run in runs]]
    return [(box.run(), box.final())]


def _moments(box: Box) -> list[float]:
    """Return when to kill: while the slow server sends, whatever the tool's own start takes."""
    began = time.monotonic()
    box.run()
    length = time.monotonic() - began
    _forget(box)
    chance = random.Random(1)
    return [max(0.1, length - chance.uniform(0.1, 1.7)) for _ in range(KILLS)]


def _killed(box: Box, moment: float) -> tuple[Outcome, str]:
    process = box.start()
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGKILL)
    text, _ = process.communicate()
    final = box.final()
    if final == "true":
        _forget(box)
    return Outcome(True, process.returncode == 0, text), final


def _forget(box: Box) -> None:
    """Remove the file, as a user would who wants it anew."""
    box.target.unlink(missing_ok=True)


def play(case: Case, box: Box) -> Verdict:
    """Play one case and judge it."""
    if case.name in DISKS:
        with box.disk("size=64m"):
            return _play(case, box)
    return _play(case, box)


def _play(case: Case, box: Box) -> Verdict:
    box.server.plays("good")
    if case.before:
        box.run()
        if case.name == "changed_between_runs":
            _forget(box)
    before = box.outside()
    with _fault(case.name, box):
        box.server.plays(case.act)
        ends = _calls(case.name, box)
    heard = box.server.plays("good")
    healed = box.run()
    outcomes, finals = [end for end, _ in ends], [final for _, final in ends]
    verdict = Verdict.of(box, outcomes, finals, heard, before, healed, box.final(), case.must_fail)
    extra = _extra(case.name, box, outcomes)
    return verdict._replace(flags=(*verdict.flags, extra)) if extra else verdict


def _extra(case: str, box: Box, outcomes: list[Outcome]) -> str:
    """Return what only this case can show, if it is broken."""
    if case in ("no_fault", "offline_complete", "existing_good_file_kept", "umask_mode") and not outcomes[0].ok:
        return "refused what is right"
    if case == "umask_mode" and box.target.exists() and stat.S_IMODE(box.target.stat().st_mode) != 0o640:
        return "another mode"
    return ""
