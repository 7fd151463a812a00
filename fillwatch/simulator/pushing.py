"""The trade updates of a world for a client in this process: what the `/stream` socket does, without the socket.

The same log, the same channels and the same faults as there (`pump`): only what would be frames is made directly into
what a client reads from them.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from random import Random
from types import MappingProxyType

from fillwatch.brokers.pauses import STOOD, Loss, Pauses
from fillwatch.brokers.push import Connected, Disconnected, Event, Gap, Heartbeat
from fillwatch.core.evidence import Executed, Route, Seen
from fillwatch.core.orders import OrderSnapshot, OrderStatus
from fillwatch.simulator import events
from fillwatch.simulator.letters import new_word
from fillwatch.simulator.pump import Channel, Condition, Entry, Letter, Pump
from fillwatch.simulator.stream_faults import StreamKind
from fillwatch.simulator.world import World

#: Seconds between two pings, and without any sign of life until the connection is given up.
PING_EVERY = 5.0
SILENCE = 15.0
#: Seconds that making a connection may take.
PATIENCE = 10.0


class Telling(StrEnum):
    """What a client makes of an event that a fault has struck."""

    WHOLE = "whole"
    NO_EXECUTION = "no execution"
    ANOTHER_STATUS = "another status"
    NOTHING = "nothing"


#: Total over `StreamKind`.
TOLD: Mapping[StreamKind, Telling] = MappingProxyType(
    {
        StreamKind.DROP: Telling.NOTHING,
        StreamKind.DUPLICATE: Telling.WHOLE,
        StreamKind.REORDER: Telling.WHOLE,
        StreamKind.DELAY: Telling.WHOLE,
        StreamKind.DATA_NULL: Telling.NOTHING,
        StreamKind.UNREADABLE: Telling.NOTHING,
        StreamKind.UNKNOWN_EVENT: Telling.NO_EXECUTION,
        StreamKind.UNKNOWN_STATUS: Telling.ANOTHER_STATUS,
        StreamKind.UNKNOWN_FIELD: Telling.WHOLE,
    }
)


class Pushing:
    """The feed of one client. `latency`: least and most seconds that an event is on its way."""

    def __init__(self, world: World, latency: tuple[float, float] = (0.002, 0.008)) -> None:
        self._pump = Pump(world)
        self._latency = latency
        self._pauses = Pauses(world.stream("push/pauses"))
        self._ways = world.stream("push/latency")
        self._readers = 0
        self._connection: Connection | None = None
        self._over = asyncio.Event()

    async def events(self) -> AsyncIterator[tuple[Event, ...]]:
        """As `Pushes.events` says. A newer iteration ends the older one."""
        self._readers += 1
        reader = self._readers
        await self._hang_up()
        while reader == self._readers and not self._over.is_set():
            connection = self._connection = Connection(self._pump, self._ways, self._latency)
            try:
                while batch := await connection.more():
                    yield batch
            finally:
                connection.close()
            if reader != self._readers or self._over.is_set():
                return
            if connection.stood >= STOOD:
                self._pauses.reset()
            wait = self._pauses.next(connection.loss)
            slot_taken = connection.loss is Loss.TAKEN
            yield (Disconnected(reason=connection.reason, as_of=now(), retry_in=wait, slot_taken=slot_taken),)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._over.wait()

    async def aclose(self) -> None:
        """End the iteration, whoever is waiting in it."""
        self._over.set()
        await self._hang_up()

    async def _hang_up(self) -> None:
        if self._connection is not None:
            await self._connection.leave()


class Connection:
    """One connection, from the upgrade to its loss. `loss` and `reason` say why it was lost, `stood` for how long."""

    def __init__(self, pump: Pump, ways: Random, latency: tuple[float, float]) -> None:
        self.loss = Loss.BROKEN
        self.reason = "the connection was closed"
        self.stood = 0.0
        self._pump = pump
        self._ways = ways
        self._latency = latency
        self._left = False
        self._news = asyncio.Event()
        self._channel: Channel | None = None
        #: What is on its way, with the loop's second at which it arrives.
        self._coming: deque[tuple[float, Letter]] = deque()
        self._since = self._heard = self._ping_at = now()
        pump.world.listen(self._news.set)

    async def leave(self) -> None:
        """Break it off: nothing more is heard on it."""
        self._left = True
        self._news.set()

    def close(self) -> None:
        """Let go of the world."""
        self._pump.world.unlisten(self._news.set)
        if self in self._pump.world.guests:
            self._pump.world.guests.remove(self)

    async def more(self) -> tuple[Event, ...]:
        """What is heard next; nothing when the connection is lost."""
        if self._channel is None:
            self._channel = await self._opened()
            return () if self._channel is None or self._left else (Connected(as_of=self._heard),)
        while not self._left:
            t = self._pump.log.catch_up()
            self._news.clear()
            condition = self._channel.condition(t)
            self._send(self._channel, t)
            if batch := self._arrived() or self._pinged(condition):
                return batch
            if condition is Condition.BROKEN and not self._coming:
                self._pump.world.reached["stream:disconnect"] += 1
                self.reason = "the connection broke"
                break
            quiet_until = self._heard + SILENCE
            if now() >= quiet_until:
                self.reason = f"nothing was heard for {SILENCE:g} s"
                break
            first = self._coming[0][0] if self._coming else math.inf
            seconds = min(first, self._ping_at, quiet_until) - now()
            await self._pump.wait(self._news, self._channel.wakes_at(t), seconds)
        self.stood = now() - self._since
        return ()

    async def _opened(self) -> Channel | None:
        """Go through the upgrade, the keys and the subscription."""
        entry, world = await self._pump.entry(), self._pump.world
        if entry is Entry.UNANSWERED:
            await self._unanswered()
            return None
        if entry is Entry.REFUSED:
            await self._pass(self._way() * 2)
            self.loss, self.reason = Loss.TAKEN, "HTTP 429 at the upgrade"
            return None
        world.guests.append(self)
        channel = self._pump.channel()
        await self._pass(self._way() * 4)
        if channel.condition(world.advance()) is Condition.HALF_OPEN:
            await self._unanswered()
            return None
        if world.refuse_keys:
            self.loss, self.reason = Loss.KEYS, "the keys were refused"
            return None
        await self._pass(self._way())
        channel.cursor = channel.mark()
        await self._pass(self._way())
        self._since = self._heard = now()
        self._ping_at = self._heard + PING_EVERY
        return channel

    async def _unanswered(self) -> None:
        await self._pass(PATIENCE)
        self.reason = f"no answer within {PATIENCE:g} s"

    def _send(self, channel: Channel, t: float) -> None:
        """Put what is to be sent by clock second `t` on its way; nothing overtakes on one connection."""
        world, at = self._pump.world, now()
        for letter in channel.take(t):
            # One that a fault holds back leaves now; any other left when it happened, if only now it is looked at.
            late = letter.kind in (StreamKind.DELAY, StreamKind.REORDER)
            ago = None if late else world.seconds_until(letter.event.t)
            arrives = at + min(ago or 0.0, 0.0) + self._way()
            last = self._coming[-1][0] if self._coming else self._heard
            self._coming.append((max(arrives, last), letter))

    def _arrived(self) -> tuple[Event, ...]:
        batch: list[Event] = []
        while self._coming and self._coming[0][0] <= now():
            self._heard, letter = self._coming.popleft()
            batch += heard(letter, self._heard)
        return tuple(batch)

    def _pinged(self, condition: Condition) -> tuple[Event, ...]:
        at = now()
        if at < self._ping_at:
            return ()
        self._ping_at = at + PING_EVERY
        if condition is not Condition.WELL:
            return ()
        self._heard = at
        return (Heartbeat(as_of=at),)

    async def _pass(self, seconds: float) -> None:
        """Let time pass, unless the reader leaves."""
        until = now() + seconds
        while not self._left and (left := until - now()) > 0:
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._news.wait()

    def _way(self) -> float:
        return self._ways.uniform(*self._latency)


def heard(letter: Letter, as_of: float) -> tuple[Event, ...]:
    """What a client makes of a letter that arrives at `as_of`."""
    event, telling = letter.event, Telling.WHOLE if letter.kind is None else TOLD[letter.kind]
    if telling is Telling.NOTHING:
        return (Gap(reason=f"a frame could not be read ({letter.kind})", as_of=as_of),)
    order, legs = _order(event), [leg.trade.execution for leg in event.leg_trades if leg.trade is not None]
    execution = None if event.trade is None else event.trade.execution
    if telling is Telling.ANOTHER_STATUS:
        word = new_word(letter.chance)
        order = replace(order, status=OrderStatus.parse(word), raw_status=word)
    if telling is Telling.NO_EXECUTION and (execution is not None or legs):
        seen = Seen(order=order, route=Route.STREAM, as_of=as_of)
        return seen, Gap(reason=f"an execution came by the name {new_word(letter.chance)!r}", as_of=as_of)
    seen = Seen(order=order, route=Route.STREAM, as_of=as_of, execution=execution)
    return seen, *(Executed(execution=leg, route=Route.STREAM, as_of=as_of) for leg in legs)


def _order(event: events.Event) -> OrderSnapshot:
    order = event.version.order
    return replace(order, legs=tuple(leg.order for leg in event.legs)) if event.legs else order


def now() -> float:
    """The running loop's clock, in seconds."""
    return asyncio.get_running_loop().time()
