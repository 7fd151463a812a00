"""A world served on loopback from a thread of its own, so that clients that block can talk to it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

from fillwatch.simulator import World
from fillwatch.simulator.server import Address, serve
from tests.fidelity.alpaca_client import TradingClient

T = TypeVar("T")


class HandClock:
    """A clock that moves when it is told to: no test waits for the market."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Offline:
    """A broker that listens. The world belongs to the server's thread: `do` is the way to it."""

    address: Address
    clock: HandClock
    _world: World
    _loop: asyncio.AbstractEventLoop

    def client(self, *, raw: bool = False, key: str | None = None) -> TradingClient:
        """The real client, as its users make it."""
        return TradingClient(
            key or self.address.key, self.address.secret, paper=True, raw_data=raw, url_override=self.address.url
        )

    def headers(self) -> dict[str, str]:
        """The keys, for clients that know nothing of Alpaca."""
        return {"APCA-API-KEY-ID": self.address.key, "APCA-API-SECRET-KEY": self.address.secret}

    def do(self, act: Callable[[World], T]) -> T:
        """Carry `act` out in the server's thread and return what it returns."""

        async def acting() -> T:
            return act(self._world)

        return asyncio.run_coroutine_threadsafe(acting(), self._loop).result(timeout=10.0)

    def wait(self, seconds: float | timedelta) -> None:
        """Let the world's time pass, and everything happen that is due by then."""
        more = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds

        def pass_(world: World) -> None:
            self.clock.seconds += more
            world.advance()

        self.do(pass_)

    def price(self, symbol: str, price: str) -> None:
        """Set the market's price, and let the orders hear of it."""
        self.do(lambda world: world.set_price(symbol, Decimal(price)))
        self.wait(2.0)


@contextmanager
def offline(make: Callable[[HandClock], World]) -> Iterator[Offline]:
    """Serve the world until the block is left."""
    clock = HandClock()
    ready: concurrent.futures.Future[Offline] = concurrent.futures.Future()
    over = asyncio.Event()

    async def run() -> None:
        world = make(clock)
        async with serve(world) as address:
            ready.set_result(Offline(address=address, clock=clock, _world=world, _loop=asyncio.get_running_loop()))
            await over.wait()

    def main() -> None:
        try:
            asyncio.run(run())
        except (OSError, ValueError, TypeError) as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=main, name="offline broker")
    thread.start()
    try:
        yield ready.result(timeout=10.0)
    finally:
        if ready.done() and ready.exception() is None:
            ready.result()._loop.call_soon_threadsafe(over.set)
        thread.join(timeout=10.0)
    assert not thread.is_alive(), "the server has not stopped"
