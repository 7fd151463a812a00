"""Server-sent events: replay and live, the interval asked for, comments, faults, and the executions' own feed."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest

from fillwatch.simulator import Fate, Faults, Kind, Op, World, sse
from fillwatch.simulator.stream_faults import StreamFaults
from tests.simulator.pushed import SHOWN, House, in_house

ACTIVITIES = "/v2beta1/events/activities"


def ids(said: list[tuple[float, Any]]) -> list[str]:
    return [event["event_id"] for _, event in said if "event_id" in event]


async def lived(house: House, orders: int = 6) -> list[dict[str, Any]]:
    """Let orders live and die; everything that is in the log then."""
    for _ in range(orders):
        house.place(Fate.MANY_PARTIALS)
        await asyncio.sleep(3.0)
    await asyncio.sleep(10.0)
    async with house.read("since=2020-01-01") as reader:
        return [said for _, said in reader.heard if "event_id" in said]


def test_without_a_beginning_only_what_happens_from_now_on_is_told() -> None:
    async def follow(house: House) -> tuple[list[str], str]:
        house.place(Fate.INSTANT, symbol="F")
        await asyncio.sleep(1.0)
        async with house.read() as reader:
            house.place(Fate.INSTANT, symbol="SPY")
            await asyncio.sleep(1.0)
            assert reader.status == 200
            return [said["order"]["symbol"] for _, said in reader.heard[1:]], reader.headers["content-type"]

    symbols, kind = in_house(follow)
    assert set(symbols) == {"SPY"}
    assert kind.startswith("text/event-stream")


@pytest.mark.parametrize("by", ["event_id", "at"])
def test_a_reader_goes_on_where_it_was_and_then_live_without_a_gap(by: str) -> None:
    async def follow(house: House) -> tuple[list[str], list[str]]:
        everything = await lived(house)
        half = everything[len(everything) // 2]
        name = "since_id" if by == "event_id" else "since"
        async with house.read(f"{name}={quote(half[by])}") as reader:
            house.place(Fate.INSTANT)
            await asyncio.sleep(1.0)
            got = ids(reader.heard)
        async with house.read("since=2020-01-01") as reader:
            return got, ids(reader.heard)

    got, everything = in_house(follow)
    assert 4 < len(got) < len(everything)
    assert got == everything[-len(got) :]


def test_the_moment_after_the_last_event_seen_does_not_bring_it_again() -> None:
    """Alpaca's Go client goes on one nanosecond after the last `at`."""

    async def follow(house: House) -> tuple[list[str], str]:
        everything = await lived(house)
        last = everything[-1]
        async with house.read(f"since={last['at'][:-1]}001Z") as reader:
            await asyncio.sleep(1.0)
            return ids(reader.heard), last["event_id"]

    got, last = in_house(follow)
    assert last not in got
    assert got == []


def test_an_interval_in_the_past_is_told_and_the_answer_ends() -> None:
    async def follow(house: House) -> list[list[str]]:
        everything = await lived(house)
        names = [said["event_id"] for said in everything]
        first, last = everything[3], everything[8]
        seen = [names[3:9]]
        for query in (
            f"since_id={first['event_id']}&until_id={last['event_id']}",
            f"since={first['at']}&until={last['at']}",
        ):
            async with house.read(query) as reader:
                await asyncio.sleep(0.01)
                assert reader.closed_with == 200
                seen.append(ids(reader.heard))
        return seen

    wanted, by_id, by_time = in_house(follow)
    assert by_id == wanted
    assert set(wanted) <= set(by_time)


def test_an_interval_that_ends_in_the_future_ends_then_even_when_nothing_happens() -> None:
    async def follow(house: House) -> tuple[list[int | None], int]:
        begun = asyncio.get_running_loop().time()
        until = house.world.wall(begun) + timedelta(seconds=40)
        async with house.read(f"since=2020-01-01&until={quote(until.isoformat())}") as reader:
            house.place(Fate.INSTANT)
            await asyncio.sleep(39.0)
            before = reader.closed_with
            await asyncio.sleep(2.0)
            return [before, reader.closed_with], len(ids(reader.heard))

    ended, told = in_house(follow)
    assert ended == [None, 200]
    assert told >= 2


