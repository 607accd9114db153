"""One download: its policy, its budget, and a session that obeys both at each hop."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from .._version import __version__
from ..errors import FetchError
from ..hashing import CHUNK
from .addresses import Rules, check_url, redirect_target, shown

_MOVED = (301, 302, 303, 307, 308)
_BUSY = (429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Policy:
    """How long and how much a download may take, and which hosts it may meet beside the catalogue's.

    Parameters
    ----------
    connect_s, read_s, total_s : float
        Seconds to connect, to the next byte, and for the whole file with all attempts and mirrors.
    attempts : int
        Attempts at one address; what an attempt brought never buys another.
    pause_s, longest_pause_s : float
        Seconds before the second attempt (doubled each time), and the longest Retry-After that is waited for.
    hops : int
        Redirects that are followed.
    max_bytes : int
        The largest file where the catalogue does not say its size.
    waste : int
        Bytes that may cross the wire, thrown away or not, as a multiple of the largest file.
    hosts : frozenset of str
        More hosts (``name`` or ``name:port``) that a redirect may lead to.
    """

    connect_s: float = 10
    read_s: float = 30
    total_s: float = 7200
    attempts: int = 5
    pause_s: float = 1
    longest_pause_s: float = 120
    hops: int = 5
    max_bytes: int = 1 << 33
    waste: int = 3
    hosts: frozenset[str] = frozenset()


class AgainError(Exception):
    """An attempt that failed in a way that another may not; `wait` is what the server asked for, in seconds."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        self.reason, self.wait = reason, wait
        super().__init__(reason)


class BudgetError(FetchError):
    """The time or the bytes of a download are used up; no mirror is tried after it."""


class Budget:
    """What is left of the time and bytes of one file; nothing gives any of it back."""

    def __init__(self, policy: Policy, size: int | None) -> None:
        self.total_s = policy.total_s
        self.until = time.monotonic() + policy.total_s
        self.bytes = policy.waste * (size or policy.max_bytes) + CHUNK

    def seconds(self) -> float:
        """Return the seconds left, or raise when there are none."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise self._spent(f"{self.total_s:g} seconds are over")
        return left

    def spend(self, count: int) -> None:
        """Take `count` bytes off, or raise."""
        self.bytes -= count
        if self.bytes < 0:
            raise self._spent("more bytes were sent than the file can have, attempts together")

    @staticmethod
    def _spent(why: str) -> BudgetError:
        return BudgetError(
            "The download was given up.", f"{why[0].upper()}{why[1:]}.", "run the same command again later"
        )


@contextmanager
def session(budget: Budget) -> Iterator[Any]:
    """Yield a `requests.Session` without credentials whose sockets are cut when the budget's time is over.

    A timeout of the library starts anew with each byte; only cutting the socket ends a server that drips.
    """
    watch = _Watch(budget.seconds())
    try:
        with _session_class()() as opened:
            opened.auth = _no_credentials  # else requests takes a password out of ~/.netrc
            opened.headers.clear()
            opened.headers.update({"User-Agent": f"occluded-datasets/{__version__}", "Accept-Encoding": "identity"})
            for scheme in ("http://", "https://"):
                opened.mount(scheme, _watched_adapter(watch))
            yield opened
    finally:
        watch.end()


def _session_class() -> Any:
    import requests

    class Session(requests.Session):
        def get_redirect_target(self, resp: Any) -> str | None:
            """Return None: requests would read a redirect's body to its end, however long, to look one ahead."""
            del resp
            return None

    return Session


def _no_credentials(request: Any) -> Any:
    return request


class _Watch:
    """Shuts every socket that was added once its time is over."""

    def __init__(self, seconds: float) -> None:
        self._lock, self._over, self._sockets = threading.Lock(), False, list[socket.socket]()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def add(self, opened: socket.socket) -> None:
        with self._lock:
            self._sockets.append(opened.dup())  # a copy, as TLS takes the original over
        if self._over:
            self._cut()

    def _cut(self) -> None:
        with self._lock:
            self._over = True
            for one in self._sockets:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        self._timer.cancel()
        with self._lock:
            for one in self._sockets:
                one.close()
            self._sockets.clear()


def _watched_adapter(watch: _Watch) -> Any:
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            opened = super()._new_conn()
            watch.add(opened)
            return opened

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            opened = super()._new_conn()
            watch.add(opened)
            return opened

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            super().init_poolmanager(*args, **options)
            self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

        def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
            manager = super().proxy_manager_for(*args, **options)
            manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
            return manager

    return Adapter(max_retries=0)


