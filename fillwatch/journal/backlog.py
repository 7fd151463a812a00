"""What was given to write and is not on the disk yet, in order, and what becomes of it when writing fails."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fillwatch.journal.base import KIND_RULES, Fact
from fillwatch.journal.errors import JournalClosed, JournalError, JournalUnwritable

#: Facts in one commit, unless a single call has more.
BATCH: Final = 5_000
#: Facts held in memory; beyond it those that nobody waits for are given up. About 60 MB of ordinary ones.
LIMIT: Final = 100_000


@dataclass(slots=True, eq=False)
class Order:
    """What one call gave to write. `waiter` is told how it went; None when nobody waits, or no longer."""

    facts: tuple[Fact, ...]
    waiter: asyncio.Future[None] | None = None

    @property
    def announces(self) -> bool:
        """Whether an action must not be taken without it."""
        return any(KIND_RULES[fact.kind].announces for fact in self.facts)

    def tell(self, error: JournalError | None = None) -> None:
        """The waiter, if there is one, goes on or sees `error`."""
        waiter = self.waiter
        if waiter is None:
            return
        self.waiter = None
        if waiter.done():
            return
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)


class Backlog:
    """The queue of orders. `size` counts their facts, `lost` those given up, `urgent` the orders somebody waits for."""

    def __init__(self) -> None:
        self._orders: deque[Order] = deque()
        self.size = 0
        self.urgent = 0
        self.lost = 0

    def __bool__(self) -> bool:
        return bool(self._orders)

    def add(self, order: Order) -> bool:
        """Take `order` over; False when there is no room for one that nobody waits for, and it is given up."""
        count = len(order.facts)
        if order.waiter is not None:
            self.urgent += 1
        elif self.size + count > LIMIT:
            self.lost += count
            return False
        self._orders.append(order)
        self.size += count
        return True

    def take(self) -> list[Order]:
        """The next orders to be written, out of the queue."""
        if self.size <= BATCH:
            everything = [*self._orders]
            self.clear()
            return everything
        batch: list[Order] = []
        size = 0
        while self._orders and (not batch or size + len(self._orders[0].facts) <= BATCH):
            order = self._orders.popleft()
            self.urgent -= order.waiter is not None
            batch.append(order)
            size += len(order.facts)
        self.size -= size
        return batch

    def fail(self, batch: Iterable[Order], error: BaseException) -> None:
        """Tell everybody that `batch` could not be written, those behind it too: they have no better prospects.

        Orders that announce an action are forgotten, the others stay in the queue, in their order, while there is room.
        """
        orders = [*batch, *self._orders]
        self.clear()
        # What the store cannot explain may be the facts' own fault: kept, they would stand in the way for ever.
        can_keep = isinstance(error, JournalError)
        for order in orders:
            keep = can_keep and not order.announces and self.size + len(order.facts) <= LIMIT
            order.tell(explained(error, kept=keep))
            if keep and order.facts:
                self._orders.append(order)
                self.size += len(order.facts)
            elif not order.announces:
                self.lost += len(order.facts)

    def abandon(self, batch: Iterable[Order]) -> int:
        """Tell everybody that nothing more is written, `batch` included; how many facts are lost for certain."""
        left = self.size
        for order in (*batch, *self._orders):
            order.tell(JournalClosed("the journal was closed before it was certain that this is on the disk"))
        self.clear()
        self.lost += left
        return left

    def clear(self) -> None:
        """Forget every order."""
        self._orders.clear()
        self.size = self.urgent = 0


def explained(error: BaseException, *, kept: bool = False) -> JournalUnwritable:
    """`error` as its own exception for one of those who see it: a shared one would collect all their tracebacks."""
    kind = type(error) if isinstance(error, JournalUnwritable) else JournalUnwritable
    mine = kind(str(error) if isinstance(error, JournalError) else f"writing failed: {error!r}", kept=kept)
    mine.__cause__ = error
    return mine
