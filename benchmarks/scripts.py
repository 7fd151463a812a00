"""What happens at the broker while a system watches: the hard cases of the table, and one fill after another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from fillwatch.core.orders import OrderRequest, Side
from fillwatch.simulator import NO_FAULTS, Fate, Faults, Kind, Op, Rule, World
from fillwatch.simulator.acts import execute
from fillwatch.simulator.plans import Act, Step
from fillwatch.simulator.stream_faults import StreamFaults

Play = Callable[[World, Sequence[str]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """`orders` of this fate are watched, then `play` happens, then all have `patience` seconds to be told.

    `timeout`: seconds after which the system is to cancel. `crowd`: orders of others that are placed after them.
    `settling`: seconds that the system may take to find them before it says that it watches; `share`: of the limit.
    """

    name: str
    play: Play
    orders: int = 1
    fate: Fate = Fate.NEVER
    crowd: int = 0
    timeout: float | None = None
    patience: float = 45.0
    settling: float = 3.0
    share: float = 0.95
    seed: int = 1
    faults: Faults = field(default=NO_FAULTS)

    def place(self, world: World) -> list[str]:
        """The orders to be watched."""
        order_ids = [world.place(_request(number), self.fate) for number in range(self.orders)]
        for number in range(self.crowd):
            world.place(_request(number), Fate.NEVER, foreign=True)
        return order_ids


def _request(number: int) -> OrderRequest:
    symbol = ("AAPL", "MSFT", "TSLA", "NVDA")[number % 4]
    price = Decimal("10.00")
    return OrderRequest(
        symbol=symbol, side=Side.BUY, qty=Decimal(100), order_type="limit", limit_price=price, time_in_force="gtc"
    )


def do(world: World, order_id: str, act: Act, share: float = 1.0) -> None:
    """Let this happen to the order now."""
    market, now = world.door.market, world.advance()
    market.schedule(market.records[order_id], Step(after=0.0, act=act, share=share), now, last=False)
    world.advance()
    world.wake()


def _since(world: World) -> float:
    return world.advance() - world.start


async def _missed_partial(world: World, order_ids: Sequence[str]) -> None:
    world.faults = Faults(stream=StreamFaults(drop=1.0))
    do(world, order_ids[0], Act.FILL, 0.4)
    await asyncio.sleep(0.3)
    world.faults = NO_FAULTS
    do(world, order_ids[0], Act.CANCEL)


async def _stale(world: World, order_ids: Sequence[str]) -> None:
    do(world, order_ids[0], Act.FILL)
    await asyncio.sleep(1.0)
    world.faults = Faults(stale=1.0, stale_seconds=10.0, operations=frozenset({Op.LOOK, Op.LIST}))
    await asyncio.sleep(8.0)
    world.faults = NO_FAULTS


async def _late_fill(world: World, order_ids: Sequence[str]) -> None:
    do(world, order_ids[0], Act.CANCEL)
    await asyncio.sleep(5.0)
    market = world.door.market
    record = market.records[order_ids[0]]
    execute(market, record, world.advance(), quantity=record.left, price=Decimal("10.00"))
    world.wake()


async def _storm(world: World, order_ids: Sequence[str]) -> None:
    world.faults = Faults(rate_limited=1.0)
    await asyncio.sleep(3.0)
    do(world, order_ids[0], Act.FILL)
    await asyncio.sleep(12.0)
    world.faults = NO_FAULTS


async def _times_out(world: World, order_ids: Sequence[str]) -> None:
    now = _since(world)
    hang = Rule(kind=Kind.TIMEOUT_BEFORE, operations=frozenset({Op.LOOK}), start=now, end=now + 15.0)
    world.faults = Faults(rules=(hang,))
    await asyncio.sleep(2.0)
    do(world, order_ids[0], Act.FILL)


async def _fill(world: World, order_ids: Sequence[str]) -> None:
    do(world, order_ids[0], Act.FILL)


async def _burst(world: World, order_ids: Sequence[str], parts: int = 50) -> None:
    for left in range(parts, 0, -1):
        for order_id in order_ids:
            do(world, order_id, Act.FILL, 1.0 / left)
        await asyncio.sleep(0.5 / parts)


async def _correction(world: World, order_ids: Sequence[str]) -> None:
    do(world, order_ids[0], Act.FILL)
    await asyncio.sleep(4.0)
    do(world, order_ids[0], Act.CORRECT)


async def _by_itself(world: World, order_ids: Sequence[str]) -> None:
    await asyncio.sleep(10.0)


#: The rows of the table.
HARD = (
    Script(name="missed partial, then cancel", play=_missed_partial),
    Script(name="stale `new` after `filled`", play=_stale),
    Script(name="late fill after terminal", play=_late_fill),
    Script(name="429 storm", play=_storm),
    Script(name="targeted query times out", play=_times_out),
    Script(name="list cut at the page limit", play=_fill, crowd=600),
    Script(name="burst of 5,000", play=_burst, orders=100, patience=60.0),
    Script(name="correction", play=_correction),
    Script(name="replace chain", play=_by_itself, fate=Fate.REPLACED_TWICE),
    Script(name="204 to the cancel, then a fill", play=_by_itself, fate=Fate.FILLED_AFTER_CANCEL, timeout=6.0),
)


def one_after_another(
    orders: int,
    seconds: float,
    *,
    per_second: float = 0.5,
    others: int = 0,
    lossy: bool = False,
    settling: float = 3.0,
    share: float = 0.95,
) -> Script:
    """Fills of `orders` resting orders at random moments for so many seconds.

    With `others`, somebody else's cancel comes after each so many fills. With `lossy`, the stream loses every tenth
    event and breaks every 30 s.
    """

    async def play(world: World, order_ids: Sequence[str]) -> None:
        rng, left, number = Random(5), list(order_ids), 0
        until = _since(world) + seconds
        rate = per_second * (1 + 1 / others) if others else per_second
        while left and (pause := rng.expovariate(rate)) + _since(world) < until:
            await asyncio.sleep(pause)
            number += 1
            act = Act.CANCEL if others and number % (others + 1) == 0 else Act.FILL
            do(world, left.pop(rng.randrange(len(left))), act)

    stream = StreamFaults(drop=0.1, disconnect_every=30.0) if lossy else StreamFaults()
    return Script(
        name=f"{orders:,} orders{', lossy stream' if lossy else ''}",
        play=play,
        orders=orders,
        patience=60.0,
        settling=settling,
        share=share,
        faults=Faults(stream=stream),
    )
