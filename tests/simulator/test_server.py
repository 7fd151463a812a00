"""The HTTP face of the world: the real alpaca-py client against it, and what every fault looks like on a socket."""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import httpx
import pytest

from fillwatch.simulator import Fate, Faults, Kind, Op, World
from fillwatch.simulator.server import Address, serve
from tests.simulator.alpaca_client import (
    APIError,
    Clock,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    Order,
    OrderSide,
    Position,
    QueryOrderStatus,
    TimeInForce,
    TradeAccount,
    TradingClient,
)

T = TypeVar("T")
Test = Callable[[httpx.AsyncClient, Address], Awaitable[T]]


def over_http(world_of: Callable[[Callable[[], float]], World], test: Test[T], *, timeout: float = 2.0) -> T:
    """Serve a world on real time and run `test` against it; no task may be left behind."""

    async def run() -> T:
        async with serve(world_of(asyncio.get_running_loop().time)) as address:
            headers = {"APCA-API-KEY-ID": address.key, "APCA-API-SECRET-KEY": address.secret}
            async with httpx.AsyncClient(
                base_url=address.url, headers=headers, timeout=timeout, trust_env=False
            ) as client:
                result = await test(client, address)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return asyncio.run(run())


def test_the_real_trading_client_submits_reads_and_cancels() -> None:
    async def session(_: httpx.AsyncClient, address: Address) -> None:
        client = TradingClient(address.key, address.secret, paper=True, url_override=address.url)
        await asyncio.to_thread(talk, client)

    def talk(client: TradingClient) -> None:
        market = MarketOrderRequest(
            symbol="AAPL", qty=7, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, client_order_id="mine/1 + 2"
        )
        sent = client.submit_order(market)
        assert isinstance(sent, Order)
        limit = client.submit_order(
            LimitOrderRequest(symbol="MSFT", qty=3, side=OrderSide.SELL, time_in_force=TimeInForce.GTC, limit_price=9.5)
        )
        assert isinstance(limit, Order)
        by_client_id = client.get_order_by_client_id("mine/1 + 2")
        assert isinstance(by_client_id, Order)
        assert by_client_id.id == sent.id
        listed = client.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN, nested=True, symbols=["MSFT"]))
        assert [order.id for order in listed if isinstance(order, Order)] == [limit.id]
        client.cancel_order_by_id(limit.id)
        again = client.get_order_by_id(limit.id)
        assert isinstance(again, Order)
        assert again.status == "pending_cancel"
        assert client.get_all_positions() == []
        account, clock = client.get_account(), client.get_clock()
        assert isinstance(account, TradeAccount)
        assert isinstance(clock, Clock)
        assert clock.is_open
        with pytest.raises(APIError, match="client_order_id must be unique"):
            client.submit_order(market)

    over_http(lambda clock: World(1, clock=clock, fate=Fate.NEVER), session)


def test_the_real_trading_client_sees_fill_price_and_position() -> None:
    async def session(_: httpx.AsyncClient, address: Address) -> tuple[Order, Position, str]:
        client = TradingClient(address.key, address.secret, paper=True, url_override=address.url)
        request = MarketOrderRequest(symbol="SPY", qty=12, side=OrderSide.SELL, time_in_force=TimeInForce.DAY)
        sent = await asyncio.to_thread(client.submit_order, request)
        assert isinstance(sent, Order)
        assert sent.status in ("pending_new", "accepted")
        await asyncio.sleep(0.1)
        order = await asyncio.to_thread(client.get_order_by_id, sent.id)
        position = await asyncio.to_thread(client.get_open_position, "SPY")
        refused = await asyncio.to_thread(cancel_error, client, sent.id)
        assert isinstance(order, Order)
        assert isinstance(position, Position)
        return order, position, refused

    def cancel_error(client: TradingClient, order_id: UUID) -> str:
        with pytest.raises(APIError) as caught:
            client.cancel_order_by_id(order_id)
        return f"{caught.value.status_code} {caught.value.code} {caught.value.message}"

    order, position, refused = over_http(lambda clock: World(1, clock=clock, fate=Fate.INSTANT), session)
    assert order.status == "filled"
    assert order.filled_qty == "12"
    assert Decimal(str(order.filled_avg_price)) > 0
    assert position.qty == "-12"
    assert refused == '422 42210000 order is already in "filled" state'


