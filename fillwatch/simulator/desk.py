"""The broker's desk: it carries requests out, once they have got through."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from fillwatch.core.orders import OrderRequest
from fillwatch.simulator import allowance, answers, listings, reads, rules
from fillwatch.simulator.account import STARTING_CASH, Account
from fillwatch.simulator.answers import Answer, Call, Op, Terms
from fillwatch.simulator.assets import asset
from fillwatch.simulator.book import Record
from fillwatch.simulator.closing import close_position, close_positions
from fillwatch.simulator.draws import drawn_request
from fillwatch.simulator.fates import USUAL_MIX, Fate
from fillwatch.simulator.kinds import Kind
from fillwatch.simulator.market import Market
from fillwatch.simulator.plans import plan_for
from fillwatch.simulator.reads import View
from fillwatch.simulator.replacing import replace_order
from fillwatch.simulator.spreads import is_spread_leg
from fillwatch.simulator.summary import account_row

#: What an mleg order's own fields are: its legs have them (facts §1c).
_BLANK: Mapping[str, object] = MappingProxyType(dict.fromkeys(("symbol", "asset_id", "asset_class", "side"), ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What is done with a request. `fate` is that of submitted orders, None: drawn from `mix`.

    Orders that go by the market are held to what the account holds; planned fates come to pass whatever it does.
    """

    market: Market
    timeout: float
    fate: Fate | None
    mix: Mapping[Fate, int] = field(default_factory=lambda: USUAL_MIX)
    cash: Decimal = STARTING_CASH
    account: Account | None = None

    def __post_init__(self) -> None:
        if self.account is None:
            object.__setattr__(self, "account", Account(self.market, self.cash))

    @property
    def books(self) -> Account:
        """The account, up to date."""
        assert self.account is not None
        return self.account.catch_up()

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
        shown: Mapping[str, object] = MappingProxyType({}),
    ) -> Record:
        """Put an order into the book; `stamp` draws the time of one placed earlier, which every read has seen since."""
        stream = random.Random(f"{self.market.seed}/placing/{len(self.market.records)}")
        chosen = fate or self.fate or stream.choices(list(self.mix), weights=list(self.mix.values()))[0]
        return self.market.place(
            drawn_request(self.market.seed, stream, chosen) if request is None else request,
            plan_for(chosen, stream, timeout=self.timeout),
            now,
            foreign=foreign,
            stamp=None if stamp is None else stamp(stream),
            known_since=None if stamp is None else float("-inf"),
            shown=shown,
        )

    def _submit(self, call: Call, now: float, view: View) -> Answer:
        request = call.order
        assert request is not None
        if request.client_order_id in self.market.by_client_id:
            return view.stream.choice(answers.DUPLICATE_CLIENT_ID)
        known = asset(request.symbol)
        if known is not None and known.symbol != request.symbol:  # a pair without its slash
            request = replace(request, symbol=known.symbol)
        if (refused := self._refused(request, call.terms, now)) is not None:
            return refused
        return self.accept(request, call.terms, now, view)

    def accept(self, request: OrderRequest, terms: Terms, now: float, view: View) -> Answer:
        """Put an order that may stand into the book: the answer to its sender, legs included."""
        shown = {"position_intent": terms.position_intent} if terms.position_intent else {}
        record = self.place(request, None, now, shown=_BLANK if terms.legs else shown)
        version = record.versions[-1]
        if terms.legs:
            self.market.legs.open_mleg(record, terms, now)
        legs = reads.legs_of(self.market, version, replace(view, at=now), nested=True)
        return Answer(versions=(version,), legs=legs)

    def _refused(self, request: OrderRequest, terms: Terms, now: float, *, old: Record | None = None) -> Answer | None:
        """Why an order may not stand, if it may not; `old` is the one that it would replace."""
        known = asset(request.symbol)
        refused = rules.refused(request, known, terms)
        if refused is not None or known is None:
            return refused
        intent = terms.position_intent
        wish = allowance.Wish(account=self.books, request=request, asset=known, t=now, old=old, intent=intent)
        if (self.fate if old is None else old.plan.fate) is not Fate.MARKET:
            return allowance.too_dear(wish)
        price = self.books.price(request.symbol, now)
        return (
            rules.exits_off(request, price)
            or rules.stop_off(request, price)
            or listings.too_late(self.market, request, now)
            or allowance.refused(wish)
        )

    def _replace(self, call: Call, now: float, view: View) -> Answer:
        assert call.patch is not None
        old = self.market.records.get(call.target)
        if old is not None and old.request.order_class == "mleg":
            return answers.CANNOT_REPLACE_MLEG
        return replace_order(
            self.market,
            call.target,
            call.patch,
            now,
            check=lambda request: self._refused(request, Terms(), now, old=old),
            lost=view.fault is Kind.REPLACE_RACE,
            timeout=self.timeout,
        )

    def _cancel(self, call: Call, now: float, view: View) -> Answer:
        return self.market.cancel(call.target, now)

    def cancel_all(self, now: float) -> Answer:
        """Ask for every live order to be cancelled: one row of a 207 for each."""
        records = [record for record in self.market.records.values() if not record.now.status.is_terminal]
        live = [record.order_id for record in records if not is_spread_leg(record)]
        return Answer(status=207, rows=tuple({"id": name, "answer": self.market.cancel(name, now)} for name in live))

    def _account(self, call: Call, now: float, view: View) -> Answer:
        return Answer(rows=(account_row(self.books, self.market.seed, now, self.market.wall(now)),))


#: Total over `Op`.
_OPERATIONS: Mapping[Op, Callable[[Desk, Call, float, View], Answer]] = MappingProxyType(
    {
        Op.LOOK: lambda desk, call, now, view: reads.order_by_id(desk.market, call.target, view, nested=call.nested),
        Op.LOOK_BY_CLIENT_ID: lambda desk, call, now, view: reads.order_by_client_id(desk.market, call.target, view),
        Op.LIST: lambda desk, call, now, view: reads.orders(desk.market, call.query, view, nested=call.nested),
        Op.FILLS: lambda desk, call, now, view: reads.tape(desk.market, call.query, view),
        Op.SUBMIT: Desk._submit,
        Op.REPLACE: Desk._replace,
        Op.CANCEL: Desk._cancel,
        Op.CANCEL_ALL: lambda desk, call, now, view: desk.cancel_all(now),
        Op.POSITIONS: lambda desk, call, now, view: reads.positions(desk.market, desk.books, view),
        Op.POSITION: lambda desk, call, now, view: reads.position(desk.market, desk.books, call.target, view),
        Op.CLOSE_POSITION: close_position,
        Op.CLOSE_POSITIONS: close_positions,
        Op.ACCOUNT: Desk._account,
        Op.CLOCK: lambda desk, call, now, view: listings.clock(desk.market, now),
        Op.CALENDAR: lambda desk, call, now, view: listings.calendar(desk.market, call.query, now),
        Op.ASSET: lambda desk, call, now, view: listings.asset_row(desk.market, call.target),
        Op.ASSETS: lambda desk, call, now, view: listings.asset_rows(desk.market, call.query),
        Op.EVENTS: lambda desk, call, now, view: Answer(),
    }
)
