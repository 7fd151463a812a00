"""Drives the world on its clock for those who are pushed to, and brings each reader what the log holds for it.

Nothing runs while nobody reads: each reader waits for news or for the moment at which something happens next, and lets
the world catch up when it wakes. A reader is a place in the shared log, so that a slow one holds up nobody and costs
no memory.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Protocol

from fillwatch.simulator.events import Event, EventLog
from fillwatch.simulator.stream_faults import StreamFaults, StreamKind, within
from fillwatch.simulator.world import World

#: Events by which a reader may be behind when a write has to wait for it; with more it is too slow.
MOST_BEHIND = 10_000
#: A clock that is computed from another may show a hair less than what was waited for; then look again this much later.
SHORTEST_WAIT = 50e-6


class Condition(StrEnum):
    """How a connection is: well (if perhaps without events), dead without a sign of it, or over."""

    WELL = "well"
    HALF_OPEN = "half_open"
    BROKEN = "broken"


class Entry(StrEnum):
    """What becomes of one who wants to connect: let in, refused with HTTP 429, or left without an answer."""

    LET_IN = "let in"
    REFUSED = "refused"
    UNANSWERED = "unanswered"


class Guest(Protocol):
    """One end of a connection that is open."""

    async def leave(self) -> None:
        """Break it off."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One event for one reader, with the fault that has struck it, and the chance that the fault draws from."""

    event: Event
    kind: StreamKind | None
    chance: Random


