"""Five thousand pushed events within a second, in real time: is anything lost, and is anybody else kept waiting?

The events are made before the second begins and handed over as a client of the stream does, so that the time is the
engine's; what it costs to read them from frames is measured by itself (`absorb`).
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from types import MappingProxyType

from benchmarks.crowd import wrongs
from benchmarks.figures import Figure, Row, keep, percentile
from fillwatch import FillDetectionConfig, FillDetectionEngine, FillResult, OrderWatch, RateLimit
from fillwatch.brokers.push import Connected, Event
from fillwatch.core.evidence import Route, Seen
from fillwatch.simulator import Fate, SimulatedBroker, World
from fillwatch.simulator.plans import Act, Step

EVENTS, WITHIN = 5_000, 1.0
#: Seconds between the beats whose lateness shows how long anybody else waits; and the longest they may.
BEAT, LONGEST_WAIT = 0.005, 0.1
#: Seconds after the last result in which the positions are compared, which nobody is to be kept waiting for either.
CHECKED_WITHIN = 2.0


class Script(SimulatedBroker):
    """Pushes what `play` is given, evenly over `WITHIN` seconds, as far behind as its reader is."""

    def __init__(self, world: World) -> None:
        super().__init__(world, stream=True)
        self.sent: dict[str, float] = {}
        self._given: asyncio.Future[Sequence[tuple[Event, ...]]] = asyncio.get_running_loop().create_future()

    def play(self, letters: Sequence[tuple[Event, ...]]) -> None:
        """From now on."""
        self._given.set_result(letters)

    async def events(self) -> AsyncIterator[tuple[Event, ...]]:
        """Connected, then the script."""
        loop = asyncio.get_running_loop()
        yield (Connected(as_of=loop.time()),)
        letters = await asyncio.shield(self._given)
        began, at = loop.time(), 0
        while at < len(letters):
            due = min(int((loop.time() - began) / WITHIN * len(letters)) + 1, len(letters))
            batch = [event for letter in letters[at:due] for event in letter]
            for number, event in enumerate(batch):
                if isinstance(event, Seen):
                    self.sent[event.order.order_id] = began + (at + number / 2) / len(letters) * WITHIN
                    batch[number] = replace(event, as_of=loop.time())
            at = due
            if batch:
                yield tuple(batch)
            await asyncio.sleep(BEAT / 5)
        await asyncio.Event().wait()


@contextmanager
def _collections(pauses: list[float]) -> Iterator[None]:
    """Keep how long each full run of Python's garbage collector takes meanwhile."""
    began = 0.0

    def note(phase: str, info: dict[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = time.perf_counter()
        elif info["generation"] == 2:
            pauses.append(time.perf_counter() - began)

    gc.callbacks.append(note)
    try:
        yield
    finally:
        gc.callbacks.remove(note)


def _filled(world: World, order_ids: Sequence[str], rng: Random) -> list[tuple[Event, ...]]:
    """All of them fill now; the letters that tell of it, in any order."""
    market, first = world.door.market, len(world.changes)
    for order_id in order_ids:
        market.schedule(market.records[order_id], Step(after=0.0, act=Act.FILL), world.advance(), last=False)
    now = world.advance()
    letters: list[tuple[Event, ...]] = []
    for change in world.changes[first:]:
        if change.trade is not None:
            row = change.trade.execution
            letters.append((Seen(order=change.version.order, route=Route.STREAM, as_of=now, execution=row),))
    rng.shuffle(letters)
    return letters


def burst() -> Iterator[str]:
    """Each of five thousand watched orders fills at a random moment of one second."""
    began = time.perf_counter()
    told: dict[str, tuple[float, FillResult]] = {}
    late: list[float] = []
    found: dict[str, float] = {}
    delays: list[float] = []
    pauses: list[float] = []

    async def beats(loop: asyncio.AbstractEventLoop) -> None:
        while True:
            due = loop.time() + BEAT
            await asyncio.sleep(BEAT)
            late.append(loop.time() - due)

    async def main() -> None:
        loop, rng = asyncio.get_running_loop(), Random(2)
        world = World(1, clock=loop.time, requests_per_minute=None)
        order_ids = [world.place(None, Fate.NEVER) for _ in range(EVENTS)]
        # Hardly any reads, so that it is the stream that tells.
        config = FillDetectionConfig(timeout_seconds=600.0, rate_limit=RateLimit(limit=200, share=0.01))
        broker = Script(world)

        async def one(watch: OrderWatch) -> None:
            result = await watch
            told[watch.order_id] = (loop.time(), result)

        async with FillDetectionEngine(broker, config) as engine:
            waiting = [loop.create_task(one(engine.watch(order_id))) for order_id in order_ids]
            await asyncio.sleep(2.0)
            letters = _filled(world, order_ids, rng)
            gc.collect()
            gc.freeze()
            await asyncio.sleep(0.5)
            beating = loop.create_task(beats(loop))
            cpu = time.process_time()
            with _collections(pauses):
                broker.play(letters)
                await asyncio.wait(waiting, timeout=60.0)
                found["cpu"] = time.process_time() - cpu
                await asyncio.sleep(CHECKED_WITHIN)
            beating.cancel()
            await asyncio.wait({beating})
            found["wrong"] = len([*wrongs(world.ledger, order_ids, told)])
        delays.extend(sorted(at - broker.sent[order_id] for order_id, (at, _) in told.items()))

    asyncio.run(main())
    figures = (
        Figure(name="missed or phantom", value=found["wrong"], at_most=0),
        Figure(name="delay p50", value=percentile(delays, 0.5), unit="s"),
        Figure(name="delay p99", value=percentile(delays, 0.99), unit="s"),
        Figure(name="delay worst", value=delays[-1], unit="s"),
        Figure(name="others kept waiting, p99", value=percentile(late, 0.99), unit="s", at_most=LONGEST_WAIT),
        Figure(name="others kept waiting, worst", value=max(late), unit="s", at_most=LONGEST_WAIT),
        Figure(name="full garbage collections, longest", value=max(pauses, default=0.0), unit="s"),
        Figure(name="processor time, to the last result", value=found["cpu"], unit="s"),
    )
    name = f"{EVENTS:,} pushed events within {WITHIN:g} s"
    facts: dict[str, object] = {"events": EVENTS, "delays": [round(delay, 4) for delay in delays]}
    row = Row(case=name, figures=figures, facts=facts, seconds=time.perf_counter() - began)
    yield from row.lines
    keep("burst", [row])


BENCHMARKS: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType({"burst": burst})
