"""What a frame says: per-execution against cumulative, unknown words, busts, legs, and everything that is no frame."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwatch.brokers.alpaca import decode, frames
from fillwatch.brokers.alpaca.frames import EVENTS
from fillwatch.brokers.push import Event, Gap, executed
from fillwatch.core.evidence import Executed, Route, Seen
from fillwatch.core.orders import ExecutionKind, OrderStatus, Side
from tests.alpaca.pushing import EXECUTION, fill, frame, update
from tests.alpaca.wire import ORDER, OTHER, row

T = 7.5
AS_IT_IS = row(
    status="partially_filled",
    filled_qty="4.5",
    filled_avg_price="100.10",
    limit_price="101",
    filled_at="2026-03-02T10:30:00.987654999-04:00",
    type="limit",
    order_class="simple",
    replaces=OTHER.upper(),
)


def told(message: object) -> tuple[Event, ...]:
    return frames.told(frame(message), T)


def one(kind: type[Any], events: tuple[Event, ...]) -> Any:  # noqa: ANN401 - the one of that kind
    (found,) = (event for event in events if isinstance(event, kind))
    return found


def one_executed(events: tuple[Event, ...]) -> Executed:
    (found,) = executed(events)
    return found


def test_the_order_is_read_as_everywhere_else() -> None:
    (seen,) = told(update("new", AS_IT_IS))
    assert isinstance(seen, Seen)
    assert seen.order == decode.order(json.dumps(AS_IT_IS).encode())
    assert (seen.route, seen.as_of) == (Route.STREAM, T)
    assert seen.order.filled_at is not None
    assert seen.order.filled_at.microsecond == 987654, "digits beyond the microsecond are cut, not rounded"


@pytest.mark.parametrize(
    "change", [{}, {"qty": 10}, {"qty": ""}, {"symbol": None}, {"legs": []}, {"side": "odd"}, {"order_type": "odd"}]
)
def test_the_short_way_and_the_long_way_agree(change: dict[str, object]) -> None:
    order = row(**change)
    assert one(Seen, told(update("new", order))).order == decode.order(json.dumps(order).encode())


def test_an_execution_has_its_own_quantity_and_the_order_the_sum() -> None:
    events = told(fill("4", "100.25", cum="10"))
    execution = one_executed(events).execution
    assert (execution.qty, execution.price, execution.cum_qty) == (Decimal(4), Decimal("100.25"), Decimal(10))
    assert (execution.execution_id, execution.order_id) == (EXECUTION, ORDER)
    assert (execution.symbol, execution.side, execution.kind) == ("AAPL", Side.BUY, ExecutionKind.FILL)
    assert execution.order_status is OrderStatus.FILLED
    assert execution.at is not None
    assert execution.at.isoformat() == "2026-03-02T14:30:00.223456+00:00"
    assert one(Seen, events).order.filled_qty == Decimal(10)
    assert one_executed(events).as_of == T


@pytest.mark.parametrize("qty", ["0.123456789", 0.1, 7, "123456789012345678901.123456789"])
def test_decimals_come_from_the_text_never_by_way_of_a_float(qty: object) -> None:
    assert one_executed(told(fill(qty))).execution.qty == Decimal(str(qty))


def test_a_bust_and_a_correction_name_what_they_undo() -> None:
    undone = {"execution_id": OTHER, "previous_execution_id": EXECUTION.upper(), "position_qty": "0"}
    bust = update("trade_bust", row(status="filled", filled_qty="0"), qty="-2", price="0.107", **undone)
    execution = one_executed(told(bust)).execution
    assert (execution.kind, execution.qty, execution.previous_id) == (ExecutionKind.BUST, Decimal(2), EXECUTION)
    correct = {**bust, "data": {**bust["data"], "event": "trade_correct", "qty": "3"}}
    assert one_executed(told(correct)).execution.kind is ExecutionKind.CORRECTION


def test_the_table_of_events_is_total_over_what_is_known() -> None:
    """Alpaca's two lists of events, the SSE page's and alpaca-py's."""
    known = (
        "accepted canceled expired fill new partial_fill pending_cancel pending_new pending_replace rejected replaced "
        "restated done_for_day stopped calculated suspended order_replace_rejected order_cancel_rejected held "
        "trade_bust trade_correct accepted_for_bidding pending_review"
    )
    assert set(known.split()) == set(EVENTS)


@pytest.mark.parametrize("event", sorted(name for name, kind in EVENTS.items() if kind is None))
def test_other_events_tell_how_the_order_is_and_no_execution(event: str) -> None:
    (seen,) = told(update(event, row(status="canceled", filled_qty="3"), execution_id=EXECUTION))
    assert isinstance(seen, Seen)


def test_an_unknown_event_tells_how_the_order_is() -> None:
    (seen,) = told(update("activated"))
    assert isinstance(seen, Seen)


@pytest.mark.parametrize("event", ["magnified", "restated"])
def test_an_execution_by_another_name_is_a_gap_beside_its_order(event: str) -> None:
    message = fill()
    message["data"]["event"] = event
    seen, gap = told(message)
    assert isinstance(seen, Seen)
    assert isinstance(gap, Gap)


def test_an_unknown_status_is_alive_and_keeps_its_word() -> None:
    order = one(Seen, told(update("new", row(status="under_observation")))).order
    assert (order.status, order.raw_status) == (OrderStatus.UNKNOWN, "under_observation")


