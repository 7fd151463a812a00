"""Why a run cannot go on or end well, and which tasks are to blame for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class Deadlock(RuntimeError):
    """Every task waits, no timer is set and nobody outside could wake one; the message says who waits where."""


class Livelock(RuntimeError):
    """The run will not end: it passed its limit of virtual seconds, or kept running without letting time pass."""


class LeftOverTasks(RuntimeError):
    """The main coroutine returned while tasks it had started were still running; the message names them."""


def told(tasks: Iterable[asyncio.Task[Any]]) -> str:
    """The names of `tasks` and where each of them waits, a line each; a line of its own opens the list."""
    return "".join(sorted(f"\n  {task.get_name()}: {_place(task)}" for task in tasks)) or " no task is left"


def _place(task: asyncio.Task[Any]) -> str:
    """Where `task` is suspended: its frames, outermost first."""
    frames: list[str] = []
    waits: Any = task.get_coro()
    while waits is not None:
        frame = _first(waits, "cr_frame", "gi_frame", "ag_frame")
        if frame is not None:
            frames.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_name}")
        waits = _first(waits, "cr_await", "gi_yieldfrom", "ag_await")
    if len(frames) > 4:
        frames[3:-1] = ["..."]
    return " > ".join(frames)


def _first(owner: object, *names: str) -> Any:  # noqa: ANN401  # a frame, or whatever a coroutine may await
    return next((value for name in names if (value := getattr(owner, name, None)) is not None), None)
