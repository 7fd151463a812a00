"""What the four methods say of an order, and what they say together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwatch.core.orders import OrderSnapshot, OrderStatus
from fillwatch.core.verification import METHODS, STATUS_VERDICTS, FillVerification, MultiMethodVerifier, Verdict

AT = "2026-03-02T15:00:00.024916716Z"
verify = MultiMethodVerifier().verify_fill


def said(order: object) -> tuple[bool, str, str, float]:
    answer = verify(order)
    return (
        answer.is_filled,
        " ".join(answer.methods_confirmed),
        " ".join(answer.methods_contradicting),
        answer.confidence_score,
    )


def raw(
    status: object = None, qty: object = None, filled_qty: object = None, price: object = None, at: object = None
) -> dict[str, object]:
    fields = {"status": status, "qty": qty, "filled_qty": filled_qty, "filled_avg_price": price, "filled_at": at}
    return {name: value for name, value in fields.items() if value is not None}


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (raw("filled", "10", "10", "1.5", AT), (True, "status quantity price timestamp", "", 1.0)),
        (raw("filled", "10", "10"), (True, "status quantity", "", 0.5)),
        (raw("filled"), (True, "status", "", 0.25)),
        (raw("filled", None, "0.055", "10", AT), (True, "status price timestamp", "", 0.75)),
        (raw("new", "10", "10"), (True, "quantity", "", 0.25)),
        (raw("canceled", "10", "10", "1.5", AT), (True, "quantity price timestamp", "", 0.75)),
        (raw("new", "10", "12"), (True, "quantity", "", 0.25)),
        (raw("partially_filled", "10", "10", "1.5"), (True, "status quantity price", "", 0.75)),
        (raw("filled", "10", "6", "1.5", AT), (False, "status", "quantity", 0.25)),
        (raw("filled", "2", "0", "0.107703", AT), (False, "status", "quantity", 0.25)),
        (raw("rejected", "10", "10"), (False, "quantity", "status", 0.25)),
        (raw("rejected", "10", "0"), (False, "", "status quantity", 0.5)),
        (raw("partially_filled", "10", "4", "1.5", AT), (False, "", "quantity", 0.25)),
        (raw("partially_filled", None, "4", "1.5", AT), (False, "", "", 0.0)),
        (raw("canceled", "10", "4", "1.5", AT), (False, "", "quantity", 0.25)),
        (raw("stopped", "10", None, None, None), (False, "", "", 0.0)),
        (raw(None, None, None, "1.5", AT), (False, "", "", 0.0)),
        (raw("new", "10", "0"), (False, "", "quantity", 0.25)),
        (raw("new", "0", "0"), (False, "", "", 0.0)),
        (raw("activated", "10"), (False, "", "", 0.0)),
        ({}, (False, "", "", 0.0)),
    ],
)
def test_an_order_is_filled_when_one_says_complete_and_none_contradicts(
    order: dict[str, object], expected: tuple[bool, str, str, float]
) -> None:
    assert said(order) == expected


def test_every_status_has_a_verdict_and_only_filled_says_complete() -> None:
    assert set(STATUS_VERDICTS) == set(OrderStatus)
    speaking = {status: verdict for status, verdict in STATUS_VERDICTS.items() if verdict is not Verdict.SILENT}
    assert speaking == {
        OrderStatus.FILLED: Verdict.COMPLETE,
        OrderStatus.PARTIALLY_FILLED: Verdict.SOME,
        OrderStatus.REJECTED: Verdict.CONTRADICTS,
    }


def test_the_four_methods_carry_the_names_of_results() -> None:
    assert list(METHODS) == ["status", "quantity", "price", "timestamp"]
    verdicts = MultiMethodVerifier().verdicts(raw("filled", "10", "4", "1.5"))
    assert list(verdicts.values()) == [Verdict.COMPLETE, Verdict.CONTRADICTS, Verdict.SOME, Verdict.SILENT]


class Foreign(Enum):
    """An enum that is no string."""

    DONE = "filled"


class Stringy(str, Enum):  # noqa: UP042  # alpaca-py's enums are of this older kind, whose str() names the class
    """As alpaca-py's `OrderStatus`."""

    FILLED = "filled"


@pytest.mark.parametrize(
    "status", ["filled", "FILLED", " filled ", "OrderStatus.FILLED", OrderStatus.FILLED, Foreign.DONE, Stringy.FILLED]
)
def test_a_status_may_be_written_in_any_way(status: object) -> None:
    assert verify({"status": status}).is_filled


