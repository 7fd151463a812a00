"""What the trades of one executor share: the broker's clock, who trades what, and whose order is whose."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from datetime import timedelta
from itertools import takewhile
from typing import TYPE_CHECKING

from fillwatch.brokers.base import Account, MarketClock
from fillwatch.core import trading_rules as rules
from fillwatch.core.evidence import Seen, Unanswered
from fillwatch.core.orders import OrderSnapshot
from fillwatch.core.trade_terms import Intent
from fillwatch.engine.trading import TradingDoor

if TYPE_CHECKING:
    from fillwatch.execution.runner import Runner

#: Seconds for which the broker's clock is believed without asking again: halts and half days are known to it alone.
CLOCK_HOLDS = 300.0
#: Seconds between two tries to read the clock or the account.
BETWEEN_READS = 0.5
#: Orders of trades that are over, for which late facts are still heard.
KEPT = 3_000


class Floor:
    """See the module's text. `door` is the engine's."""

    def __init__(self, door: TradingDoor) -> None:
        self.halted: str | None = None
        self._door = door
        self._loop = asyncio.get_running_loop()
        self._clock: MarketClock | None = None
        self._live: dict[str, Intent] = {}
        self._owners: OrderedDict[str, tuple[Runner, str]] = OrderedDict()

    def begin(self, intent: Intent) -> None:
        """A trade is under way."""
        self._live[intent.intent_id] = intent

    def end(self, intent: Intent) -> None:
        """It is no longer."""
        self._live.pop(intent.intent_id, None)

    def own(self, order_id: str, runner: Runner, name: str) -> None:
        """An order belongs to this trade, under this name."""
        self._owners[order_id] = (runner, name)
        while len(self._owners) > KEPT:
            self._owners.popitem(last=False)

    def owner(self, order_id: str) -> tuple[Runner, str] | None:
        """Whose order it is; None for one that is nobody's here, or was for too long."""
        return self._owners.get(order_id)

    def objection(self, intent: Intent) -> str | None:
        """Why the trades that began before it, or whoever halted trading, do not let this one begin."""
        if self.halted is not None:
            return f"trading is halted: {self.halted}"
        before = list(takewhile(lambda other: other.intent_id != intent.intent_id, self._live.values()))
        most = intent.config.max_open_trades
        if most is not None and len(before) >= most:
            return f"max_open_trades: {most} trades are under way"
        for other in before:
            if other.symbol == intent.symbol and other.side is not intent.side:
                return f"a trade that would {other.side} {other.symbol} is under way (intent {other.intent_id})"
        return rules.objection(intent)

    async def read(self, intent: Intent) -> rules.Market | None:
        """What the broker says of the market and the account; None if it does not, for as long as patience lasts."""
        until = self._loop.time() + intent.config.check_patience_seconds
        clock: MarketClock | None = None
        while True:
            clock = clock or await self._read_clock()
            account = await self._door.account() if clock is not None else None
            if clock is not None and isinstance(account, Account):
                return rules.Market(
                    is_open=clock.is_open,
                    next_open=clock.next_open,
                    can_trade=account.can_trade,
                    buying_power=account.buying_power,
                    held=self._door.held(intent.symbol),
                )
            if self._loop.time() + BETWEEN_READS >= until:
                return None
            await asyncio.sleep(BETWEEN_READS)

    async def _read_clock(self) -> MarketClock | None:
        known = self._clock
        if known is not None:
            age = self._loop.time() - known.as_of
            turn = known.next_close if known.is_open else known.next_open
            if age < CLOCK_HOLDS and known.at + timedelta(seconds=age) < turn:
                return known
        told = await self._door.clock()
        self._clock = told if isinstance(told, MarketClock) else None
        return self._clock

    async def shown(self, order_id: str) -> Iterable[OrderSnapshot]:
        """What the broker shows of an order and of those made near it; nothing if it does not answer."""
        rows: list[OrderSnapshot] = []
        if self._door.can_list:
            page = await self._door.list()
            if not isinstance(page, Unanswered):
                rows.extend(page.orders)
        if not any(row.order_id == order_id for row in rows):
            look = await self._door.look(order_id)
            if isinstance(look, Seen):
                rows.append(look.order)
        return rows
