"""The floor against a plain model that looks at every order at every price."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from fillwatch.core.orders import OrderRequest, Side
from fillwatch.simulator import Fate
from tests.simulator.floor import ROUTED, D, Floor

prices = st.integers(90, 110).map(D)


@dataclass(slots=True)
class Modelled:
    """One order as the rules say it goes; `best` is the best price it has seen."""

    request: OrderRequest
    best: Decimal | None = None
    triggered: bool = False
    filled_at: Decimal | None = None

    def meet(self, price: Decimal) -> None:
        """The price is this now."""
        if self.filled_at is not None:
            return
        request = self.request
        buys = request.side is Side.BUY
        if request.order_type == "trailing_stop":
            self.best = price if self.best is None else min(self.best, price) if buys else max(self.best, price)
            away = request.trail_price or self.best * (request.trail_percent or D(0)) / 100
            stop = (self.best + away if buys else self.best - away).quantize(D("0.01"), ROUND_HALF_EVEN)
            self.triggered = price >= stop if buys else price <= stop
        elif request.stop_price is not None and not self.triggered:
            self.triggered = price >= request.stop_price if buys else price <= request.stop_price
        if "stop" in request.order_type and not self.triggered:
            return
        limit = request.limit_price
        if limit is None or (price <= limit if buys else price >= limit):
            self.filled_at = price


@st.composite
def requests(draw: st.DrawFn) -> OrderRequest:
    """Any order type, either side, levels around the prices that occur."""
    order_type = draw(st.sampled_from(["market", "limit", "stop", "stop_limit", "trailing_stop"]))
    by_percent = draw(st.booleans())
    return OrderRequest(
        symbol="AAPL",
        side=draw(st.sampled_from(Side)),
        qty=D(10),
        order_type=order_type,
        time_in_force=draw(st.sampled_from(["day", "gtc"])),
        limit_price=draw(prices) if "limit" in order_type else None,
        stop_price=draw(prices) if order_type in ("stop", "stop_limit") else None,
        trail_price=draw(st.integers(1, 8).map(D)) if order_type == "trailing_stop" and not by_percent else None,
        trail_percent=draw(st.integers(1, 8).map(D)) if order_type == "trailing_stop" and by_percent else None,
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(requests(), prices), min_size=3, max_size=40))
def test_the_floor_does_what_looking_at_everything_would_do(course: list[OrderRequest | Decimal]) -> None:
    floor = Floor()
    price, orders = D(100), dict[str, Modelled]()
    for step in course:
        if isinstance(step, OrderRequest):
            order_id = floor.world.place(step, Fate.MARKET)
            floor.after(ROUTED)
            orders[order_id] = Modelled(step)
            orders[order_id].meet(price)
        else:
            price = step
            floor.costs(str(price))
            for order in orders.values():
                order.meet(price)
        floor.after(1.0)
        for order_id, order in orders.items():
            expected = [] if order.filled_at is None else [f"10@{order.filled_at.quantize(D('0.01'))}"]
            assert floor.filled(order_id) == expected, order
            if order.best is not None and order.filled_at is None:
                assert floor.record(order_id).hwm == order.best
