"""The control endpoint over HTTP: what it shows and does, what it refuses, and that nothing touches it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx
import pytest

from fillwatch.simulator import Call, Fate, Faults, Op, World
from fillwatch.simulator.clocks import Clock, rate_of
from fillwatch.simulator.keys import Keys
from fillwatch.simulator.server import create_app
from fillwatch.simulator.wording import faults_as_data

T = TypeVar("T")
KEYS = Keys(key="K", secret="S")


class Desk:
    """A world on a clock moved by hand, behind its HTTP application, and the requests of a test."""

    def __init__(self, client: httpx.AsyncClient, world: World) -> None:
        self.client = client
        self.world = world

    async def ask(self, method: str, path: str, data: object = None) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        content = None if data is None else json.dumps(data)
        answer = await self.client.request(method, path, content=content)
        return answer.status_code, answer.json()

    async def do(self, method: str, path: str, data: object = None) -> Any:  # noqa: ANN401 - JSON
        """The JSON of an answer that is no refusal."""
        status, said = await self.ask(method, path, data)
        assert status == 200, said
        return said


def at_the_desk(test: Callable[[Desk], Awaitable[T]], **settings: Any) -> T:  # noqa: ANN401 - passed on to World
    """Run a test against the application of a world."""

    async def run() -> T:
        wanted: dict[str, Any] = {"clock": Clock(), "fate": Fate.NEVER} | settings
        world = World(1, **wanted)
        transport = httpx.ASGITransport(create_app(world, KEYS.key, KEYS.secret))
        headers = {"APCA-API-KEY-ID": KEYS.key, "APCA-API-SECRET-KEY": KEYS.secret}
        async with httpx.AsyncClient(transport=transport, base_url="http://sim", headers=headers) as client:
            return await test(Desk(client, world))

    return asyncio.run(run())


def refusal(method: str, path: str, data: object, **settings: Any) -> str:  # noqa: ANN401 - passed on to World
    """What a request is refused with; it must be a 422, and leave the world as it was."""

    async def test(desk: Desk) -> str:
        before = desk.world.ledger.as_dict(), desk.world.faults, desk.world.clock()
        status, said = await desk.ask(method, path, data)
        assert status == 422, said
        assert (desk.world.ledger.as_dict(), desk.world.faults, desk.world.clock()) == before
        return str(said["message"])

    return at_the_desk(test, **settings)


ORDER = {"symbol": "AAPL", "qty": "5", "side": "buy", "type": "market", "time_in_force": "day"}


def test_no_fault_and_no_quota_touches_it_and_it_leaves_no_trace_in_the_ledger() -> None:
    async def test(desk: Desk) -> None:
        for _ in range(5):
            assert (await desk.do("GET", "/sim"))["requests"] == 0
        assert (await desk.do("GET", "/sim/ledger")) == {"seed": 1, "orders": [], "arrivals": []}
        assert (await desk.ask("GET", "/v2/clock"))[0] == 429

    at_the_desk(test, faults=Faults(rate_limited=1.0), requests_per_minute=1)


def test_the_overview_says_where_the_world_is() -> None:
    async def test(desk: Desk) -> None:
        desk.world.place(fate=Fate.SLOW)
        await desk.do("POST", "/sim/clock", {"advance": 90})
        await desk.ask("GET", "/v2/clock")
        said = await desk.do("GET", "/sim")
        assert (said["seed"], said["seconds"], said["time"]) == (1, 90.0, "2026-06-15T14:31:30+00:00")
        assert (said["clock_rate"], said["orders"], said["requests"]) == (0.0, 1, 1)
        assert said["next_due_in"] is None
        assert said["reached"] == {"fate:slow": 1}
        assert "everything" in said["scenarios"]

    at_the_desk(test)


def test_the_ledger_tells_orders_and_requests() -> None:
    async def test(desk: Desk) -> None:
        order_id = (await desk.do("POST", "/v2/orders", ORDER))["id"]
        said = await desk.do("GET", "/sim/ledger")
        assert [order["id"] for order in said["orders"]] == [order_id]
        assert [arrival[1:3] for arrival in said["arrivals"]] == [["submit", "POST"]]
        assert said == json.loads(json.dumps(desk.world.ledger.as_dict()))

    at_the_desk(test)


class TestFaults:
    """They are shown, replaced and changed while the world runs."""

    def test_put_replaces_patch_changes_get_shows(self) -> None:
        async def test(desk: Desk) -> None:
            assert await desk.do("GET", "/sim/faults") == faults_as_data(Faults())
            put = await desk.do("PUT", "/sim/faults", {"server_error": 1.0, "stream": {"drop": 0.5}})
            assert (put["server_error"], put["stream"]["drop"]) == (1.0, 0.5)
            assert (await desk.ask("GET", "/v2/clock"))[0] == 500
            patched = await desk.do("PATCH", "/sim/faults", {"operations": ["look"], "stream": {"mute": [[1, 2]]}})
            assert (patched["server_error"], patched["operations"]) == (1.0, ["look"])
            assert (patched["stream"]["drop"], patched["stream"]["mute"]) == (0.5, [[1.0, 2.0]])
            assert await desk.do("GET", "/sim/faults") == patched
            assert (await desk.ask("GET", "/v2/clock"))[0] == 200
            assert await desk.do("PUT", "/sim/faults", patched) == patched
            assert await desk.do("PUT", "/sim/faults", {}) == faults_as_data(Faults())

        at_the_desk(test)

    def test_a_rule_may_last_for_seconds_from_now(self) -> None:
        async def test(desk: Desk) -> None:
            await desk.do("POST", "/sim/clock", {"to": 50})
            rules = [{"kind": "server_error", "for_seconds": 10}]
            said = await desk.do("PATCH", "/sim/faults", {"rules": rules, "heal_after": 100})
            assert (said["rules"][0]["start"], said["rules"][0]["end"], said["heal_at"]) == (50.0, 60.0, 150.0)
            assert (await desk.ask("GET", "/v2/clock"))[0] == 500
            await desk.do("POST", "/sim/clock", {"advance": 10})
            assert (await desk.ask("GET", "/v2/clock"))[0] == 200

        at_the_desk(test)

    def test_the_next_request_can_be_struck(self) -> None:
        async def test(desk: Desk) -> None:
            said = await desk.do("POST", "/sim/strike", {"kind": "server_error", "operation": "clock", "times": 2})
            assert said == {"kind": "server_error", "operation": "clock", "times": 2}
            assert [(await desk.ask("GET", path))[0] for path in ("/v2/account", *["/v2/clock"] * 3)] == [
                *(200, 500, 500, 200)
            ]

        at_the_desk(test)

    def test_a_scenario_by_name_or_worded_whole(self) -> None:
        async def test(desk: Desk) -> None:
            said = await desk.do("POST", "/sim/scenario", {"name": "cancel-races"})
            assert said["name"] == "cancel-races"
            assert desk.world.faults.cancel_stuck > 0
            whole = {
                "name": "mine",
                "sentence": "Mine.",
                "faults": {"stale": 1},
                "orders": {"count": 3, "over_seconds": 5},
            }
            assert await desk.do("POST", "/sim/scenario", whole) == {"name": "mine", "sentence": "Mine."}
            assert desk.world.faults == Faults(stale=1.0)
            await desk.do("POST", "/sim/clock", {"advance": 5})
            assert (await desk.do("GET", "/sim"))["orders"] == 3

        at_the_desk(test)


class TestOrdersAndPrices:
    """Orders are placed behind the bot's back, and prices moved."""

    def test_orders_with_a_fate_of_ones_own(self) -> None:
        async def test(desk: Desk) -> None:
            rows = [ORDER | {"fate": "instant"}, {"fate": "rejected"}, ORDER | {"foreign": True}]
            ids = (await desk.do("POST", "/sim/orders", {"orders": rows}))["orders"]
            await desk.do("POST", "/sim/clock", {"advance": 5})
            words = [(await desk.do("GET", f"/v2/orders/{order_id}"))["status"] for order_id in ids]
            assert words == ["filled", "rejected", "new"]
            truths = [desk.world.ledger.truth(order_id) for order_id in ids]
            assert [truth.foreign for truth in truths] == [False, False, True]
            assert truths[0].symbol == "AAPL"

        at_the_desk(test)

    def test_a_crowd_at_once_or_by_and_by(self) -> None:
        async def test(desk: Desk) -> None:
            said = await desk.do("POST", "/sim/orders", {"populate": 10, "fates": "never"})
            assert len(said["orders"]) == 10
            assert all(desk.world.ledger.truth(order_id).fate is Fate.NEVER for order_id in said["orders"])
            said = await desk.do("POST", "/sim/orders", {"populate": 5, "over_seconds": 10, "fates": {"slow": 1}})
            before = (await desk.do("GET", "/sim"))["orders"]
            await desk.do("POST", "/sim/clock", {"advance": 10})
            assert (await desk.do("GET", "/sim"))["orders"] == before + 5

        at_the_desk(test)

    def test_a_price_that_is_set_fills_the_order_that_waited_for_it(self) -> None:
        async def test(desk: Desk) -> None:
            limit = ORDER | {"type": "limit", "limit_price": "2.00", "time_in_force": "gtc"}
            order_id = (await desk.do("POST", "/v2/orders", limit))["id"]
            await desk.do("POST", "/sim/clock", {"advance": 5})
            assert (await desk.do("GET", f"/v2/orders/{order_id}"))["status"] == "new"
            assert await desk.do("POST", "/sim/prices", {"AAPL": 1.99, "MSFT": "5"}) == {"AAPL": "1.99", "MSFT": "5"}
            await desk.do("POST", "/sim/clock", {"advance": 5})
            assert (await desk.do("GET", f"/v2/orders/{order_id}"))["status"] == "filled"
            assert await desk.do("POST", "/sim/prices", {"AAPL": None}) == {"AAPL": None}

        at_the_desk(test, fate=Fate.MARKET, partial_fills=0.0)


