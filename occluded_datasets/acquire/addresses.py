"""Which addresses may be asked: scheme, host and no passwords, and how an address is shown."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from ..errors import FetchError

# Where a host that we trust is known to send its files from. Any other change of host is refused.
ALSO = {"github.com": ("raw.githubusercontent.com", "objects.githubusercontent.com")}
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Rules:
    """Which addresses a source may lead to."""

    hosts: frozenset[str]
    plain_http: bool

    @classmethod
    def of(cls, url: str, plain_http: bool, hosts: frozenset[str] = frozenset()) -> Rules:
        """Return the rules for a source at `url`: its own host, those it is known to use, and `hosts`."""
        host = _host(url)
        return cls(frozenset({host, *ALSO.get(host, ()), *hosts}), plain_http)


def check_url(url: str, rules: Rules, secure: bool = False) -> None:
    """Raise `FetchError` unless `url` may be asked; `secure` says that it was reached from https.

    Examples
    --------
    >>> check_url("https://github.com/a", Rules.of("https://github.com", False))
    >>> check_url("file:///etc/passwd", Rules.of("https://github.com", False))
    Traceback (most recent call last):
    ...
    occluded_datasets.errors.FetchError: file:///etc/passwd is not fetched. Its scheme is 'file', expected https.
    """
    fault = _fault(url, rules, secure)
    if fault:
        raise FetchError(f"{shown(url)} is not fetched.", fault)


def _fault(url: str, rules: Rules, secure: bool) -> str:  # noqa: PLR0911 - a list of rules, each with its words
    if any(letter <= " " or letter in "\\\x7f" for letter in url):
        return "It has a space, a backslash or a control character."
    try:
        parts = urlsplit(url)
        host = _host(url)
    except ValueError:
        return "It is not a well-formed address."
    if parts.scheme not in _PORTS:
        return f"Its scheme is {parts.scheme!r}, expected https."
    if "@" in parts.netloc:
        return "It carries a user name or password."
    if parts.scheme == "http" and secure:
        return "It leads from https down to plain http."
    if parts.scheme == "http" and not rules.plain_http:
        return "It is plain http, and no sha256 of the file is known that would tell a changed one."
    if host not in rules.hosts:
        return f"Its host {host!r} is none of the source's: {', '.join(sorted(rules.hosts))}."
    return ""


def _host(url: str) -> str:
    """Return the host in lower case, with its port where that is not the scheme's own."""
    parts = urlsplit(url)
    name = parts.hostname or ""
    return name if parts.port in (None, _PORTS.get(parts.scheme)) else f"{name}:{parts.port}"


def shown(url: str) -> str:
    """Return `url` without what may be secret: user, query and fragment; in ASCII and cut to a readable length."""
    bare = url.partition("?")[0].partition("#")[0]
    scheme, separator, rest = bare.partition("://")
    place, slash, path = rest.partition("/")
    text = f"{scheme}{separator}{place.rpartition('@')[2]}{slash}{path}"
    return ascii(text)[1:-1][:200]


def redirect_target(base: str, place: str) -> str:
    """Return where a redirect from `base` to `place` leads."""
    try:
        return urljoin(base, place)
    except ValueError:
        return place
