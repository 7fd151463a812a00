"""The exits of one trade, watched like any other orders from when they were seen to stand until they are over."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from functools import partial

from fillwatch.core.config import AtTimeout
from fillwatch.core.errors import EngineClosed, WatchConflict
from fillwatch.core.exits_seen import complaint
from fillwatch.core.results import FillResult
from fillwatch.core.trade_order import TradeOrder
from fillwatch.engine.trading import TradingDoor
from fillwatch.engine.watch import OrderWatch
from fillwatch.logs import plain_logger

Learn = Callable[[str, str, FillResult], Awaitable[None]]


class ExitGuard:
    """Watches without a time-out and touches nothing. `learn` is told the name of the exits, which of their orders has
    ended, and its result; `stir` that something about one of them has changed.

    `foreign`: the names of exits that cannot be watched here, since somebody watches them with other parameters, or a
    watch of them failed.
    """

    def __init__(self, door: TradingDoor, intent_id: str, learn: Learn, stir: Callable[[], None]) -> None:
        self._door = door
        self._intent_id = intent_id
        self._learn = learn
        self._stir = stir
        self._loop = asyncio.get_running_loop()
        self.foreign: set[str] = set()
        self._watches: dict[str, OrderWatch] = {}
        self._since: dict[str, float] = {}

    def keep(self, order: TradeOrder) -> None:
        """Watch what is not watched yet."""
        for order_id in order.ids:
            if order_id not in self._watches and order.name not in self.foreign:
                try:
                    watch = self._door.watch(
                        order_id, intent_id=self._intent_id, timeout_seconds=math.inf, at_timeout=AtTimeout.LEAVE
                    )
                except WatchConflict as conflict:
                    plain_logger().warning("exits cannot be watched, only looked at now and then: {}", conflict)
                    self.foreign.add(order.name)
                    return
                self._watches[order_id] = watch
                task = self._door.attend(self._follow(order.name, watch), f"fillwatch-exit-{order_id}")
                task.add_done_callback(partial(self._see, order.name))

    async def _follow(self, name: str, watch: OrderWatch) -> None:
        try:
            async for _ in watch:
                self._stir()
            await self._learn(name, watch.order_id, await watch)
        except EngineClosed:
            return  # the next process takes it up
        self._stir()

    def _see(self, name: str, task: asyncio.Task[None]) -> None:
        """Exits that nobody sees are the last thing wanted: those whose watch failed are looked at instead."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            plain_logger().opt(exception=error).error("exits are only looked at now and then: a watch of them failed")
            self.foreign.add(name)
            self._stir()

    def complaint(self, order: TradeOrder, patience: float) -> tuple[str, float] | None:
        """What is wrong with exits that live, and in how many seconds (0: now) it will have been so for as long as
        `patience` lasts; None: nothing."""
        words = self._judge(order)
        if words is None:
            self._since.pop(order.name, None)
            return None
        now = self._loop.time()
        return words, max(self._since.setdefault(order.name, now) + patience - now, 0.0)

    def _judge(self, order: TradeOrder) -> str | None:
        views = {order_id: self._watches[order_id].belief.view() for order_id in order.ids if order_id in self._watches}
        target = views.pop(order.order_id or "", None)
        # Of an order and its successor both are known; the one that was replaced tells nothing more.
        others = {view.order_id: view for view in views.values() if target is None or view.order_id != target.order_id}
        if target is None or len(others) != 1:
            return None
        (stop,) = others.values()
        return complaint(order.quantity, target, stop)
