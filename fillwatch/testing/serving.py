"""A simulated server in a thread of its own, in real time: for bots of any kind, synchronous ones included."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue

from fillwatch.simulator import World
from fillwatch.simulator.scenarios import Scenario, enact
from fillwatch.simulator.server import Address, serve
from fillwatch.testing.sim import Json, Sim

#: Seconds that starting and ending may take.
PATIENCE = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlpacaServer:
    """Where the server is, the keys it takes, and the client that controls it."""

    url: str
    stream_url: str
    key: str
    secret: str = field(repr=False)
    sim: Sim = field(repr=False)

    @property
    def ledger(self) -> Json:
        """What really happened, as `GET /sim/ledger` has it."""
        return self.sim.ledger

    @property
    def headers(self) -> Mapping[str, str]:
        """What every request has to show."""
        return {"APCA-API-KEY-ID": self.key, "APCA-API-SECRET-KEY": self.secret}

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that lead a bot here, if it takes its keys from the usual ones."""
        return {
            "APCA_API_KEY_ID": self.key,
            "APCA_API_SECRET_KEY": self.secret,
            "APCA_API_BASE_URL": self.url,
        }


@contextmanager
def alpaca_server(scenario: Scenario, seed: int) -> Iterator[AlpacaServer]:
    """A server on a free port of loopback, in which `scenario` begins at once. Its end waits for its thread."""
    told: SimpleQueue[tuple[Address, asyncio.AbstractEventLoop, asyncio.Event] | OSError] = SimpleQueue()
    thread = threading.Thread(
        target=lambda: asyncio.run(_serving(scenario, seed, told)), name="alpaca_server", daemon=True
    )
    thread.start()
    found = told.get(timeout=PATIENCE)
    if isinstance(found, OSError):
        raise found
    address, loop, over = found
    try:
        yield AlpacaServer(
            url=address.url,
            stream_url=address.stream_url,
            key=address.key,
            secret=address.secret,
            sim=Sim(address.url, address.key, address.secret),
        )
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(PATIENCE)
        if thread.is_alive():
            raise RuntimeError(f"the simulated server did not end within {PATIENCE:g} s")


async def _serving(
    scenario: Scenario,
    seed: int,
    told: SimpleQueue[tuple[Address, asyncio.AbstractEventLoop, asyncio.Event] | OSError],
) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    world = World(seed, clock=loop.time)
    enact(scenario, world)
    try:
        async with serve(world) as address:
            told.put((address, loop, over))
            await over.wait()
    except OSError as error:
        told.put(error)