KEYS = [
    pytest.param({}, 401, "text/html; charset=utf-8", id="no keys: HTML"),
    pytest.param({"APCA-API-KEY-ID": "x", "APCA-API-SECRET-KEY": "y"}, 401, "application/json", id="wrong keys"),
    pytest.param({"Authorization": "Basic eDp5"}, 401, "application/json", id="wrong basic keys"),
    pytest.param({"Authorization": "Basic %"}, 401, "application/json", id="basic, no base64"),
]


@pytest.mark.parametrize(("headers", "status", "kind"), KEYS)
def test_keys_are_asked_for(headers: dict[str, str], status: int, kind: str) -> None:
    async def ask(_: httpx.AsyncClient, address: Address) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as bare:
            return await bare.get(f"{address.url}/v2/account", headers=headers)

    answer = over_http(lambda clock: World(1, clock=clock), ask)
    assert (answer.status_code, answer.headers["content-type"]) == (status, kind)
    if kind == "application/json":
        assert answer.json() == {"message": "unauthorized."}


def test_basic_authorization_is_a_second_way_in() -> None:
    async def ask(_: httpx.AsyncClient, address: Address) -> int:
        async with httpx.AsyncClient(trust_env=False, auth=(address.key, address.secret)) as basic:
            return (await basic.get(f"{address.url}/v2/clock")).status_code

    assert over_http(lambda clock: World(1, clock=clock), ask) == 200


BAD_FIELDS: list[tuple[str, list[object]]] = [
    ("qty", ["many", True, [1], None, -1, 0, "NaN", "1e999999", "1e-400", 10**400]),
    ("notional", [5]),
    ("side", ["hold", ["buy"]]),
    ("type", ["limit", {}]),
    ("limit_price", [0]),
    ("symbol", [3, ""]),
    ("client_order_id", ["x" * 129]),
    ("take_profit", [4]),
]
GOOD = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "qty": "1"}
BAD_REQUESTS = [
    pytest.param("POST", "/v2/orders", b"{", 400, 40010000, id="no JSON"),
    pytest.param("POST", "/v2/orders", b"\xff\xfe", 400, 40010000, id="no text"),
    pytest.param("POST", "/v2/orders", b"[" * 20_000, 400, 40010000, id="nested too deep"),
    pytest.param("POST", "/v2/orders", b"x" * 1_048_577, 413, 41310000, id="too large"),
    pytest.param("POST", "/v2/orders", b"1" * 5_000, 400, 40010000, id="a number of 5,000 digits"),
    pytest.param("POST", "/v2/orders", b"[]", 400, 40010000, id="no object"),
    *(
        pytest.param("POST", "/v2/orders", json.dumps(GOOD | {field: bad}).encode(), 422, 40010001, id=f"bad {field}")
        for field, values in BAD_FIELDS
        for bad in values
    ),
    pytest.param("POST", "/v2/orders", json.dumps(GOOD | {"qty": 10**9}).encode(), 403, 40310000, id="too dear"),
    pytest.param("GET", "/v2/orders?limit=501", b"", 422, 40010001, id="limit"),
    pytest.param("GET", "/v2/orders?limit=%C2%B2", b"", 422, 40010001, id="limit no digit"),
    pytest.param("GET", "/v2/orders?status=some", b"", 422, 40010001, id="status"),
    pytest.param("GET", "/v2/orders?after=yesterday", b"", 422, 40010001, id="after"),
    pytest.param("GET", "/v2/orders:by_client_order_id", b"", 422, 40010001, id="client id missing"),
    pytest.param("GET", "/v2/orders:by_client_order_id?client_order_id=a", b"", 404, 40410000, id="client id unknown"),
    pytest.param("GET", "/v2/account/activities/FILL?page_size=101", b"", 422, 40010001, id="page size"),
    pytest.param("GET", "/v2/account/activities/FILL?date=0001-01-01", b"", 422, 40010001, id="first day of all"),
    pytest.param("GET", "/v2/orders/nonsense", b"", 422, 40010001, id="no order id"),
    pytest.param("DELETE", "/v2/orders/nonsense", b"", 422, 40010001, id="cancel of no order id"),
    pytest.param("GET", "/v2/positions/AAPL", b"", 404, 40410000, id="no position"),
    pytest.param("GET", "/v2/nothing", b"", 404, 40410000, id="no route"),
    pytest.param("GET", "/v2/orders/", b"", 404, 40410000, id="a slash too many"),
    pytest.param("PUT", "/v2/orders", b"", 405, 40510000, id="no method"),
]


