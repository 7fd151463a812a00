"""The synchronous door, in real time and from threads: the same trades, blocking their callers only."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

from fillwatch.core.config import FillDetectionConfig, RateLimit
from fillwatch.core.errors import EngineClosed, KeysRefused
from fillwatch.core.trade_amendment import TradeAmendment
from fillwatch.core.trade_facts import client_id
from fillwatch.journal import SqliteJournal
from fillwatch.simulator import Fate, SimulatedBroker, World
from fillwatch.sync import SmartOrderExecutor

#: Nothing waits for its turn in these tests: their subject is threads.
FAST = FillDetectionConfig(rate_limit=RateLimit(limit=60_000), initial_poll_interval=0.05, max_poll_interval=0.05)


def world(**settings: object) -> World:
    return World(1, clock=time.monotonic, requests_per_minute=None, **({"fate": Fate.INSTANT} | settings))  # type: ignore[arg-type]


def executor(place: World) -> SmartOrderExecutor:
    return SmartOrderExecutor(SimulatedBroker(place, latency=(0.0, 0.001)), watching=FAST)


@pytest.fixture
def place() -> World:
    return world()


@pytest.fixture
def bot(place: World) -> Iterator[SmartOrderExecutor]:
    with executor(place) as made:
        yield made


def test_a_trade_from_a_synchronous_bot(bot: SmartOrderExecutor, place: World) -> None:
    result = bot.execute_trade("AAPL", "buy", 10, place.price("AAPL"), 2.0)
    assert result.fill is not None
    assert result.fill.filled
    assert result.filled_price
    assert result.position_protected
    assert len(result.exit_order_ids) == 2


def test_many_threads_trade_at_a_time(bot: SmartOrderExecutor, place: World) -> None:
    symbols = ["AAPL", "MSFT", "NVDA", "TSLA"]
    prices = {symbol: place.price(symbol) for symbol in symbols}
    with ThreadPoolExecutor(len(symbols)) as pool:
        calls = [pool.submit(bot.execute_trade, symbol, "buy", 10, prices[symbol], 2) for symbol in symbols]
        results = [call.result(timeout=30) for call in calls]
    assert all(result.position_protected for result in results)
    assert len({result.order_id for result in results}) == len(symbols)


def test_what_happens_after_a_result_is_told_to_a_thread_that_listens(place: World) -> None:
    """It ends with the executor."""
    heard: list[TradeAmendment] = []
    with executor(place) as bot:
        ear = threading.Thread(target=lambda: heard.extend(bot.amendments()))
        ear.start()
        assert bot.execute_trade("AAPL", "buy", 10, place.price("AAPL"), 2).position_protected
        give_up = time.monotonic() + 15.0
        while not heard and time.monotonic() < give_up:
            time.sleep(0.01)  # one of the exits fills by itself
    ear.join(timeout=15)
    assert not ear.is_alive()
    assert heard[-1].amended.exit_quantity == 10


def test_a_caller_that_is_interrupted_ends_nothing(bot: SmartOrderExecutor, place: World) -> None:
    """Ctrl-C reaches the waiting thread; the trade goes on and gives its result to whoever asks next."""
    main = threading.get_ident()
    price = place.price("AAPL")

    def ask_for_ever() -> None:
        while True:
            bot.execute_trade("AAPL", "buy", 10, price, 2, intent_id="T")

    threading.Timer(0.05, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        ask_for_ever()
    assert bot.execute_trade("AAPL", "buy", 10, price, 2, intent_id="T").position_protected
    ids = [place.ledger.truth(order_id).client_order_id for order_id in place.ledger.order_ids]
    assert ids.count(client_id("T", "e1")) == 1


def test_the_predecessors_wait_for_a_fill() -> None:
    place = world(fate=None)
    with executor(place) as bot:
        filled, never = place.place(fate=Fate.INSTANT), place.place(fate=Fate.NEVER)
        assert isinstance(bot._wait_for_fill(filled, timeout=10), Decimal)
        assert bot._wait_for_fill(never, timeout=0.2) is None
        assert not place.ledger.truth(never).status.is_terminal


def test_what_is_refused_is_raised_in_the_callers_thread() -> None:
    with pytest.raises(KeysRefused):
        executor(world(refuse_keys=True)).execute_trade("AAPL", "buy", 10, 100, 2)


def test_closing_ends_the_thread_and_every_call() -> None:
    place = world(fate=Fate.NEVER)
    bot = executor(place)
    errors: list[BaseException] = []

    def trade() -> None:
        try:
            bot.execute_trade("AAPL", "buy", 10, place.price("AAPL"), 2)
        except EngineClosed as error:
            errors.append(error)

    caller = threading.Thread(target=trade)
    caller.start()
    give_up = time.monotonic() + 15.0
    while not place.ledger.order_ids:
        assert time.monotonic() < give_up
        time.sleep(0.01)  # the trade runs in another thread, in real time
    bot.close()
    bot.close()
    caller.join(timeout=15)
    assert not caller.is_alive()
    assert len(errors) == 1
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("fillwatch")]
    with pytest.raises(EngineClosed):
        bot.execute_trade("AAPL", "buy", 10, 100, 2)


def test_a_coroutine_is_told_to_use_the_other_class(bot: SmartOrderExecutor) -> None:
    async def call() -> None:
        bot.execute_trade("AAPL", "buy", 10, 100, 2)

    with pytest.raises(RuntimeError, match="asynchronous"):
        asyncio.run(call())


def test_a_journal_is_opened_and_closed_with_it(place: World, tmp_path: Path) -> None:
    path = tmp_path / "trades.journal"
    price = place.price("AAPL")
    results = []
    for _ in range(2):
        broker = SimulatedBroker(place, latency=(0.0, 0.001))
        with SmartOrderExecutor(broker, watching=FAST, journal=SqliteJournal(path)) as bot:
            results.append(bot.execute_trade("AAPL", "buy", 10, price, 2, intent_id="T"))
    assert results[0].order_id == results[1].order_id
    assert results[0].fill == results[1].fill


_BOT_THAT_FORGETS_TO_CLOSE = """
import sys, time
from fillwatch.core.config import FillDetectionConfig, RateLimit
from fillwatch.journal import SqliteJournal
from fillwatch.simulator import Fate, SimulatedBroker, World
from fillwatch.sync import SmartOrderExecutor
world = World(1, clock=time.monotonic, fate=Fate.INSTANT, requests_per_minute=None)
broker = SimulatedBroker(world, latency=(0.0, 0.001))
fast = FillDetectionConfig(rate_limit=RateLimit(limit=60_000))
bot = SmartOrderExecutor(broker, watching=fast, journal=SqliteJournal(sys.argv[1]) if sys.argv[1:] else None)
print(bot.execute_trade("AAPL", "buy", 10, world.price("AAPL"), 2).success)
"""


@pytest.mark.parametrize("keeps_a_journal", [True, False])
def test_a_program_that_does_not_close_it_ends_cleanly(tmp_path: Path, keeps_a_journal: bool) -> None:
    given = [str(tmp_path / "trades.journal")] if keeps_a_journal else []
    command = [sys.executable, "-c", _BOT_THAT_FORGETS_TO_CLOSE, *given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "True", "")
