"""What the pushed events of a `Broker` have to be, for brokers whose `caps.stream` is true."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from fillwatch.brokers.push import Connected, Disconnected, Event, Gap, Pushes, executed
from fillwatch.core.evidence import Seen
from fillwatch.core.orders import Execution
from fillwatch.simulator import Fate
from fillwatch.simulator.stream_faults import StreamFaults
from fillwatch.testing.conformance_stage import Scene, Stages

#: Seconds within which a connection that has fallen silent is given up (`Pushes.events`), and a little grace.
SILENCE = 20.5
#: Seconds within which a feed that was lost once stands again.
AGAIN = 30.0
FATES = (Fate.INSTANT, Fate.MANY_PARTIALS, Fate.REJECTED, Fate.FRACTIONAL, Fate.REPLACED_FILLS, Fate.NEVER)


E = TypeVar("E", Connected, Disconnected, Gap, Seen)


@dataclass(slots=True, kw_only=True)
class Ear:
    """Everything a feed has said, and when it was heard."""

    heard: list[tuple[float, Event]] = field(default_factory=list)
    over: bool = False

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind."""
        return [event for _, event in self.heard if isinstance(event, kind)]

    def executed(self) -> dict[str, Execution]:
        """The executions that were told, by their ids."""
        told = executed(event for _, event in self.heard)
        return {each.execution.execution_id: each.execution for each in told}

    def seen(self) -> set[str]:
        """The orders that were described."""
        return {event.order.order_id for event in self.of(Seen)}

    async def until(self, kind: type[E], seconds: float, *, times: int = 1) -> None:
        """Wait until there have been so many of a kind."""
        deadline = asyncio.get_running_loop().time() + seconds
        while len(self.of(kind)) < times:
            assert asyncio.get_running_loop().time() < deadline, f"no {kind.__name__} within {seconds:g} s"
            await asyncio.sleep(0.1)


@asynccontextmanager
async def hearing(scene: Scene) -> AsyncIterator[Ear]:
    """Listen to the scene's broker until the block is left; then the broker is closed and the feed has to end."""
    broker = scene.broker
    assert broker.caps.stream, "caps.stream is false: a broker that does not push says PUSHES = False in its tests"
    assert isinstance(broker, Pushes), "caps.stream is true, so there have to be events()"
    ear = Ear()

    async def listen() -> None:
        async for batch in broker.events():
            assert batch, "a batch holds at least one event"
            ear.heard += [(scene.now, event) for event in batch]
        ear.over = True

    listening = asyncio.create_task(listen())
    try:
        yield ear
        await broker.aclose()
        await asyncio.wait({listening}, timeout=SILENCE)
        assert ear.over, "the feed goes on although its broker is closed"
    finally:
        listening.cancel()
        await asyncio.wait({listening})


class Pushed(Stages):
    """A feed on a calm day and on a bad one."""

    def test_the_feed_tells_what_the_ledger_says(self) -> None:
        """Every execution once or more, each end, and nothing that did not happen; `as_of` is when it was heard."""

        async def act(scene: Scene) -> None:
            async with hearing(scene) as ear:
                await ear.until(Connected, 10.0)
                placed = [scene.world.place(fate=fate) for fate in FATES]
                await asyncio.sleep(40.0)
            true = _executions(scene)
            assert {_figures(row) for row in ear.executed().values()} == {_figures(row) for row in true.values()}
            last = {event.order.order_id: event.order for event in ear.of(Seen)}
            for order_id in placed:
                truth = scene.world.ledger.truth(order_id)
                assert (last[order_id].status, last[order_id].filled_qty) == (truth.status, truth.filled_qty)
            times = [event.as_of for _, event in ear.heard]
            assert times == sorted(times)
            assert all(event.as_of <= at for at, event in ear.heard)
            assert not ear.of(Gap)
            assert not ear.of(Disconnected)

        self.play(act)

    def test_what_cannot_be_read_is_a_gap(self) -> None:
        """Nothing is left out silently, and what follows is heard."""

        async def act(scene: Scene) -> None:
            async with hearing(scene) as ear:
                await ear.until(Connected, 10.0)
                for trouble in (StreamFaults(data_null=1.0), StreamFaults(unreadable=1.0)):
                    before = len(ear.of(Gap))
                    break_stream(scene, trouble)
                    order_id = scene.world.place(fate=Fate.INSTANT)
                    await asyncio.sleep(5.0)
                    assert len(ear.of(Gap)) > before
                    assert order_id not in ear.seen()
                break_stream(scene, StreamFaults())
                order_id = scene.world.place(fate=Fate.INSTANT)
                await asyncio.sleep(5.0)
                assert order_id in ear.seen()

        self.play(act)

    def test_words_nobody_has_heard_of_break_nothing(self) -> None:
        """An unknown event, status or field costs at most that event, and never the feed."""

        async def act(scene: Scene) -> None:
            async with hearing(scene) as ear:
                await ear.until(Connected, 10.0)
                break_stream(scene, StreamFaults(unknown_event=0.3, unknown_status=0.3, unknown_field=0.3))
                for _ in range(20):
                    scene.world.place(fate=Fate.INSTANT)
                await asyncio.sleep(10.0)
                assert not ear.of(Disconnected)
            true = _executions(scene)
            assert ear.executed().keys() <= true.keys()

        self.play(act)

    def test_a_lost_connection_is_told_and_made_again(self) -> None:
        """With a pause that it names."""

        async def act(scene: Scene) -> None:
            async with hearing(scene) as ear:
                await ear.until(Connected, 10.0)
                break_stream(scene, StreamFaults(disconnect_at=(_since(scene) + 1.0,)))
                await ear.until(Disconnected, 5.0)
                assert all(event.retry_in >= 0.0 for event in ear.of(Disconnected))
                await ear.until(Connected, AGAIN, times=2)
                order_id = scene.world.place(fate=Fate.INSTANT)
                await asyncio.sleep(5.0)
                assert order_id in ear.seen()

        self.play(act)

    def test_a_connection_that_falls_silent_is_given_up(self) -> None:
        """Half open: it looks connected, and nothing comes, not even an answer to a ping."""

        async def act(scene: Scene) -> None:
            async with hearing(scene) as ear:
                await ear.until(Connected, 10.0)
                since = _since(scene)
                break_stream(scene, StreamFaults(half_open=((since, since + 600.0),)))
                await ear.until(Disconnected, SILENCE)

        self.play(act)

    def test_a_slot_that_somebody_else_holds_is_told_apart(self) -> None:
        """The broker takes one connection of an account, and says 429 to others."""

        async def act(scene: Scene) -> None:
            break_stream(scene, StreamFaults(refuse=((0.0, 5.0),)))
            async with hearing(scene) as ear:
                await ear.until(Disconnected, 5.0)
                assert all(event.slot_taken for event in ear.of(Disconnected))
                await ear.until(Connected, 90.0)

        self.play(act)


def break_stream(scene: Scene, faults: StreamFaults) -> None:
    """Let these things go wrong with the stream from now on."""
    scene.world.faults = replace(scene.world.faults, stream=faults)


def _since(scene: Scene) -> float:
    return scene.now - scene.world.start


def _executions(scene: Scene) -> dict[str, Execution]:
    ledger = scene.world.ledger
    return {row.execution_id: row for order_id in ledger.order_ids for row in ledger.truth(order_id).executions}


def _figures(row: Execution) -> tuple[object, ...]:
    return row.execution_id, row.order_id, row.kind, row.qty, row.price, row.symbol, row.side
