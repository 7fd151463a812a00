"""The read routes over HTTP: filters and pages of the list, nested legs, activities, clock, calendar, assets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fillwatch.simulator import Fate, Query
from fillwatch.simulator.queries import tape_query
from tests.simulator.alpaca_client import Clock, Order, Position
from tests.simulator.callers import Caller

NOBODY = "00000000-0000-4000-8000-000000000000"


def seven() -> tuple[Caller, list[str]]:
    """Seven orders, a second apart: three open buys, a filled one, a cancelled one, a sell, and coins."""
    caller = Caller().price("AAPL", "100").price("MSFT", "50")
    orders: list[dict[str, Any]] = [
        {"type": "limit", "limit_price": "90"},
        {"type": "limit", "limit_price": "91"},
        {"symbol": "MSFT", "type": "limit", "limit_price": "40"},
        {"symbol": "MSFT", "qty": "5"},
        {"symbol": "F", "type": "limit", "limit_price": "1"},
        {"symbol": "MSFT", "side": "sell", "qty": "5", "type": "limit", "limit_price": "60"},
        {"symbol": "BTC/USD", "qty": "1", "time_in_force": "gtc", "type": "limit", "limit_price": "1"},
    ]
    ids = []
    for order in orders:
        ids.append(str(caller.order(**order)["id"]))
        caller.after(1.0)
    caller.ask("DELETE", f"/v2/orders/{ids[4]}")
    caller.after(1.0)
    return caller, ids


#: The query, and the places of the orders that it finds (0 was placed first), newest first.
LISTS: list[tuple[str, list[int]]] = [
    ("", [6, 5, 2, 1, 0]),
    ("status=open", [6, 5, 2, 1, 0]),
    ("status=closed", [4, 3]),
    ("status=all", [6, 5, 4, 3, 2, 1, 0]),
    ("status=all&limit=2", [6, 5]),
    ("status=all&direction=asc&limit=3", [0, 1, 2]),
    ("status=all&direction=desc&limit=1", [6]),
    ("status=all&side=sell", [5]),
    ("status=all&side=buy&limit=2", [6, 4]),
    ("status=all&symbols=MSFT", [5, 3, 2]),
    ("status=all&symbols=MSFT,F", [5, 4, 3, 2]),
    ("status=all&symbols=MSFT%2CAAPL&side=sell", [5]),
    ("status=all&symbols=BTCUSD", [6]),
    ("status=all&symbols=BTC/USD", [6]),
    ("status=all&asset_class=crypto", [6]),
    ("status=all&asset_class=us_equity,crypto&limit=2", [6, 5]),
    ("status=all&asset_class=us_option", []),
    ("asset_class=all", [6, 5, 2, 1, 0]),
    ("status=all&after=2026-06-15T14:30:04.5Z", [6, 5]),
    ("status=all&after=2026-06-15T10:30:04.5-04:00", [6, 5]),
    ("status=all&until=2026-06-15T14:30:01.5Z", [1, 0]),
    ("status=all&after=2026-06-15T14:30:00.5Z&until=2026-06-15T14:30:02.5Z", [2, 1]),
    ("status=all&after=2026-06-16", []),
    ("status=all&after_order_id={4}", [6, 5]),
    ("status=all&before_order_id={2}", [1, 0]),
    ("status=all&after_order_id={2}&direction=asc&limit=2", [3, 4]),
    ("status=all&before_order_id={6}&limit=2", [5, 4]),
    ("status=open&before_order_id={5}", [2, 1, 0]),
]


def test_the_list_finds_what_its_filters_say() -> None:
    caller, ids = seven()
    for query, places in LISTS:
        found = caller.get("/v2/orders?" + query.format(*ids))
        assert [row["id"] for row in found] == [ids[place] for place in places], query
        for row in found:
            Order(**row)


BAD_LISTS: list[tuple[str, int, str]] = [
    ("status=done", 422, "invalid status"),
    ("limit=0", 422, "limit must be a number from 1 to 500"),
    ("limit=501", 422, "limit must be a number from 1 to 500"),
    ("limit=-1", 422, "limit must be a number"),
    ("limit=1e2", 422, "limit must be a number"),
    ("direction=up", 422, "invalid direction"),
    ("side=both", 422, "invalid side"),
    ("asset_class=art", 422, "invalid asset_class"),
    ("after=noon", 422, "invalid after"),
    ("until=2026-13-01", 422, "invalid until"),
    (f"after_order_id={NOBODY}&before_order_id={NOBODY}", 422, "mutually exclusive"),
    (f"after_order_id={NOBODY}&after=2026-06-15", 422, "cannot be combined with after and until"),
    (f"after_order_id={NOBODY}", 404, f"order not found for {NOBODY}"),
]


@pytest.mark.parametrize(("query", "status", "message"), BAD_LISTS)
def test_a_filter_that_makes_no_sense_is_refused(query: str, status: int, message: str) -> None:
    found, answer = Caller().ask("GET", f"/v2/orders?{query}")
    assert found == status
    assert message in answer["message"]


def test_the_list_is_fifty_long_by_default_and_five_hundred_at_most() -> None:
    caller = Caller(fate=Fate.NEVER)
    for _ in range(60):
        caller.world.place(fate=Fate.NEVER)
    assert len(caller.get("/v2/orders")) == 50
    assert len(caller.get("/v2/orders?limit=500")) == 60


def test_paging_by_order_id_shows_every_order_once() -> None:
    caller = Caller(fate=None)
    caller.world.populate(60)
    caller.after(30.0)
    seen: list[str] = []
    query = "/v2/orders?status=all&limit=7&direction=asc"
    page = caller.get(query)
    while page:
        seen += [row["id"] for row in page]
        page = caller.get(f"{query}&after_order_id={seen[-1]}")
    assert sorted(seen) == sorted(caller.world.ledger.order_ids)


def test_nested_shows_the_legs_inside_their_parent_alone() -> None:
    caller = Caller().price("AAPL", "100")
    plain = caller.order(symbol="F", type="limit", limit_price="1")
    made = caller.order(order_class="bracket", take_profit={"limit_price": 110}, stop_loss={"stop_price": 90})
    legs = [leg["id"] for leg in made["legs"]]
    flat = caller.get("/v2/orders?status=all")
    assert {row["id"] for row in flat} == {plain["id"], made["id"], *legs}
    assert all(row["legs"] is None for row in flat)
    for word in ("true", "True"):
        nested = caller.get(f"/v2/orders?status=all&nested={word}")
        assert [row["id"] for row in nested] == [made["id"], plain["id"]]
        assert [leg["id"] for leg in nested[0]["legs"]] == legs
        assert nested[1]["legs"] is None
    assert caller.get(f"/v2/orders/{made['id']}")["legs"] is None
    assert [leg["id"] for leg in caller.get(f"/v2/orders/{made['id']}?nested=true")["legs"]] == legs
    assert len(Order(**caller.get(f"/v2/orders/{made['id']}?nested=true")).legs or []) == 2
    assert caller.get(f"/v2/orders/{legs[0]}?nested=true")["legs"] is None


def test_held_legs_are_among_the_closed_orders() -> None:
    caller = Caller().price("AAPL", "100")
    caller.order(order_class="bracket", take_profit={"limit_price": 110}, stop_loss={"stop_price": 90})
    assert [row["status"] for row in caller.get("/v2/orders?status=closed")] == ["held", "held"]
    caller.after(1.0)
    assert [row["limit_price"] for row in caller.get("/v2/orders")] == ["110"]
    assert caller.get("/v2/orders?nested=true") == [], "the entry is filled, and its exits are shown in it"


def test_activities_page_from_either_end() -> None:
    caller = Caller().price("F", "10")
    for _ in range(7):
        caller.bought("2", symbol="F")
    rows = caller.get("/v2/account/activities")
    assert len(rows) == 7
    assert rows == sorted(rows, key=lambda row: str(row["id"]), reverse=True)
    for direction, ordered in (("asc", rows[::-1]), ("desc", rows)):
        page = caller.get(f"/v2/account/activities/FILL?page_size=3&direction={direction}")
        assert page == ordered[:3]
        more = caller.get(f"/v2/account/activities?page_size=3&direction={direction}&page_token={page[-1]['id']}")
        assert more == ordered[3:6]


ACTIVITIES: list[tuple[str, int]] = [
    ("", 2),
    ("/FILL", 2),
    ("/fill", 2),
    ("/DIV", 0),
    ("?activity_types=FILL,DIV", 2),
    ("?activity_types=DIV", 0),
    ("?category=trade_activity", 2),
    ("?category=non_trade_activity", 0),
    ("?date=2026-06-15", 2),
    ("?date=2026-06-14", 0),
    ("?date=2026-06-15T00:00:00Z", 2),
    ("?after=2026-06-15T14:30:00.5Z", 1),
    ("?until=2026-06-15T14:30:00.5Z", 1),
    ("?after=2026-06-16", 0),
]


def test_activities_are_filtered_by_day_time_and_kind() -> None:
    caller = Caller()
    caller.bought("2")
    caller.bought("2")
    for query, count in ACTIVITIES:
        assert len(caller.get(f"/v2/account/activities{query}")) == count, query
    for query in ("?page_size=101", "?date=then", "?category=all", "?category=trade_activity&activity_types=FILL"):
        assert caller.ask("GET", f"/v2/account/activities{query}")[0] == 422, query


def test_a_day_begins_with_its_first_microsecond() -> None:
    query = tape_query({"date": "2026-06-15"}, "")
    assert isinstance(query, Query)
    assert query.after is not None
    assert query.until is not None
    assert query.after < datetime(2026, 6, 15, tzinfo=UTC)
    assert query.until == datetime(2026, 6, 16, tzinfo=UTC)


def test_the_clock_tells_the_exchanges_hours() -> None:
    morning = datetime(2026, 11, 27, 13, 0, tzinfo=UTC)
    caller = Caller(hours="exchange", epoch=morning)
    row = caller.get("/v2/clock")
    assert row == {
        "timestamp": "2026-11-27T08:00:00-05:00",
        "is_open": False,
        "next_open": "2026-11-27T09:30:00-05:00",
        "next_close": "2026-11-27T13:00:00-05:00",
    }
    assert Clock(**row).is_open is False
    assert caller.after(2 * 3600.0).get("/v2/clock")["is_open"] is True
    assert caller.after(4 * 3600.0).get("/v2/clock")["next_open"] == "2026-11-30T09:30:00-05:00"


def test_the_calendar_knows_weekends_holidays_and_early_closes() -> None:
    caller = Caller()
    days = caller.get("/v2/calendar?start=2026-11-25&end=2026-11-30")
    assert [(day["date"], day["open"], day["close"]) for day in days] == [
        ("2026-11-25", "09:30", "16:00"),
        ("2026-11-27", "09:30", "13:00"),
        ("2026-11-30", "09:30", "16:00"),
    ]
    assert (days[0]["session_open"], days[0]["session_close"], days[0]["settlement_date"]) == (
        *("0400", "2000", "2026-11-27"),
    )
    assert caller.get("/v2/calendar?start=2026-11-28&end=2026-11-29") == []
    assert caller.get("/v2/calendar?end=1970-01-05")[0]["date"] == "1970-01-02"
    for query in ("start=soon", "date_type=LUNAR", "start=2026-11-30&end=2026-11-25"):
        assert caller.ask("GET", f"/v2/calendar?{query}")[0] == 422, query


def test_assets_by_symbol_and_by_id() -> None:
    caller = Caller()
    row = caller.get("/v2/assets/AAPL")
    assert (row["symbol"], row["class"], row["tradable"], row["fractionable"]) == ("AAPL", "us_equity", True, True)
    assert caller.get(f"/v2/assets/{row['id']}") == row
    assert caller.get("/v2/assets/BTC/USD")["class"] == caller.get("/v2/assets/BTCUSD")["class"] == "crypto"
    for name in ("NOPE", "AAPL261218C00250000"):
        assert caller.ask("GET", f"/v2/assets/{name}")[1]["code"] == 40410000, name
    caller.order(symbol="ABCDE")
    traded = caller.get("/v2/assets/ABCDE")
    assert caller.get(f"/v2/assets/{traded['id']}") == traded


@pytest.mark.parametrize(
    ("query", "inside", "outside"),
    [
        ("", "AAPL", "BTC/USD"),
        ("?asset_class=crypto", "BTC/USD", "AAPL"),
        ("?status=inactive", "HALT", "AAPL"),
        ("?status=active", "AAPL", "HALT"),
        ("?exchange=NYSE", "F", "AAPL"),
    ],
)
def test_assets_are_filtered(query: str, inside: str, outside: str) -> None:
    symbols = [row["symbol"] for row in Caller().get(f"/v2/assets{query}")]
    assert inside in symbols
    assert outside not in symbols
    assert symbols == sorted(symbols)


def test_a_position_is_found_by_symbol_and_asset_id() -> None:
    caller = Caller().price("AAPL", "100")
    caller.bought("10")
    caller.order(symbol="BTC/USD", qty="0.5", time_in_force="gtc")
    caller.after(1.0).price("AAPL", "110")
    rows = caller.get("/v2/positions")
    assert [row["symbol"] for row in rows] == ["AAPL", "BTCUSD"]
    apple = rows[0]
    assert Position(**apple).side == "long"
    assert {name: apple[name] for name in ("market_value", "cost_basis", "unrealized_pl", "unrealized_plpc")} == {
        "market_value": "1100",
        "cost_basis": "1000",
        "unrealized_pl": "100",
        "unrealized_plpc": "0.1",
    }
    for name in ("AAPL", apple["asset_id"]):
        assert caller.get(f"/v2/positions/{name}") == apple
    assert caller.get("/v2/positions/BTCUSD") == caller.get("/v2/positions/BTC/USD") == rows[1]
    caller.order(side="sell", type="limit", limit_price="120", qty="4")
    assert caller.get("/v2/positions/AAPL")["qty_available"] == "6"


def test_a_short_position_is_negative() -> None:
    caller = Caller().price("AAPL", "100")
    caller.bought("10", side="sell")
    row = caller.price("AAPL", "90").get("/v2/positions/AAPL")
    assert {name: row[name] for name in ("qty", "side", "market_value", "cost_basis", "unrealized_pl")} == {
        "qty": "-10",
        "side": "short",
        "market_value": "-900",
        "cost_basis": "-1000",
        "unrealized_pl": "100",
    }