def test_bad_requests_get_the_brokers_refusals_and_never_a_500() -> None:
    async def ask(client: httpx.AsyncClient, _: Address) -> None:
        for case in BAD_REQUESTS:
            method, path, content, status, code = case.values
            answer = await client.request(str(method), str(path), content=content)  # type: ignore[arg-type] # bytes, by the table
            assert (answer.status_code, answer.json()["code"]) == (status, code), case.id
            assert answer.json()["message"], case.id

    over_http(lambda clock: World(1, clock=clock), ask)


def test_numbers_and_strings_make_the_same_order() -> None:
    async def ask(client: httpx.AsyncClient, _: Address) -> list[Any]:
        limit = GOOD | {"type": "limit", "extended_hours": True}
        sent = [limit | {"qty": "1.5", "limit_price": "10.1"}, limit | {"qty": 1.5, "limit_price": 10.1}]
        return [(await client.post("/v2/orders", json=order)).json() for order in sent]

    one, two = over_http(lambda clock: World(1, clock=clock, fate=Fate.NEVER), ask)
    assert (one["qty"], one["limit_price"]) == (two["qty"], two["limit_price"]) == ("1.5", "10.1")
    assert one["filled_qty"] == "0"
    assert one["filled_avg_price"] is None
    assert not {"expires_at", "position_intent"} & set(one)


def test_the_limit_is_told_in_headers_and_kept() -> None:
    async def ask(client: httpx.AsyncClient, _: Address) -> list[httpx.Response]:
        return [await client.get("/v2/clock") for _ in range(4)]

    answers = over_http(lambda clock: World(1, clock=clock, requests_per_minute=3), ask)
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert answers[-1].json() == {"code": 42910000, "message": "rate limit exceeded"}
    assert {"date", "x-ratelimit-limit", "x-ratelimit-reset"} <= set(answers[-1].headers)


def test_lists_and_the_tape_page() -> None:
    async def ask(client: httpx.AsyncClient, _: Address) -> tuple[list[Any], list[Any]]:
        await asyncio.sleep(0.1)
        everything = (await client.get("/v2/orders", params={"status": "all", "limit": 500})).json()
        until = everything[9]["submitted_at"]
        older = (await client.get("/v2/orders", params={"status": "all", "until": until, "nested": "True"})).json()
        assert [row["id"] for row in older] == [row["id"] for row in everything[10:]]
        first = (await client.get("/v2/account/activities/FILL", params={"page_size": 8, "direction": "asc"})).json()
        token = {"page_token": first[-1]["id"], "direction": "asc"}
        second = (await client.get("/v2/account/activities", params=token)).json()
        assert (await client.get("/v2/account/activities/DIV")).json() == []
        return everything, first + second

    def instant(clock: Callable[[], float]) -> World:
        world = World(4, clock=clock)
        world.populate(20, mix={Fate.INSTANT: 1})
        return world

    orders, rows = over_http(instant, ask)
    assert len(orders) == 21
    assert sorted(row["order_id"] for row in rows if row["symbol"]) == sorted(
        order["id"] for order in orders if order["status"] == "filled"
    )
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert len({order["submitted_at"][-6:-5] for order in orders}) > 1, "offsets are mixed"


