"""alpaca-py's own `TradingStream`, unchanged, against the simulated stream, in real time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import TypeVar

import pytest

from fillwatch.core.orders import OrderRequest, Side
from fillwatch.simulator import Fate, Faults, World
from fillwatch.simulator.plans import NEW_WORDS
from fillwatch.simulator.server import Address, serve
from fillwatch.simulator.stream_faults import Frames, StreamFaults
from tests.simulator.alpaca_client import (
    LimitOrderRequest,
    MarketOrderRequest,
    Order,
    OrderSide,
    TimeInForce,
    TradeUpdate,
    TradingClient,
    TradingStream,
)

T = TypeVar("T")
#: Orders for this symbol are there to find out whether the stream listens.
PROBE = "QQQ"


@pytest.fixture(autouse=True)
def quiet_alpaca() -> Iterator[None]:
    """alpaca-py logs each disconnect."""
    log = logging.getLogger("alpaca")
    before, log.disabled = log.disabled, True
    yield
    log.disabled = before


class Bot:
    """alpaca-py's two clients on a served world, and what the stream has told."""

    def __init__(self, world: World, address: Address, secret: str | None = None) -> None:
        self.world = world
        self.client = TradingClient(address.key, address.secret, paper=True, url_override=address.url)
        self.stream = TradingStream(address.key, secret or address.secret, url_override=address.stream_url)
        self.updates: list[TradeUpdate] = []
        self._hears = asyncio.Event()
        self.stream.subscribe_trade_updates(self._take)

    async def _take(self, update: TradeUpdate) -> None:
        if update.order.symbol == PROBE:
            self._hears.set()
        else:
            self.updates.append(update)

    @property
    def events(self) -> list[str]:
        return [str(getattr(update.event, "value", update.event)) for update in self.updates]

    async def until(self, event: str, symbol: str | None = None) -> None:
        """Wait until the stream has told of such an event (of this symbol)."""
        async with asyncio.timeout(5.0):
            while not any(
                name == event and symbol in (None, update.order.symbol)
                for name, update in zip(self.events, self.updates, strict=True)
            ):
                await asyncio.sleep(0.005)

    async def connected(self) -> None:
        """Wait until the stream listens: probes are sent until one is heard of."""
        self._hears.clear()
        async with asyncio.timeout(10.0):
            while not self._hears.is_set():
                self.order(PROBE, Fate.NEVER)
                await asyncio.sleep(0.02)

    def order(self, symbol: str, fate: Fate) -> None:
        """An order that somebody places."""
        self.world.place(OrderRequest(symbol=symbol, side=Side.BUY, qty=Decimal(1)), fate)


def with_bot(
    test: Callable[[Bot], Awaitable[T]],
    *,
    fate: Fate | None = None,
    faults: Faults | None = None,
    secret: str | None = None,
) -> T:
    """Serve a world in real time with alpaca-py's stream connected to it."""

    async def run() -> T:
        world = World(7, clock=asyncio.get_running_loop().time, fate=fate, faults=faults or Faults())
        async with serve(world) as address:
            bot = Bot(world, address, secret)
            running = asyncio.create_task(bot.stream._run_forever())  # type: ignore[no-untyped-call] # alpaca-py has no types here
            if secret is None:
                await bot.connected()
            result = await test(bot)
            await bot.stream.stop_ws()
            await bot.stream.close()
            async with asyncio.timeout(6.0):
                await running
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return asyncio.run(run())


@pytest.mark.parametrize("frames", Frames)
def test_the_real_stream_follows_an_order_from_its_submission_to_its_fill(frames: Frames) -> None:
    async def session(bot: Bot) -> tuple[Order, list[TradeUpdate]]:
        request = MarketOrderRequest(symbol="AAPL", qty=7, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
        sent = await asyncio.to_thread(bot.client.submit_order, request)
        assert isinstance(sent, Order)
        await bot.until("fill")
        return sent, bot.updates

    sent, updates = with_bot(session, fate=Fate.INSTANT, faults=Faults(stream=StreamFaults(frames=frames)))
    fill = updates[-1] if updates[-1].event == "fill" else updates[-2]
    assert {update.order.id for update in updates} == {sent.id}
    assert (fill.qty, fill.position_qty) == (7.0, 7.0)
    assert fill.order.status == "filled"
    assert fill.order.filled_qty == "7"
    assert Decimal(str(fill.price)) == Decimal(str(fill.order.filled_avg_price))


def test_the_real_stream_hears_of_a_cancel_and_of_a_partial_fill() -> None:
    async def session(bot: Bot) -> list[str]:
        request = LimitOrderRequest(
            symbol="SPY", qty=10, side=OrderSide.BUY, time_in_force=TimeInForce.GTC, limit_price=90
        )
        sent = await asyncio.to_thread(bot.client.submit_order, request)
        assert isinstance(sent, Order)
        await bot.until("new")
        await asyncio.to_thread(bot.client.cancel_order_by_id, sent.id)
        await bot.until("canceled")
        return bot.events

    events = with_bot(session, fate=Fate.HALF_AFTER_CANCEL)
    rest = iter(events)
    assert all(event in rest for event in ("new", "pending_cancel", "partial_fill", "canceled"))


def test_the_real_stream_is_turned_away_with_wrong_keys_and_comes_again() -> None:
    async def session(bot: Bot) -> list[TradeUpdate]:
        await asyncio.sleep(0.1)
        bot.order("F", Fate.INSTANT)
        await asyncio.sleep(0.3)
        return bot.updates

    assert with_bot(session, secret="not the secret") == []


def test_after_a_disconnect_the_real_stream_comes_back_and_has_missed_what_happened() -> None:
    async def session(bot: Bot) -> tuple[set[str], int]:
        bot.order("F", Fate.INSTANT)
        await bot.until("fill")
        since = bot.world.advance() - bot.world.start
        bot.world.faults = Faults(stream=StreamFaults(disconnect_at=(since + 0.001,)))
        bot.world.wake()
        await asyncio.sleep(0.02)
        bot.order("TSLA", Fate.INSTANT)
        await bot.connected()
        bot.order("SPY", Fate.INSTANT)
        await bot.until("fill", symbol="SPY")
        return {str(update.order.symbol) for update in bot.updates}, bot.world.reached["stream:disconnect"]

    symbols, disconnects = with_bot(session)
    assert symbols == {"F", "SPY"}
    assert disconnects == 1


def test_null_data_unreadable_frames_and_new_words_do_not_deafen_the_real_stream() -> None:
    async def session(bot: Bot) -> list[tuple[str, object]]:
        for symbol, kind in (("A", "data_null"), ("B", "unreadable"), ("C", "unknown_status"), ("D", "unknown_event")):
            bot.world.faults = Faults(stream=StreamFaults(**{kind: 1.0}))  # type: ignore[arg-type] # a share
            bot.order(symbol, Fate.INSTANT)
            await asyncio.sleep(0.15)
        bot.world.faults = Faults()
        bot.order("E", Fate.INSTANT)
        await bot.until("fill", symbol="E")
        return [(str(update.order.symbol), update.event) for update in bot.updates]

    seen = with_bot(session)
    assert {symbol for symbol, _ in seen} == {"D", "E"}, "the rest is lost, not the connection"
    assert {event for symbol, event in seen if symbol == "D"} <= set(NEW_WORDS)
