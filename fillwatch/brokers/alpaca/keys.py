"""Keys and addresses: checked where they enter, and never shown."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

PAPER_URL = "https://paper-api.alpaca.markets"
LIVE_URL = "https://api.alpaca.markets"
_LIVE_HOST = "api.alpaca.markets"


class Secret:
    """A text that no `str`, `repr`, format, log or pickle reveals; only `reveal()` does."""

    __slots__ = ("_value",)

    def __init__(self, name: str, value: object) -> None:
        if not isinstance(value, str) or not value:
            raise ValueError(f"{name}: it is empty; the keys are made on Alpaca's dashboard")
        # A line break in a header would be refused by the HTTP client in a message that quotes the whole value.
        if not all("!" <= char <= "~" for char in value):
            raise ValueError(f"{name}: it holds a space, a line break or a character that is not ASCII")
        self._value = value

    def __repr__(self) -> str:
        return "Secret('…')"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not to be pickled")

    def reveal(self) -> str:
        """The text itself. For the authentication of a request, and nothing else."""
        return self._value

    def mask(self) -> str:
        """Enough of it to tell two key ids apart: the first four characters of a long one."""
        return f"{self._value[:4]}…" if len(self._value) >= 12 else "…"


class Scheme(Enum):
    """How Alpaca is told who asks."""

    KEYS = "keys"
    BEARER = "bearer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A key id with its secret, or (`BEARER`) an OAuth token as the secret and no key id."""

    scheme: Scheme
    key_id: Secret | None
    secret: Secret

    @classmethod
    def keys(cls, api_key: object, secret_key: object) -> Credentials:
        """The usual pair; `ValueError` names the one that cannot be right, without showing it."""
        return cls(scheme=Scheme.KEYS, key_id=Secret("api_key", api_key), secret=Secret("secret_key", secret_key))

    @classmethod
    def token(cls, oauth_token: object) -> Credentials:
        """An OAuth token."""
        return cls(scheme=Scheme.BEARER, key_id=None, secret=Secret("oauth_token", oauth_token))

    def mask(self) -> str:
        """What may be shown of them."""
        return self.key_id.mask() if self.key_id is not None else "OAuth"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where requests go. `base_url` has no trailing slash and no `/v2`."""

    base_url: str
    stream_url: str
    live: bool

    @classmethod
    def check(cls, base_url: str, stream_url: str | None, *, live: bool) -> Endpoint:
        """The endpoint, valid from birth; `ValueError` says what is wrong with it.

        Only https (wss for the stream), except to this machine itself. The live host and `live=True` need each other.
        """
        base = _address("base_url", base_url, secure="https", loopback="http")
        path = base.path.rstrip("/").removesuffix("/v2").rstrip("/")
        if live != is_live(base_url):
            raise ValueError(
                f"live: {live} does not fit base_url: real money needs both live=True and {LIVE_URL}; "
                f"paper trading needs neither ({PAPER_URL})"
            )
        if stream_url is None:
            stream_url = f"{'wss' if base.scheme == 'https' else 'ws'}://{base.netloc}{path}/stream"
        else:
            _address("stream_url", stream_url, secure="wss", loopback="ws")
            if is_live(stream_url) and not live:
                raise ValueError("stream_url: it is the live one, but live is False")
        return cls(base_url=f"{base.scheme}://{base.netloc}{path}", stream_url=stream_url, live=live)


def is_live(url: str) -> bool:
    """Whether `url` is on the host where real money trades."""
    return _host(urlsplit(url)) == _LIVE_HOST


def _host(parts: SplitResult) -> str:
    return (parts.hostname or "").lower().rstrip(".")


def _address(name: str, url: object, *, secure: str, loopback: str) -> SplitResult:
    # The address itself is not quoted: people put passwords into addresses.
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"{name}: it must be an address such as {PAPER_URL!r}")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(f"{name}: it is no address") from None
    host = _host(parts)
    if not host or parts.scheme not in (secure, loopback):
        raise ValueError(f"{name}: it must begin with {secure}:// (or {loopback}:// on this machine) and name a host")
    if not _has_port(parts):
        raise ValueError(f"{name}: its port must be a number from 0 to 65535")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError(f"{name}: it must not hold a user name, a password, a query or a fragment")
    if parts.scheme == loopback and not _is_loopback(host):
        raise ValueError(f"{name}: {loopback}:// is for this machine only; use {secure}:// for {host}")
    return parts


def _has_port(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port >= 0
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
