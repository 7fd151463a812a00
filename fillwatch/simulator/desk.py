"""The broker's desk: it carries requests out, once they have got through."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from fillwatch.core.orders import OrderRequest
from fillwatch.simulator import answers, reads
from fillwatch.simulator.answers import Answer, Call, Op
from fillwatch.simulator.book import NEW_YORK, Record
from fillwatch.simulator.draws import drawn_id, drawn_request, price_of
from fillwatch.simulator.fates import USUAL_MIX, Fate
from fillwatch.simulator.market import Market
from fillwatch.simulator.plans import plan_for
from fillwatch.simulator.reads import View

BUYING_POWER = Decimal(100_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What is done with a request. `fate` is that of submitted orders, None: drawn from the usual mix."""

    market: Market
    timeout: float
    fate: Fate | None

    def carry_out(self, call: Call, now: float, view: View) -> Answer:
        """The broker's true answer; a malformed request gets the refusal it deserves."""
        return _OPERATIONS[call.op](self, call, now, view) if call.problem is None else call.problem

    def place(
        self,
        request: OrderRequest | None,
        fate: Fate | None,
        now: float,
        *,
        foreign: bool = False,
        stamp: Callable[[random.Random], datetime] | None = None,
    ) -> Record:
        """Put an order into the book; `stamp` draws the time of one placed earlier, which every read has seen since."""
        stream = random.Random(f"{self.market.seed}/placing/{len(self.market.records)}")
        chosen = fate or self.fate or stream.choices(list(USUAL_MIX), weights=list(USUAL_MIX.values()))[0]
        return self.market.place(
            drawn_request(self.market.seed, stream, chosen) if request is None else request,
            plan_for(chosen, stream, timeout=self.timeout),
            now,
            foreign=foreign,
            stamp=None if stamp is None else stamp(stream),
            known_since=None if stamp is None else float("-inf"),
        )

    def _submit(self, call: Call, now: float, view: View) -> Answer:
        request = call.order
        assert request is not None
        if request.client_order_id in self.market.by_client_id:
            return view.stream.choice(answers.DUPLICATE_CLIENT_ID)
        cost = request.notional or (request.qty or Decimal(0)) * price_of(self.market.seed, request)
        if cost > BUYING_POWER:
            figures = {"buying_power": str(BUYING_POWER), "cost_basis": str(cost)}
            return answers.refusal(403, 40310000, "insufficient buying power", **figures)
        return Answer(versions=(self.place(request, None, now).versions[-1],))

    def _cancel(self, call: Call, now: float, view: View) -> Answer:
        return self.market.cancel(call.target, now)

    def _cancel_all(self, call: Call, now: float, view: View) -> Answer:
        live = [record.order_id for record in self.market.records.values() if not record.now.status.is_terminal]
        rows = [{"id": order_id, "status": self.market.cancel(order_id, now).status} for order_id in live]
        return Answer(status=207, rows=tuple(rows))

    def _account(self, call: Call, now: float, view: View) -> Answer:
        account_id = drawn_id(random.Random(f"{self.market.seed}/account"))
        return Answer(rows=({"id": account_id, "currency": "USD", "buying_power": BUYING_POWER},))

    def _clock(self, call: Call, now: float, view: View) -> Answer:
        at = self.market.wall(now).astimezone(NEW_YORK)
        opens = at.replace(hour=9, minute=30, second=0, microsecond=0)
        closes = at.replace(hour=16, minute=0, second=0, microsecond=0)
        day = timedelta(days=1)
        return Answer(
            rows=(
                {
                    "at": at,
                    "is_open": opens <= at < closes,
                    "next_open": opens if at < opens else opens + day,
                    "next_close": closes if at < closes else closes + day,
                },
            )
        )


#: Total over `Op`.
_OPERATIONS: Mapping[Op, Callable[[Desk, Call, float, View], Answer]] = MappingProxyType(
    {
        Op.LOOK: lambda desk, call, now, view: reads.order_by_id(desk.market, call.target, view),
        Op.LOOK_BY_CLIENT_ID: lambda desk, call, now, view: reads.order_by_client_id(desk.market, call.target, view),
        Op.LIST: lambda desk, call, now, view: reads.orders(desk.market, call.query, view),
        Op.FILLS: lambda desk, call, now, view: reads.tape(desk.market, call.query, view),
        Op.SUBMIT: Desk._submit,
        Op.CANCEL: Desk._cancel,
        Op.CANCEL_ALL: Desk._cancel_all,
        Op.POSITIONS: lambda desk, call, now, view: reads.positions(desk.market, view),
        Op.POSITION: lambda desk, call, now, view: reads.position(desk.market, call.target, view),
        Op.ACCOUNT: Desk._account,
        Op.CLOCK: Desk._clock,
    }
)
