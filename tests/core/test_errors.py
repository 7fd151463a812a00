"""Failures: each kind of error asks one thing of the caller, and nothing unheard of counts as a refusal."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from decimal import InvalidOperation

import pytest

from fillwatch.core.errors import (
    AmbiguousError,
    BrokerError,
    EngineClosed,
    Failure,
    FillwatchError,
    KeysRefused,
    PermanentError,
    RateLimited,
    TransientError,
    WatchConflict,
    classify,
)

TRANSIENT, RATE_LIMITED, PERMANENT, AMBIGUOUS = Failure


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (TransientError("x"), TRANSIENT),
        (RateLimited("x"), RATE_LIMITED),
        (PermanentError("x"), PERMANENT),
        (KeysRefused("x"), PERMANENT),
        (AmbiguousError("x"), AMBIGUOUS),
        (BrokerError("x"), AMBIGUOUS),
        (TimeoutError(), TRANSIENT),
        (asyncio.IncompleteReadError(b"", 3), TRANSIENT),
        (ConnectionResetError(), TRANSIENT),
        (BrokenPipeError(), TRANSIENT),
        (socket.gaierror(), TRANSIENT),
        (ssl.SSLError(), TRANSIENT),
        (OSError(), TRANSIENT),
        (PermissionError(), PERMANENT),
        (ValueError(), AMBIGUOUS),
        (json.JSONDecodeError("x", "", 0), AMBIGUOUS),
        (InvalidOperation(), AMBIGUOUS),
        (KeyError(), AMBIGUOUS),
        (Exception(), AMBIGUOUS),
        (asyncio.CancelledError(), AMBIGUOUS),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_each_error_is_of_one_kind(error: BaseException, failure: Failure) -> None:
    assert classify(error) is failure


def all_subclasses(kind: type[BaseException]) -> list[type[BaseException]]:
    return [kind, *(deeper for sub in kind.__subclasses__() for deeper in all_subclasses(sub))]


def test_classify_is_total_over_every_exception_that_is_loaded() -> None:
    kinds = {kind for kind in all_subclasses(BaseException) if kind.__module__ == "builtins"}
    kinds -= set(all_subclasses(BaseExceptionGroup))  # they cannot be made empty
    refused = {kind for kind in kinds if classify(kind.__new__(kind)) is PERMANENT}
    assert refused == {PermissionError}


def test_only_a_permanent_failure_may_not_be_sent_again() -> None:
    assert [failure for failure in Failure if not failure.is_retryable] == [PERMANENT]


def test_every_broker_error_says_what_the_broker_said() -> None:
    for kind in (BrokerError, TransientError, RateLimited, PermanentError, KeysRefused, AmbiguousError):
        error = kind("no such order", status=404, code=40410000)
        assert (str(error), error.message, error.status, error.code) == ("no such order",) * 2 + (404, 40410000)
        assert isinstance(error, FillwatchError)
    assert RateLimited("slow down", reset_in=1.5).reset_in == 1.5


def test_a_closed_engine_leaves_its_last_belief() -> None:
    assert EngineClosed("over").belief is None
    assert not issubclass(WatchConflict, BrokerError)