class Pump:
    """The world's events, for any number of readers. It lives as long as the application that serves the world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.log = EventLog(world)
        self._opened = 0

    @contextmanager
    def news(self) -> Iterator[asyncio.Event]:
        """A flag that is raised whenever something happened, while the block lasts."""
        raised = asyncio.Event()
        self.world.listen(raised.set)
        try:
            yield raised
        finally:
            self.world.unlisten(raised.set)

    async def wait(self, news: asyncio.Event, until: float, at_most: float = math.inf) -> None:
        """Wait for news, or until the world's clock shows `until`, or until something is due in the world.

        `at_most`: so many seconds of the loop's clock.
        """
        due = self.world.next_due()
        t = until if due is None else min(due, until)
        left = None if t == math.inf else self.world.seconds_until(t)
        seconds = max(min(math.inf if left is None else left, at_most), SHORTEST_WAIT)
        with suppress(TimeoutError):
            async with asyncio.timeout(None if seconds == math.inf else seconds):
                await news.wait()

    async def entry(self) -> Entry:
        """What becomes of a connection that is asked for now. Who is let in is to be one of `world.guests`."""
        world = self.world
        since = world.advance() - world.start
        faults = world.faults.stream
        if world.faults.is_out(since):
            return Entry.UNANSWERED
        refused = since < world.faults.heal_at and within(faults.refuse, since)
        if refused or (faults.refuse_second and world.guests):
            world.reached["stream:refused"] += 1
            return Entry.REFUSED
        if faults.second_kicks_first:
            for other in list(world.guests):
                world.reached["stream:kicked"] += 1
                await other.leave()
        return Entry.LET_IN

    def channel(self) -> Channel:
        """What a connection opened now will get."""
        self._opened += 1
        return Channel(self, self._opened)


class Channel:
    """What one reader gets of the log, and when. The faults of its connection are decided here."""

    def __init__(self, pump: Pump, number: int) -> None:
        #: The next event it is to get; None while it does not listen.
        self.cursor: int | None = None
        #: Which events its reader gets at all.
        self.wants: Callable[[Event], bool] = lambda event: not event.is_legs
        self._world = pump.world
        self._log = pump.log
        self._number = number
        self._opened = pump.log.catch_up()
        self._live_from = len(pump.log.events)
        self._late: list[tuple[float, int, Letter]] = []

    @property
    def behind(self) -> int:
        """Events that have happened and are not on their way yet."""
        return 0 if self.cursor is None else len(self._log.events) - self.cursor

    def mark(self) -> int:
        """The cursor of one who is to get everything from now on, and nothing of before."""
        self._log.catch_up()
        return len(self._log.events)

    def skip(self) -> int:
        """Leave out all that has not been sent yet; how many events that is."""
        missed = self.behind
        self.cursor = len(self._log.events)
        return missed

    def condition(self, now: float) -> Condition:
        """How the connection is at `now` (clock seconds)."""
        if now >= self._breaks_at():
            return Condition.BROKEN
        since = now - self._world.start
        return Condition.HALF_OPEN if self._ails(since) and within(self._faults.half_open, since) else Condition.WELL

    def take(self, now: float) -> Iterator[Letter]:
        """What is to be sent by `now`, in the order in which it goes out."""
        breaks_at = self._breaks_at()
        while self.cursor is not None and self.cursor < len(self._log.events):
            event = self._log.events[self.cursor]
            if event.t >= breaks_at:
                break
            self.cursor += 1
            if self.wants(event):
                yield from self._post(event)
        while self._late and self._late[0][0] <= min(now, breaks_at):
            due, _, letter = heapq.heappop(self._late)
            if not self._is_mute(due):
                yield letter

    def wakes_at(self, now: float) -> float:
        """When (clock seconds) it has to look again by itself: a late letter, a window's edge, the connection's end."""
        late = self._late[0][0] if self._late else math.inf
        edge = self._world.start + self._faults.next_edge(now - self._world.start)
        return min(late, edge, self._breaks_at())

    @property
    def _faults(self) -> StreamFaults:
        return self._world.faults.stream

    def _ails(self, since: float) -> bool:
        return since < self._world.faults.heal_at

    def _is_mute(self, t: float) -> bool:
        since, faults = t - self._world.start, self._faults
        return self._ails(since) and (within(faults.mute, since) or within(faults.half_open, since))

    def _post(self, event: Event) -> Iterator[Letter]:
        since = event.t - self._world.start
        chance = Random(f"{self._world.seed}/push/{self._number}/{event.number}")
        faults = self._faults
        live = event.number >= self._live_from  # what is replayed comes from a store, which loses nothing
        kind = faults.strike(event.names, since, chance) if live and self._ails(since) else None
        if live and self._is_mute(event.t):
            self._world.reached["stream:mute"] += 1
            return
        if kind is not None:
            self._world.reached[f"stream:{kind}"] += 1
        letter = Letter(event=event, kind=kind, chance=chance)
        if kind is StreamKind.DROP:
            return
        if kind in (StreamKind.DELAY, StreamKind.REORDER):
            # One that is to be overtaken does not wait for ever when nothing comes after it.
            wait = faults.delay_seconds * (chance.random() if kind is StreamKind.DELAY else 1.0)
            heapq.heappush(self._late, (event.t + wait, event.number, letter))
            return
        yield letter
        if kind is StreamKind.DUPLICATE:
            yield letter
        yield from self._overtaken()

    def _overtaken(self) -> Iterator[Letter]:
        """Letters that were to come after the next one: it has just gone out."""
        for entry in [entry for entry in self._late if entry[2].kind is StreamKind.REORDER]:
            self._late.remove(entry)
            yield entry[2]
        heapq.heapify(self._late)

    def _breaks_at(self) -> float:
        """The first moment (clock seconds) since it was opened at which a fault ends the connection."""
        faults, outages, heal_at = self._faults, self._world.faults.outages, self._world.faults.heal_at
        ends = [*faults.disconnect_at, *(begin for begin, _ in outages)]
        ends += [min(end, heal_at) for begin, end in faults.half_open if begin < heal_at]
        opened = self._opened - self._world.start
        if faults.disconnect_every is not None:
            ends.append(opened + faults.disconnect_every)
        first = min((end for end in ends if opened < end <= heal_at), default=math.inf)
        return self._world.start + first