def test_cancelling_everything_answers_207() -> None:
    async def ask(client: httpx.AsyncClient, _: Address) -> httpx.Response:
        return await client.delete("/v2/orders")

    def two(clock: Callable[[], float]) -> World:
        world = World(4, clock=clock)
        world.place(fate=Fate.NEVER)
        world.place(fate=Fate.FILLED_IN_CANCEL_RACE)
        return world

    answer = over_http(two, ask)
    assert (answer.status_code, [row["status"] for row in answer.json()]) == (207, [200, 422])


ON_THE_SOCKET: list[tuple[Kind, type[httpx.HTTPError] | int]] = [
    (Kind.RATE_LIMITED, 429),
    (Kind.RATE_LIMITED_BARE, 429),
    (Kind.SERVER_ERROR, 500),
    (Kind.SERVER_ERROR_HTML, 503),
    (Kind.ERROR_AFTER, 504),
    (Kind.TIMEOUT_BEFORE, httpx.ReadTimeout),
    (Kind.TIMEOUT_AFTER, httpx.ReadTimeout),
    (Kind.RESET_BEFORE, httpx.ReadError),
    (Kind.RESET_AFTER, httpx.ReadError),
    (Kind.CUT_OFF, httpx.RemoteProtocolError),
]


@pytest.mark.parametrize(("kind", "seen"), ON_THE_SOCKET)
def test_each_fault_is_what_a_client_would_see(kind: Kind, seen: type[httpx.HTTPError] | int) -> None:
    worlds: list[World] = []

    def make(clock: Callable[[], float]) -> World:
        worlds.append(World(1, clock=clock))
        return worlds[0]

    async def ask(client: httpx.AsyncClient, _: Address) -> None:
        worlds[0].strike(kind)
        if isinstance(seen, int):
            answer = await client.get("/v2/clock")
            assert answer.status_code == seen
            assert ("x-ratelimit-limit" in answer.headers) is (kind is not Kind.RATE_LIMITED_BARE)
        else:
            with pytest.raises(seen):
                await client.get("/v2/clock")
        assert (await client.get("/v2/clock")).status_code == 200, "the next request is served again"

    over_http(make, ask, timeout=0.3)
    assert worlds[0].reached[f"fault:{kind}"] == 1


def test_a_held_back_answer_does_not_keep_the_server_up() -> None:
    async def ask(client: httpx.AsyncClient, _: Address) -> asyncio.Task[httpx.Response]:
        waiting = asyncio.create_task(client.get("/v2/clock", timeout=30.0))
        await asyncio.sleep(0.1)
        return waiting

    async def run() -> None:
        loop = asyncio.get_running_loop()
        world = World(1, clock=loop.time, faults=Faults(timeout_before=1.0, operations=frozenset({Op.CLOCK})))
        begun = loop.time()
        headers = {"APCA-API-KEY-ID": "k", "APCA-API-SECRET-KEY": "s"}
        async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
            async with serve(world, key="k", secret="s") as address:
                client.base_url = httpx.URL(address.url)
                waiting = await ask(client, address)
            with pytest.raises(httpx.TransportError):
                await waiting
        assert loop.time() - begun < 2.0

    asyncio.run(run())


def test_answers_do_not_wait_for_acknowledgements() -> None:
    async def ask(client: httpx.AsyncClient, _: Address) -> list[float]:
        taken = []
        for _number in range(31):
            begun = asyncio.get_running_loop().time()
            await client.get("/v2/clock")
            taken.append(asyncio.get_running_loop().time() - begun)
        return taken

    assert statistics.median(over_http(lambda clock: World(1, clock=clock), ask)) < 0.03


def test_a_taken_port_is_an_error_at_once() -> None:
    async def run() -> None:
        world = World(1, clock=asyncio.get_running_loop().time)
        async with serve(world) as address:
            with pytest.raises(OSError, match="in use"):
                async with serve(world, port=int(address.url.rpartition(":")[2])):
                    pass

    asyncio.run(run())
