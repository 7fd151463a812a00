"""How long a journal is waited for: its disk may hang (a network that is gone, a failing drive), and shares must not.

A wait that is given up leaves the journal as it is: what it was given to write it may write yet.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from typing import Final, TypeVar

from fillwatch.journal.base import Fact, Journal
from fillwatch.journal.errors import JournalUnreadable, JournalUnwritable

T = TypeVar("T")

#: Seconds for whatever has to be on the disk, or known from it, before the next thing is done.
PATIENCE: Final = 2.0
#: Seconds while the disk hangs: bare shares are worse than an unwritten fact.
WHILE_IT_HANGS: Final = 0.1
#: Seconds after which a disk that hung is waited for as if it did not: it may only be slow by now.
TRIED_AGAIN: Final = 10.0
#: Seconds for each read of what an earlier process left: nothing of it can be looked after before it is known.
TAKING_UP: Final = 30.0


def hung(journal: Journal, seconds: float) -> str:
    """In words: the disk did not answer within `seconds`."""
    path = getattr(journal, "path", None)
    return f"the disk has not answered for {seconds:g} s" + ("" if path is None else f" ({path})")


async def in_time(journal: Journal, answer: Awaitable[T], seconds: float) -> T:
    """What was asked of `journal`. Raises `JournalUnreadable` when it takes longer than `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        raise JournalUnreadable(hung(journal, seconds)) from None


class PatientWriter:
    """Writes into `journal` for all who share it: when the disk has kept one of them waiting, the next hardly wait."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._hung_at = -math.inf

    async def write(self, *facts: Fact, durable: bool | None = None) -> None:
        """See `Journal`. Raises `JournalUnwritable` as well when the disk takes longer than there is patience."""
        now = asyncio.get_running_loop().time()
        hangs = now < self._hung_at + TRIED_AGAIN
        seconds = WHILE_IT_HANGS if hangs else PATIENCE
        try:
            async with asyncio.timeout(seconds):
                await self._journal.write(*facts, durable=durable)
        except TimeoutError:
            if not hangs:
                self._hung_at = now + seconds
            raise JournalUnwritable(hung(self._journal, seconds)) from None
        self._hung_at = -math.inf
