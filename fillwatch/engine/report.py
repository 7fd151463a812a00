"""From a case to what the caller is told: the result, and later the amendments."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from fillwatch.core.course import Finish
from fillwatch.core.results import Amendment, AmendmentKind, FillOutcome, FillResult
from fillwatch.core.slippage import signed_slippage
from fillwatch.core.tape import ZERO
from fillwatch.core.verification import MultiMethodVerifier
from fillwatch.engine.case import Case

_VERIFIER = MultiMethodVerifier()
#: The most by which two routes' words on the same average price differ, in the quote currency.
ROUNDING = Decimal("0.000001")


def fill_result(case: Case, finish: Finish, *, slippage_limit: Decimal | None) -> FillResult:
    """The result that `finish` comes to, with everything that is known at this moment."""
    chain, view = case.chain, case.chain.view()
    outcome = finish.outcome
    verification = _VERIFIER.verify_fill(view)
    quantity, price = chain.filled_quantity, chain.average_price
    if outcome is FillOutcome.UNRESOLVED or (outcome is FillOutcome.FILLED and not quantity):
        quantity = quantity or None
    elif quantity is None and outcome is FillOutcome.REJECTED:
        quantity = ZERO
    price = price if quantity else None
    expected = case.wishes.expected_price
    slippage = signed_slippage(view.side, expected, price) if expected and price and view.side else None
    method = next(iter(verification.methods_confirmed), "status")
    return FillResult(
        order_id=case.order_id,
        final_order_id=chain.current.order_id,
        outcome=outcome,
        filled=outcome is FillOutcome.FILLED,
        fill_price=price,
        fill_quantity=quantity,
        fill_timestamp=view.filled_at if quantity else None,
        detection_method=f"{method}@{case.detected_by.value}" if case.detected_by else None,
        checks_performed=case.checks,
        elapsed_time=asyncio.get_running_loop().time() - case.started,
        reason=finish.reason,
        symbol=view.symbol,
        side=view.side,
        requested_quantity=view.qty,
        slippage=slippage,
        slippage_exceeded=slippage is not None and slippage_limit is not None and slippage > slippage_limit,
        verification=verification,
        api_calls=case.api_calls,
    )


def is_complete(result: FillResult) -> bool:
    """Whether nothing is left to be learnt: an end, its quantity, and the price of what was executed."""
    if not result.outcome.is_end or result.fill_quantity is None:
        return False
    return not result.fill_quantity or result.fill_price is not None


def amendment(case: Case, told: FillResult, today: FillResult) -> Amendment | None:
    """What has changed since `told`, None if it is nothing that a caller would act on."""
    kind = _kind(case, told, today)
    if kind is None:
        return None
    return Amendment(
        order_id=case.order_id,
        kind=kind,
        result=told,
        amended=today,
        at=asyncio.get_running_loop().time(),
        reason=f"{told.outcome.value} {_say(told)} is now {today.outcome.value} {_say(today)}",
        execution=None,
    )


def _kind(case: Case, told: FillResult, today: FillResult) -> AmendmentKind | None:
    if told.outcome is FillOutcome.UNRESOLVED:
        return AmendmentKind.RESOLVED if today.outcome.is_end else None
    if today.fill_quantity is None or not today.outcome.is_end:
        return None
    if told.fill_quantity != today.fill_quantity:
        if told.fill_quantity is None:
            return AmendmentKind.LATE_DETAIL
        return AmendmentKind.LATE_FILL if today.fill_quantity > told.fill_quantity else AmendmentKind.BUST
    if today.fill_price is not None and _differ(told.fill_price, today.fill_price):
        voided = any(tape.voided for link in case.chain.links() for tape in link.tapes.values())
        return AmendmentKind.CORRECTION if voided and told.fill_price is not None else AmendmentKind.LATE_DETAIL
    return AmendmentKind.CHANGED_END if told.outcome is not today.outcome else None


def _differ(told: Decimal | None, today: Decimal) -> bool:
    """Whether two averages are two: routes round the same one differently."""
    return told is None or abs(told - today) > ROUNDING


def _say(result: FillResult) -> str:
    price = "" if result.fill_price is None else f" at {result.fill_price}"
    return f"{'?' if result.fill_quantity is None else result.fill_quantity}{price}"
