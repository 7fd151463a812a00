"""Rows that were read before: the same values, and never those of another row."""

from __future__ import annotations

import asyncio
import uuid

import msgspec
import pytest

from fillwatch.brokers.alpaca import decode
from fillwatch.brokers.alpaca.known import SAMPLE, KnownRows
from fillwatch.core.orders import OrderStatus
from fillwatch.testing import virtual

ID = "61e69015-8549-4bfd-b9c3-01e75843f47d"
ROW: dict[str, object] = {
    "id": ID,
    "status": "new",
    "symbol": "AAPL",
    "side": "buy",
    "type": "limit",
    "qty": "10",
    "filled_qty": "0",
    "limit_price": "101.50",
    "submitted_at": "2026-06-15T14:30:00.123456789Z",
    "legs": None,
}


def page(*rows: dict[str, object]) -> bytes:
    return msgspec.json.encode(rows)


def test_a_row_that_is_the_same_to_the_byte_is_the_same_value() -> None:
    """So that a belief can tell it by its identity."""
    known = KnownRows()
    first = decode.orders(page(ROW), known).values[0]
    assert decode.orders(page(ROW), known).values[0] is first
    assert decode.orders(page(ROW)).values[0] == first


def test_a_row_that_differs_in_anything_is_read_anew() -> None:
    """One digit is enough."""
    known = KnownRows()
    decode.orders(page(ROW), known)
    rows = decode.orders(page(ROW | {"filled_qty": "1", "status": "partially_filled"}, ROW), known).values
    assert [(row.status, str(row.filled_qty)) for row in rows] == [
        (OrderStatus.PARTIALLY_FILLED, "1"),
        (OrderStatus.NEW, "0"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"qty": 10.5},
        {"qty": None, "notional": "100.25"},
        {"filled_qty": ""},
        {"status": "on_the_moon"},
        {"status": "PENDING_CANCEL"},
        {"side": "BUY"},
        {"id": ID.upper()},
        {"id": ID.replace("-", "")},
        {"type": None, "order_type": "limit"},
        {"client_order_id": None, "symbol": None, "order_class": None, "time_in_force": None},
        {"replaced_by": "", "replaces": ROW["id"]},
        {"filled_at": "2026-06-15T10:30:00.5-04:00"},
        {"legs": [ROW | {"id": "00000000-0000-0000-0000-000000000001"}]},
        {"legs": [{"id": 3}]},
    ],
    ids=str,
)
def test_the_short_way_reads_what_the_long_way_reads(change: dict[str, object]) -> None:
    """Ordinary rows and strange ones."""
    body = page(ROW | change)
    (quickly,), (slowly,) = decode.orders(body, KnownRows()).values, decode.orders(body).values
    assert quickly == slowly


@pytest.mark.parametrize(
    "strange", [{"id": "x"}, {"qty": "1e999999"}, {"created_at": 5}, {"status": None}, {"side": 3}], ids=str
)
def test_a_strange_row_costs_itself_each_time(strange: dict[str, object]) -> None:
    """It is not kept, and the others are."""
    known = KnownRows()
    for _ in range(2):
        rows = decode.orders(page(ROW, ROW | strange), known)
        assert (len(rows.values), rows.count, rows.unreadable) == (1, 2, 1)
    assert len(known) == 1


def test_what_was_not_asked_for_lately_is_forgotten() -> None:
    """Twice as many rows as it was made for are kept at most, and those in use longest."""
    known = KnownRows(rows=10)
    value = decode.orders(page(ROW)).values[0]
    known.keep(b"used", value)
    for number in range(100):
        known.keep(b"%d" % number, value)
        assert known.get(b"used") is value
        assert len(known) <= 20
    assert known.get(b"0") is None


@virtual
async def test_a_page_of_new_rows_is_read_in_turns_with_everybody_else() -> None:
    """And comes to the same; a page that is known is read at once."""
    rows = [ROW | {"id": str(uuid.UUID(int=number))} for number in range(500)]
    body, known, turns = page(*rows, ROW | {"id": "x"}), KnownRows(), 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    assert await decode.orders_in_turns(body, known) == decode.orders(body)
    assert turns >= 500 // decode.TURN
    turns = 0
    assert await decode.orders_in_turns(body, known) == decode.orders(body)
    assert turns == 0
    counting.cancel()
    await asyncio.wait({counting})


def test_of_rows_that_never_come_again_in_time_few_are_kept_until_one_does() -> None:
    """A list longer than what is kept: each sweep would renew all of it for nothing."""
    known = KnownRows(rows=160)
    value = decode.orders(page(ROW)).values[0]

    def sweep(rows: int, times: int) -> int:
        found = 0
        for number in [*range(rows)] * times:
            row = b"%d" % number
            if known.get(row) is None:
                known.keep(row, value)
            else:
                found += 1
        return found

    assert sweep(2_000, 3) == 0
    assert len(known) <= 2 * 160 / SAMPLE + 2
    assert sweep(100, 10) >= 6 * 100
    assert sweep(100, 1) == 100