BAD = [
    "until=2026-06-15",
    "until_id=01JZ0000000000000000000000",
    "since=2026-06-15&since_id=01JZ0000000000000000000000",
    "since=yesterday",
    "since=2026-02-30",
    "since=0001-01-01T00:00:00%2B14:00",
    "since=2026-06-15T25:00:00Z",
    "since=%D9%A2026-06-15",
    "since_id=12",
    "since_id=ZZZZZZZZZZZZZZZZZZZZZZZZZZ",
    "since=2026-06-15&until=x",
]
GOOD = ["since=2026-06-15", "since=2026-06-15T14:30:00.123456789Z", "since=2026-06-15T10:30:00-04:00"]


@pytest.mark.parametrize("query", [*BAD, *GOOD])
def test_a_bad_interval_is_refused_in_the_brokers_form(query: str) -> None:
    async def ask(house: House) -> tuple[int | None, Any]:
        async with house.read(query) as reader:
            return reader.status, reader.text

    status, text = in_house(ask)
    if query in GOOD:
        assert status == 200
    else:
        assert (status, text["code"]) == (400, 40010000)
        assert text["message"]


def test_a_blank_in_place_of_an_unescaped_plus_is_understood() -> None:
    async def ask(house: House) -> int | None:
        async with house.read("since=2026-06-15T14:30:00+00:00") as reader:
            return reader.status

    assert in_house(ask) == 200


def test_comments_show_that_a_quiet_connection_lives() -> None:
    async def follow(house: House) -> list[tuple[float, Any]]:
        async with house.read() as reader:
            begun = asyncio.get_running_loop().time()
            await asyncio.sleep(20.0)
            house.place(Fate.NEVER)
            await asyncio.sleep(41.0)
            return [(t - begun, said.get("unreadable", said.get("event"))) for t, said in reader.heard]

    heard = in_house(follow)
    comments = [t for t, said in heard if said == b": heartbeat"]
    assert comments == pytest.approx([15.0, 35.0, 50.0], abs=0.2)


def test_a_reader_that_is_too_slow_is_told_how_much_it_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MOST_BEHIND", 100)

    async def follow(house: House) -> tuple[list[Any], list[Any], int]:
        async with house.read() as slow, house.read() as quick:
            slow.reads.clear()
            for _ in range(100):
                house.place(Fate.INSTANT)
            await asyncio.sleep(5.0)
            slow.reads.set()
            house.place(Fate.NEVER, symbol="F")
            await asyncio.sleep(1.0)
            assert not slow.is_over
            return slow.heard, quick.heard, len(house.world.changes)

    slow, quick, happened = in_house(follow)
    assert len(ids(quick)) == happened
    comments = [said["unreadable"] for _, said in slow if "unreadable" in said]
    missed = happened - len(ids(slow))
    assert comments[-1] == b": you are reading too slowly, dropped %d messages" % missed
    assert missed > 100


KEYS = [
    pytest.param({}, 401, id="none"),
    pytest.param({"apca-api-key-id": "K", "apca-api-secret-key": "x"}, 401, id="wrong"),
    pytest.param({"authorization": "Basic SzpT"}, 200, id="basic"),
]


@pytest.mark.parametrize(("headers", "status"), KEYS)
@pytest.mark.parametrize("path", ["/v2/events/trades", ACTIVITIES])
def test_keys_are_asked_for(path: str, headers: dict[str, str], status: int) -> None:
    async def ask(house: House) -> int | None:
        async with house.read(path=path, headers=headers) as reader:
            return reader.status

    assert in_house(ask) == status


def test_the_route_can_be_missing_as_it_may_be_for_retail_accounts() -> None:
    async def ask(house: House) -> tuple[int | None, Any]:
        async with house.read() as reader:
            return reader.status, reader.text

    assert in_house(ask, faults=Faults(stream=StreamFaults(no_events_route=True)))[0] == 404


