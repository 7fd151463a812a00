"""fillwatch watches brokerage orders: every order handed to it gets exactly one truthful result.

Importing it loads no vendor, starts no loop and shows no log; `enable_logging` does the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from fillwatch.brokers.base import Broker
from fillwatch.core.config import AtTimeout, FillDetectionConfig, PartialFills, RateLimit
from fillwatch.core.errors import EngineClosed, FillwatchError, IntentConflict, KeysRefused, WatchConflict
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
    from fillwatch.core.trade_amendment import TradeAmendment, TradeChange
    from fillwatch.core.trade_result import TradeResult
    from fillwatch.core.trade_terms import ExecutorConfig
    from fillwatch.execution.executor import SmartOrderExecutor
    from fillwatch.journal import Journal, JournalError, MemoryJournal, SqliteJournal

__all__ = [
    "AlpacaBroker",
    "Amendment",
    "AmendmentKind",
    "AtTimeout",
    "Broker",
    "ConsistencyResult",
    "EngineClosed",
    "ErrorRecoveryManager",
    "ExecutorConfig",
    "FillDetectionConfig",
    "FillDetectionEngine",
    "FillOutcome",
    "FillResult",
    "FillVerification",
    "FillwatchError",
    "FinalVerificationHandler",
    "IntentConflict",
    "Journal",
    "JournalError",
    "KeysRefused",
    "MemoryJournal",
    "MultiMethodVerifier",
    "OrderRequest",
    "OrderWatch",
    "PartialFills",
    "RateLimit",
    "SmartOrderExecutor",
    "SqliteJournal",
    "StateConsistencyValidator",
    "TradeAmendment",
    "TradeChange",
    "TradeResult",
    "Transition",
    "WatchConflict",
    "enable_logging",
]

__version__ = "0.1.0"


#: What brings much with it (an HTTP client, a database) is loaded when somebody asks for it: name -> module.
_LATE: Mapping[str, str] = MappingProxyType(
    {
        "AlpacaBroker": "fillwatch.brokers.alpaca",
        "ExecutorConfig": "fillwatch.core.trade_terms",
        "Journal": "fillwatch.journal",
        "JournalError": "fillwatch.journal",
        "MemoryJournal": "fillwatch.journal",
        "SmartOrderExecutor": "fillwatch.execution.executor",
        "SqliteJournal": "fillwatch.journal",
        "TradeAmendment": "fillwatch.core.trade_amendment",
        "TradeChange": "fillwatch.core.trade_amendment",
        "TradeResult": "fillwatch.core.trade_result",
    }
)


def __getattr__(name: str) -> object:
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
