"""Closing positions: each by a market order of the other side, for all of it or a part."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING

from fillwatch.core.orders import OrderRequest, Side
from fillwatch.simulator import reads
from fillwatch.simulator.account import ZERO
from fillwatch.simulator.allowance import insufficient
from fillwatch.simulator.answers import NO_POSITION, Answer, Call, Closing, Terms
from fillwatch.simulator.assets import CRYPTO, asset
from fillwatch.simulator.book import SHARE_UNIT

if TYPE_CHECKING:
    from fillwatch.simulator.desk import Desk
    from fillwatch.simulator.reads import View


def close_position(desk: Desk, call: Call, now: float, view: View) -> Answer:
    """Close one position, by symbol or asset id; the order that does it, 403 when its shares are kept, or 404."""
    found = reads.position(desk.market, desk.books, call.target, replace(view, at=now))
    if found.is_error:
        return NO_POSITION
    return _close(desk, str(found.rows[0]["symbol"]), call.closing, now, view)


def close_positions(desk: Desk, call: Call, now: float, view: View) -> Answer:
    """Close every position; with `cancel_orders` the open orders are cancelled first. One row of a 207 for each."""
    if call.closing.cancel_orders:
        desk.cancel_all(now)
    held = sorted(symbol for symbol, holding in desk.books.positions.holdings.items() if holding.qty)
    rows = ({"symbol": symbol, "answer": _close(desk, symbol, call.closing, now, view)} for symbol in held)
    return Answer(status=207, rows=tuple(rows))


def _close(desk: Desk, symbol: str, closing: Closing, now: float, view: View) -> Answer:
    """What cancelled orders keep is free at once: Alpaca waits for these cancels before it closes."""
    account = desk.books
    held = account.positions.held(symbol).qty
    side = Side.SELL if held > 0 else Side.BUY
    qty = _quantity(abs(held), closing)
    kept = ZERO if closing.cancel_orders else account.on_hold(symbol, side)
    if qty > abs(held) - kept:
        return insufficient(account, symbol, side, qty)
    known = asset(symbol)
    time_in_force = "gtc" if known is not None and known.kind == CRYPTO else "day"
    return desk.accept(OrderRequest(symbol=symbol, side=side, qty=qty, time_in_force=time_in_force), Terms(), now, view)


def _quantity(held: Decimal, closing: Closing) -> Decimal:
    """A percentage of whole shares is in whole shares, at least one."""
    if closing.percentage is None:
        return held if closing.qty is None else closing.qty
    unit = Decimal(1) if held == held.to_integral_value() else SHARE_UNIT
    return max((held * closing.percentage / 100).quantize(unit, ROUND_DOWN), unit)