class TestWhatIsRefused:
    """With the field, the value and what is allowed; nothing happens then."""

    @pytest.mark.parametrize(
        ("method", "path", "data", "words"),
        [
            ("PUT", "/sim/faults", {"boom": 1}, "faults.boom: there is no such field; there are: rate_limited"),
            ("PUT", "/sim/faults", [], "faults: [] is not allowed; give a table"),
            ("PATCH", "/sim/faults", {"stale": 7}, "faults.stale: 7.0 is not allowed; it must be from 0 to 1"),
            (
                "PATCH",
                "/sim/faults",
                {"heal_after": -1},
                "faults.heal_after: -1 is not allowed; give a number, 0 or more",
            ),
            ("PATCH", "/sim/faults", {"rules": [{"kind": "boom"}]}, "faults.rules[0].kind: 'boom' is not allowed"),
            ("PATCH", "/sim/faults", {"rules": [5]}, "faults.rules[0]: 5 is not allowed; give a table"),
            ("POST", "/sim/scenario", {"name": "/etc/passwd"}, "name: '/etc/passwd' is not allowed; give one of calm"),
            ("POST", "/sim/scenario", {"names": "calm"}, "scenario.names: there is no such field"),
            ("POST", "/sim/scenario", None, "body: it is not JSON"),
            ("POST", "/sim/prices", {"AAPL": 0}, "prices.AAPL: 0 is not allowed; it must be above 0"),
            ("POST", "/sim/prices", {"MSFT": 5, "AAPL": True}, "prices.AAPL: True is not allowed; give a number"),
            ("POST", "/sim/prices", {"AAPL": "x"}, "prices.AAPL: 'x' is not a number"),
            ("POST", "/sim/prices", [1], "prices: [1] is not allowed; give a table"),
            ("POST", "/sim/orders", {}, "orders: exactly one of populate and orders is needed"),
            ("POST", "/sim/orders", {"populate": 0}, "orders.populate: 0 is not allowed; give a whole number from 1"),
            ("POST", "/sim/orders", {"populate": 5, "fates": "boom"}, "orders.fates: 'boom' is not allowed"),
            ("POST", "/sim/orders", {"orders": [ORDER, {"fate": "boom"}]}, "orders[1].fate: 'boom' is not allowed"),
            ("POST", "/sim/orders", {"orders": [{"symbol": "AAPL"}]}, "orders[0]: "),
            ("POST", "/sim/strike", {"kind": "boom"}, "strike.kind: 'boom' is not allowed; give one of rate_limited"),
            ("POST", "/sim/strike", {"kind": "slow", "times": 0}, "strike.times: 0 is not allowed"),
            ("POST", "/sim/clock", {}, "clock: exactly one of advance and to is needed"),
            ("POST", "/sim/clock", {"advance": -1}, "clock.advance: -1 is not allowed; give a number, 0 or more"),
            ("POST", "/sim/clock", {"advance": 1e9}, "clock: at most 604800 s in one request are allowed"),
            ("POST", "/sim/clock", {"to": -1}, "clock: -1.0 is not allowed; it shows 0 s already and never goes back"),
        ],
    )
    def test_it_is_said_what_is_wrong(self, method: str, path: str, data: object, words: str) -> None:
        assert refusal(method, path, data).startswith(words)

    @pytest.mark.parametrize("clock", [lambda: 0.0, Clock(rate=1.0)])
    def test_a_clock_that_goes_by_itself_cannot_be_moved(self, clock: Callable[[], float]) -> None:
        words = refusal("POST", "/sim/clock", {"advance": 1}, clock=clock)
        assert words == "clock: it goes by itself; start the simulator with --clock manual to move it"

    @pytest.mark.parametrize(
        ("content", "words"),
        [(b"{", "body: it is not JSON"), (b"[" * 100_000, "body: it is not JSON"), (b'{"a": NaN}', "NaN is no JSON")],
    )
    def test_a_body_that_is_no_json(self, content: bytes, words: str) -> None:
        async def test(desk: Desk) -> None:
            answer = await desk.client.post("/sim/clock", content=content)
            assert answer.status_code == 422
            assert words in answer.json()["message"]

        at_the_desk(test)

    def test_a_body_that_is_too_long(self) -> None:
        async def test(desk: Desk) -> None:
            answer = await desk.client.post("/sim/clock", content=b" " * 1_000_001)
            assert (answer.status_code, answer.json()) == (
                422,
                {"message": "body: more than 1000000 bytes are not allowed"},
            )

        at_the_desk(test)

    @pytest.mark.parametrize("path", ["/sim", "/sim/ledger", "/sim/faults"])
    @pytest.mark.parametrize("headers", [{}, {"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "wrong"}])
    def test_other_keys(self, path: str, headers: dict[str, str]) -> None:
        async def test(desk: Desk) -> None:
            desk.client.headers = httpx.Headers(headers)
            assert await desk.ask("GET", path) == (401, {"message": "unauthorized."})

        at_the_desk(test)


class TestClock:
    """Real, scaled, or moved by hand."""

    def test_it_goes_as_fast_as_its_name_says(self) -> None:
        now = [100.0]
        clocks = [Clock(lambda: now[0], rate=rate_of(name)) for name in ("real", "scaled:60", "manual")]
        now[0] += 2.0
        assert [clock() for clock in clocks] == [2.0, 120.0, 0.0]
        assert [clock.seconds_until(180.0) for clock in clocks] == [178.0, 1.0, None]
        assert [clock.is_manual for clock in clocks] == [False, False, True]
        clocks[1].move_to(500.0)
        now[0] += 1.0
        assert clocks[1]() == 560.0
        clocks[1].go(0.0)
        now[0] += 1.0
        assert clocks[1]() == 560.0

    @pytest.mark.parametrize(
        "name", ["", "fast", "scaled", "scaled:", "scaled:x", "scaled:0", "scaled:nan", "scaled:-1"]
    )
    def test_other_names_are_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match=r"is not allowed; give real, manual or scaled:N"):
            rate_of(name)

    def test_a_slow_answer_takes_less_of_ones_own_time_when_the_clock_runs_fast(self) -> None:
        ways = [
            sum(World(1, clock=Clock(lambda: 0.0, rate=rate), faults=Faults(slow=1.0)).transit(Call(op=Op.LOOK)))
            for rate in (1.0, 10.0, 0.0)
        ]
        assert ways[0] == pytest.approx(10 * ways[1])
        assert ways[0] > ways[2] == 0.0
