"""fillwatch watches brokerage orders: every order handed to it gets exactly one truthful result.

Importing it loads no vendor, starts no loop and shows no log; `enable_logging` does the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fillwatch.brokers.base import Broker
from fillwatch.core.config import AtTimeout, FillDetectionConfig, PartialFills, RateLimit
from fillwatch.core.errors import EngineClosed, FillwatchError, KeysRefused, WatchConflict
from fillwatch.core.orders import OrderRequest
from fillwatch.core.results import Amendment, AmendmentKind, ConsistencyResult, FillOutcome, FillResult, Transition
from fillwatch.core.verification import FillVerification, MultiMethodVerifier
from fillwatch.engine.consistency import StateConsistencyValidator
from fillwatch.engine.engine import FillDetectionEngine
from fillwatch.engine.final_check import FinalVerificationHandler
from fillwatch.engine.recovery import ErrorRecoveryManager
from fillwatch.engine.watch import OrderWatch
from fillwatch.logs import enable_logging

if TYPE_CHECKING:
    from fillwatch.brokers.alpaca import AlpacaBroker

__all__ = [
    "AlpacaBroker",
    "Amendment",
    "AmendmentKind",
    "AtTimeout",
    "Broker",
    "ConsistencyResult",
    "EngineClosed",
    "ErrorRecoveryManager",
    "FillDetectionConfig",
    "FillDetectionEngine",
    "FillOutcome",
    "FillResult",
    "FillVerification",
    "FillwatchError",
    "FinalVerificationHandler",
    "KeysRefused",
    "MultiMethodVerifier",
    "OrderRequest",
    "OrderWatch",
    "PartialFills",
    "RateLimit",
    "StateConsistencyValidator",
    "Transition",
    "WatchConflict",
    "enable_logging",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """The Alpaca adapter brings an HTTP client, so it is loaded when somebody asks for it."""
    if name == "AlpacaBroker":
        from fillwatch.brokers.alpaca import AlpacaBroker

        return AlpacaBroker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
