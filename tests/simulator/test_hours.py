"""Orders at an exchange that keeps its hours: what the bells do to them."""

from __future__ import annotations

from typing import Any

import pytest

from fillwatch.core.orders import OrderRequest, Side
from fillwatch.simulator import Fate
from tests.simulator.floor import ROUTED, D, Floor

# Hours: the world begins on Monday 15 June 2026 at 10:30 in New York


def hours_floor(seconds: float = 0.0, **settings: Any) -> Floor:  # noqa: ANN401 - passed on to World
    """An exchange that keeps its hours, so many seconds after 10:30."""
    floor = Floor(hours="exchange", **settings)
    floor.after(seconds)
    return floor


HOUR = 3_600.0


def test_a_day_order_expires_at_the_close() -> None:
    floor = hours_floor()
    order_id = floor.order_of("buy", "limit", limit_price=D(99))
    floor.clock.t = 1_000.0 + 5.5 * HOUR - 0.001
    assert floor.word(order_id) == "new"
    assert floor.record(order_id).versions[0].shown["expires_at"] == floor.world.wall(1_000.0 + 5.5 * HOUR)
    floor.after(0.002)
    truth = floor.ledger.truth(order_id)
    assert (truth.raw_status, truth.ended_at) == ("expired", 1_000.0 + 5.5 * HOUR)
    assert floor.record(order_id).versions[-1].stamps["expired_at"] == floor.world.wall(1_000.0 + 5.5 * HOUR)
    assert floor.costs("90").filled(order_id) == []


def test_a_day_order_in_parts_expires_with_its_part() -> None:
    floor = hours_floor(partial_fills=1.0)
    order_id = floor.order_of("buy", "limit", qty=D(1_000), limit_price=D(100))
    floor.costs("101").after(6 * HOUR)
    assert floor.word(order_id) == "expired"
    assert 0 < floor.ledger.executed_at(order_id) < 1_000


@pytest.mark.parametrize("order_type", ["market", "limit"])
def test_a_day_order_of_the_night_stays_accepted_until_the_opening(order_type: str) -> None:
    floor = hours_floor(12 * HOUR)
    extra = {"limit_price": D(100)} if order_type == "limit" else {}
    order_id = floor.order_of("buy", order_type, **extra)
    opening = 1_000.0 + 23 * HOUR
    floor.clock.t = opening
    assert floor.word(order_id) == "accepted"
    before = floor.order(order_id)
    floor.after(ROUTED)
    assert floor.words(order_id) == ["new", "filled"]
    filled_at = floor.trades(order_id)[0].t
    assert opening + 0.01 <= filled_at <= opening + ROUTED
    after = floor.order(order_id)
    assert after.created_at == before.created_at
    assert after.submitted_at == floor.world.wall(filled_at)


def test_a_gtc_order_of_the_night_is_new_at_four_and_executes_from_the_opening_on() -> None:
    floor = hours_floor(12 * HOUR)
    order_id = floor.order_of("buy", "limit", limit_price=D(101), time_in_force="gtc")
    four, opening = 1_000.0 + 17.5 * HOUR, 1_000.0 + 23 * HOUR
    floor.clock.t = four
    assert floor.word(order_id) == "accepted"
    floor.after(ROUTED)
    assert floor.word(order_id) == "new"
    floor.clock.t = opening - 0.001
    assert floor.word(order_id) == "new"
    assert floor.world.next_due() == opening
    floor.clock.t = opening + 5.0
    assert floor.word(order_id) == "filled"
    assert floor.trades(order_id)[0].t == opening


def test_extended_hours_are_for_those_who_ask_for_them() -> None:
    floor = hours_floor()
    plain = floor.order_of("buy", "limit", limit_price=D(99), time_in_force="gtc")
    extended = floor.order_of("buy", "limit", limit_price=D(99), extended_hours=True)
    late = floor.order_of("buy", "limit", limit_price=D(50), extended_hours=True)
    floor.after(6.5 * HOUR)  # 17:00
    floor.costs("98").after(0.0)
    assert (floor.word(plain), floor.filled(extended)) == ("new", ["10@98.00"])
    floor.after(3 * HOUR)
    assert floor.ledger.truth(late).ended_at == 1_000.0 + 9.5 * HOUR
    assert floor.word(late) == "expired"
    floor.costs("97")
    assert floor.filled(plain) == []
    floor.after(20 * HOUR)
    assert floor.filled(plain) == ["10@97.00"]
    assert floor.trades(plain)[0].t == 1_000.0 + 23 * HOUR


def test_a_stop_is_not_triggered_outside_regular_hours() -> None:
    floor = hours_floor()
    order_id = floor.order_of("sell", "stop", stop_price=D(95), time_in_force="gtc")
    trailing = floor.order_of("sell", "trailing_stop", trail_price=D(5), time_in_force="gtc")
    floor.after(8 * HOUR)
    floor.costs("90").after(HOUR)
    floor.costs("150").after(HOUR)
    floor.costs("100").after(24 * HOUR)
    assert floor.filled(order_id) == floor.filled(trailing) == []
    assert floor.order(trailing).stop_price == 95


