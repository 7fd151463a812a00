"""An order on the exchange's floor, and the prices that it waits for."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from fillwatch.core.orders import Side
from fillwatch.simulator.book import Record
from fillwatch.simulator.ladders import Aim, Waiting
from fillwatch.simulator.prices import CENT

_STOPS = frozenset({"stop", "stop_limit", "trailing_stop"})


@dataclass(eq=False, slots=True, kw_only=True)
class Working(Waiting):
    """An order on the floor. `hwm` is the best price that a trailing stop has seen."""

    record: Record
    triggered: bool = False
    hwm: Decimal | None = None

    @property
    def aim(self) -> Aim | None:
        """The price it waits for; None when any will do."""
        request = self.record.request
        is_buy = request.side is Side.BUY
        if self.is_stop:
            level = self.trail if request.order_type == "trailing_stop" else request.stop_price
            return None if level is None else Aim(level=level, rising=is_buy)
        if request.limit_price is None:
            return None
        return Aim(level=request.limit_price, rising=not is_buy)

    @property
    def is_stop(self) -> bool:
        """Whether it waits to be triggered."""
        return self.record.request.order_type in _STOPS and not self.triggered

    @property
    def is_trailing(self) -> bool:
        """Whether it waits to be triggered at a price that follows the market."""
        return self.record.request.order_type == "trailing_stop" and not self.triggered

    @property
    def trail(self) -> Decimal | None:
        """Where the stop of a trailing order is now."""
        request = self.record.request
        if self.hwm is None:
            return None
        by = request.trail_price
        if by is None:
            by = self.hwm * (request.trail_percent or Decimal(0)) / 100
        return max((self.hwm + request.side.sign * by).quantize(CENT, ROUND_HALF_EVEN), CENT)

    @property
    def next_best(self) -> Aim:
        """The price at which a trailing stop has something to follow."""
        is_buy = self.record.request.side is Side.BUY
        if self.hwm is None:
            return Aim(level=CENT, rising=True)
        return Aim(level=self.hwm - CENT if is_buy else self.hwm + CENT, rising=not is_buy)

    def follow(self, price: Decimal) -> bool:
        """Let a trailing stop see a price; whether that moves it."""
        if not self.is_trailing or (self.hwm is not None and not self.next_best.is_reached(price)):
            return False
        self.hwm = self.record.hwm = price
        return True