def test_the_opening_request_passes_the_one_door() -> None:
    async def ask(house: House) -> tuple[list[int | None], list[Any]]:
        seen = []
        async with house.read() as reader:
            seen.append(reader.status)
            assert reader.headers["x-ratelimit-remaining"] == "1"
        house.world.strike(Kind.SERVER_ERROR, Op.EVENTS)
        for _ in range(2):
            async with house.read() as reader:
                seen.append(reader.status)
        return seen, [(a.operation, a.target, a.status) for a in house.world.ledger.arrivals]

    seen, arrivals = in_house(ask, requests_per_minute=2)
    assert seen == [200, 500, 429]
    assert arrivals == [("events", "/v2/events/trades", status) for status in (200, 500, 429)]


def test_faults_strike_what_is_live_and_nothing_that_is_replayed() -> None:
    async def follow(house: House) -> tuple[int, int, int]:
        everything = await lived(house)
        house.set(drop=1.0)
        async with house.read("since=2020-01-01") as reader:
            house.place(Fate.INSTANT)
            await asyncio.sleep(1.0)
            live = len(ids(reader.heard)) - len(everything)
        async with house.read("since=2020-01-01") as reader:
            return live, len(ids(reader.heard)) - len(everything), len(house.world.changes)

    live, later, _ = in_house(follow)
    assert (live, later >= 2) == (0, True)


BREAKS = [
    pytest.param({"disconnect_every": 5.0}, 5.0, id="every"),
    pytest.param({"disconnect_at": (9.0,)}, 9.0, id="at"),
    pytest.param({"half_open": ((2.0, 40.0),)}, 40.0, id="half open"),
]


@pytest.mark.parametrize(("faults", "after"), BREAKS)
def test_connections_break_when_the_faults_say_so(faults: dict[str, Any], after: float) -> None:
    async def follow(house: House) -> tuple[float, float]:
        begun = asyncio.get_running_loop().time()
        house.set(**faults)
        async with house.read() as reader:
            await reader.plug.broken.wait()
            return asyncio.get_running_loop().time() - begun, max(t for t, _ in reader.heard) - begun

    over, last_heard = in_house(follow)
    assert over == pytest.approx(after, abs=0.01)
    if "half_open" in faults:
        assert last_heard < 2.0, "not even a comment comes"


def test_activities_tell_of_executions_busts_and_corrections() -> None:
    async def follow(house: House) -> tuple[World, list[Any]]:
        async with house.read(path=ACTIVITIES) as reader:
            for fate in (Fate.BUSTED, Fate.CORRECTED, Fate.NEVER):
                house.place(fate)
            await asyncio.sleep(30.0)
            return house.world, [said for _, said in reader.heard if "event_id" in said]

    world, rows = in_house(follow)
    true = [row for order_id in world.ledger.order_ids for row in world.ledger.truth(order_id).executions]
    assert {row["ref_id"] for row in rows} == {row.execution_id for row in true}
    kinds = [row["details"]["execution_type"] for row in rows]
    assert sorted(kinds) == ["fill", "fill", "fill", "trade_bust", "trade_correct"]
    held = sum(Decimal(row["qty"]) for row in rows if row["details"]["execution_type"] != "trade_correct")
    assert held == world.ledger.position("AAPL")
    undone = [row for row in rows if row["details"]["execution_type"] != "fill"]
    assert all(row["previous_id"] in {other["ref_id"] for other in rows} for row in undone)
    assert all(datetime.fromisoformat(row["executed_at"]) for row in rows)
    required = {"at", "event_id", "activity_type", "executed_at", "status", "settle_date", "currency", "ref_id"}
    assert all(required <= set(row) for row in rows)


def test_in_an_outage_nothing_answers() -> None:
    async def follow(house: House) -> int | None:
        async with house.read(headers=SHOWN) as reader:
            await asyncio.sleep(5.0)
            return reader.status

    assert in_house(follow, faults=Faults(outages=((0.0, 60.0),))) is None
