"""The push routes over real sockets: pings, refused upgrades, broken connections, and a server that goes down."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from fillwatch.simulator import Fate, Faults, Kind, Op, World
from fillwatch.simulator.clocks import Clock
from fillwatch.simulator.server import LOOPBACK, Address, serve
from fillwatch.simulator.stream_faults import StreamFaults

T = TypeVar("T")
LISTEN = {"action": "listen", "data": {"streams": ["trade_updates"]}}


@asynccontextmanager
async def listening(address: Address, **terms: Any) -> AsyncIterator[ClientConnection]:  # noqa: ANN401 - of connect
    """A connection that listens to trade updates."""
    packed = terms.get("additional_headers") is not None
    code: Callable[[object], str | bytes] = msgspec.msgpack.encode if packed else json.dumps
    decode: Callable[[Any], Any] = msgspec.msgpack.decode if packed else json.loads
    async with connect(address.stream_url, ping_interval=None, close_timeout=0.2, proxy=None, **terms) as client:
        for message in ({"action": "auth", "key": address.key, "secret": address.secret}, LISTEN):
            await client.send(code(message))
            assert decode(await client.recv())["stream"] in ("authorization", "listening")
        yield client


def served(
    test: Callable[[World, Address], Awaitable[T]],
    *,
    faults: Faults | None = None,
    clock: Clock | None = None,
    fate: Fate | None = None,
    host: str = LOOPBACK,
) -> T:
    """Serve a world in real time and run `test` against it; no task may be left behind."""

    async def run() -> T:
        world = World(1, clock=clock or asyncio.get_running_loop().time, faults=faults or Faults(), fate=fate)
        async with asyncio.timeout(60.0):
            async with serve(world, host=host) as address:
                result = await test(world, address)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return asyncio.run(run())


def mute_from_now(world: World, name: str) -> None:
    since = world.advance() - world.start
    world.faults = Faults(stream=StreamFaults(**{name: ((since, since + 0.5),)}))  # type: ignore[arg-type] # a window
    world.wake()


def test_pings_are_answered_even_while_the_stream_is_mute() -> None:
    async def talk(world: World, address: Address) -> None:
        async with listening(address) as client:
            await asyncio.wait_for(await client.ping(), 2.0)
            mute_from_now(world, "mute")
            world.place(fate=Fate.NEVER)
            await asyncio.wait_for(await client.ping(), 2.0)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.recv(), 0.3)

    served(talk)


def test_a_half_open_connection_answers_no_ping_and_then_breaks_without_a_closing_frame() -> None:
    async def talk(world: World, address: Address) -> int | None:
        async with listening(address) as client:
            mute_from_now(world, "half_open")
            await asyncio.sleep(0.01)
            pong = asyncio.ensure_future(await client.ping())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(pong), 0.3)
            with pytest.raises(ConnectionClosed) as over:
                await asyncio.wait_for(client.recv(), 2.0)
            await asyncio.gather(pong, return_exceptions=True)  # it ends with the connection
            return over.value.rcvd.code if over.value.rcvd else None

    assert served(talk) is None


def test_a_second_connection_is_refused_with_429_at_the_upgrade() -> None:
    async def talk(world: World, address: Address) -> tuple[int, Any]:
        async with listening(address):
            with pytest.raises(InvalidStatus) as refused:
                async with listening(address):
                    pass
        async with listening(address):
            pass
        return refused.value.response.status_code, json.loads(refused.value.response.body)

    status, body = served(talk, faults=Faults(stream=StreamFaults(refuse_second=True)))
    assert (status, body["code"]) == (429, 42910000)


def test_message_pack_for_those_who_ask_for_it() -> None:
    async def talk(world: World, address: Address) -> Any:  # noqa: ANN401 - MessagePack
        async with listening(address, additional_headers={"Content-Type": "application/msgpack"}) as client:
            world.place(fate=Fate.NEVER)
            return msgspec.msgpack.decode(await client.recv())  # type: ignore[arg-type] # binary

    assert served(talk)["stream"] == "trade_updates"


def test_a_message_that_is_too_long_ends_the_connection_and_not_the_server() -> None:
    async def talk(world: World, address: Address) -> int | None:
        async with listening(address) as client:
            await client.send("x" * 70_000)
            with pytest.raises(ConnectionClosed) as over:
                await client.recv()
        async with listening(address):
            return over.value.rcvd.code if over.value.rcvd else None

    assert served(talk) == 1009


def test_a_reader_that_never_reads_holds_up_nobody_and_the_server_still_goes_down() -> None:
    async def talk(world: World, address: Address) -> tuple[int, socket.socket]:
        stuck = socket.socket(proto=socket.IPPROTO_TCP)
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)  # so that little fills it
        stuck.connect(("127.0.0.1", int(address.url.rpartition(":")[2])))
        upgrade = "GET /stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        stuck.sendall(f"{upgrade}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n\r\n".encode())
        for message in ({"action": "auth", "key": address.key, "secret": address.secret}, LISTEN):
            raw = json.dumps(message).encode()
            stuck.sendall(bytes([0x81, 0x80 | 126]) + len(raw).to_bytes(2, "big") + bytes(4) + raw)
            await asyncio.sleep(0.05)
        async with listening(address) as client:
            for _ in range(1_500):
                world.place(fate=Fate.INSTANT)
            events = 0
            while events < len(world.changes):
                await client.recv()
                events += 1
            return events, stuck

    events, stuck = served(talk)
    stuck.close()
    assert events >= 3_000


def test_the_server_goes_down_at_once_and_in_good_order_with_open_sockets() -> None:
    async def run() -> tuple[float, int | None]:
        loop = asyncio.get_running_loop()
        world = World(1, clock=loop.time)
        async with httpx.AsyncClient(trust_env=False) as http:
            async with serve(world) as address:
                headers = {"APCA-API-KEY-ID": address.key, "APCA-API-SECRET-KEY": address.secret}
                client = await connect(address.stream_url, ping_interval=None, proxy=None)
                request = http.build_request("GET", f"{address.url}/v2/events/trades", headers=headers)
                feed = await http.send(request, stream=True)
                begun = loop.time()
            taken = loop.time() - begun
            with pytest.raises(ConnectionClosed) as over:
                await client.recv()
            with pytest.raises(httpx.TransportError):
                await feed.aread()
            await feed.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return taken, over.value.rcvd.code if over.value.rcvd else None

    taken, code = asyncio.run(run())
    assert taken < 1.0
    assert code == 1012


def test_server_sent_events_come_one_by_one_as_they_happen() -> None:
    async def read(world: World, address: Address) -> list[Any]:
        headers = {"APCA-API-KEY-ID": address.key, "APCA-API-SECRET-KEY": address.secret}
        got = []
        async with (
            httpx.AsyncClient(trust_env=False, headers=headers) as http,
            http.stream("GET", f"{address.url}/v2/events/trades") as answer,
        ):
            async for line in answer.aiter_lines():
                if line.startswith(":"):
                    world.place(fate=Fate.INSTANT)
                if line.startswith("data: "):
                    got.append(json.loads(line.removeprefix("data: ")))
                if got and got[-1]["event"] == "fill":
                    return got
        raise AssertionError("the feed ended")

    assert served(read)[0]["event_id"]


def test_what_the_control_endpoint_changes_reaches_open_connections_at_once() -> None:
    async def talk(world: World, address: Address) -> list[str]:
        events = []
        async with (
            httpx.AsyncClient(trust_env=False, base_url=address.url, auth=(address.key, address.secret)) as http,
            listening(address) as client,
        ):

            async def heard() -> str:
                return str(json.loads(await client.recv())["data"]["event"])

            order = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "qty": "3"}
            await http.post("/v2/orders", json=order)
            events.append(await heard())
            answer = await http.post("/sim/clock", json={"advance": 30})
            assert answer.status_code == 200, answer.text
            events += [await heard(), await heard()]
            answer = await http.patch("/sim/faults", json={"stream": {"disconnect_at": [30.0, 31.0]}})
            assert answer.status_code == 200, answer.text
            await http.post("/sim/clock", json={"advance": 2})
            with pytest.raises(ConnectionClosed):
                await client.recv()
        return events

    first, *rest = served(talk, clock=Clock(), fate=Fate.SLOW)
    assert first in ("pending_new", "accepted")
    assert rest == ["new", "fill"]


def test_an_event_may_come_before_the_answer_to_the_order_that_it_is_about() -> None:
    async def talk(world: World, address: Address) -> tuple[bool, str, str]:
        keys = (address.key, address.secret)
        async with (
            httpx.AsyncClient(trust_env=False, base_url=address.url, auth=keys) as http,
            listening(address) as client,
        ):
            world.strike(Kind.SLOW, Op.SUBMIT)
            order = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "qty": "3"}
            sending = asyncio.create_task(http.post("/v2/orders", json=order))
            told = json.loads(await client.recv())["data"]["order"]["id"]
            was_answered = sending.done()
            return was_answered, told, (await sending).json()["id"]

    was_answered, told, answered = served(talk)
    assert not was_answered
    assert told == answered


def test_a_host_can_be_given() -> None:
    async def ask(world: World, address: Address) -> tuple[str, str]:
        async with httpx.AsyncClient(trust_env=False, auth=(address.key, address.secret)) as http:
            assert (await http.get(f"{address.url}/v2/clock")).status_code == 200
        async with listening(address):
            return address.url, address.stream_url

    url, stream_url = served(ask, host="0.0.0.0")
    assert url.startswith("http://127.0.0.1:")
    assert stream_url == url.replace("http", "ws") + "/stream"


def test_an_address_of_the_sixth_version_is_written_in_brackets() -> None:
    async def ask(world: World, address: Address) -> str:
        async with httpx.AsyncClient(trust_env=False, auth=(address.key, address.secret)) as http:
            assert (await http.get(f"{address.url}/v2/clock")).status_code == 200
        return address.url

    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no loopback of the sixth version here")
    assert served(ask, host="::1").startswith("http://[::1]:")


def test_the_server_is_up_within_a_second() -> None:
    """Counted in the processor's seconds, as other work on the machine is not the server's; interpreter included."""
    program = """
import asyncio, time
from fillwatch.simulator import World
from fillwatch.simulator.server import serve
async def main():
    async with serve(World(1, clock=asyncio.get_running_loop().time)):
        print(time.process_time())
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.0
