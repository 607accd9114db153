"""The misbehaving server as a process of its own: TLS with a local authority, and a plain server beside it.

``python serve.py FOLDER PAYLOAD`` prints its addresses; each line on its standard input names what to play next and
is answered with what was asked and sent since the last one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

FAULTS = Path(__file__).parents[2] / "faults"


def authority(folder: Path) -> tuple[Path, Path, Path]:
    """Return (authority, certificate, key) for 127.0.0.1, made anew with openssl."""
    if shutil.which("openssl") is None:
        raise SystemExit("openssl is needed for the local authority")
    names = ("ca.pem", "ca.key", "leaf.csr", "cert.pem", "key.pem")
    ca, ca_key, request, cert, key = (folder / name for name in names)
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes"]
    for command in (
        [*new, "-x509", "-days", "2", "-subj", "/CN=a local authority", "-keyout", ca_key, "-out", ca,
         "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"],
        [*new, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", request],
        ["openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-days", "2", "-copy_extensions",
         "copy", "-out", cert],
    ):  # fmt: skip
        subprocess.run([*map(str, command)], check=True, capture_output=True)
    return ca, cert, key


def handler() -> Any:
    """Return a handler that also speaks to what asks before it downloads, without playing an act for that."""
    import server as play

    class Handler(play.Handler):
        def do_HEAD(self) -> None:  # noqa: N802 - the name that http.server calls
            """Say what a model hub says of a file: right, whatever the download will be."""
            self.close_connection = True
            self.head(200, Content_Length=len(self.server.payload), ETag='"v1"', X_Repo_Commit="0" * 40,
                      Accept_Ranges="bytes")  # fmt: skip

        def do_GET(self) -> None:  # noqa: N802
            if self.headers.get("Method") == "HEAD":  # a probe of redirects, sent as a GET: the act is for the download
                self.server.keep_act()
            super().do_GET()

    return Handler


def acts(payload: bytes, plain: Any) -> dict[str, tuple[Any, ...]]:
    """Return what each case plays."""
    import hostile
    import server as play
    from test_fetch import FAULTS as ALWAYS
    from test_fetch import HEALED, PAGE

    def stalls(h: Any) -> None:
        h.head(200, Content_Length=len(payload), ETag='"v1"')
        h.body(payload[: 1 << 20])
        h.server.closing.wait(600)

    def closes(h: Any) -> None:
        h.connection.close()

    other = hostile.zipped(("Tiny/more.txt", b"x"))
    return {
        **{name: (act,) for name, (act, _) in ALWAYS.items()}, **HEALED,
        "good": (play.good,), "stall_mid_body": (stalls,), "slow_drip": (play.drips,), "bitflip_no_hash": (play.flipped,),
        "redirect_loop": (play.redirects("/set.zip"),), "larger_than_declared": (play.too_much,),
        "existing_good_file_kept": (play.flipped,), "offline_complete": (closes,),
        "changed_between_runs": (play.sends(other, ETag='"v2"'),), "redirect_https_to_http": (play.redirects(plain.url()),),
        "slow": (play.pauses(0.004),), "slower": (play.pauses(0.05),), "mirror_falls_back": (play.whole(PAGE % b"gone", 404), play.good),
    }  # fmt: skip


def main() -> None:
    folder, payload = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes()
    sys.path.insert(0, str(FAULTS))
    import server as play

    ca, cert, key = authority(folder)
    with play.serving(payload, (cert, key)) as secure, play.serving(payload) as plain:
        secure.RequestHandlerClass = handler()
        known = acts(payload, plain)
        print(json.dumps({"ca": str(ca), "base": secure.url("")}), flush=True)
        for line in sys.stdin:
            heard = {"sent": secure.sent, "asked": [[path, dict(headers)] for path, headers in secure.asked],
                     "plain": len(plain.asked)}  # fmt: skip
            secure.plays(*known[line.strip()])
            plain.plays(play.good)
            print(json.dumps(heard), flush=True)


if __name__ == "__main__":
    main()