@pytest.mark.parametrize("event", ["fill", "partial_fill"])
def test_a_fill_without_an_id_is_told_by_its_order_alone(event: str) -> None:
    """Nothing is lost: the order says how much was executed in all."""
    message = fill(execution_id=None)
    message["data"]["event"] = event
    (seen,) = told(message)
    assert isinstance(seen, Seen)
    assert (seen.order.filled_qty, seen.execution) == (Decimal(10), None)


@pytest.mark.parametrize(("event", "cum"), [("fill", "0"), ("trade_bust", "10"), ("trade_correct", "10")])
def test_an_execution_without_an_id_of_which_the_order_says_nothing_is_a_gap(event: str, cum: str) -> None:
    """What was undone cannot be read off a smaller quantity: it may be an older one."""
    message = fill(execution_id=None, cum=cum)
    message["data"]["event"] = event
    seen, gap = told(message)
    assert isinstance(seen, Seen)
    assert isinstance(gap, Gap)


@pytest.mark.parametrize(
    "wrong",
    [{"qty": "0"}, {"qty": "-1"}, {"price": "-1"}, {"qty": "NaN"}, {"price": "1e99"}, {"qty": None}, {"price": {}}],
)
def test_figures_that_cannot_be_right_are_a_gap_beside_the_order(wrong: dict[str, object]) -> None:
    message = fill()
    message["data"] |= wrong
    seen, gap = told(message)
    assert isinstance(seen, Seen)
    assert isinstance(gap, Gap)


def test_a_multi_leg_order_fills_without_an_id_and_its_legs_with_theirs() -> None:
    order = row(order_class="mleg", symbol="", side="", status="filled", filled_qty="1",
                legs=[row(OTHER, symbol="AAPL260619C00150000", side="sell")])  # fmt: skip
    leg = {"order_id": OTHER, "symbol": "AAPL260619C00150000", "execution_id": EXECUTION, "qty": "1", "price": "2.5"}
    message = update("fill", order, qty="1", price="-0.5", legs=[leg], position_qtys={"AAPL260619C00150000": "-1"})
    seen, executed = told(message)
    assert isinstance(seen, Seen)
    assert seen.order.order_id == ORDER
    assert isinstance(executed, Executed)
    assert (executed.execution.order_id, executed.execution.side) == (OTHER, Side.SELL)


@pytest.mark.parametrize(
    "message",
    [
        {"stream": "trade_updates", "data": None},
        {"stream": "trade_updates"},
        {"stream": "trade_updates", "data": {"event": "fill", "order": None}},
        {"stream": "trade_updates", "data": {"event": "new", "order": row("no-uuid")}},
        {"stream": "trade_updates", "data": {"event": "new", "order": row(status=5)}},
        {"stream": "trade_updates", "data": {"event": "new", "order": row(filled_qty="many")}},
        {"stream": "trade_updates", "data": {"event": "new", "order": row(filled_qty="NaN")}},
        {"stream": "trade_updates", "data": {"event": "new", "order": row(limit_price="1e9999")}},
        {"stream": "trade_updates", "data": {"event": "new", "order": row(updated_at="yesterday")}},
        {"stream": "trade_updates", "data": []},
        {"stream": 5, "data": {}},
        {"data": {}},
        [],
        None,
    ],
)
def test_what_cannot_be_read_is_a_gap(message: object) -> None:
    (gap,) = told(message)
    assert isinstance(gap, Gap)
    assert gap.as_of == T


@pytest.mark.parametrize("wrong", [{"event": 5}, {"timestamp": 5}, {"legs": "none"}, {"execution_id": {}}])
def test_an_order_is_saved_from_a_strange_update(wrong: dict[str, object]) -> None:
    message = update()
    message["data"] |= wrong
    seen, gap = told(message)
    assert isinstance(seen, Seen)
    assert isinstance(gap, Gap)


@pytest.mark.parametrize("raw", [b"[" * 2_000_000, frame(fill(note="x" * 2_000_000))])
def test_a_frame_that_would_keep_everybody_waiting_is_not_read(raw: bytes) -> None:
    (gap,) = frames.told(raw, T)
    assert isinstance(gap, Gap)
    assert "too long" in gap.reason
    assert frames.read(raw) is None


def test_what_is_wrong_with_a_frame_is_said_in_its_own_terms() -> None:
    (gap,) = told({"data": {}})
    assert isinstance(gap, Gap)
    assert "missing required field" in gap.reason


def test_messages_of_other_streams_tell_nothing() -> None:
    assert told({"stream": "listening", "data": {"streams": ["trade_updates"]}}) == ()
    assert told({"stream": "account_updates", "data": {"status": 5}}) == ()


def test_message_pack_says_the_same() -> None:
    assert frames.told(msgspec.msgpack.encode(fill()), T) == told(fill())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(ORDER),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@given(st.binary(max_size=200))
def test_no_bytes_raise(raw: bytes) -> None:
    assert all(isinstance(event, Gap) for event in frames.told(raw, T))


@given(st.sampled_from(sorted({*fill()["data"], *row()})), JSON)
def test_no_value_in_the_wrong_place_raises(name: str, value: object) -> None:
    message = fill()
    message["data"][name] = value
    assert told(message)
    inner = fill()
    inner["data"]["order"][name] = value
    assert told(inner)
    frames.told(msgspec.msgpack.encode(inner), T)


@given(st.integers(0, 2_000))
def test_no_frame_cut_short_raises(length: int) -> None:
    assert frames.told(frame(fill())[:length], T)
