"""What came back from the wire, before anybody has made sense of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from fillwatch.core.errors import BrokerError

#: A window is a minute; a reset further off than this is a mistake (milliseconds, a wrong clock), not a promise.
_LONGEST_WINDOW = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer that arrived whole. `as_of`: loop time at which its request was handed to the wire.

    `at` is the answer's `Date`. `reset_in`: seconds until the rate limit's window turns over, if it said so.
    """

    status: int
    body: bytes
    as_of: float
    at: datetime | None = None
    reset_in: float | None = None

    @property
    def is_success(self) -> bool:
        """Whether the status is one of the 2xx."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A request without a usable answer; it may have been carried out or not."""

    error: BrokerError
    as_of: float


Reply = Answer | Lost


@dataclass(frozen=True, slots=True, kw_only=True)
class RateHeaders:
    """`X-RateLimit-*` and `Retry-After`, as far as they can be read; `reset_in` counts from the answer's `Date`."""

    at: datetime | None
    limit: int | None
    remaining: int | None
    reset_in: float | None
    retry_after: float | None

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> RateHeaders:
        """The rate headers among `headers` (a mapping that does not mind the case of its keys)."""
        at = _date(headers.get("date"))
        reset = _whole(headers.get("x-ratelimit-reset"))
        wait = headers.get("retry-after")
        seconds = _whole(wait)
        return cls(
            at=at,
            limit=_whole(headers.get("x-ratelimit-limit")),
            remaining=_whole(headers.get("x-ratelimit-remaining")),
            # Our own clock may be minutes off; the broker's two clocks are one.
            reset_in=None if at is None or reset is None else _bounded(reset - at.timestamp()),
            retry_after=_bounded(float(seconds)) if seconds is not None else _until(_date(wait), at),
        )

    @property
    def wait(self) -> float | None:
        """Seconds to wait after a refusal: the longer of what the two headers say.

        While requests remain, the window is not what refused us, and its end is no news.
        """
        reset_in = None if self.remaining else self.reset_in
        return max((value for value in (reset_in, self.retry_after) if value is not None), default=None)

    @property
    def speaks(self) -> bool:
        """Whether the answer said anything about our allowance."""
        return self.limit is not None or self.remaining is not None


def _whole(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None


def _date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _until(moment: datetime | None, at: datetime | None) -> float | None:
    return None if moment is None or at is None else _bounded((moment - at).total_seconds())


def _bounded(seconds: float) -> float | None:
    return max(0.0, seconds) if seconds <= _LONGEST_WINDOW else None
