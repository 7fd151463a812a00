"""What proves that fillwatch, or a bot built on it, keeps its word: a virtual clock, and checks on what happened.

`run_world` lives through a seeded world with faults and checks it; `RecordingBroker`, `Follower` and `check` do so for
a run of yours; `BrokerConformance` holds the tests that every broker adapter has to pass.
"""

from __future__ import annotations

from fillwatch.testing.checker import INVARIANTS, check
from fillwatch.testing.conformance import BrokerConformance, Stage
from fillwatch.testing.history import History, Line, Phase
from fillwatch.testing.loop import Deadlock, LeftOverTasks, Livelock, VirtualLoop, run_virtual, virtual
from fillwatch.testing.recorder import Follower, RecordingBroker, WatchTerms
from fillwatch.testing.violations import Terms, Violation
from fillwatch.testing.worlds import Setting, WorldReport, run_world

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
    "Setting",
    "Stage",
    "Terms",
    "Violation",
    "VirtualLoop",
    "WatchTerms",
    "WorldReport",
    "check",
    "run_virtual",
    "run_world",
    "virtual",
]
