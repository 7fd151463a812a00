"""Work in a task of its own, awaited to its end, whatever that is: an answer, or an error as a value."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def settled(work: Coroutine[Any, Any, T], name: str, patience: float) -> T | BaseException:
    """What `work` returns or raises. Cancelled itself, it cancels the work and waits `patience` seconds for its end."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    try:
        await asyncio.wait({task})
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=patience)
    error = task.exception()
    return task.result() if error is None else error
