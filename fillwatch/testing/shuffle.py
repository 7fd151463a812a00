"""The seeded order of what is ready to run: tasks change places, callbacks do not."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

#: The names under which a task's first step and its later wake-ups stand in the ready queue (accelerated and plain).
_STEP_NAMES = frozenset({"TaskStepMethWrapper", "task_wakeup", "__step", "__wakeup"})


def shuffled(handles: Sequence[asyncio.Handle], order: random.Random) -> list[asyncio.Handle]:
    """`handles` with each task at a random place behind the last callback that was scheduled ahead of it.

    So every order of tasks that are ready together can come up, a task may run late, and none overtakes a callback;
    callbacks keep the order in which they were scheduled.
    """
    count, after = len(handles), -1.0
    places: list[float] = []
    for index, handle in enumerate(handles):
        if _is_task_step(handle):
            places.append(after + (count - after) * order.random())
        else:
            after = float(index)
            places.append(after)
    return [handles[index] for index in sorted(range(count), key=places.__getitem__)]


def _is_task_step(handle: asyncio.Handle) -> bool:
    callback = handle._callback  # type: ignore[attr-defined]  # nothing public tells a task's step from a callback
    name = getattr(callback, "__name__", None) or type(callback).__name__
    return name in _STEP_NAMES and asyncio.isfuture(getattr(callback, "__self__", None))
