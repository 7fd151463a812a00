"""`kill -9` at any instant of a run of trades: a child process trades against the simulated server, with faults, is
killed, started again, and in the end the ledger is compared. FILLWATCH_CRASHES says how often (25 in the suite).
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import SimpleQueue
from random import Random
from typing import TypeVar

import pytest

from fillwatch.core.trade_facts import client_id
from fillwatch.simulator import Fate, Faults, World
from fillwatch.simulator.server import Address, serve
from tests.execution.crash_child import QUANTITY, READY, UNKNOWN, run
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
#: Seconds that a last life may take to settle everything; and how many of them there may be, for an order whose fate
#: is in doubt when a life has done with everything else is left open in the journal, and its result says so.
PATIENCE, LAST_LIVES = 60.0, 3
#: Of each trade that was told of, by its intent: shares (None: told to be unknown), and whether they are protected.
Told = dict[str, tuple[Decimal | None, bool]]


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


# A life is forked from a process that has loaded what it needs, which takes longer than to live it.
LIVES: ForkServerContext | SpawnContext = (
    multiprocessing.get_context("forkserver")
    if "forkserver" in multiprocessing.get_all_start_methods()
    else multiprocessing.get_context("spawn")
)
LIVES.set_forkserver_preload(["tests.execution.crash_child", "fillwatch.brokers.alpaca.transport"])


@contextmanager
def living(there: Server, journal: Path, life: int, symbols: list[str]) -> Iterator[tuple[BaseProcess, Connection]]:
    """A bot that is ready, and what it says; killed at the end of the block if it is still there."""
    prices = there.inside(lambda world: {symbol: world.price(symbol) for symbol in symbols})
    ear, mouth = LIVES.Pipe(duplex=False)
    child = LIVES.Process(target=run, args=(there.address, journal, life, prices, mouth))
    with ear:
        with mouth:
            child.start()
        try:
            assert ear.recv() == READY
            yield child, ear
        finally:
            child.kill()
            child.join()
            child.close()


def symbols_of(life: int) -> list[str]:
    first, second = divmod(life, 26)
    return [f"Z{chr(65 + first)}{chr(65 + second)}{letter}" for letter in "ABC"[:TRADES]]


def hear(ear: Connection, seconds: float, told: Told) -> bool:
    """Note quantity and protection of each trade that is told of, for so many seconds; whether the life has ended."""
    until = time.monotonic() + seconds
    try:
        while ear.poll(max(until - time.monotonic(), 0.0)):
            intent, filled, protected, _ = ear.recv().split(" ", 3)
            told[intent] = None if filled == UNKNOWN else Decimal(filled), protected == "1"
    except EOFError:
        return True
    return False


@pytest.mark.parametrize("seed", [1])
def test_kill_minus_nine_loses_doubles_and_bares_nothing(seed: int, tmp_path: Path) -> None:
    draw, journal = Random(seed), tmp_path / "crash.journal"
    told: Told = {}
    with server(seed) as there:
        for life in range(CRASHES):
            with living(there, journal, life, symbols_of(life)) as (child, ear):
                # From before its first request to after its last exits.
                if hear(ear, draw.uniform(0.05, 2.2), told):
                    child.join()
                    assert child.exitcode == 0, "the bot ended with an error of its own"
                else:
                    child.kill()
                    assert hear(ear, PATIENCE, told)
        for _ in range(LAST_LIVES):
            with living(there, journal, CRASHES, []) as (last, ear):
                assert hear(ear, PATIENCE, told)
                last.join()
                assert last.exitcode == 0
            if all(filled is not None for filled, _ in told.values()):
                break
        wrong = there.inside(lambda world: compare(world, told))
    assert not wrong, "\n".join(wrong)


def compare(world: World, told: Told) -> list[str]:
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
            if intent in told and told[intent][0] != executed:  # unknown is no last word
                wrong.append(f"{intent}: {told[intent][0]} told, {executed} executed")
            bare = bare_shares(world, symbol)
            if bare and told.get(intent, (executed, True))[1]:
                wrong.append(f"{intent}: {bare} bare without saying so")
            if any(not order.status.is_terminal for order in entries):
                wrong.append(f"{intent}: its entry still lives")
    if filled_at_all < CRASHES // 2:
        wrong.append(f"only {filled_at_all} trades got as far as a fill")
    return wrong
