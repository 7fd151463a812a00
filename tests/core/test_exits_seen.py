"""Whether exits stand, read off what the broker shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from fillwatch.core.exits_seen import complaint, exits_seen
from fillwatch.core.orders import OrderRequest, OrderSnapshot, OrderStatus, Side

D = Decimal
AT = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)
_S = OrderStatus
REQUEST = OrderRequest(
    symbol="AAPL",
    side=Side.SELL,
    qty=D(100),
    order_type="limit",
    limit_price=D(104),
    take_profit_limit_price=D(104),
    stop_loss_stop_price=D(98),
    order_class="oco",
)
TARGET = OrderSnapshot(
    order_id="target",
    status=_S.NEW,
    symbol="AAPL",
    side=Side.SELL,
    order_class="oco",
    qty=D(100),
    filled_qty=D(0),
    limit_price=D(104),
    created_at=AT,
)
STOP = replace(TARGET, order_id="stop", status=_S.HELD, limit_price=None, stop_price=D(98))


def ended(order: OrderSnapshot, status: OrderStatus, filled: int = 0, by: str | None = None) -> OrderSnapshot:
    return replace(order, status=status, filled_qty=D(filled), replaced_by=by)


@pytest.mark.parametrize(
    ("rows", "working", "over", "filled", "ids"),
    [
        ([TARGET, STOP], True, False, 0, ("target", "stop")),
        ([replace(TARGET, legs=(replace(STOP, created_at=None),))], True, False, 0, ("target", "stop")),
        ([TARGET], False, False, 0, ("target",)),
        ([ended(TARGET, _S.PENDING_NEW), STOP], False, False, 0, ("target", "stop")),
        ([TARGET, ended(STOP, _S.REJECTED)], False, False, 0, ("target", "stop")),
        ([ended(TARGET, _S.REJECTED), ended(STOP, _S.CANCELED)], False, True, 0, ("target", "stop")),
        ([ended(TARGET, _S.REJECTED)], False, False, 0, ("target",)),  # what of its stop?
        ([ended(TARGET, _S.FILLED, 100)], False, True, 100, ("target",)),
        ([ended(TARGET, _S.CANCELED, 30), ended(STOP, _S.CANCELED, 0)], False, True, 30, ("target", "stop")),
        ([ended(TARGET, _S.CANCELED), ended(STOP, _S.FILLED, 100)], False, True, 100, ("target", "stop")),
        # A triggered stop that another order executes for.
        (
            [ended(TARGET, _S.CANCELED), ended(STOP, _S.REPLACED, by="next"), replace(STOP, order_id="next")],
            *(False, False, 0, ("target", "stop", "next")),
        ),
        # Of two words on one order the later.
        ([TARGET, STOP, replace(STOP, status=_S.CANCELED, updated_at=AT)], False, False, 0, ("target", "stop")),
    ],
)
def test_what_rows_say(rows: list[OrderSnapshot], working: bool, over: bool, filled: int, ids: tuple[str, ...]) -> None:
    looked = exits_seen("x1", REQUEST, "target", rows, at=AT)
    assert looked is not None
    assert (looked.working, looked.over, looked.filled, looked.order_ids) == (working, over, D(filled), ids)


@pytest.mark.parametrize(
    "change",
    [
        {"symbol": "MSFT"},
        {"side": Side.BUY},
        {"stop_price": D(97)},
        {"order_class": "bracket"},
        {"created_at": AT - timedelta(seconds=6)},
        {"created_at": None},
    ],
)
def test_another_order_is_no_stop_of_ours(change: dict[str, Any]) -> None:
    looked = exits_seen("x1", REQUEST, "target", [TARGET, replace(STOP, **change)], at=AT)
    assert looked is not None
    assert not looked.working
    assert looked.order_ids == ("target",)


@pytest.mark.parametrize("change", [{"qty": D(99)}, {"side": Side.BUY}, {"symbol": "MSFT"}])
def test_exits_refer_to_the_very_position(change: dict[str, Any]) -> None:
    legs = (STOP,)
    looked = exits_seen("x1", REQUEST, "target", [replace(TARGET, legs=legs, **change)], at=AT)
    assert looked is not None
    assert not looked.working


def test_a_page_without_the_exits_says_nothing() -> None:
    assert exits_seen("x1", REQUEST, "target", [STOP], at=AT) is None


def test_of_two_stops_made_in_the_same_moment_the_nearest_that_is_free_is_ours() -> None:
    """Two trades of one symbol may have exits at the same prices."""
    near, far = replace(STOP, order_id="near"), replace(STOP, order_id="far", created_at=AT + timedelta(seconds=1))
    rows = [far, TARGET, near]
    for taken, stop in (("", "near"), ("near", "far")):
        looked = exits_seen("x1", REQUEST, "target", rows, at=AT, taken=lambda order_id, taken=taken: order_id == taken)  # type: ignore[misc]
        assert looked is not None
        assert looked.order_ids == ("target", stop)
    known = exits_seen("x1", REQUEST, "target", rows, at=AT, known=("target", "far"))
    assert known is not None
    assert known.order_ids == ("target", "far")


def test_an_end_whose_quantity_is_not_shown_yet_is_none() -> None:
    """Facts: a status may be ahead of the quantity; taken for an end without a fill it would be sold again."""
    rows = [ended(TARGET, _S.FILLED, 0), ended(STOP, _S.CANCELED)]
    looked = exits_seen("x1", REQUEST, "target", rows, at=AT)
    assert looked is not None
    assert not looked.over


@pytest.mark.parametrize(
    ("target", "stop", "words"),
    [
        (TARGET, STOP, None),
        (TARGET, ended(STOP, _S.REJECTED), "the stop is rejected, the target alone stands"),
        (TARGET, replace(STOP, status=_S.PENDING_CANCEL), None),  # on its way to somewhere
        (ended(TARGET, _S.CANCELED), replace(STOP, status=_S.NEW), None),  # triggered, and executing
        (ended(TARGET, _S.CANCELED), STOP, "the target is canceled, and the stop is still held back"),
        (replace(TARGET, filled_qty=D(30)), STOP, "the stop stands for 100 shares, 70 are left"),
        (replace(TARGET, filled_qty=D(30)), replace(STOP, qty=D(70)), None),
        (ended(TARGET, _S.FILLED, 100), STOP, None),
        (ended(TARGET, _S.CANCELED), ended(STOP, _S.CANCELED), None),  # nothing lives: that is another matter
    ],
)
def test_what_is_wrong_with_exits(target: OrderSnapshot, stop: OrderSnapshot, words: str | None) -> None:
    assert complaint(D(100), target, stop) == words
