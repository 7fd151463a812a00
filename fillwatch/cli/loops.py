"""Which event loop a command runs in: uvloop's where it is installed (`pip install "fillwatch[speed]"`), or Python's.

The commands alone choose. The library runs in whatever loop it is called in, and sets no policy.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from collections.abc import Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")


def new_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes uvloop's loop; None, which stands for Python's own, where uvloop is not installed."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    maker: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return maker


def run(work: Coroutine[object, object, T]) -> T:
    """As `asyncio.run`, in the fastest loop there is."""
    with asyncio.Runner(loop_factory=new_loop()) as runner:
        return runner.run(work)
