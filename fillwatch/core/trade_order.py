"""One order of a trade, as far as is known: of exits, which are two orders in one, both together.

Every part of it only ever grows (an id, a larger quantity, an end), so that the same facts make the same order however
often and in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from fillwatch.core.orders import OrderRequest
from fillwatch.core.results import FillOutcome, FillResult
from fillwatch.core.trade_facts import (
    Counted,
    Doubtful,
    Faulty,
    Looked,
    NotPlaced,
    Part,
    Sending,
    Watched,
    part_of,
)
from fillwatch.core.trading_rules import exactly

ZERO = Decimal(0)
#: Exits that stood for less than this have not done what they were for: whoever ended them would end the next ones.
STOOD = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeOrder:
    """See the module's text. Exactly `request` is sent, as often as it takes.

    `legs`: what the engine said of each order of the exits. `is_stale`: they were seen by an earlier process alone.
    """

    name: str
    request: OrderRequest | None = None
    sent: Sending | None = None
    order_id: str | None = None
    refusal: NotPlaced | None = None
    told: Watched | None = None
    seen: Looked | None = None
    legs: tuple[Watched, ...] = ()
    fault: Faulty | None = None
    counted: Counted | None = None
    doubts: tuple[Doubtful | None, Doubtful | None] = (None, None)
    is_stale: bool = False

    @property
    def doubt(self) -> str | None:
        """Why what has become of it cannot be learnt for the time being; None when it can, or is known."""
        before, after = self.doubts
        found = after if self.is_placed else before
        known = (self.is_over or self.works) if self.is_placed else self.is_answered
        return None if known or found is None else found.reason

    @property
    def result(self) -> FillResult | None:
        """What the engine said of it last."""
        return None if self.told is None else self.told.result

    @property
    def undone(self) -> Decimal:
        """Shares whose executions were taken back."""
        return sum((leg.undone for leg in self.legs), ZERO if self.told is None else self.told.undone)

    @property
    def part(self) -> Part:
        """What it is to its trade."""
        return part_of(self.name)

    @property
    def quantity(self) -> Decimal:
        """Shares asked for."""
        return ZERO if self.request is None or self.request.qty is None else self.request.qty

    @property
    def ids(self) -> tuple[str, ...]:
        """The orders at the broker that it is."""
        if self.seen is not None:
            return self.seen.order_ids
        return () if self.order_id is None else (self.order_id,)

    @property
    def is_placed(self) -> bool:
        """Whether the broker has it."""
        return self.order_id is not None

    @property
    def is_answered(self) -> bool:
        """Whether it is known that the broker has it, or that it never will."""
        return self.is_placed or self.refusal is not None

    @property
    def filled(self) -> Decimal:
        """Shares executed, as far as is known."""
        told = ZERO if self.result is None else self.result.fill_quantity or ZERO
        if self._legs_are_over:
            return self._by_legs
        seen = ZERO if self.seen is None else max(self.seen.filled - self.undone, ZERO)
        return max(told, self._by_legs, seen)

    @property
    def _by_legs(self) -> Decimal:
        return sum((leg.result.fill_quantity or ZERO for leg in self.chains), ZERO)

    @property
    def price(self) -> Decimal | None:
        """Average price of the shares executed; None when there are none, or it is not known."""
        if self.part is not Part.EXITS:
            return None if self.result is None else self.result.fill_price
        traded = [leg.result for leg in self.chains if leg.result.fill_quantity]
        if sum((one.fill_quantity or ZERO for one in traded), ZERO) == self.filled != 0:
            return average((one.fill_quantity, one.fill_price) for one in traded)
        return None if self.seen is None or self.seen.filled != self.filled else self.seen.price

    @property
    def chains(self) -> tuple[Watched, ...]:
        """The legs; of an order and its successor, both of which were watched, the one that counts more."""
        found: dict[str, Watched] = {}
        for leg in self.legs:
            known = found.setdefault(leg.result.final_order_id, leg)
            if (leg.result.fill_quantity or ZERO) > (known.result.fill_quantity or ZERO):
                found[leg.result.final_order_id] = leg
        return tuple(found.values())

    @property
    def _legs_are_over(self) -> bool:
        """Whether the engine has told the end of each order of the exits. The target's alone will not do while its stop
        has not been found: that may be executing."""
        ends = {leg.leg: leg.result.outcome for leg in self.legs if leg.result.outcome.is_end}
        if self.seen is None or not ends.keys() >= set(self.ids):
            return False
        is_alone = len(self.ids) < 2
        return not is_alone or FillOutcome.REJECTED in ends.values() or self._by_legs >= self.quantity > 0

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be executed."""
        if not self.is_placed:
            return self.refusal is not None
        ended = self.result is not None and self.result.outcome.is_end
        return ended or self._legs_are_over or (self.seen is not None and self.seen.over)

    @property
    def answers_for(self) -> Decimal:
        """Shares that it has closed or may yet close: all that it asked for until it is known to be over. Shares of
        lost exits that somebody else has closed are nobody's to close any more."""
        if not self.is_over:
            return max(self.quantity, self.filled)
        return self.filled + self.gone

    @property
    def gone(self) -> Decimal:
        """Shares of lost exits that somebody else has closed."""
        return ZERO if self.counted is None else min(self.counted.gone, max(self.quantity - self.filled, ZERO))

    @property
    def failed(self) -> bool:
        """Whether it is over and did not do what it was for; an order that closed some of it has done its part."""
        if self.part is Part.CLOSE:
            return self.is_over and not self.filled
        return self.is_over and self.filled < self.quantity and not self._stood

    @property
    def works(self) -> bool:
        """Of exits: whether they were seen to stand, and nothing has been said against it."""
        return self.seen is not None and self.seen.working and not self.is_stale and self.fault is None

    @property
    def stands(self) -> bool:
        """Of exits: whether they were seen and are not over, for better or worse."""
        return (self.works or self.fault is not None) and not self.is_over

    @property
    def is_lost(self) -> bool:
        """Whether it was exits that stood and are over without having closed everything."""
        return self.seen is not None and self.seen.working and self.is_over and self.filled < self.quantity

    @property
    def _stood(self) -> bool:
        if self.seen is None or not self.seen.working:
            return False
        ends: list[datetime] = [leg.at for leg in self.legs]
        return not ends or max(ends) - self.seen.at >= STOOD


@exactly
def average(trades: Iterable[tuple[Decimal | None, Decimal | None]]) -> Decimal | None:
    """The average price of (quantity, price) pairs; None when there are none or a price is not known."""
    shares, money = ZERO, ZERO
    for quantity, price in trades:
        if not quantity:
            continue
        if price is None:
            return None
        shares, money = shares + quantity, money + quantity * price
    return money / shares if shares else None
