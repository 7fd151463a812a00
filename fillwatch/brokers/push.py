"""What brokers that push may add to the `Broker` protocol: a feed of events, in batches, over however many connections.

A feed tells what happens while it stands, and nothing of what happened before or between: its events are hints that
come early, the reads of `Broker` are the truth. Every event carries an `as_of` of the event loop's clock: the moment
it arrived.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from fillwatch.core.evidence import Executed, Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The broker has acknowledged the subscription: what happens from now on is told, what happened before is not."""

    as_of: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The connection stands, but something was lost on it: a frame that could not be read, or an event of no order."""

    reason: str
    as_of: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The broker has shown that it is there, though nothing has happened."""

    as_of: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected:
    """The feed is down; it connects again after `retry_in` seconds. `slot_taken`: somebody else holds the only slot."""

    reason: str
    as_of: float
    retry_in: float
    slot_taken: bool = False


Event = Seen | Executed | Connected | Gap | Heartbeat | Disconnected


def executed(events: Iterable[Event]) -> list[Executed]:
    """The executions that `events` tell of, each by itself: some come with the order as it is after them."""
    return [
        event
        if isinstance(event, Executed)
        else Executed(execution=event.execution, route=event.route, as_of=event.as_of)
        for event in events
        if isinstance(event, Seen | Executed) and event.execution is not None
    ]


@runtime_checkable
class Pushes(Protocol):
    """A broker whose `caps.stream` is true."""

    def events(self) -> AsyncIterator[tuple[Event, ...]]:
        """Events as they come, in batches of one or more (a frame may hold a snapshot and an execution).

        Connects when it is iterated, and again, with growing pauses, whenever the connection is lost; it never raises
        and ends only when it or the broker is closed. Nothing is ever left out silently: what is lost is a `Gap`, and
        a connection that has fallen silent is a `Disconnected` within 20 s. At most one iteration at a time.
        """
        ...
