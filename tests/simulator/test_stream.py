"""The WebSocket stream: its handshake, what it tells of every fate, its faults, and slow readers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from fillwatch.core.orders import ExecutionKind, OrderRequest, OrderStatus, Side
from fillwatch.simulator import Call, Fate, Faults, Op, World, stream
from fillwatch.simulator.answers import Leg, Terms
from fillwatch.simulator.book import Version
from fillwatch.simulator.clocks import Clock
from fillwatch.simulator.events import EVENT_OF, EVENT_OF_TRADE, event_name
from fillwatch.simulator.letters import TWISTS
from fillwatch.simulator.stream_faults import StreamFaults, StreamKind
from tests.simulator.pushed import AUTH, LISTEN, House, in_house

OLD_FORM = {"action": "authenticate", "data": {"key_id": "K", "secret_key": "S"}}
AUTHORIZED = {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}}
REFUSED = {"stream": "authorization", "data": {"status": "unauthorized", "action": "authenticate"}}
NOT_YET = {"stream": "authorization", "data": {"status": "unauthorized", "action": "listen"}}
HEARS = {"stream": "listening", "data": {"streams": ["trade_updates"]}}
HEARS_NOTHING = {"stream": "listening", "data": {"streams": []}}


def listen(*streams: object) -> dict[str, Any]:
    return {"action": "listen", "data": {"streams": list(streams)}}


HANDSHAKES = [
    pytest.param([OLD_FORM], [AUTHORIZED], id="keys in data"),
    pytest.param([AUTH], [AUTHORIZED], id="keys beside the action"),
    pytest.param([AUTH | {"secret": "T"}], [REFUSED], id="wrong secret"),
    pytest.param([AUTH | {"key": "L"}], [REFUSED], id="wrong key"),
    pytest.param([{"action": "auth"}], [REFUSED], id="no keys"),
    pytest.param([{"action": "authenticate", "data": {"key_id": 1, "secret_key": None}}], [REFUSED], id="keys no text"),
    pytest.param([LISTEN, AUTH, LISTEN], [NOT_YET, AUTHORIZED, HEARS], id="listen before auth"),
    pytest.param([AUTH, AUTH | {"key": ""}, LISTEN], [AUTHORIZED, REFUSED, NOT_YET], id="wrong keys later"),
    pytest.param([AUTH, listen("trade_updates", "account_updates", 7)], [AUTHORIZED, HEARS], id="one of three"),
    pytest.param([AUTH, listen("bars")], [AUTHORIZED, HEARS_NOTHING], id="nothing there is"),
    pytest.param([AUTH, {"action": "listen"}], [AUTHORIZED, HEARS_NOTHING], id="no list"),
    pytest.param([AUTH, {"action": "listen", "data": {"streams": "trade_updates"}}], [AUTHORIZED, HEARS_NOTHING]),
    pytest.param([b"\xff{", AUTH], ["error", AUTHORIZED], id="no JSON"),
    pytest.param([b"[" * 9_000, [], 5, {"action": []}], ["error"] * 4, id="no message"),
    pytest.param([{"action": "subscribe"}, b""], ["error"] * 2, id="unknown action"),
]


@pytest.mark.parametrize(("said", "answers"), HANDSHAKES)
def test_the_client_speaks_first_and_is_answered(said: list[Any], answers: list[Any]) -> None:
    async def talk(house: House) -> list[Any]:
        async with house.visit() as visitor:
            assert (visitor.status, visitor.heard) == (101, []), "there is no welcome"
            for message in said:
                visitor.say(message)
            await asyncio.sleep(0.01)
            assert not visitor.is_over
            return [message for _, message in visitor.heard]

    heard = in_house(talk)
    assert [m if m["stream"] != "error" else "error" for m in heard] == answers


def test_a_world_that_refuses_its_keys_refuses_them_here_too() -> None:
    async def talk(house: House) -> Any:  # noqa: ANN401 - JSON
        async with house.visit(AUTH) as visitor:
            return visitor.heard[0][1]

    assert in_house(talk, refuse_keys=True) == REFUSED


CODINGS = [
    pytest.param({}, {}, bytes, json.loads, id="binary by default"),
    pytest.param({}, {"frames": "text"}, str, json.loads, id="text by switch"),
    pytest.param({"content-type": "application/msgpack"}, {}, bytes, msgspec.msgpack.decode, id="msgpack"),
]


@pytest.mark.parametrize(("headers", "faults", "kind", "decode"), CODINGS)
def test_frames(headers: dict[str, str], faults: dict[str, Any], kind: type, decode: Any) -> None:  # noqa: ANN401
    async def talk(house: House) -> list[Any]:
        house.set(**faults)
        async with house.visit(headers=headers) as visitor:
            for message in (AUTH, LISTEN):
                visitor.say(msgspec.msgpack.encode(message) if decode is not json.loads else message)
            await asyncio.sleep(0.01)
            house.place(Fate.INSTANT)
            await asyncio.sleep(1.0)
            assert {type(frame) for frame in visitor.raw} == {kind}
            return [decode(frame) for frame in visitor.raw]

    heard = in_house(talk)
    assert heard[:2] == [AUTHORIZED, HEARS]
    assert heard[-1]["data"]["event"] == "fill"


#: What is heard of an order with this fate, after the word it begins with; `...` stands for events that chance decides.
LIVES: list[tuple[Fate, str]] = [
    (Fate.INSTANT, "... fill"),
    (Fate.SLOW, "new fill"),
    (Fate.PARTIAL, "new partial_fill"),
    (Fate.NEVER, "new"),
    (Fate.REJECTED, "new rejected"),
    (Fate.EXPIRED_PARTLY, "new partial_fill expired"),
    (Fate.CANCELED_BY_OTHERS, "new canceled"),
    (Fate.CANCELED_PARTLY, "new partial_fill canceled"),
    (Fate.LATE_FIELDS, "new fill"),
    (Fate.RESTAMPED, "new fill"),
    (Fate.BUSTED, "new partial_fill fill trade_bust"),
    (Fate.CORRECTED, "new fill trade_correct"),
    (Fate.UNKNOWN_STATUS, "new partial_fill ... fill"),
    (Fate.REPLACED_FILLS, "new pending_replace ... replaced ... fill"),
    (Fate.REPLACE_REJECTED, "new pending_replace ... fill rejected"),
]


@pytest.mark.parametrize(("fate", "life"), LIVES)
def test_what_is_heard_of_each_fate(fate: Fate, life: str) -> None:
    async def follow(house: House) -> list[str]:
        async with house.listening() as visitor:
            house.place(fate, 100)
            await asyncio.sleep(70.0)
            return visitor.events

    first, *heard = in_house(follow, seed=3)
    assert first in ("pending_new", "accepted")
    parts = [part.split() for part in life.split("...")]
    assert heard[: len(parts[0])] == parts[0]
    rest = iter(heard)
    assert all(word in rest for part in parts for word in part), heard
    if "..." not in life:
        assert heard == parts[0]


def test_every_change_of_every_fate_has_a_name_and_every_execution_is_told_once() -> None:
    async def follow(house: House) -> tuple[House, list[Any]]:
        async with house.listening() as visitor:
            house.world.populate(200)
            await asyncio.sleep(100.0)
            return house, visitor.updates

    house, updates = in_house(follow, seed=5)
    told = [update["execution_id"] for update in updates if "price" in update]
    ledger = house.world.ledger
    true = [row.execution_id for order_id in ledger.order_ids for row in ledger.truth(order_id).executions]
    assert sorted(told) == sorted(true)
    ids = [update["event_id"] for update in updates]
    assert ids == sorted(set(ids))
    assert {len(event_id) for event_id in ids} == {26}
    assert all(update["timestamp"] and update["order"]["id"] for update in updates)


def test_quantity_and_price_are_the_executions_own_and_the_orders_are_cumulative() -> None:
    async def follow(house: House) -> list[Any]:
        async with house.listening() as visitor:
            house.place(Fate.INSTANT, 3, side=Side.SELL)
            house.place(Fate.MANY_PARTIALS, 90)
            house.place(Fate.BUSTED, 10, symbol="MSFT")
            await asyncio.sleep(30.0)
            return [update for update in visitor.updates if "price" in update]

    rows = in_house(follow, seed=2)
    done: dict[str, Decimal] = {}
    held: dict[str, Decimal] = {}
    for row in rows:
        order, qty = row["order"], Decimal(row["qty"])
        done[order["id"]] = done.get(order["id"], Decimal(0)) + qty
        assert Decimal(order["filled_qty"]) == done[order["id"]]
        held[order["symbol"]] = held.get(order["symbol"], Decimal(0)) + qty * (-1 if order["side"] == "sell" else 1)
        assert Decimal(row["position_qty"]) == held[order["symbol"]]
    assert held["AAPL"] == 87
    busts = [row for row in rows if row["event"] == "trade_bust"]
    assert [Decimal(row["qty"]) < 0 for row in busts] == [True]
    assert busts[0]["previous_execution_id"] in {row["execution_id"] for row in rows}


def test_what_happened_while_nobody_listened_is_not_replayed() -> None:
    async def follow(house: House) -> tuple[list[str], list[str]]:
        async with house.visit(AUTH) as early:
            house.place(Fate.INSTANT, symbol="F")
            await asyncio.sleep(1.0)
            early.say(LISTEN)
            house.place(Fate.INSTANT, symbol="SPY")
            await asyncio.sleep(1.0)
            early.say(listen(), LISTEN)
            await asyncio.sleep(0.01)
            early.say(listen())
            await asyncio.sleep(0.01)
            house.place(Fate.INSTANT, symbol="QQQ")
            await asyncio.sleep(1.0)
            early.say(LISTEN)
            await asyncio.sleep(0.01)
            house.place(Fate.INSTANT, symbol="TSLA")
            await asyncio.sleep(1.0)
        async with house.listening() as late:
            house.place(Fate.NEVER, symbol="MSFT")
            await asyncio.sleep(1.0)
        return [said["order"]["symbol"] for said in early.updates], [said["order"]["symbol"] for said in late.updates]

    early, late = in_house(follow)
    assert set(early) == {"SPY", "TSLA"}
    assert set(late) == {"MSFT"}


#: What one order's `new` looks like to a reader when each event is struck.
STRUCK: dict[StreamKind, Callable[[list[Any]], bool]] = {
    StreamKind.DROP: lambda seen: seen == [],
    StreamKind.DUPLICATE: lambda seen: len(seen) == 4 and seen[0] == seen[1] and seen[2] == seen[3],
    StreamKind.REORDER: lambda seen: len(seen) == 2,
    StreamKind.DELAY: lambda seen: len(seen) == 2,
    StreamKind.DATA_NULL: lambda seen: seen == [None, None],
    StreamKind.UNREADABLE: lambda seen: seen == [],
    StreamKind.UNKNOWN_EVENT: lambda seen: not {said["event"] for said in seen} & {"new", "pending_new", "accepted"},
    StreamKind.UNKNOWN_STATUS: lambda seen: not {said["order"]["status"] for said in seen} & {"new", "pending_new"},
    StreamKind.UNKNOWN_FIELD: lambda seen: all("revision" in said for said in seen) and len(seen) == 2,
}


@pytest.mark.parametrize("kind", StreamKind)
def test_each_event_fault_is_what_a_reader_would_see(kind: StreamKind) -> None:
    async def follow(house: House) -> tuple[House, list[Any], int]:
        house.set(**{kind.value: 1.0})
        async with house.listening() as visitor:
            house.place(Fate.NEVER)
            await asyncio.sleep(10.0)
            assert not visitor.is_over
            return house, visitor.updates, sum("unreadable" in said for _, said in visitor.heard)

    house, seen, unreadable = in_house(follow)
    assert STRUCK[kind](seen), seen
    assert unreadable == (2 if kind is StreamKind.UNREADABLE else 0)
    assert house.world.reached[f"stream:{kind}"] == 2


def test_a_reordered_event_comes_after_the_next_and_a_delayed_one_late() -> None:
    async def follow(house: House) -> tuple[list[str], list[float]]:
        async with house.listening() as visitor:
            begun = asyncio.get_running_loop().time()
            house.set(reorder=1.0, end=0.005, delay_seconds=50.0)
            house.place(Fate.NEVER)
            await asyncio.sleep(10.0)
            house.set(delay=1.0, delay_seconds=5.0)
            house.place(Fate.NEVER)
            await asyncio.sleep(20.0)
            return visitor.events, [t - begun for t, said in visitor.heard if said["stream"] == "trade_updates"]

    events, times = in_house(follow)
    assert events[0] == "new"
    assert events[1] in ("pending_new", "accepted")
    assert times[0] == times[1]
    assert 10.0 < times[2] < 15.1


def test_faults_strike_only_their_orders_in_their_window_and_end_with_healing() -> None:
    async def follow(house: House) -> list[str]:
        house.world.faults = Faults(stream=StreamFaults(drop=1.0, orders=frozenset({"F"}), start=10.0), heal_at=20.0)
        async with house.listening() as visitor:
            for symbol in ("F", "SPY"):
                house.place(Fate.NEVER, symbol=symbol)
            await asyncio.sleep(12.0)
            for symbol in ("F", "QQQ"):
                house.place(Fate.NEVER, symbol=symbol)
            await asyncio.sleep(10.0)
            house.place(Fate.NEVER, 77, symbol="F")
            await asyncio.sleep(1.0)
            return [f"{said['order']['symbol']} {said['order']['qty']}" for said in visitor.updates]

    assert sorted(set(in_house(follow))) == ["F 10", "F 77", "QQQ 10", "SPY 10"]


def test_a_mute_stream_loses_what_happens_meanwhile_and_then_goes_on() -> None:
    async def follow(house: House) -> tuple[set[str], int]:
        house.set(mute=((10.0, 20.0),))
        async with house.listening() as visitor:
            await asyncio.sleep(5.0)
            for symbol in ("F", "SPY", "QQQ"):  # 5, 11 and 17 seconds after the beginning
                house.place(Fate.NEVER, symbol=symbol)
                await asyncio.sleep(4.0)
                visitor.say(LISTEN)
                await asyncio.sleep(2.0)
            await asyncio.sleep(3.0)
            house.place(Fate.NEVER, symbol="TSLA")
            await asyncio.sleep(5.0)
            assert not visitor.is_over
            acks = sum(said["stream"] == "listening" for _, said in visitor.heard)
            return {said["order"]["symbol"] for said in visitor.updates}, acks

    heard, acks = in_house(follow)
    assert heard == {"F", "TSLA"}
    assert acks == 4


def test_a_half_open_connection_says_and_hears_nothing_until_it_breaks() -> None:
    async def follow(house: House) -> tuple[list[float], float]:
        begun = asyncio.get_running_loop().time()
        house.set(half_open=((5.0, 30.0),))
        async with house.listening() as visitor:
            house.place(Fate.NEVER)
            await asyncio.sleep(6.0)
            assert visitor.plug.deaf, "nobody reads its pings"
            house.place(Fate.NEVER)
            visitor.say(LISTEN)
            await visitor.plug.broken.wait()
            over = asyncio.get_running_loop().time() - begun
            return [t - begun for t, _ in visitor.heard], over

    times, over = in_house(follow)
    assert max(times) < 1.0
    assert over == pytest.approx(30.0, abs=0.01)


BREAKS = [
    pytest.param(Faults(stream=StreamFaults(disconnect_every=7.0)), 7.0, id="every"),
    pytest.param(Faults(stream=StreamFaults(disconnect_at=(3.0, 9.0))), 3.0, id="at"),
    pytest.param(Faults(outages=((4.0, 6.0),)), 4.0, id="outage"),
    pytest.param(Faults(stream=StreamFaults(disconnect_every=7.0), heal_at=5.0), None, id="healed before"),
    pytest.param(Faults(stream=StreamFaults(half_open=((2.0, 90.0),)), heal_at=5.0), 5.0, id="half open until healed"),
]


@pytest.mark.parametrize(("faults", "after"), BREAKS)
def test_connections_break_when_the_faults_say_so(faults: Faults, after: float | None) -> None:
    async def follow(house: House) -> float | None:
        begun = asyncio.get_running_loop().time()
        async with house.listening() as visitor:
            try:
                async with asyncio.timeout(20.0):
                    await visitor.plug.broken.wait()
            except TimeoutError:
                return None
            assert visitor.closed_with is None, "without a closing frame"
            return asyncio.get_running_loop().time() - begun

    seen = in_house(follow, faults=faults)
    assert seen == (None if after is None else pytest.approx(after, abs=0.01))


def test_a_second_connection_is_let_in_or_refused_or_takes_the_place_of_the_first() -> None:
    async def follow(house: House) -> list[Any]:
        seen: list[Any] = []
        for faults in ({}, {"refuse_second": True}, {"second_kicks_first": True}):
            house.set(**faults)
            async with house.listening() as first, house.visit() as second:
                await asyncio.sleep(0.1)
                seen.append((second.status, first.closed_with))
        house.set(refuse=((0.0, 1e9),))
        async with house.visit() as only:
            seen.append((only.status, None))
        house.set(refuse_second=True)
        async with house.visit() as after:
            seen.append((after.status, None))
        return seen

    assert in_house(follow) == [(101, None), (429, None), (101, 1000), (429, None), (101, None)]


def test_a_first_connection_that_does_not_read_is_broken_off_for_the_second() -> None:
    async def follow(house: House) -> tuple[bool, int | None, bool]:
        house.set(second_kicks_first=True)
        async with house.listening() as first:
            first.reads.clear()
            async with house.visit() as second:
                await asyncio.sleep(2.0)
                return first.plug.broken.is_set(), second.status, second.is_over

    assert in_house(follow) == (True, 101, False)


def test_in_an_outage_an_upgrade_is_not_answered() -> None:
    async def follow(house: House) -> int | None:
        async with house.visit(AUTH) as visitor:
            await asyncio.sleep(50.0)
            return visitor.status

    assert in_house(follow, faults=Faults(outages=((0.0, 100.0),))) is None


def test_a_slow_reader_is_dropped_and_holds_up_nobody() -> None:
    async def follow(house: House) -> tuple[bool, int, int]:
        async with house.listening() as slow, house.listening() as quick:
            slow.reads.clear()
            for _ in range(50):
                house.place(Fate.INSTANT)
            await asyncio.sleep(1.0)
            heard = len(quick.updates)
            assert not slow.is_over
            await asyncio.sleep(60.0)
            return slow.is_over, heard, len(house.world.changes)

    over, heard, happened = in_house(follow)
    assert over
    assert heard == happened >= 100


def test_a_reader_that_lags_too_far_behind_is_dropped_and_one_that_reads_gets_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream, "MOST_BEHIND", 200)

    async def follow(house: House) -> tuple[bool, int, int]:
        async with house.listening() as slow, house.listening() as quick:
            slow.reads.clear()
            for _ in range(150):
                house.place(Fate.INSTANT)
            await asyncio.sleep(2.0)
            slow.reads.set()
            await asyncio.sleep(1.0)
            return slow.is_over, len(quick.updates), len(house.world.changes)

    over, heard, happened = in_house(follow)
    assert over
    assert heard == happened > 250


def test_events_come_when_the_clock_is_moved_by_hand() -> None:
    clock = Clock()

    async def follow(house: House) -> list[list[str]]:
        async with house.listening() as visitor:
            house.place(Fate.SLOW)
            seen = []
            for t in (0.005, 0.2, 15.0):
                clock.move_to(t)
                house.world.wake()
                await asyncio.sleep(3_600.0)
                seen.append(visitor.events[1:])
            return seen

    assert in_house(follow, clock=clock) == [[], ["new"], ["new", "fill"]]


def test_a_jump_over_a_disconnect_brings_what_came_before_it_and_nothing_after() -> None:
    clock = Clock()

    async def follow(house: House) -> list[str]:
        house.set(disconnect_at=(5.0,))
        async with house.listening() as visitor:
            house.place(Fate.EXPIRED_PARTLY)  # half of it executes in the first second
            house.place(Fate.LAST_SECOND_BEFORE)
            clock.move_to(100.0)
            house.world.wake()
            await asyncio.sleep(1.0)
            assert visitor.is_over
            return visitor.events

    heard = in_house(follow, clock=clock, seed=6)
    assert "partial_fill" in heard
    assert "fill" not in heard


def test_what_happens_while_the_acknowledgement_is_on_its_way_is_told_at_once() -> None:
    async def follow(house: House) -> list[str]:
        async with house.visit(AUTH) as visitor:
            visitor.reads.clear()
            visitor.say(LISTEN)
            await asyncio.sleep(0.01)
            house.place(Fate.NEVER)
            await asyncio.sleep(0.01)
            visitor.reads.set()
            await asyncio.sleep(0.01)
            return [said["stream"] for _, said in visitor.heard]

    assert in_house(follow, clock=Clock()) == ["authorization", "listening", "trade_updates"]


def test_who_shows_wrong_keys_later_hears_no_more() -> None:
    async def follow(house: House) -> list[str]:
        async with house.listening() as visitor:
            visitor.say(AUTH | {"secret": "x"})
            await asyncio.sleep(0.01)
            house.place(Fate.INSTANT)
            await asyncio.sleep(1.0)
            return visitor.events

    assert in_house(follow) == []


def test_a_clock_ten_times_as_fast_brings_events_ten_times_as_soon() -> None:
    def taken(rate: float) -> float:
        async def follow(house: House) -> float:
            house.world = World(1, clock=Clock(asyncio.get_running_loop().time, rate=rate))
            async with House(house.world).listening() as visitor:
                begun = visitor.heard[-1][0]
                house.place(Fate.SLOW)
                await asyncio.sleep(30.0)
                return visitor.heard[-1][0] - begun

        return in_house(follow)

    assert taken(10.0) * 10 == pytest.approx(taken(1.0), rel=0.02)


def test_a_reader_sleeps_until_something_happens() -> None:
    looks = 0

    async def follow(house: House) -> int:
        nonlocal looks
        async with house.listening():
            house.place(Fate.LAST_SECOND_AFTER)
            await asyncio.sleep(50.0)
            looks = 0
            await asyncio.sleep(3_600.0)
            return looks

    def clock() -> float:
        nonlocal looks
        looks += 1
        return asyncio.get_running_loop().time()

    assert in_house(follow, clock=clock) < 20


def test_the_same_seed_says_the_same_to_the_byte() -> None:
    async def follow(house: House) -> list[Any]:
        house.set(**{kind.value: 0.08 for kind in StreamKind})
        async with house.listening() as visitor:
            house.world.populate(60)
            await asyncio.sleep(80.0)
            return visitor.raw

    assert in_house(follow, seed=9) == in_house(follow, seed=9)
    assert in_house(follow, seed=9) != in_house(follow, seed=10)


BAD = [
    ({"drop": 1.1}, "StreamFaults.drop"),
    ({"drop": 0.6, "delay": 0.6}, "more than 1"),
    ({"mute": ((5.0, 5.0),)}, "StreamFaults.mute"),
    ({"disconnect_every": 0.0}, "StreamFaults.disconnect_every"),
    ({"delay_seconds": -1.0}, "StreamFaults.delay_seconds"),
    ({"frames": "ternary"}, "binary, text"),
    ({"refuse_second": True, "second_kicks_first": True}, "refuse_second"),
]


@pytest.mark.parametrize(("fields", "words"), BAD)
def test_a_bad_fault_is_refused_by_name(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        StreamFaults(**fields)


def submit(house: House, terms: Terms | None = None, **order: Any) -> None:  # noqa: ANN401 - of OrderRequest
    fields: dict[str, Any] = {"symbol": "AAPL", "side": Side.BUY, "qty": Decimal(10)} | order
    call = Call(op=Op.SUBMIT, order=OrderRequest(**fields), terms=terms or Terms())
    answer = house.world.receive(call).answer
    assert answer.status == 200, answer


def test_a_multi_leg_order_speaks_for_its_legs() -> None:
    async def follow(house: House) -> tuple[list[Any], list[Any], dict[str, Decimal]]:
        async with house.listening() as visitor, house.read(path="/v2beta1/events/activities") as reader:
            legs = (
                Leg(symbol="AAPL260619C00200000", ratio_qty=Decimal(1), side="buy", position_intent="buy_to_open"),
                Leg(symbol="AAPL260619C00210000", ratio_qty=Decimal(2), side="sell", position_intent="sell_to_open"),
            )
            submit(house, Terms(legs=legs), symbol=legs[0].symbol, order_class="mleg")
            await asyncio.sleep(30.0)
            held = {leg.symbol: house.world.ledger.position(leg.symbol) for leg in legs}
            return visitor.updates, [said for _, said in reader.heard if "event_id" in said], held

    updates, rows, held = in_house(follow, fate=Fate.MARKET, partial_fills=0.0)
    assert {update["order"]["order_class"] for update in updates} == {"mleg"}
    assert len({update["order"]["id"] for update in updates}) == 1, "no leg speaks for itself"
    fill = updates[-1]
    assert fill["event"] == "fill"
    assert "execution_id" not in fill
    assert {symbol: Decimal(qty) for symbol, qty in fill["position_qtys"].items()} == held
    assert [leg["qty"] for leg in fill["legs"]] == ["10", "20"]
    paid = [Decimal(leg["price"]) * (1, -2)[number] for number, leg in enumerate(fill["legs"])]
    assert (fill["qty"], Decimal(fill["price"])) == ("10", sum(paid))
    assert {leg["id"] for leg in fill["order"]["legs"]} == {leg["order_id"] for leg in fill["legs"]}
    assert {row["ref_id"] for row in rows} == {leg["execution_id"] for leg in fill["legs"]}


def test_a_stop_that_trails_the_market_is_no_event() -> None:
    async def follow(house: House) -> list[str]:
        async with house.listening() as visitor:
            submit(house, side=Side.SELL, order_type="trailing_stop", trail_percent=Decimal(5))
            await asyncio.sleep(1.0)
            for step in range(1, 6):
                price = house.world.price("AAPL")
                house.world.set_price("AAPL", price * (1 + Decimal(step) / 1_000))
                await asyncio.sleep(2.0)
            assert len(house.world.changes) > 4, "the stop did not move"
            return visitor.events

    first, *rest = in_house(follow, fate=Fate.MARKET)
    assert first in ("pending_new", "accepted")
    assert rest == ["new"]


def test_the_legs_of_a_bracket_are_held_until_the_entry_fills_and_one_ends_the_other() -> None:
    async def follow(house: House) -> list[tuple[str, str]]:
        async with house.listening() as visitor:
            price = house.world.price("AAPL")
            submit(
                house,
                order_class="bracket",
                take_profit_limit_price=price + 10,
                stop_loss_stop_price=price - 10,
                order_type="market",
            )
            await asyncio.sleep(3.0)
            house.world.set_price("AAPL", price + 11)
            await asyncio.sleep(3.0)
            return [(said["order"]["type"], said["event"]) for said in visitor.updates]

    seen = in_house(follow, fate=Fate.MARKET, partial_fills=0.0)
    assert [event for kind, event in seen if kind == "limit"] == ["held", "new", "fill"]
    assert [event for kind, event in seen if kind == "stop"] == ["held", "canceled"]


def test_the_tables_are_total() -> None:
    assert set(EVENT_OF) == set(OrderStatus)
    assert set(EVENT_OF_TRADE) == set(ExecutionKind)
    assert set(TWISTS) == set(StreamKind)


WAYS = [
    ("pending_cancel", "new", "order_cancel_rejected"),
    ("pending_cancel", "partially_filled", "order_cancel_rejected"),
    ("pending_replace", "accepted", "order_replace_rejected"),
    ("pending_replace", "replaced", "replaced"),
    ("new", "pending_cancel", "pending_cancel"),
    ("new", "suspended", "suspended"),
    ("new", "done_for_day", "done_for_day"),
    ("done_for_day", "new", "new"),
    ("held", "new", "new"),
    ("new", "restructured", "restructured"),
    ("new", "new", None),
]


@pytest.mark.parametrize(("before", "after", "event"), WAYS)
def test_the_event_of_a_change_of_status(before: str, after: str, event: str | None) -> None:
    world = World(1, clock=lambda: 0.0)
    world.place(fate=Fate.NEVER)
    change = world.changes[0]

    def version(word: str) -> Version:
        order = replace(change.version.order, raw_status=word, status=OrderStatus.parse(word))
        return replace(change.version, order=order)

    assert event_name(replace(change, version=version(after)), version(before)) == event
    cut = replace(version(before), order=replace(version(before).order, qty=Decimal(1)))
    if before == after:
        assert event_name(replace(change, version=cut), version(before)) == "restated"
