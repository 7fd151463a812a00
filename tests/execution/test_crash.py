"""`kill -9` at any instant of a run of trades: a child process trades against the simulated server, with faults, is
killed, started again, and in the end the ledger is compared. FILLWATCH_CRASHES says how often (25 in the suite).
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from queue import SimpleQueue
from random import Random
from typing import TypeVar

import pytest

from fillwatch.core.trade_facts import client_id
from fillwatch.simulator import Fate, Faults, World
from fillwatch.simulator.server import Address, serve
from tests.execution.crash_child import QUANTITY
from tests.execution.scene import bare_shares

T = TypeVar("T")

CRASHES = int(os.environ.get("FILLWATCH_CRASHES", "25"))
#: Trades of each life.
TRADES = 3
#: Nothing that takes ten seconds to be noticed: the moments between are what matters.
WEATHER = Faults(
    reset_before=0.03,
    reset_after=0.06,
    error_after=0.06,
    server_error=0.05,
    cut_off=0.03,
    stale=0.05,
    stale_seconds=0.5,
)
#: Seconds that a last life may take to settle everything.
PATIENCE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server in a thread of its own, and the world behind it."""

    address: Address
    world: World
    loop: asyncio.AbstractEventLoop

    def inside(self, question: Callable[[World], T]) -> T:
        """What `question(world)` answers in the world's own thread."""

        async def ask() -> T:
            return question(self.world)

        return asyncio.run_coroutine_threadsafe(ask(), self.loop).result(30.0)


@contextmanager
def server(seed: int) -> Iterator[Server]:
    told: SimpleQueue[tuple[Server, asyncio.Event]] = SimpleQueue()

    async def run() -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        world = World(seed, clock=loop.time, fate=Fate.MARKET, faults=WEATHER, requests_per_minute=None)
        async with serve(world) as address:
            told.put((Server(address=address, world=world, loop=loop), over))
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="crash-server", daemon=True)
    thread.start()
    made, over = told.get(timeout=20.0)
    try:
        yield made
    finally:
        made.loop.call_soon_threadsafe(over.set)
        thread.join(20.0)


def start(there: Server, journal: Path, life: int, symbols: list[str]) -> subprocess.Popen[bytes]:
    """A bot, once it has loaded what it needs: how long that takes says nothing about trading."""
    environment = {
        **os.environ,
        "APCA_API_KEY_ID": there.address.key,
        "APCA_API_SECRET_KEY": there.address.secret,
        "APCA_API_BASE_URL": there.address.url,
    }
    prices = there.inside(lambda world: {symbol: world.price(symbol) for symbol in symbols})
    command = [sys.executable, "-m", "tests.execution.crash_child", str(journal), str(life)]
    wishes = [f"{symbol}@{price}" for symbol, price in prices.items()]
    child = subprocess.Popen([*command, *wishes], env=environment, stdout=subprocess.PIPE, bufsize=0)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    return child


def symbols_of(life: int) -> list[str]:
    first, second = divmod(life, 26)
    return [f"Z{chr(65 + first)}{chr(65 + second)}{letter}" for letter in "ABC"[:TRADES]]


def said(lines: str) -> Iterator[tuple[str, Decimal, bool]]:
    """Intent, filled quantity and protection from each line that was written whole."""
    for line in lines.splitlines():
        intent, filled, protected, *reason = line.split(" ", 3)
        if reason:
            yield intent, Decimal(filled), protected == "1"


@pytest.mark.parametrize("seed", [1])
def test_kill_minus_nine_loses_doubles_and_bares_nothing(seed: int, tmp_path: Path) -> None:
    draw, journal = Random(seed), tmp_path / "crash.journal"
    lines = ""
    with server(seed) as there:
        for life in range(CRASHES):
            child = start(there, journal, life, symbols_of(life))
            try:
                # From before its first request to after its last exits.
                out, _ = child.communicate(timeout=draw.uniform(0.05, 2.2))
                assert child.returncode == 0, "the bot ended with an error of its own"
            except subprocess.TimeoutExpired:
                child.kill()
                out, _ = child.communicate()
            lines += out.decode()
        last = start(there, journal, CRASHES, [])
        out, _ = last.communicate(timeout=PATIENCE)
        assert last.returncode == 0
        told = {intent: (filled, protected) for intent, filled, protected in said(lines + out.decode())}
        wrong = there.inside(lambda world: compare(world, told))
    assert not wrong, "\n".join(wrong)


def compare(world: World, told: dict[str, tuple[Decimal, bool]]) -> list[str]:
    """What the ledger has against what was done and said."""
    orders = [world.ledger.truth(order_id) for order_id in world.ledger.order_ids]
    wrong = []
    filled_at_all = 0
    for life in range(CRASHES):
        for symbol in symbols_of(life):
            intent = f"{life}-{symbol}"
            entries = [order for order in orders if order.client_order_id == client_id(intent, "e1")]
            executed = sum((world.ledger.executed_at(order.order_id) for order in entries), Decimal(0))
            filled_at_all += bool(executed)
            if len(entries) > 1:
                wrong.append(f"{intent}: {len(entries)} entries")
            if executed > QUANTITY:
                wrong.append(f"{intent}: {executed} bought")
            if intent in told and told[intent][0] != executed:
                wrong.append(f"{intent}: {told[intent][0]} told, {executed} executed")
            bare = bare_shares(world, symbol)
            if bare and told.get(intent, (executed, True))[1]:
                wrong.append(f"{intent}: {bare} bare without saying so")
            if any(not order.status.is_terminal for order in entries):
                wrong.append(f"{intent}: its entry still lives")
    if filled_at_all < CRASHES // 2:
        wrong.append(f"only {filled_at_all} trades got as far as a fill")
    return wrong
