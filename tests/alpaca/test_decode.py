"""JSON to values: exact, row by row, and tolerant of what nobody has heard of."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwatch.brokers.alpaca import decode, fields, ledger, normal_symbol, tape
from fillwatch.brokers.alpaca.fields import Unreadable
from fillwatch.core.orders import ExecutionKind, OrderStatus, Side
from tests.alpaca.wire import ORDER, OTHER, row


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"order_id": ORDER.upper()}, "order_id", ORDER),
        ({"status": "partially_filled"}, "status", OrderStatus.PARTIALLY_FILLED),
        ({"status": "on_the_moon"}, "status", OrderStatus.UNKNOWN),
        ({"status": "on_the_moon"}, "raw_status", "on_the_moon"),
        ({"side": "sell_short"}, "side", Side.SELL),
        ({"side": "sideways"}, "side", None),
        ({"side": ""}, "side", None),
        ({"side": None}, "side", None),
        ({"symbol": None}, "symbol", ""),
        ({"type": "hologram"}, "order_type", "hologram"),
        ({"type": None, "order_type": "stop"}, "order_type", "stop"),
        ({"qty": "0.123456789"}, "qty", Decimal("0.123456789")),
        ({"qty": 3}, "qty", Decimal(3)),
        ({"qty": None, "notional": "10"}, "qty", None),
        ({"filled_avg_price": ""}, "filled_avg_price", None),
        ({"filled_qty": None}, "filled_qty", None),
        ({"legs": "none today"}, "legs", ()),
        ({"legs": [{"id": 5}]}, "legs", ()),
        ({"replaced_by": OTHER.upper()}, "replaced_by", OTHER),
        ({"replaced_by": ""}, "replaced_by", None),
        ({"filled_at": ""}, "filled_at", None),
        ({"surprise": {"deep": [1, 2, {}]}}, "order_id", ORDER),
    ],
)
def test_one_field(changes: dict[str, object], field: str, expected: object) -> None:
    """What each field becomes."""
    assert getattr(decode.order(encoded(row(**changes))), field) == expected


def test_numbers_never_pass_through_a_float() -> None:
    """A JSON number keeps every digit it was written with."""
    body = encoded(row()).replace(b'"qty": "10"', b'"qty": 0.1234567890123456789012')
    assert decode.order(body).qty == Decimal("0.1234567890123456789012")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-04-19T13:45:04.981350986-04:00", datetime(2022, 4, 19, 17, 45, 4, 981350, UTC)),
        ("2022-04-19T17:45:04.999999999Z", datetime(2022, 4, 19, 17, 45, 4, 999999, UTC)),
        ("2022-04-19T17:45:04Z", datetime(2022, 4, 19, 17, 45, 4, tzinfo=UTC)),
        ("2022-04-19T23:15:04.5+05:30", datetime(2022, 4, 19, 17, 45, 4, 500000, UTC)),
    ],
)
def test_times_are_cut_to_microseconds_in_utc(text: str, expected: datetime) -> None:
    """Nanoseconds are cut, not rounded; any offset becomes UTC."""
    at = decode.order(encoded(row(submitted_at=text))).submitted_at
    assert at == expected
    assert at is not None
    assert at.tzinfo is UTC


STRANGE: list[object] = [
    {},
    [],
    None,
    7,
    "order",
    row(None),
    row(""),
    row("../account"),
    row(status=None),
    row(status=3),
    row(symbol={"a": 1}),
    row(qty="ten"),
    row(qty="NaN"),
    row(qty="Infinity"),
    row(qty="-Infinity"),
    row(qty="1e999999"),
    row(qty=[1]),
    row(qty=True),
    row(filled_qty={}),
    row(created_at="yesterday"),
    row(created_at=1700000000),
    row(updated_at="2022-04-19T13:45:04"),
    row(updated_at="0001-01-01T00:00:00+14:00"),
    row(replaced_by="?"),
    {key: value for key, value in row().items() if key != "id"},
    {key: value for key, value in row().items() if key != "status"},
]


@pytest.mark.parametrize("strange", STRANGE)
def test_a_strange_row_costs_itself_alone(strange: object) -> None:
    """The rows around it are read, and it is counted."""
    rows = decode.orders(encoded([row(), strange, row(OTHER)]))
    assert [order.order_id for order in rows.values] == [ORDER, OTHER]
    assert (rows.count, rows.unreadable) == (3, 1)


@pytest.mark.parametrize("strange", STRANGE)
def test_a_strange_order_alone_is_unreadable(strange: object) -> None:
    """Asked for by id, it is no answer."""
    with pytest.raises(Unreadable):
        decode.order(encoded(strange))


@pytest.mark.parametrize("broken", [b"\xff", b"[" * 100_000 + b"]" * 100_000, b'{"a":'])
def test_wrong_bytes_inside_a_row_cost_at_most_the_page(broken: bytes) -> None:
    """Wrong UTF-8, absurd nesting and cut JSON are unreadable, whatever the decoder makes of them."""
    good = encoded(row())
    for body in (b"[" + good + b"," + broken + b"]", good[:-1] + b',"x":' + broken + b"}", broken):
        for read in (decode.orders, decode.order, tape.executions, ledger.positions, ledger.account, ledger.clock):
            try:
                read(body)
            except Unreadable:
                continue


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"{}", b'"x"', b"null", b'[{"id":"', b"\xff\xfe"])
def test_what_is_no_list_is_unreadable(body: bytes) -> None:
    """The page as a whole makes no sense."""
    for read in (decode.orders, tape.executions, ledger.positions):
        with pytest.raises(Unreadable):
            read(body)


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(encoded)
)
def test_no_bytes_raise_anything_but_unreadable(body: bytes) -> None:
    """The decoder is total over bytes."""
    for read in (decode.order, decode.orders, tape.executions, ledger.positions, ledger.account, ledger.clock):
        try:
            read(body)
        except Unreadable:
            continue


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=10**9, places=9))
def test_amounts_come_back_exactly(number: Decimal) -> None:
    """As a string and as a number."""
    for text in (b'"%s"', b"%s"):
        body = encoded(row()).replace(b'"filled_qty": "0"', b'"filled_qty": ' + text % format(number, "f").encode())
        assert decode.order(body).filled_qty == number


def fill(**changes: object) -> dict[str, object]:
    plain = {
        "activity_type": "FILL",
        "id": f"20220202135509981::{OTHER}",
        "transaction_time": "2022-02-02T18:55:09.981482Z",
        "type": "fill",
        "price": "174.78",
        "qty": "2",
        "side": "buy",
        "symbol": "AAPL",
        "leaves_qty": "0",
        "order_id": ORDER,
        "cum_qty": "2",
        "order_status": "filled",
    }
    return plain | changes


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({}, "execution_id", OTHER),
        ({"id": "plain-id"}, "execution_id", "plain-id"),
        ({}, "kind", ExecutionKind.FILL),
        ({"type": "partial_fill"}, "kind", ExecutionKind.FILL),
        ({"type": "trade_bust", "qty": "-2"}, "kind", ExecutionKind.BUST),
        ({"type": "trade_bust", "qty": "-2"}, "qty", Decimal(2)),
        ({"type": "trade_bust", "previous_execution_id": OTHER.upper()}, "previous_id", OTHER),
        ({"type": "trade_correct", "previous_id": f"2022::{OTHER}"}, "previous_id", OTHER),
        ({"type": "trade_correct", "ref_id": OTHER}, "previous_id", OTHER),
        ({"ref_id": OTHER}, "previous_id", None),
        ({"side": "sell_short"}, "side", Side.SELL),
        ({"order_status": "odd"}, "order_status", OrderStatus.UNKNOWN),
        ({"order_status": None}, "order_status", None),
        ({}, "price", Decimal("174.78")),
        ({"cum_qty": 2.5}, "cum_qty", Decimal("2.5")),
        ({"order_id": ORDER.upper()}, "order_id", ORDER),
    ],
)
def test_one_execution(changes: dict[str, object], field: str, expected: object) -> None:
    """What each field of a row of the tape becomes."""
    rows, _ = tape.executions(encoded([fill(**changes)]))
    assert getattr(rows.values[0], field) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "gift"},
        {"qty": "0"},
        {"qty": "-1"},
        {"qty": None},
        {"price": None},
        {"price": "-1"},
        {"order_id": None},
        {"id": "2022::"},
        {"id": None},
        {"transaction_time": "noon"},
    ],
)
def test_a_strange_execution_is_counted_and_the_page_token_is_still_had(changes: dict[str, object]) -> None:
    """The tape goes on after a row that makes no sense."""
    page = [fill(), fill(**changes), fill(id="20220202135509982::y"), fill(id="20220202135509983::z")]
    rows, token = tape.executions(encoded(page))
    assert [execution.execution_id for execution in rows.values] == [OTHER, "y", "z"]
    assert (rows.count, rows.unreadable, token) == (4, 1, "20220202135509982::y")


def test_the_page_token_is_of_the_last_rows_even_if_they_are_strange() -> None:
    """Going on after an earlier row would read the strange ones for ever."""
    strange = [fill(id=f"2022020213550998{n}::z", qty="many") for n in (2, 3)]
    rows, token = tape.executions(encoded([fill(), *strange]))
    assert (len(rows.values), token) == (1, "20220202135509982::z")


def test_a_page_of_one_millisecond_goes_on_after_its_last_row() -> None:
    """There is no earlier one, and the tape has to go on."""
    at_once = [fill(id=f"20220202135509982::{name}") for name in "cab"]
    assert tape.executions(encoded(at_once))[1] == "20220202135509982::b"
    assert tape.executions(b"[]")[1] is None


def test_other_activities_on_the_tape_are_passed_over() -> None:
    """A dividend is no execution, and nothing strange either; it may still be the cursor."""
    dividend = {"activity_type": "DIV", "id": "2022::d", "net_amount": "1"}
    rows, token = tape.executions(encoded([fill(), dividend, fill()]))
    assert (len(rows.values), rows.count, rows.unreadable, token) == (2, 3, 0, "2022::d")


def test_positions_are_signed_and_meet_their_orders_symbols() -> None:
    """A short is negative however it is told; crypto pairs lose their slash."""
    rows = [
        {"symbol": "AAPL", "qty": "10", "side": "long"},
        {"symbol": "TSLA", "qty": "5", "side": "short"},
        {"symbol": "MSFT", "qty": "-3", "side": "short"},
        {"symbol": "BTC/USD", "qty": "0.1"},
        {"symbol": "ETHUSD", "qty": 0.25, "side": "long"},
    ]
    assert ledger.positions(encoded(rows)) == {
        "AAPL": Decimal(10),
        "TSLA": Decimal(-5),
        "MSFT": Decimal(-3),
        "BTCUSD": Decimal("0.1"),
        "ETHUSD": Decimal("0.25"),
    }
    assert normal_symbol(" btc/usd ") == normal_symbol("BTCUSD") == "BTCUSD"


@pytest.mark.parametrize("strange", [{"symbol": "AAPL", "qty": None}, {"symbol": "", "qty": "1"}, {"qty": "1"}, 5])
def test_one_strange_position_spoils_them_all(strange: object) -> None:
    """Leaving it out would say that its symbol is flat."""
    with pytest.raises(Unreadable):
        ledger.positions(encoded([{"symbol": "TSLA", "qty": "1"}, strange]))


@pytest.mark.parametrize(
    ("changes", "can"),
    [
        ({}, True),
        ({"status": "ONBOARDING"}, False),
        ({"trading_blocked": True}, False),
        ({"account_blocked": True}, False),
        ({"trade_suspended_by_user": True}, False),
    ],
)
def test_an_account_with_any_block_cannot_trade(changes: dict[str, object], can: bool) -> None:
    """Each block alone is enough."""
    body = {
        "id": "a",
        "status": "ACTIVE",
        "currency": "USD",
        "buying_power": "1000.50",
        "trading_blocked": False,
    } | changes
    facts = ledger.account(encoded(body))
    assert facts.can_trade is can
    assert facts.buying_power == Decimal("1000.50")
    assert facts.raw["status"] == body["status"]


def test_wire_time_is_rfc_3339_with_microseconds() -> None:
    """Without an offset it is refused rather than guessed."""
    assert fields.wire_time(datetime(2026, 3, 2, 9, 30, tzinfo=UTC)) == "2026-03-02T09:30:00.000000Z"
    with pytest.raises(ValueError, match="offset"):
        fields.wire_time(datetime(2026, 3, 2, 9, 30))  # noqa: DTZ001  # the point of the test
