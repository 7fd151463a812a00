"""Orders that go by the market: when they execute, at what price, how much of them, and how they end otherwise."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from fillwatch.core.orders import OrderRequest, Side
from fillwatch.simulator import Fate, World
from fillwatch.simulator.book import Record
from fillwatch.simulator.market import Market
from fillwatch.simulator.plans import Act, plan_for
from fillwatch.simulator.prices import Prices, RandomWalk, Replay
from tests.simulator.at import HandClock, Scene
from tests.simulator.floor import ROUTED, D, Floor

# One order and the prices it meets


def terms(text: str) -> dict[str, Any]:
    """`limit_price=99 qty=5`: decimals, or words for what is no number."""
    pairs = (pair.split("=") for pair in text.split())
    return {name: value if value.isalpha() else D(value) for name, value in pairs}


#: Side, type and terms of an order at a price of 100; the prices after it; and each execution.
COURSES: list[tuple[str, str, str, list[str]]] = [
    ("buy market", "", "", ["10@100.00"]),
    ("sell market", "", "", ["10@100.00"]),
    ("buy limit", "limit_price=100", "", ["10@100.00"]),
    ("buy limit", "limit_price=103", "", ["10@100.00"]),
    ("sell limit", "limit_price=97", "", ["10@100.00"]),
    ("buy limit", "limit_price=99", "101 99.01", []),
    ("buy limit", "limit_price=99", "101 99.01 99", ["10@99.00"]),
    ("buy limit", "limit_price=99", "98.5", ["10@98.50"]),
    ("sell limit", "limit_price=101", "99 100.99", []),
    ("sell limit", "limit_price=101", "102.25", ["10@102.25"]),
    ("buy stop", "stop_price=101", "99 100.99", []),
    ("buy stop", "stop_price=101", "99 101", ["10@101.00"]),
    ("buy stop", "stop_price=101", "103.10", ["10@103.10"]),
    ("sell stop", "stop_price=99", "101 99.01", []),
    ("sell stop", "stop_price=99", "101 98", ["10@98.00"]),
    ("buy stop_limit", "stop_price=101 limit_price=102", "101.5", ["10@101.50"]),
    ("buy stop_limit", "stop_price=101 limit_price=102", "103 102.01", []),
    ("buy stop_limit", "stop_price=101 limit_price=102", "103 102", ["10@102.00"]),
    ("buy stop_limit", "stop_price=101 limit_price=102", "103 99", ["10@99.00"]),
    ("buy stop_limit", "stop_price=101 limit_price=102", "99 100", []),
    ("sell stop_limit", "stop_price=99 limit_price=98", "97 97.99", []),
    ("sell stop_limit", "stop_price=99 limit_price=98", "97 98.5", ["10@98.50"]),
    ("sell stop_limit", "stop_price=99 limit_price=98", "98", ["10@98.00"]),
    ("sell trailing_stop", "trail_price=2", "98.01 99", []),
    ("sell trailing_stop", "trail_price=2", "98", ["10@98.00"]),
    ("sell trailing_stop", "trail_price=2", "103 101.01 104 102.01", []),
    ("sell trailing_stop", "trail_price=2", "103 104 101.5", ["10@101.50"]),
    ("sell trailing_stop", "trail_percent=1.5", "104 102.45", []),
    ("sell trailing_stop", "trail_percent=1.5", "104 102.44", ["10@102.44"]),
    ("sell trailing_stop", "trail_price=2", "100.01 98.01", ["10@98.01"]),
    ("buy trailing_stop", "trail_price=2", "99.99 101.99", ["10@101.99"]),
    ("buy trailing_stop", "trail_price=2", "95 96.99 96", []),
    ("buy trailing_stop", "trail_price=2", "95 97", ["10@97.00"]),
    ("buy trailing_stop", "trail_percent=10", "90 98.99", []),
    ("buy trailing_stop", "trail_percent=10", "90 99", ["10@99.00"]),
    ("sell limit", "limit_price=101 extended_hours=1", "101", ["10@101.00"]),
    ("buy market", "qty=0.123456789", "", ["0.123456789@100.00"]),
]


@pytest.mark.parametrize("hours", ["always", "exchange"])
@pytest.mark.parametrize(("order", "asked", "prices", "expected"), COURSES)
def test_an_order_executes_when_the_price_reaches_it(
    order: str, asked: str, prices: str, expected: list[str], hours: str
) -> None:
    floor = Floor(hours=hours)
    side, order_type = order.split()
    order_id = floor.order_of(side, order_type, **{"time_in_force": "day"} | terms(asked))
    for price in prices.split():
        floor.after(1.0)
        floor.costs(price)
    assert floor.filled(order_id) == expected
    assert floor.words(order_id) == ["new", *["filled"] * len(expected)]
    assert floor.order(order_id).filled_qty == sum((trade.change for trade in floor.trades(order_id)), D(0))
    if expected:
        assert floor.trades(order_id)[-1].t == pytest.approx(floor.clock.t, abs=ROUTED)
        assert floor.world.reached["fate:market"] == 1
        floor.after(1.0).after(50_000.0)
        assert len(floor.filled(order_id)) == 1


#: The same for orders that live only as long as one look.
AT_ONCE: list[tuple[str, str, str, list[str]]] = [
    ("market", "", "filled", ["10@100.00"]),
    ("limit", "limit_price=100", "filled", ["10@100.00"]),
    ("limit", "limit_price=99.99", "canceled", []),
]


@pytest.mark.parametrize("time_in_force", ["ioc", "fok", "opg", "cls"])
@pytest.mark.parametrize(("order_type", "asked", "word", "expected"), AT_ONCE)
def test_an_order_for_at_once_executes_or_is_canceled(
    order_type: str, asked: str, word: str, expected: list[str], time_in_force: str
) -> None:
    floor = Floor()
    order_id = floor.order_of("buy", order_type, time_in_force=time_in_force, **terms(asked))
    assert floor.words(order_id) == ["new", word]
    assert floor.filled(order_id) == expected
    floor.after(1.0)
    assert floor.costs("90").filled(order_id) == expected
    assert floor.world.reached["fate:market"] == 1


def test_it_takes_10_to_80_ms_to_the_exchange() -> None:
    floor = Floor()
    order_id = floor.submit().versions[0].order.order_id
    assert floor.order(order_id).raw_status in ("pending_new", "accepted")
    assert floor.after(0.0099).filled(order_id) == []
    assert floor.after(0.0701).filled(order_id) == ["10@100.00"]
    (trade,) = floor.trades(order_id)
    assert trade.t == floor.ledger.truth(order_id).statuses[1][0]


def test_an_order_meets_a_recorded_price_at_its_very_moment() -> None:
    rows = [(0.0, "AAPL", D(100)), (0.0, "F", D(100)), (7.25, "AAPL", D("98.50")), (9.5, "F", D(102))]
    scene = Scene(fate=Fate.MARKET, partial_fills=0.0, prices=Replay(rows))
    buy = scene.submit(order_type="limit", limit_price=D(99)).versions[0].order.order_id
    sell = scene.submit(order_type="limit", limit_price=D(101), side=Side.SELL, symbol="F").versions[0].order.order_id
    scene.after(1.0)
    assert scene.world.next_due() == 1_007.25
    scene.after(100.0)
    ((bought,), (sold,)) = (scene.ledger.truth(order_id).trades for order_id in (buy, sell))
    assert (bought.t, bought.execution.price) == (1_007.25, D("98.50"))
    assert (sold.t, sold.execution.price) == (1_009.5, D(102))
    assert scene.world.next_due() is None


def test_a_trailing_stop_shows_its_high_water_mark_and_its_stop() -> None:
    floor = Floor()
    order_id = floor.order_of("sell", "trailing_stop", trail_percent=D(10))
    shown = []
    for price in ("99", "110.55", "105", "120"):
        floor.after(1.0)
        floor.costs(price)
        shown.append((floor.record(order_id).versions[-1].shown["hwm"], floor.order(order_id).stop_price))
    assert shown == [(100, 90), (D("110.55"), D("99.50")), (D("110.55"), D("99.50")), (120, 108)]
    assert floor.record(order_id).versions[-1].shown["trail_percent"] == 10
    assert floor.words(order_id) == ["new"]


# Parts


def test_the_rest_of_a_part_is_looked_at_again_within_a_second() -> None:
    floor = Floor(partial_fills=1.0)
    order_id = floor.order_of("buy", "market", qty=D(100))
    floor.after(60.0)
    trades = floor.trades(order_id)
    assert len(trades) > 3
    assert sum(trade.execution.qty for trade in trades) == 100
    assert all(trade.execution.qty == int(trade.execution.qty) for trade in trades)
    gaps = [later.t - sooner.t for sooner, later in itertools.pairwise(trades)]
    assert all(0.2 <= gap <= 1.0 for gap in gaps)
    assert [t.execution.leaves_qty for t in trades][-1] == 0
    assert floor.words(order_id) == ["new", "partially_filled", "filled"]


def test_the_rest_of_a_limit_order_waits_for_its_price_again() -> None:
    floor = Floor(partial_fills=1.0)
    order_id = floor.order_of("buy", "limit", qty=D(100), limit_price=D(100), time_in_force="gtc")
    floor.costs("100.01").after(500.0)
    assert len(floor.filled(order_id)) == 1
    assert floor.word(order_id) == "partially_filled"
    floor.costs("99")
    assert floor.filled(order_id)[1].endswith("@99.00")
    floor.after(60.0)
    assert floor.word(order_id) == "filled"


@pytest.mark.parametrize(("time_in_force", "parts"), [("ioc", 1), ("cls", 1), ("fok", 0)])
def test_what_is_not_there_at_once_is_canceled(time_in_force: str, parts: int) -> None:
    floor = Floor(partial_fills=1.0)
    order_id = floor.order_of("buy", "market", qty=D(100), time_in_force=time_in_force)
    floor.after(60.0)
    assert floor.word(order_id) == "canceled"
    assert len(floor.filled(order_id)) == parts
    assert floor.order(order_id).filled_qty == floor.ledger.executed_at(order_id) < 100


def test_one_execution_in_ten_is_a_part_and_a_single_share_never_is() -> None:
    floor = Floor(seed=8, partial_fills=0.1)
    big = [floor.order_of("buy", "market", qty=D(50)) for _ in range(400)]
    small = [floor.order_of("buy", "market", qty=D(1)) for _ in range(100)]
    floor.after(100.0)
    assert {floor.word(order_id) for order_id in big + small} == {"filled"}
    assert all(len(floor.filled(order_id)) == 1 for order_id in small)
    assert 0.06 < sum(len(floor.filled(order_id)) > 1 for order_id in big) / len(big) < 0.14


def test_an_amount_buys_what_it_buys_at_the_price_of_the_moment() -> None:
    floor = Floor(partial_fills=1.0)
    answer = floor.submit(qty=None, notional=D("1000"))
    order_id = answer.versions[0].order.order_id
    assert floor.ledger.truth(order_id).target == 10
    floor.costs("1.50").after(0.1)
    floor.costs("40").after(60.0)
    prices = {trade.execution.price for trade in floor.trades(order_id)}
    spent = sum(trade.execution.qty * trade.execution.price for trade in floor.trades(order_id))
    assert prices == {D("1.50"), D(40)}
    assert D("999.9999") < spent <= 1000
    assert floor.order(order_id).qty is None
    assert floor.word(order_id) == "filled"


# The way an order ends otherwise


def test_an_order_may_execute_while_its_cancel_is_under_way() -> None:
    floor = Floor()
    order_id = floor.order_of("buy", "limit", limit_price=D(99))
    assert floor.cancel(order_id)[0] == 204
    assert floor.costs("99").word(order_id) == "filled"
    assert floor.after(1.0).words(order_id) == ["new", "pending_cancel", "filled"]


def test_a_canceled_order_waits_for_no_price() -> None:
    floor = Floor()
    order_id = floor.order_of("buy", "limit", limit_price=D(99))
    floor.cancel(order_id)
    floor.after(1.0)
    assert floor.costs("90").words(order_id) == ["new", "pending_cancel", "canceled"]
    assert floor.world.reached["fate:market"] == 1


def test_an_amount_buys_no_more_than_it_pays_for() -> None:
    floor = Floor().costs("1.50")
    order_id = floor.submit(qty=None, notional=D("1000")).versions[0].order.order_id
    floor.after(1.0)
    assert floor.filled(order_id) == ["666.666666666@1.50"]


def test_the_market_ends_an_order_by_itself() -> None:
    floor = Floor()
    order_id = floor.order_of("buy", "limit", limit_price=D(99))
    floor.market.end(floor.record(order_id), Act.EXPIRE, floor.clock.t)
    assert floor.costs("90").words(order_id) == ["new", "expired"]


def test_an_order_that_is_over_before_it_arrives_is_not_new() -> None:
    floor = Floor()
    order_id = floor.submit().versions[0].order.order_id
    floor.market.end(floor.record(order_id), Act.CANCEL, floor.clock.t)
    assert floor.after(1.0).words(order_id) == ["canceled"]


def test_the_rest_of_a_canceled_order_is_not_looked_at_again() -> None:
    floor = Floor(partial_fills=1.0)
    order_id = floor.order_of("buy", "market", qty=D(100))
    floor.market.end(floor.record(order_id), Act.CANCEL, floor.clock.t)
    assert len(floor.after(5.0).filled(order_id)) == 1
    assert floor.word(order_id) == "canceled"


def test_an_order_that_waits_meets_no_price_until_it_is_started() -> None:
    floor = Floor()
    request = OrderRequest(symbol="AAPL", side=Side.BUY, qty=D(10))
    record = floor.market.place(request, plan_for(Fate.MARKET, floor.world.stream("x")), floor.clock.t, waits=True)
    floor.after(10.0)
    assert floor.words(record.order_id) == []
    floor.market.start(record, floor.clock.t)
    floor.after(0.0099)
    assert floor.words(record.order_id) == []
    floor.after(ROUTED)
    assert floor.words(record.order_id) == ["new", "filled"]
    assert not record.waits


def test_a_trailing_stops_successor_goes_on_from_its_high_water_mark() -> None:
    floor = Floor()
    old = floor.record(floor.order_of("sell", "trailing_stop", trail_price=D(5)))
    floor.after(1.0)
    floor.costs("120").after(1.0)
    floor.costs("118")
    request = OrderRequest(symbol="AAPL", side=Side.SELL, qty=D(10), order_type="trailing_stop", trail_price=D(3))
    plan = plan_for(Fate.MARKET, floor.world.stream("x"))
    successor = floor.market.place(request, plan, floor.clock.t, replaces=old)
    floor.market.publish(old, floor.clock.t, word="replaced", replaced_by=successor.order_id)
    floor.after(1.0)
    assert floor.order(successor.order_id).stop_price == 117
    floor.costs("117")
    assert floor.filled(successor.order_id) == ["10@117.00"]
    assert floor.filled(old.order_id) == []


# What it costs, and that it is the same each time


def test_a_walk_fills_the_same_orders_however_often_it_is_looked_at() -> None:
    class EveryTick(RandomWalk):
        next_beyond = Prices.next_beyond

    def run(step: float, walk: type[RandomWalk] = RandomWalk) -> dict[str, object]:
        scene = Scene(5, fate=Fate.MARKET, prices=walk(5))
        for number in range(60):
            side, price = tuple(Side)[number % 2], scene.world.price("AAPL")
            limit = (price * (1 - side.sign * D(number) / 4_000)).quantize(D("0.01"))
            scene.submit(f"c{number}", side=side, order_type="limit", limit_price=limit, qty=D(30))
        end = scene.clock.t + 3_600.0
        while scene.clock.t < end:
            scene.after(step)
        scene.clock.t = end
        return {"orders": scene.ledger.as_dict()["orders"]}

    once = run(3_600.0)
    assert once == run(0.75) == run(3_600.0, EveryTick)
    words = [order["status"] for order in once["orders"]]  # type: ignore[attr-defined] # a list of orders
    assert 10 < words.count("filled") < 60


def test_prices_are_followed_only_while_an_order_waits_for_one() -> None:
    scene = Scene(fate=Fate.MARKET, partial_fills=0.0)
    assert scene.world.next_due() is None
    near = scene.world.price("AAPL") - D("0.01")
    order_id = scene.submit(order_type="stop", stop_price=near, side=Side.SELL).versions[0].order.order_id
    scene.after(0.5)
    assert scene.world.next_due() == 1_001.0
    scene.world.set_price("AAPL", 400)
    assert scene.world.next_due() is None
    scene.world.set_price("AAPL", None)
    scene.cancel(order_id)
    scene.after(1.5)
    assert scene.world.next_due() is None
    scene.submit()
    scene.after(1.0)
    assert scene.world.next_due() is None


def test_of_ten_thousand_waiting_orders_only_those_that_are_reached_are_looked_at() -> None:
    clock = HandClock()
    world = World(1, clock=clock, fate=Fate.MARKET, partial_fills=0.0, requests_per_minute=None)
    world.set_price("AAPL", 500)
    for number in range(10_000):
        side, beside = tuple(Side)[number % 2], D(1 + number // 2) / 100
        kind: dict[str, Any] = {"order_type": "limit", "limit_price": 500 - side.sign * beside}
        if number % 4 > 1:
            kind = {"order_type": "stop", "stop_price": 500 + side.sign * beside}
        request = OrderRequest(symbol="AAPL", side=side, qty=D(1), time_in_force="gtc", **kind)
        world.place(request, Fate.MARKET)
    clock.t += 1.0
    world.advance()
    market = world.door.market
    before = len(market.changes)
    world.set_price("AAPL", "500.05")
    assert len(market.changes) - before == 5
    considered = _counted(market)
    for cents in range(50):
        clock.t += 1.0
        world.set_price("AAPL", D(500) + D(cents % 5) / 100)
    assert considered == []
    world.set_price("AAPL", "499.99")
    assert len(considered) == 1


def _counted(market: Market) -> list[str]:
    """The orders that the floor considers from now on."""
    considered: list[str] = []

    class Counting(type(market.floor)):  # type: ignore[misc] # a subclass of the floor's own class
        __slots__ = ()

        def consider(self, record: Record, t: float) -> bool:
            considered.append(record.order_id)
            return bool(super().consider(record, t))

    market.floor.__class__ = Counting
    return considered
