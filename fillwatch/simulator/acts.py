"""The acts of a plan: what each does to an order, unless the order is past it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fillwatch.core.orders import Execution, ExecutionKind, OrderStatus
from fillwatch.simulator.book import SHARE_UNIT, Record, net, shown_average, standing
from fillwatch.simulator.draws import drawn_id
from fillwatch.simulator.plans import Act, Plan, Step
from fillwatch.simulator.replacing import settle
from fillwatch.simulator.spreads import execute_spread, is_spread

if TYPE_CHECKING:
    from fillwatch.simulator.market import Market

#: Words over which a `STATUS` step of the plan does not write: the cancel or the replacement is under way.
_UNDER_WAY = frozenset({"pending_cancel", "pending_replace"})


def _fill(market: Market, record: Record, step: Step, t: float) -> bool:
    left = record.left
    if record.now.status.is_terminal or left <= 0:
        return False
    quantity = left if step.share >= 1.0 else part_of(record, step.share)
    request = record.request
    cents = record.stream.randint(0, 3) if request.limit_price is not None else record.stream.randint(-3, 3)
    price = max(record.price - request.side.sign * Decimal(cents) / 100, Decimal("0.01"))
    execute(market, record, t, quantity=quantity, price=price)
    return True


def execute(market: Market, record: Record, t: float, *, quantity: Decimal, price: Decimal) -> None:
    """`quantity` shares of a living order, at most what is left of it, change hands."""
    if is_spread(record):
        execute_spread(market, record, t, quantity, execute)
        return
    left = record.left
    done = quantity == left
    word = record.now.raw_status
    shown = "filled" if done else word if word in _UNDER_WAY else "partially_filled"
    row = Execution(
        execution_id=drawn_id(record.stream),
        order_id=record.order_id,
        qty=quantity,
        price=price,
        symbol=record.request.symbol,
        side=record.request.side,
        cum_qty=record.executed + quantity,
        leaves_qty=left - quantity,
        order_status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
        at=market.wall(t),
    )
    trade = market.print_row(record, t, row)
    if record.plan.late and done:
        market.publish(record, t, word=shown, trade=trade)
        market.schedule(record, Step(after=record.plan.late, act=Act.REVEAL), t, last=False)
    else:
        market.publish(record, t, word=shown, trade=trade, **_shown_fill(market, record, t))


def part_of(record: Record, share: float) -> Decimal:
    """A share of what is left of an order, in whole shares if it is for whole shares, and one unit at least."""
    left = record.left
    unit = Decimal(1) if record.target == record.target.to_integral_value() else SHARE_UNIT
    part = (left * Decimal(repr(share))).quantize(unit, ROUND_DOWN)
    return min(max(part, unit), left)


def _shown_fill(market: Market, record: Record, t: float) -> dict[str, Any]:
    trades = record.all_trades
    return {"filled_qty": net(trades), "filled_avg_price": shown_average(trades), "filled_at": market.wall(t)}


def _reveal(market: Market, record: Record, step: Step, t: float) -> bool:
    market.publish(record, t, **_shown_fill(market, record, record.trades[-1].t))
    return True


def _say(market: Market, record: Record, step: Step, t: float) -> bool:
    if record.now.status.is_terminal or record.now.raw_status in _UNDER_WAY:
        return False
    if step.word == "new" and record.trades:
        return False
    market.publish(record, t, word=step.word)
    return True


def _end(market: Market, record: Record, step: Step, t: float) -> bool:
    if record.now.status.is_terminal:
        return False
    word, stamp = _ENDS[step.act]
    market.publish(record, t, word=word, stamp=stamp)
    return True


def _replace(market: Market, record: Record, step: Step, t: float) -> bool:
    if record.now.raw_status != "pending_replace" or step.successor is None:
        return False
    successor = _bring(market, record, step.successor, t)
    market.publish(record, t, word="replaced", stamp="replaced_at", replaced_by=successor.order_id)
    return True


def _spawn(market: Market, record: Record, step: Step, t: float) -> bool:
    if record.now.raw_status != "pending_replace" or step.successor is None:
        return False
    _bring(market, record, step.successor, t)
    return True


def _bring(market: Market, record: Record, plan: Plan, t: float) -> Record:
    request = replace(record.request, client_order_id=None)
    shown = record.versions[0].shown if is_spread(record) else {}
    return market.place(
        request, plan, t, foreign=record.foreign, known_since=record.known_since, replaces=record, shown=shown
    )


def _bust(market: Market, record: Record, step: Step, t: float) -> bool:
    """The last execution is taken back: quantity falls, status and time stay (the broker's own sample).

    So does the price when nothing is left to average.
    """
    rows = [] if is_spread(record) else standing(record.trades)
    if not rows:
        return False
    bust = _amending(market, record, rows[-1], t, ExecutionKind.BUST)
    trade = market.print_row(record, t, replace(bust, cum_qty=record.executed - bust.qty))
    average = shown_average(record.all_trades) or record.now.filled_avg_price
    market.publish(record, t, trade=trade, filled_qty=net(record.all_trades), filled_avg_price=average)
    return True


def _correct(market: Market, record: Record, step: Step, t: float) -> bool:
    """The last execution gets another price."""
    rows = [] if is_spread(record) else standing(record.trades)
    if not rows:
        return False
    row = _amending(market, record, rows[-1], t, ExecutionKind.CORRECTION)
    trade = market.print_row(record, t, replace(row, price=row.price + Decimal("0.05"), cum_qty=record.executed))
    market.publish(record, t, trade=trade, filled_avg_price=shown_average(record.all_trades))
    return True


def _amending(market: Market, record: Record, row: Execution, t: float, kind: ExecutionKind) -> Execution:
    fresh = drawn_id(record.stream)
    return replace(row, execution_id=fresh, kind=kind, previous_id=row.execution_id, at=market.wall(t))


def _restamp(market: Market, record: Record, step: Step, t: float) -> bool:
    if record.now.status.is_terminal:
        return False
    market.publish(record, t, submitted_at=market.wall(t))
    return True


def _route(market: Market, record: Record, step: Step, t: float) -> bool:
    return market.floor.route(record, t)


def _retry(market: Market, record: Record, step: Step, t: float) -> bool:
    return market.floor.consider(record, t)


def _age_out(market: Market, record: Record, step: Step, t: float) -> bool:
    """The broker asks the exchange to cancel an order that has become too old (facts §9)."""
    if record.now.status.is_terminal or record.now.raw_status in _UNDER_WAY:
        return False
    market.publish(record, t, word="pending_cancel")
    market.schedule(record, Step(after=record.stream.uniform(0.05, 0.3), act=Act.CANCEL), t, last=True)
    return False


_ENDS: Mapping[Act, tuple[str, str]] = MappingProxyType(
    {
        Act.REJECT: ("rejected", "failed_at"),
        Act.EXPIRE: ("expired", "expired_at"),
        Act.CANCEL: ("canceled", "canceled_at"),
    }
)

#: Total over `Act`. Each changes the order at `t` and says whether it came to pass: one that is over takes no more.
ACTS: Mapping[Act, Callable[[Market, Record, Step, float], bool]] = MappingProxyType(
    {
        Act.STATUS: _say,
        Act.FILL: _fill,
        Act.REJECT: _end,
        Act.EXPIRE: _end,
        Act.CANCEL: _end,
        Act.REPLACE: _replace,
        Act.SETTLE_REPLACE: settle,
        Act.SPAWN: _spawn,
        Act.BUST: _bust,
        Act.CORRECT: _correct,
        Act.REVEAL: _reveal,
        Act.RESTAMP: _restamp,
        Act.ROUTE: _route,
        Act.RETRY: _retry,
        Act.AGE_OUT: _age_out,
    }
)