@pytest.mark.parametrize("number", ["10", 10, 10.0, Decimal(10), "10.000000000"])
def test_a_number_may_be_written_in_any_way(number: object) -> None:
    answer = verify(raw("new", "10", number, number))
    assert (answer.is_filled, answer.fill_quantity, answer.fill_price) == (True, Decimal(10), Decimal(10))


def test_numbers_are_exact() -> None:
    answer = verify(raw("new", "0.123456789", 0.123456789, 0.1))
    assert (answer.is_filled, str(answer.fill_quantity), str(answer.fill_price)) == (True, "0.123456789", "0.1")
    assert not verify(raw("new", "0.123456789", "0.123456788")).is_filled


GARBAGE: list[object] = [
    "",
    "abc",
    "NaN",
    "-1",
    math.nan,
    math.inf,
    True,
    [],
    {},
    object(),
    b"10",
    "1" * 5_000 + "x",
    None,
]


@pytest.mark.parametrize("field", ["status", "qty", "filled_qty", "filled_avg_price", "filled_at"])
@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda value: type(value).__name__ + str(value)[:6])
def test_a_field_that_cannot_be_read_is_as_good_as_missing(field: str, garbage: object) -> None:
    order = raw("filled", "10", "10", "1.5", AT)
    without = {name: value for name, value in order.items() if name != field}
    assert verify(order | {field: garbage}) == verify(without)


@dataclass
class Duck:
    """An order object of somebody else."""

    status: str = "filled"
    filled_qty: str = "3"


def test_objects_are_read_by_attribute() -> None:
    assert verify(Duck()) == FillVerification(
        is_filled=True, methods_confirmed=("status",), fill_quantity=Decimal(3), confidence_score=0.25
    )


def test_snapshot_and_dict_and_alpaca_order_say_the_same() -> None:
    models = pytest.importorskip("alpaca.trading.models", exc_type=ImportError)
    moment = datetime(2026, 3, 2, 15, tzinfo=UTC)
    fields = raw("filled", "10", "10", "1.5", moment.isoformat())
    order = models.Order.model_validate(
        fields
        | dict.fromkeys(("created_at", "updated_at", "submitted_at"), moment.isoformat())
        | {"id": str(uuid4()), "client_order_id": "c", "time_in_force": "day", "order_class": "simple"}
        | {"extended_hours": False, "notional": None}
    )
    snapshot = OrderSnapshot(
        order_id="o",
        status=OrderStatus.FILLED,
        qty=Decimal(10),
        filled_qty=Decimal(10),
        filled_avg_price=Decimal("1.5"),
        filled_at=moment,
    )
    assert verify(order) == verify(snapshot) == verify(fields)
    assert verify(snapshot).confidence_score == 1.0


@pytest.mark.parametrize("order", ["filled", None, 7, [], object(), b"{}", ValueError("filled")])
def test_what_is_no_order_is_refused_with_what_is_accepted(order: object) -> None:
    with pytest.raises(TypeError, match=rf"{type(order).__name__} is no order; give an OrderSnapshot, .* or .* dict"):
        verify(order)


@pytest.mark.parametrize(
    ("order", "quantity", "price"),
    [
        (raw("filled", "10", "10", "1.5"), Decimal(10), Decimal("1.5")),
        (raw("filled", None, "0", "0"), None, None),
        (raw("filled", "10"), None, None),
        (raw("filled", "10", "0"), None, None),
        (raw("partially_filled", "10", "4", "1.5"), Decimal(4), Decimal("1.5")),
        (raw("new", "10", "0"), Decimal(0), None),
        (raw("new", "10"), None, None),
    ],
)
def test_price_and_quantity_are_none_when_they_lag_and_zero_only_when_nothing_was_executed(
    order: dict[str, object], quantity: Decimal | None, price: Decimal | None
) -> None:
    answer = verify(order)
    assert (answer.fill_quantity, answer.fill_price) == (quantity, price)


AMOUNTS = st.none() | st.decimals(0, 20, places=2)


@given(status=st.sampled_from(OrderStatus), qty=AMOUNTS, filled=AMOUNTS, price=AMOUNTS, at=st.sampled_from([None, AT]))
def test_less_than_was_ordered_is_never_filled_and_the_score_counts_who_agrees(
    status: OrderStatus, qty: Decimal | None, filled: Decimal | None, price: Decimal | None, at: str | None
) -> None:
    answer = verify(raw(status, qty, filled, price, at))
    if qty and filled is not None and filled < qty:
        assert not answer.is_filled
    if answer.is_filled:
        assert status is not OrderStatus.REJECTED
        assert {"status", "quantity"} & set(answer.methods_confirmed)
        assert not answer.methods_contradicting
    agreeing = answer.methods_confirmed if answer.is_filled else answer.methods_contradicting
    assert answer.confidence_score == len(agreeing) / 4