def test_a_trailing_stop_of_the_night_hangs_from_the_opening_price() -> None:
    floor = hours_floor(12 * HOUR)
    order_id = floor.order_of("sell", "trailing_stop", trail_price=D(5), time_in_force="gtc")
    floor.after(7 * HOUR)
    assert (floor.word(order_id), floor.order(order_id).stop_price) == ("new", None)
    floor.costs("110").after(4 * HOUR)
    assert floor.order(order_id).stop_price == 105
    assert floor.record(order_id).versions[-1].t == 1_000.0 + 23 * HOUR
    floor.costs("105")
    assert floor.filled(order_id) == ["10@105.00"]


def test_the_rest_of_a_market_order_goes_on_at_the_next_opening() -> None:
    floor = hours_floor(5.5 * HOUR - 0.1, partial_fills=1.0)
    order_id = floor.order_of("buy", "market", qty=D(1_000), time_in_force="gtc")
    floor.after(20 * HOUR)
    trades = floor.trades(order_id)
    assert trades[0].t < 1_000.0 + 5.5 * HOUR < 1_000.0 + 23 * HOUR <= trades[1].t < 1_000.0 + 23 * HOUR + 1.0
    assert floor.word(order_id) == "filled"


#: Seconds after 10:30 at which it is sent, type and limit; then its words and when it ends, in hours after 10:30.
AUCTIONS: list[tuple[str, float, str, list[str], float]] = [
    ("opg", 12.0, "", ["filled"], 23.0),
    ("opg", 12.0, "100", ["filled"], 23.0),
    ("opg", 12.0, "99", ["canceled"], 23.0),
    ("cls", 1.0, "", ["filled"], 5.5),
    ("cls", 1.0, "101", ["filled"], 5.5),
    ("cls", 1.0, "99", ["canceled"], 5.5),
]


@pytest.mark.parametrize(("time_in_force", "sent", "limit", "words", "ended"), AUCTIONS)
def test_an_auction_order_executes_at_the_bell_or_not_at_all(
    time_in_force: str, sent: float, limit: str, words: list[str], ended: float
) -> None:
    floor = hours_floor(sent * HOUR)
    extra = {"limit_price": D(limit)} if limit else {}
    order_id = floor.order_of("buy", "limit" if limit else "market", time_in_force=time_in_force, **extra)
    assert floor.word(order_id) == "accepted"
    floor.costs("90").after(1.0)
    assert floor.words(order_id) == []
    floor.costs("100").after(24 * HOUR)
    assert floor.words(order_id) == words
    assert floor.ledger.truth(order_id).ended_at == 1_000.0 + ended * HOUR


@pytest.mark.parametrize(("time_in_force", "sent"), [("opg", 22.99), ("cls", 5.49)])
def test_an_order_that_misses_its_auction_is_rejected(time_in_force: str, sent: float) -> None:
    floor = hours_floor(sent * HOUR)
    request = OrderRequest(symbol="AAPL", side=Side.BUY, qty=D(10), time_in_force=time_in_force)
    order_id = floor.world.place(request, Fate.MARKET)
    assert floor.after(ROUTED).word(order_id) == "rejected"


def test_a_stop_that_the_price_has_passed_on_the_way_is_triggered_at_once() -> None:
    floor = Floor()
    order_id = floor.submit(order_type="stop", stop_price=D(101)).versions[0].order.order_id
    floor.costs("102").after(ROUTED)
    assert floor.filled(order_id) == ["10@102.00"]


def test_extended_hours_are_not_missed_because_a_regular_order_waits() -> None:
    floor = hours_floor(20.5 * HOUR)  # 7:00
    floor.order_of("buy", "limit", limit_price=D(1), time_in_force="gtc")
    floor.world.set_price("AAPL", None)
    limit = floor.world.price("AAPL") - D("0.50")
    floor.after(5.0)
    order_id = floor.order_of("buy", "limit", limit_price=limit, extended_hours=True)
    floor.after(0.5 * HOUR)
    (trade,) = floor.trades(order_id)
    assert trade.t < 1_000.0 + 21 * HOUR
    assert trade.execution.price <= limit


def test_coins_trade_on_a_saturday_and_have_no_end_of_the_day() -> None:
    floor = hours_floor(5 * 24 * HOUR)
    order_id = floor.order_of("buy", "market", symbol="BTC/USD", time_in_force="gtc")
    assert floor.words(order_id) == ["new", "filled"]


@pytest.mark.parametrize("time_in_force", ["ioc", "fok"])
def test_at_night_nothing_executes_at_once(time_in_force: str) -> None:
    floor = hours_floor(12 * HOUR)
    order_id = floor.order_of("buy", "limit", limit_price=D(101), time_in_force=time_in_force)
    floor.after(24 * HOUR)
    assert floor.word(order_id) == "canceled"
    assert floor.filled(order_id) == []


@pytest.mark.parametrize("hours", ["always", "exchange"])
def test_an_old_gtc_order_is_canceled_after_ninety_days(hours: str) -> None:
    floor = Floor(hours=hours)
    order_id = floor.order_of("buy", "limit", limit_price=D(99), time_in_force="gtc")
    ends = 1_000.0 + 90 * 24 * HOUR + 5.75 * HOUR
    assert floor.record(order_id).versions[0].shown["expires_at"] == floor.world.wall(ends)
    floor.clock.t = ends
    assert floor.word(order_id) == "pending_cancel"
    assert floor.world.reached["fate:market"] == 0
    assert floor.after(0.3).word(order_id) == "canceled"
    assert floor.world.reached["fate:market"] == 1
