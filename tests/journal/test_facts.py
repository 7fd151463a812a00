"""A fact is valid from birth, and what it says comes back as what it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from fillwatch.core.evidence import Route
from fillwatch.core.orders import Execution, OrderSnapshot, OrderStatus, Side
from fillwatch.core.results import Amendment, AmendmentKind, ConsistencyResult, FillOutcome, FillResult, Transition
from fillwatch.journal import KIND_RULES, Fact, FactKind, JournalError
from fillwatch.journal.base import ID_LIMIT, PAYLOAD_LIMIT
from tests.journal.stage import BEGAN

EXECUTION = Execution(
    execution_id="20260615::1",
    order_id="a",
    symbol="BTC/USD",
    side=Side.SELL,
    qty=Decimal("0.000000001"),
    price=Decimal("65000.10"),
    at=BEGAN,
)
RESULT = FillResult(
    order_id="a",
    final_order_id="b",
    outcome=FillOutcome.PARTIALLY_FILLED,
    filled=False,
    fill_price=Decimal("101.500"),
    fill_quantity=Decimal("0.10"),
    fill_timestamp=BEGAN,
    side=Side.BUY,
    slippage=Decimal("-0.25"),
)
VALUES = (
    EXECUTION,
    RESULT,
    OrderSnapshot(order_id="a", status=OrderStatus.NEW, qty=None, filled_qty=Decimal(0), updated_at=BEGAN),
    Transition(
        order_id="a",
        before=None,
        status=OrderStatus.FILLED,
        filled_quantity=Decimal(1),
        requested_quantity=Decimal(1),
        route=Route.STREAM,
        at=1.5,
    ),
    Amendment(
        order_id="a",
        kind=AmendmentKind.BUST,
        result=RESULT,
        amended=RESULT,
        at=2.0,
        reason="busted",
        execution=EXECUTION,
    ),
    ConsistencyResult(order_id="a", symbol="AAPL", consistent=True, broker_quantity=Decimal("-3")),
)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_what_the_core_knows_comes_back_as_it_was(value: object) -> None:
    fact = Fact.of(FactKind.RESULT, value, at=BEGAN, monotonic=1.0)
    assert fact.read(type(value)) == value


def test_decimals_are_text_to_the_last_zero() -> None:
    said = Fact.of(FactKind.RESULT, RESULT, at=BEGAN, monotonic=1.0).read(dict[str, object])
    assert said["fill_price"] == "101.500"


def test_a_payload_of_another_shape_is_an_error_of_the_journal() -> None:
    with pytest.raises(JournalError, match="kind result"):
        Fact.of(FactKind.RESULT, [1, 2], at=BEGAN, monotonic=1.0).read(FillResult)


def test_every_kind_has_a_rule_and_only_what_goes_out_announces() -> None:
    assert set(KIND_RULES) == set(FactKind)
    assert {kind for kind, rule in KIND_RULES.items() if rule.announces} == {FactKind.INTENT, FactKind.SENDING}
    assert all(rule.durable for rule in KIND_RULES.values() if rule.announces)


def test_times_are_kept_in_utc() -> None:
    there = datetime(2026, 6, 15, 10, 30, 0, 7, tzinfo=timezone(timedelta(hours=-4)))
    fact = Fact(kind=FactKind.STEP, at=there, monotonic=0.0)
    assert fact.at == there
    assert fact.at.tzinfo is UTC


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("at", datetime(2026, 6, 15)),  # noqa: DTZ001  # the naive time is the mistake
        ("monotonic", float("nan")),
        ("monotonic", float("inf")),
        ("intent_id", "x" * (ID_LIMIT + 1)),
        ("order_id", "x" * (ID_LIMIT + 1)),
        ("order_id", "\ud800"),
        ("payload", '"\ud800"'),
        ("payload", "x" * (PAYLOAD_LIMIT + 1)),
    ],
)
def test_a_fact_that_no_store_could_take_is_refused(field: str, value: object) -> None:
    good = {"kind": FactKind.STEP, "at": BEGAN, "monotonic": 0.0}
    with pytest.raises(ValueError, match=field):
        Fact(**(good | {field: value}))  # type: ignore[arg-type]  # one value is wrong on purpose
