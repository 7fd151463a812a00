"""What the offline broker costs: its start, one small request, and ten thousand open orders."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from http.client import HTTPConnection
from threading import Barrier, Thread
from types import MappingProxyType

from benchmarks.figures import Figure, Row, keep
from benchmarks.processes import processor_of
from fillwatch.core.orders import OrderRequest, Side
from fillwatch.simulator import Call, Fate, Op, Query, World
from fillwatch.simulator.clocks import Clock
from fillwatch.simulator.draws import SYMBOLS

COMMAND = (sys.executable, "-c", "from fillwatch.cli import main; main()", "simulate", "--json", "--port", "0")
CLIENTS, REQUESTS = 4, 3_000
OPEN, STARTS = 10_000, 5
#: Aims: seconds in which it can be asked, and requests for each second of a core.
STARTS_WITHIN, SERVED = 1.0, 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A simulator in a process of its own. `started`: seconds until it could be asked."""

    port: int
    headers: Mapping[str, str]
    process: int
    started: float

    def ask(self, method: str, path: str, body: object = None) -> bytes:
        """The body of one answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30.0)
        connection.request(method, path, None if body is None else json.dumps(body), dict(self.headers))
        said = connection.getresponse().read()
        connection.close()
        return said


@contextmanager
def served(*options: str) -> Iterator[Served]:
    """The command `fillwatch simulate`, until the block is left."""
    began = time.perf_counter()
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            started = time.perf_counter() - began
            yield Served(
                port=int(said["url"].rpartition(":")[2]),
                headers={"APCA-API-KEY-ID": said["key"], "APCA-API-SECRET-KEY": said["secret"]},
                process=process.pid,
                started=started,
            )
        finally:
            process.terminate()


def start() -> Iterator[str]:
    """The simulated server: from the command to the line that says where it is."""
    times, used = [], []
    for _ in range(STARTS):
        with served() as broker:
            times.append(broker.started)
            used.append(processor_of(broker.process))
    yield from _kept(
        "start",
        f"the simulated server starts, {STARTS} times",
        Figure(name="until it can be asked, the fastest", value=min(times), unit="s", at_most=STARTS_WITHIN),
        Figure(name="its work till then, the least", value=min(used), unit="s"),
        Figure(name="until it can be asked, the slowest", value=max(times), unit="s"),
    )


def requests() -> Iterator[str]:
    """The simulated server: requests a second, over connections that are kept, on one core of its own."""
    with served("--limit", "0", "--seed", "1") as broker:
        order_id = json.loads(broker.ask("POST", "/sim/orders", {"orders": [{"fate": "never"}]}))["orders"][0]
        headers = "".join(f"{name}: {value}\r\n" for name, value in broker.headers.items())
        request = f"GET /v2/orders/{order_id} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode()
        rates = []
        for _ in range(3):
            used, began = processor_of(broker.process), time.perf_counter()
            _storm(broker.port, request)
            wall, used = time.perf_counter() - began, processor_of(broker.process) - used
            rates.append((CLIENTS * REQUESTS / (used or wall), CLIENTS * REQUESTS / wall))
    by_cpu, by_wall = max(rates)
    yield from _kept(
        "requests",
        f"single-order GETs over {CLIENTS} connections",
        Figure(name="for each second of one core", value=by_cpu, unit="requests", at_least=SERVED),
        Figure(name="for each second on the wall, other load included", value=by_wall, unit="requests"),
    )


def _storm(port: int, request: bytes) -> None:
    gate = Barrier(CLIENTS)

    def client() -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            gate.wait()
            for _ in range(REQUESTS):
                connection.sendall(request)
                said = connection.recv(65_536)
                head, _, body = said.partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                while len(body) < length:
                    body += connection.recv(65_536)
                assert head.startswith(b"HTTP/1.1 200"), head

    clients = [Thread(target=client) for _ in range(CLIENTS)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()


def crowd() -> Iterator[str]:
    """The simulated broker with ten thousand resting orders: memory, prices, pages of its list."""
    clock = Clock()
    world = World(1, clock=clock, requests_per_minute=None, fate=Fate.MARKET)
    tracemalloc.start()
    began = time.perf_counter()
    for number in range(OPEN):
        request = OrderRequest(
            symbol=SYMBOLS[number % len(SYMBOLS)],
            side=Side.BUY,
            qty=Decimal(1),
            order_type="limit",
            limit_price=Decimal("1.00") + Decimal(number % 100) / 100,
            time_in_force="gtc",
        )
        world.place(request)
    clock.move_to(1.0)
    world.advance()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    placed = time.perf_counter() - began
    began = time.perf_counter()
    clock.move_to(61.0)
    world.advance()
    prices = (time.perf_counter() - began) / 60
    pages = [min(_page(world, status) for _ in range(3)) for status in ("open", "all")]
    yield from _kept(
        "crowd",
        f"the simulated broker with {OPEN:,} open orders",
        Figure(name="an open order", value=used / OPEN / 1000, unit="kB"),
        Figure(name="placing all of them", value=placed, unit="s"),
        Figure(name=f"a second of prices of {len(SYMBOLS)} symbols", value=prices * 1e6, unit="µs"),
        Figure(name="a page of 500, open ones", value=pages[0] * 1e3, unit="ms"),
        Figure(name="a page of 500, all statuses", value=pages[1] * 1e3, unit="ms"),
    )


def _page(world: World, status: str) -> float:
    began = time.perf_counter()
    answer = world.receive(Call(op=Op.LIST, query=Query(status=status, limit=500))).answer
    assert len(answer.versions) == 500
    return time.perf_counter() - began


def crowd_over_http() -> Iterator[str]:
    """A page of the list among ten thousand orders, as a client of the simulated server gets it."""
    with served("--limit", "0", "--seed", "1") as broker:
        broker.ask("POST", "/sim/orders", {"populate": OPEN, "fates": "never"})
        times = []
        for _ in range(5):
            began = time.perf_counter()
            page = json.loads(broker.ask("GET", "/v2/orders?status=open&limit=500"))
            times.append(time.perf_counter() - began)
            assert len(page) == 500
    yield from _kept(
        "crowd_http",
        f"a page of 500 of {OPEN:,} open orders over HTTP",
        Figure(name="the fastest", value=min(times) * 1e3, unit="ms"),
        Figure(name="the slowest", value=max(times) * 1e3, unit="ms"),
    )


def _kept(name: str, case: str, *figures: Figure) -> Iterator[str]:
    row = Row(case=case, figures=figures, facts={})
    yield from row.lines
    keep(name, [row])


BENCHMARKS: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType(
    {"start": start, "requests": requests, "crowd": crowd, "crowd_http": crowd_over_http}
)
