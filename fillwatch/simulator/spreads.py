"""Multi-leg option orders: one order without a symbol or a side, and legs that execute whenever it does (facts §3c).

The simulator knows no option prices. An order at a limit executes at its limit, one at the market at a price that the
seed draws; the legs' prices are drawn so that they add up to it. Whatever becomes of the order becomes of its legs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal
from typing import TYPE_CHECKING

from fillwatch.core.orders import Execution, OrderRequest, OrderStatus, Side
from fillwatch.simulator.answers import Leg, Terms
from fillwatch.simulator.book import Change, Record, Trade, net, shown_average
from fillwatch.simulator.draws import drawn_id
from fillwatch.simulator.fates import Fate
from fillwatch.simulator.plans import plan_for

if TYPE_CHECKING:
    from fillwatch.simulator.market import Market

#: The symbol that such an order is kept under. It is shown with none, and trades nothing by itself.
SYMBOL = "mleg"
_CENT = Decimal("0.01")

Execute = Callable[..., None]


def is_spread(record: Record) -> bool:
    """Whether it is a multi-leg order itself, not one of its legs."""
    return record.request.order_class == "mleg" and record.parent_id is None


def is_spread_leg(record: Record) -> bool:
    """Whether it is a leg of a multi-leg order: it cannot be cancelled by itself."""
    return record.request.order_class == "mleg" and record.parent_id is not None


def open_spread(market: Market, spread: Record, terms: Terms, t: float) -> None:
    """Place the legs of a multi-leg order that has just been accepted; it executes at once when the market is open."""
    limit = spread.request.limit_price
    stream = random.Random(f"{market.seed}/spread/{spread.number}")
    debit = Decimal(stream.randint(20, 400)) / 100 if limit is None else -limit if terms.credit else limit
    spread.request = replace(spread.request, symbol=SYMBOL, order_type="market", limit_price=None)
    if terms.credit:
        market.publish(spread, t, limit_price=debit)
    prices = leg_prices(terms.legs, debit)
    for leg, price in zip(terms.legs, prices, strict=True):
        request = OrderRequest(
            symbol=leg.symbol,
            side=Side(leg.side),
            qty=leg.ratio_qty * spread.target,
            time_in_force=spread.request.time_in_force,
            order_class="mleg",
        )
        shown: dict[str, object] = {"type": "", "order_type": "", "ratio_qty": leg.ratio_qty}
        if leg.position_intent:
            shown["position_intent"] = leg.position_intent
        record = market.place(
            request,
            replace(plan_for(Fate.NEVER, stream), needs_cancel=True),  # it goes as its parent goes
            t,
            foreign=spread.foreign,
            stamp=spread.now.created_at,
            known_since=spread.known_since,
            parent=spread,
            shown=shown,
        )
        record.price = price


def leg_prices(legs: Sequence[Leg], debit: Decimal) -> list[Decimal]:
    """What each leg trades at, in whole cents, so that what is bought costs `debit` more than what is sold, or less.

    A negative debit is a credit. Rounding is in the caller's favour.
    """
    bought = sum((leg.ratio_qty for leg in legs if leg.side == Side.BUY), Decimal(0))
    sold = sum((leg.ratio_qty for leg in legs if leg.side == Side.SELL), Decimal(0))
    ask = abs(debit) if not sold else abs(debit) + sold
    if not bought:
        return [_up(max(-debit, _CENT) / sold)] * len(legs)
    bid = _up((ask - debit) / sold) if sold else Decimal(0)
    buy = max(((debit + bid * sold) / bought).quantize(_CENT, ROUND_DOWN), _CENT)
    return [buy if leg.side == Side.BUY else bid for leg in legs]


def _up(price: Decimal) -> Decimal:
    return max(price.quantize(_CENT, ROUND_CEILING), _CENT)


def execute_spread(market: Market, spread: Record, t: float, quantity: Decimal, execute: Execute) -> None:
    """`quantity` units of the strategy change hands: every leg executes its share, by `execute`.

    The order's own execution is kept with it and is on no tape: only the legs trade.
    """
    legs = [market.records[order_id] for order_id in spread.leg_ids]
    for leg in legs:
        execute(market, leg, t, quantity=quantity * _ratio(leg), price=leg.price)
    cost = sum((leg.request.side.sign * leg.price * _ratio(leg) for leg in legs), Decimal(0))
    done = quantity == spread.left
    row = Execution(
        execution_id=drawn_id(spread.stream),
        order_id=spread.order_id,
        qty=quantity,
        price=cost,
        cum_qty=spread.executed + quantity,
        leaves_qty=spread.left - quantity,
        order_status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
        at=market.wall(t),
    )
    spread.trades.append(Trade(t=t, execution=row, row_id=f"{SYMBOL}::{row.execution_id}"))
    word = spread.now.raw_status
    kept = word in ("pending_cancel", "pending_replace")
    market.publish(
        spread,
        t,
        word="filled" if done else word if kept else "partially_filled",
        filled_qty=net(spread.trades),
        filled_avg_price=shown_average(spread.trades),
        filled_at=market.wall(t),
    )


def mirror(market: Market, change: Change) -> None:
    """Let the legs come into the status that their order has come into, with the same time stamp."""
    spread, order = change.record, change.version.order
    for order_id in spread.leg_ids:
        leg = market.records[order_id]
        if not leg.now.status.is_terminal and leg.now.raw_status != order.raw_status:
            stamps = [name for name in change.version.stamps if name not in leg.versions[-1].stamps]
            market.publish(leg, change.t, word=order.raw_status, stamp=stamps[-1] if stamps else "")


def _ratio(leg: Record) -> Decimal:
    ratio = leg.versions[0].shown["ratio_qty"]
    assert isinstance(ratio, Decimal)
    return ratio
