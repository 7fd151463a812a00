"""How a case is told in the log and in a snapshot."""

from __future__ import annotations

import math
from decimal import Decimal

from fillwatch.core.belief import OrderBelief
from fillwatch.core.orders import OrderStatus
from fillwatch.core.results import FillOutcome, FillResult, Transition
from fillwatch.core.tape import ZERO
from fillwatch.engine.case import Case
from fillwatch.engine.snapshot import WatchSnapshot


def picture(case: Case, now: float) -> WatchSnapshot:
    """The case at this moment."""
    belief, seen = case.chain.current, case.chain.seen_as_of
    return WatchSnapshot(
        order_id=case.order_id,
        symbol=belief.symbol,
        status=belief.status,
        filled_quantity=case.chain.filled_quantity,
        requested_quantity=belief.qty,
        age=now - seen if seen > -math.inf else math.inf,
        route=belief.route,
        elapsed=now - case.started,
        audited=case.is_audited,
    )


def log_change(case: Case, change: Transition) -> None:
    """One line for a transition, at WARNING if the status should not follow the one before."""
    belief = case.chain.current
    case.tell("WARNING" if change.surprising else "INFO", _said, belief, change)
    if change.status is not OrderStatus.UNKNOWN:
        return
    raw = "" if belief.best is None else belief.best.raw_status
    if raw:
        case.log.warning("the broker's status {!r} is not known; taken for alive", raw)


def _said(belief: OrderBelief, change: Transition) -> str:
    filled, qty, side = belief.filled_quantity, belief.qty, belief.side
    left = None if qty is None or filled is None else max(qty - filled, ZERO)
    before = "first seen" if change.before is None else change.before.value
    return (
        f"{before} -> {change.status.value}: {change.order_id} {side.value if side else '?'} {belief.symbol}: "
        f"{filled} of {qty} filled, {left} left ({change.route.value if change.route else '?'})"
    )


def log_result(case: Case, result: FillResult, slippage_limit: Decimal | None) -> None:
    """The final result, and a warning if it was bought too dearly."""
    unresolved = result.outcome is FillOutcome.UNRESOLVED
    case.log.log(
        "WARNING" if unresolved else "INFO",
        "result: {}: {} of {} at {} by {}; {}",
        *(result.outcome.value, result.fill_quantity, result.requested_quantity, result.fill_price),
        *(result.detection_method, result.reason or "complete"),
    )
    if result.slippage_exceeded:
        case.log.warning("slippage {:.4f} % exceeds {} %: for review", result.slippage, slippage_limit)
