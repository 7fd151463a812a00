"""Our exceptions, grouped by what the caller does next, and the one table that sorts failures.

FillwatchError
├── EngineClosed            the engine ended before the watch did: `.belief` holds what was known
├── WatchConflict           the order is watched already, with other parameters: use that watch, or release it
├── IntentConflict          the intent id was given before, for another trade: use a new one
└── BrokerError             a request to the broker did not do what was asked: `.failure` says which of four kinds
    ├── TransientError        ask again later (network, 5xx, time-out)
    │   └── RateLimited         not before `.reset_in` seconds, if known
    ├── PermanentError        asking again changes nothing (bad id, bad parameters, no permission)
    │   └── KeysRefused         the keys are wrong or belong to another environment
    └── AmbiguousError        it may or may not have happened (unknown error, unreadable answer)
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from fillwatch.core.belief import OrderBelief


class Failure(StrEnum):
    """What a failed request asks of us (the seed's three categories, rate limits apart because they wait longer)."""

    TRANSIENT = "transient"
    RATE_LIMITED = "rate_limited"
    PERMANENT = "permanent"
    AMBIGUOUS = "ambiguous"

    @property
    def is_retryable(self) -> bool:
        """Whether the same request may be sent again. An ambiguous one may: what is retried here is idempotent."""
        return self is not Failure.PERMANENT


class FillwatchError(Exception):
    """Everything this library raises on purpose, `ValueError` for bad arguments apart."""


class EngineClosed(FillwatchError):
    """The engine was left while the watch was unfinished. No order was touched; `belief` is what was known last."""

    def __init__(self, message: str, belief: OrderBelief | None = None) -> None:
        super().__init__(message)
        self.belief = belief


class WatchConflict(FillwatchError):
    """The order is being watched with other parameters than the ones just asked for."""


class IntentConflict(FillwatchError):
    """The intent id belongs to another trade already: the same id means the same trade, and it is made once."""


class BrokerError(FillwatchError):
    """A request that did not do what was asked. `status` is the HTTP status and `code` the broker's own, if any."""

    failure: ClassVar[Failure] = Failure.AMBIGUOUS

    def __init__(self, message: str, *, status: int | None = None, code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code


class TransientError(BrokerError):
    """The broker could not be reached or could not answer; the same request may work later."""

    failure = Failure.TRANSIENT


class RateLimited(TransientError):
    """Too many requests. `reset_in`: seconds until the broker's window turns over, None when it did not say."""

    failure = Failure.RATE_LIMITED

    def __init__(
        self, message: str, *, status: int | None = None, code: int | None = None, reset_in: float | None = None
    ) -> None:
        super().__init__(message, status=status, code=code)
        self.reset_in = reset_in


class PermanentError(BrokerError):
    """The broker understood and said no; asking again changes nothing."""

    failure = Failure.PERMANENT


class KeysRefused(PermanentError):
    """The key and secret were refused, or belong to the other environment (paper and live keys differ)."""


class AmbiguousError(BrokerError):
    """An answer that cannot be understood: the request may have been carried out or not."""

    failure = Failure.AMBIGUOUS


#: Read from the top; the first row whose type fits decides. Whatever is not named is ambiguous, never a rejection.
_FAILURES: tuple[tuple[type[BaseException], Failure], ...] = (
    (TimeoutError, Failure.TRANSIENT),
    (asyncio.IncompleteReadError, Failure.TRANSIENT),
    (ConnectionError, Failure.TRANSIENT),
    (PermissionError, Failure.PERMANENT),
    (OSError, Failure.TRANSIENT),
    (ValueError, Failure.AMBIGUOUS),
)


def classify(error: BaseException) -> Failure:
    """Which of the four kinds `error` is. Total: an error nobody has heard of is `AMBIGUOUS`."""
    if isinstance(error, BrokerError):
        return error.failure
    return next((failure for kind, failure in _FAILURES if isinstance(error, kind)), Failure.AMBIGUOUS)
