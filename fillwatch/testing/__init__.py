"""What proves that fillwatch, or a bot built on it, keeps its word: a virtual clock, and checks on what happened.

`run_world` lives through a seeded world with faults and checks it; `RecordingBroker`, `Follower` and `check` do so for
a run of yours; `assert_truthful` holds what any bot says to a simulator's ledger. `BrokerConformance` holds the tests
that every broker adapter has to pass (it needs pytest), `in_loop` is the simulated server without sockets (it needs
the extra `simulator`); both are loaded when they are asked for.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from fillwatch.testing.checker import INVARIANTS, check
from fillwatch.testing.history import History, Line, Phase
from fillwatch.testing.loop import Deadlock, LeftOverTasks, Livelock, VirtualLoop, run_virtual, virtual
from fillwatch.testing.recorder import Follower, RecordingBroker, WatchTerms
from fillwatch.testing.truthful import assert_truthful, untruths
from fillwatch.testing.violations import Terms, Violation
from fillwatch.testing.worlds import Setting, WorldReport, run_world

if TYPE_CHECKING:
    from fillwatch.testing.conformance import BrokerConformance, Scene, Stage
    from fillwatch.testing.inloop import alpaca_over, in_loop

__all__ = [
    "INVARIANTS",
    "BrokerConformance",
    "Deadlock",
    "Follower",
    "History",
    "LeftOverTasks",
    "Line",
    "Livelock",
    "Phase",
    "RecordingBroker",
    "Scene",
    "Setting",
    "Stage",
    "Terms",
    "Violation",
    "VirtualLoop",
    "WatchTerms",
    "WorldReport",
    "alpaca_over",
    "assert_truthful",
    "check",
    "in_loop",
    "run_virtual",
    "run_world",
    "untruths",
    "virtual",
]

_LATE = MappingProxyType(
    {
        "BrokerConformance": "fillwatch.testing.conformance",
        "Scene": "fillwatch.testing.conformance",
        "Stage": "fillwatch.testing.conformance",
        "alpaca_over": "fillwatch.testing.inloop",
        "in_loop": "fillwatch.testing.inloop",
    }
)


def __getattr__(name: str) -> object:
    """What needs pytest or the server's libraries is loaded when somebody asks for it."""
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
