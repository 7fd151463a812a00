"""The engine's door for those who trade: requests at the engine's pace, and tasks that end with the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from fillwatch.brokers.base import (
    Account,
    Broker,
    CancelAnswer,
    Listing,
    MarketClock,
    Operation,
    Positions,
    SubmitAnswer,
    Unknown,
)
from fillwatch.core.config import AtTimeout
from fillwatch.core.errors import BrokerError, EngineClosed
from fillwatch.core.evidence import Look, Route, Unanswered
from fillwatch.core.orders import Number, OrderRequest
from fillwatch.core.positions import PositionBook, PositionsView
from fillwatch.engine.limiter import Priority
from fillwatch.engine.origin import Origin
from fillwatch.engine.wire import Wire

if TYPE_CHECKING:
    from fillwatch.engine.watch import OrderWatch
    from fillwatch.journal import Journal


class Watching(Protocol):
    """How an engine takes an order up."""

    def __call__(
        self,
        order_id: str,
        *,
        timeout_seconds: float | None,
        expected_price: Number | None,
        at_timeout: AtTimeout | str,
        origin: Origin,
    ) -> OrderWatch: ...


class TradingDoor:
    """Orders and the reads around them, through the engine's limiter. Every call is one request and is never repeated
    here; each raises `EngineClosed` when the engine has ended, and nothing for what a broker or a network can do.
    """

    def __init__(
        self, broker: Broker, wire: Wire, book: PositionBook, watch: Watching, journal: Journal | None
    ) -> None:
        self._broker = broker
        self._wire = wire
        self._book = book
        self._watch = watch
        self._journal = journal
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def can_list(self) -> bool:
        """Whether the broker has a list of orders."""
        return self._broker.caps.page_size > 0

    def held(self, symbol: str) -> Decimal | None:
        """Signed shares of a symbol on the account, as far as the engine knows; None before it could be read."""
        view = PositionsView(self._book)
        return view.get(symbol, Decimal(0)) if view.has_baseline else None

    def watch(
        self,
        order_id: str,
        *,
        intent_id: str,
        timeout_seconds: float | None = None,
        expected_price: Number | None = None,
        at_timeout: AtTimeout | str = AtTimeout.CANCEL,
        cancel_sent: bool = False,
    ) -> OrderWatch:
        """Watch an order of a trade, as `FillDetectionEngine.watch` does; the journal is told whose it is, and
        `FillDetectionEngine.recover` leaves it to whoever recovers the trade.

        `cancel_sent`: a cancel of ours that may have worked was sent before (see the method of this name).
        """
        if self._closed:
            raise EngineClosed("the engine was left")
        return self._watch(
            order_id,
            timeout_seconds=timeout_seconds,
            expected_price=expected_price,
            at_timeout=at_timeout,
            origin=Origin(intent_id=intent_id, cancel_sent=cancel_sent),
        )

    async def cancel_sent(self, order_id: str) -> bool:
        """Whether the engine's journal holds a cancel of this order that may have worked; False without a journal.
        Raises `JournalError` when it cannot be read in time.
        """
        if self._journal is None:
            return False
        from fillwatch.engine.resuming import may_be_canceled  # late: most engines keep no journal
        from fillwatch.journal.patience import PATIENCE, in_time

        return await in_time(self._journal, may_be_canceled(self._journal, order_id), PATIENCE)

    async def submit(
        self, request: OrderRequest, *, protects: bool, on_sent: Callable[[float], None] | None = None
    ) -> SubmitAnswer:
        """Send one order, once. One that `protects` goes before everything but cancels."""
        priority = Priority.CANCEL if protects else Priority.SUBMIT
        try:
            return await self._wire.ask(
                priority, lambda: self._broker.submit(request), on_sent=on_sent, operation=Operation.SUBMIT
            )
        except BrokerError as error:
            return Unknown(error=error)

    async def find(self, client_order_id: str, *, on_sent: Callable[[float], None] | None = None) -> Look:
        """Look for an order by the id that its sender gave it."""
        asked = asyncio.get_running_loop().time()
        try:
            return await self._wire.ask(
                Priority.FINAL_CHECK,
                lambda: self._broker.look_by_client_id(client_order_id),
                on_sent=on_sent,
                operation=Operation.LOOK_BY_CLIENT_ID,
            )
        except BrokerError as error:
            return Unanswered(error=error, route=Route.CLIENT_ID, as_of=asked)

    async def cancel(self, order_id: str) -> CancelAnswer:
        """Ask for an order of ours to be cancelled."""
        try:
            return await self._wire.ask(
                Priority.CANCEL, lambda: self._broker.cancel(order_id), operation=Operation.CANCEL
            )
        except BrokerError as error:
            return Unknown(error=error)

    async def look(self, order_id: str) -> Look:
        """Look at an order by the broker's id."""
        asked = asyncio.get_running_loop().time()
        try:
            return await self._wire.ask(
                Priority.FINAL_CHECK, lambda: self._broker.look(order_id), operation=Operation.LOOK
            )
        except BrokerError as error:
            return Unanswered(error=error, route=Route.ORDER, as_of=asked)

    async def list(self) -> Listing | Unanswered:
        """The newest orders."""
        asked = asyncio.get_running_loop().time()
        try:
            return await self._wire.ask(Priority.FINAL_CHECK, self._broker.list, operation=Operation.LIST)
        except BrokerError as error:
            return Unanswered(error=error, route=Route.LIST, as_of=asked)

    async def clock(self) -> MarketClock | Unanswered:
        """The broker's clock."""
        asked = asyncio.get_running_loop().time()
        try:
            return await self._wire.ask(Priority.SUBMIT, self._broker.clock, operation=Operation.CLOCK)
        except BrokerError as error:
            return Unanswered(error=error, route=Route.POSITIONS, as_of=asked)

    async def account(self) -> Account | Unanswered:
        """The account."""
        asked = asyncio.get_running_loop().time()
        try:
            return await self._wire.ask(Priority.SUBMIT, self._broker.account, operation=Operation.ACCOUNT)
        except BrokerError as error:
            return Unanswered(error=error, route=Route.POSITIONS, as_of=asked)

    async def positions(self) -> Positions | Unanswered:
        """What the account holds."""
        asked = asyncio.get_running_loop().time()
        try:
            return await self._wire.ask(Priority.POSITION, self._broker.positions, operation=Operation.POSITIONS)
        except BrokerError as error:
            return Unanswered(error=error, route=Route.POSITIONS, as_of=asked)

    def attend(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        """Run `work` until it ends or the engine does, which cancels it. Its error is its owner's to read."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._closed:
            task.cancel()
        return task

    async def aclose(self) -> None:
        """Cancel what is attended to and wait until it has ended."""
        self._closed = True
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