def ask(
    opened: Any, url: str, headers: dict[str, str], rules: Rules, policy: Policy, budget: Budget
) -> tuple[Any, list[str]]:
    """Return the response that holds the file, its body unread, and the addresses passed, the last one its own.

    Parameters
    ----------
    opened : requests.Session
        As of `session`.
    url : str
        The first address.
    headers : dict of str to str
        Sent to each address on the way.
    rules : Rules
        Which addresses may be asked; each redirect is checked before it is followed.
    policy : Policy
        Seconds to connect and to read, the redirects that are followed, the longest wait for a busy server.
    budget : Budget
        What is left of the time of the file.

    Returns
    -------
    tuple of (requests.Response, list of str)
        The response has the status 200, 206 or 416. The addresses are as messages show them.

    Raises
    ------
    FetchError
        If an address on the way may not be asked, there are too many redirects, or the server refuses.
    BudgetError
        If the time is used up.
    AgainError
        If the server is busy or the connection broke.
    """
    hops = [url]
    while True:
        check_url(hops[-1], rules, any(hop.startswith("https:") for hop in hops))
        response = _get(opened, hops[-1], headers, policy, budget)
        with _closed_on_error(response):
            budget.seconds()  # a socket that was cut looks like the end of the headers
        if response.status_code not in _MOVED:
            _require_answer(response, hops[-1], policy)
            return response, [shown(hop) for hop in hops]
        place = response.headers.get("Location", "")
        response.close()
        opened.close()  # no connection is used twice
        if len(hops) > policy.hops:
            raise FetchError(f"{shown(url)}: more than {policy.hops} redirects.", "Expected the file by then.")
        hops.append(redirect_target(hops[-1], place))


@contextmanager
def _closed_on_error(response: Any) -> Iterator[None]:
    try:
        yield
    except BaseException:
        response.close()
        raise


def _get(opened: Any, url: str, headers: dict[str, str], policy: Policy, budget: Budget) -> Any:
    with wire(url, budget, policy):
        return opened.get(
            url, headers=headers, stream=True, allow_redirects=False, timeout=(policy.connect_s, policy.read_s)
        )


@contextmanager
def wire(url: str, budget: Budget, policy: Policy) -> Iterator[None]:
    """Turn what the network raises inside the block into `AgainError`, or `FetchError` where no attempt can help.

    Parameters
    ----------
    url : str
        The address that is asked; messages name it.
    budget : Budget
        What is left of the time of the file.
    policy : Policy
        Whose seconds a message about a timeout names.

    Raises
    ------
    FetchError
        If the TLS certificate is not accepted, or the address is not well-formed.
    BudgetError
        If the time is used up.
    AgainError
        If the connection failed or broke in another way.
    """
    from http.client import HTTPException

    import requests
    from urllib3.exceptions import HTTPError, SSLError

    # The order matters: the first two kinds are subclasses of the kinds that the last clause catches.
    try:
        yield
    except (requests.exceptions.SSLError, SSLError) as error:
        raise FetchError(
            f"{shown(url)}: its TLS certificate is not accepted.",
            "Expected one that this machine's authorities vouch for.",
            "see whether a proxy stands between (REQUESTS_CA_BUNDLE names its authority), or use --from PATH",
        ) from error
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        raise FetchError(f"{shown(url)} is not fetched.", "It is not a well-formed address.") from error
    except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
        budget.seconds()
        raise AgainError(_words(error, policy)) from error


def _words(error: Exception, policy: Policy) -> str:
    name = type(error).__name__
    if "ConnectTimeout" in name:
        return f"no connection within {policy.connect_s:g} s"
    if "Timeout" in name or "timed out" in str(error):
        return f"no byte for {policy.read_s:g} s"
    return f"the connection failed or broke ({name})"


def _require_answer(response: Any, url: str, policy: Policy) -> None:
    """Raise unless the status says that the file follows."""
    code = response.status_code
    if code in (200, 206, 416):
        return
    response.close()
    if code in _BUSY:
        wait = _retry_after(response.headers.get("Retry-After", ""))
        if wait is None or wait <= policy.longest_pause_s:
            raise AgainError(f"the server says {code}, busy", wait)
        raise FetchError(
            f"{shown(url)}: the server says {code}.", f"It asks to come back after {wait:,.0f} seconds.",
            "run the same command then",
        )  # fmt: skip
    why = {401: "It asks for a log-in.", 403: "It refuses, perhaps until a log-in.", 404: "There is no such file."}
    raise FetchError(f"{shown(url)}: the server says {code}.", why.get(code, "Expected 200."))


def _retry_after(text: str) -> float | None:
    """Return the seconds that a Retry-After header asks for, at least 0; None where it cannot be read."""
    if text.strip().isascii() and text.strip().isdigit():
        return float(text.strip()[:9])
    from email.utils import parsedate_to_datetime

    with suppress(ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    return None
