"""What a caller is told of a trade after its result: that protection was lost, or is back, or that the exits traded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fillwatch.core.trade_result import TradeResult


class TradeChange(StrEnum):
    """What an amendment is about. `UNPROTECTED`: shares are, or may be, without exits that work; `PROTECTED`: they no
    longer are. `CLOSED`: nothing of the trade is held any more. `CHANGED`: anything else, e.g. an exit traded in part.
    """

    UNPROTECTED = "unprotected"
    PROTECTED = "protected"
    CLOSED = "closed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeAmendment:
    """A fact that came after the result. The result is immutable; `amended` is what it would be today.

    `result` is what was told last: the result, or the amendment before this one. `at` is aware UTC.
    """

    intent_id: str
    kind: TradeChange
    result: TradeResult
    amended: TradeResult
    at: datetime
    reason: str


def amendment(told: TradeResult, today: TradeResult, *, is_flat: bool, at: datetime) -> TradeAmendment | None:
    """What has changed since `told`, None if it is nothing that a caller would act on. `is_flat`: nothing is held."""
    kind = _kind(told, today, is_flat=is_flat)
    if kind is None:
        return None
    reason = today.reason or "every share held has its exits"
    return TradeAmendment(intent_id=today.intent_id, kind=kind, result=told, amended=today, at=at, reason=reason)


def _kind(told: TradeResult, today: TradeResult, *, is_flat: bool) -> TradeChange | None:
    if _gist(told) == _gist(today):
        return None
    if not today.position_protected:
        return TradeChange.UNPROTECTED if told.position_protected else TradeChange.CHANGED
    if is_flat:
        return TradeChange.CLOSED
    return TradeChange.CHANGED if told.position_protected else TradeChange.PROTECTED


def _gist(result: TradeResult) -> tuple[object, ...]:
    fill = result.fill
    entered = None if fill is None else (fill.outcome, fill.fill_quantity, fill.fill_price)
    return (result.position_protected, result.order_id, entered, result.exit_quantity, result.exit_price)
