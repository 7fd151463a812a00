"""What the trades of one executor share: the broker's clock, who trades what, and whose order is whose."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import takewhile
from typing import TYPE_CHECKING

from fillwatch.brokers.base import Account, MarketClock
from fillwatch.core import trade_checks as checks
from fillwatch.core.evidence import Seen, Unanswered
from fillwatch.core.orders import OrderSnapshot
from fillwatch.core.trade_order import ZERO
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
#: Seconds within which entries are counted, and how many are remembered at most.
MINUTE, COUNTED = 60.0, 10_000


class Floor:
    """See the module's text. `door` is the engine's."""

    def __init__(self, door: TradingDoor) -> None:
        self.halted: str | None = None
        self._door = door
        self._loop = asyncio.get_running_loop()
        self._clock: MarketClock | None = None
        self._live: dict[str, Intent] = {}
        self._sent: deque[float] = deque(maxlen=COUNTED)
        self._runners: dict[Runner, set[str]] = {}
        self._owners: dict[str, tuple[Runner, str]] = {}
        self._past: OrderedDict[str, tuple[Runner, str]] = OrderedDict()

    def begin(self, intent: Intent) -> None:
        """A trade is under way: its caller waits."""
        self._live[intent.intent_id] = intent

    def end(self, intent: Intent) -> None:
        """He has been answered."""
        self._live.pop(intent.intent_id, None)

    def own(self, order_id: str, runner: Runner, name: str) -> None:
        """An order belongs to this trade, under this name, for as long as the trade is at work and some time after."""
        self._runners.setdefault(runner, set()).add(order_id)
        self._owners[order_id] = (runner, name)

    def retire(self, runner: Runner) -> None:
        """Nothing is left to be done for a trade. Late facts about its orders are heard until others make them past."""
        for order_id in sorted(self._runners.pop(runner, ())):
            self._past[order_id] = self._owners.pop(order_id)
        while len(self._past) > KEPT:
            self._past.popitem(last=False)

    def owner(self, order_id: str) -> tuple[Runner, str] | None:
        """Whose order it is; None for one that is nobody's here, or was for too long."""
        return self._owners.get(order_id) or self._past.get(order_id)

    def held_by_others(self, runner: Runner, symbol: str) -> Decimal:
        """Shares of a symbol that the other trades at work hold."""
        others = (other.trade for other in self._runners if other is not runner)
        return sum((trade.held for trade in others if trade.intent.symbol == symbol), ZERO)

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
        return self.crowding(intent) or checks.objection(intent)

    def crowding(self, intent: Intent) -> str | None:
        """Why too many entries were sent lately for one more; None: they were not."""
        most, now = intent.config.max_submits_per_minute, self._loop.time()
        while self._sent and self._sent[0] <= now - MINUTE:
            self._sent.popleft()
        if most is None or len(self._sent) < most:
            return None
        wait = self._sent[-most] + MINUTE - now
        return (
            f"max_submits_per_minute: {most} entries were sent within the last {MINUTE:g} s; "
            f"the next may be sent in {wait:.1f} s"
        )

    def count(self) -> None:
        """An entry is about to be sent."""
        self._sent.append(self._loop.time())

    async def read(self, intent: Intent) -> checks.Market | None:
        """What the broker says of the market and the account; None if it does not, for as long as patience lasts."""
        until = self._loop.time() + intent.config.check_patience_seconds
        clock: MarketClock | None = None
        while True:
            clock = clock or await self._read_clock()
            account = await self._door.account() if clock is not None else None
            if clock is not None and isinstance(account, Account):
                return checks.Market(
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

    async def shown(self, order_ids: Sequence[str]) -> list[OrderSnapshot]:
        """What the broker shows of these orders, of their successors and of those made lately; nothing of those of
        which it gives no answer."""
        rows: list[OrderSnapshot] = []
        if self._door.can_list:
            page = await self._door.list()
            if not isinstance(page, Unanswered):
                rows.extend(page.orders)
        wanted = deque(order_ids)
        known = {order.order_id: order for row in rows for order in (row, *row.legs)}
        while wanted:
            order_id = wanted.popleft()
            if order_id not in known:
                look = await self._door.look(order_id)
                if not isinstance(look, Seen):
                    continue
                rows.append(look.order)
                known |= {order.order_id: order for order in (look.order, *look.order.legs)}
            successor = known[order_id].replaced_by
            if successor is not None and successor not in known:
                wanted.append(successor)
        return rows
