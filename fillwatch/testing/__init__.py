"""What proves that fillwatch, or a bot built on it, keeps its word: a virtual clock, and checks on what happened."""

from __future__ import annotations

from fillwatch.testing.loop import Deadlock, LeftOverTasks, Livelock, VirtualLoop, run_virtual, virtual

__all__ = ["Deadlock", "LeftOverTasks", "Livelock", "VirtualLoop", "run_virtual", "virtual"]
