"""How an order gets to the broker once and never twice: a dialogue that yields questions and is sent replies.

An answer that is lost, a 504, a time-out: the order may be there. It is asked for by our own id; not found is not
"failed", the request may still be queued somewhere (measured: reading a 404 as a failure denied 20 of 150 orders that
lived, a new id doubled 12, the same id again neither). So the same order goes out again under the same id, which the
broker takes once only. When that has lasted long enough it is no longer sent but only asked for, and held never to have
arrived after the broker has denied it for a whole quarantine.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum

from fillwatch.core.orders import OrderSnapshot

#: Seconds between two attempts: doubled from one to the next, at most the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0
#: Looks that must have denied the order during the quarantine.
DENIALS = 3


class Said(StrEnum):
    """What an answer says of the order. `REFUSED` and `NOT_NOW`: this request was surely not carried out; the latter
    may be when it is sent again. `TAKEN`: the id is taken already, so a request before this one has arrived.
    `SILENT`: it says nothing."""

    HERE = "here"
    TAKEN = "taken"
    DENIED = "denied"
    REFUSED = "refused"
    NOT_NOW = "not_now"
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskSubmit:
    """Send the order. The reply may be anything but `DENIED`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskFind:
    """Ask for the order by our own id. The reply is `HERE`, `DENIED` or `SILENT`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskWait:
    """Let so many seconds pass. `doubtful`: the caller has waited long enough to be told that it is not known."""

    seconds: float
    doubtful: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What became of a question. `sent_at` and `now` are monotonic seconds; `wait`: seconds the broker asks for."""

    now: float
    said: Said = Said.SILENT
    sent_at: float = -math.inf
    order: OrderSnapshot | None = None
    reason: str = ""
    wait: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class There:
    """The broker has the order."""

    order: OrderSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class NotThere:
    """The broker does not have the order and will not get it. `arrived`: it has seen it and said no."""

    reason: str
    arrived: bool = True


Question = AskSubmit | AskFind | AskWait
Placing = Generator[Question, Reply, There | NotThere]


def placing(
    *, now: float, patience: float, quarantine: float, begun: bool, resend: bool = True, protects: bool = False
) -> Placing:
    """The dialogue of one order. `begun`: a request may have been sent before this dialogue, so it is asked for first;
    `resend=False`: it is not sent any more. `patience`, `quarantine`: in seconds. An order that `protects` is sent
    again however long it takes.
    """
    tell_at = now + patience + quarantine
    until = math.inf if protects else now + patience
    if begun and not resend:
        until = now
    doubt = _Doubt(begun=begun)
    pause, reason = FIRST_PAUSE, "no answer"
    asks_first = begun
    while True:
        if not asks_first and now < until:
            reply = yield AskSubmit()
            now, reason = reply.now, reply.reason or reason
            if reply.said is Said.HERE and reply.order is not None:
                return There(order=reply.order)
            if reply.said is Said.TAKEN:
                doubt.resolve()
                until = now  # it is there; whoever does not find it yet looks again
            elif reply.said is Said.REFUSED:
                if not doubt.is_open:
                    return NotThere(reason=reason)
                until = now  # one of the requests before may have arrived, and be why this one was refused
            elif reply.said is not Said.NOT_NOW:
                doubt.begin()
            pause = max(pause, reply.wait)
        asks_first = False
        if doubt.is_open:
            reply = yield AskFind()
            now = reply.now
            if reply.said is Said.HERE and reply.order is not None:
                return There(order=reply.order)
            if reply.said is Said.DENIED:
                doubt.deny(reply.sent_at)
            if now >= until and doubt.is_settled(quarantine):
                return NotThere(reason=f"the broker never got it: {reason}", arrived=False)
        elif now >= until:
            return NotThere(reason=reason)
        # While the broker answers, the end of the quarantine is worth waiting for.
        is_ending = now >= until and doubt.is_denied
        is_late = now >= (tell_at + quarantine if is_ending else tell_at)
        reply = yield AskWait(seconds=pause, doubtful=is_late)
        now = reply.now
        pause = min(2.0 * pause, LONGEST_PAUSE)


class _Doubt:
    """Whether a request may be on its way, and since when the broker has denied the order without any being sent."""

    def __init__(self, *, begun: bool) -> None:
        self.is_open = begun
        self._has_arrived = False
        self._first = math.inf
        self._last = -math.inf
        self._count = 0

    def begin(self) -> None:
        """A request went out and what became of it is not known."""
        self.is_open = True
        self._first, self._last, self._count = math.inf, -math.inf, 0

    def resolve(self) -> None:
        """A request has arrived for certain: nothing but finding the order settles it."""
        self.is_open = self._has_arrived = True

    def deny(self, asked_at: float) -> None:
        """The broker said that it does not know the order."""
        self._first = min(self._first, asked_at)
        self._last = max(self._last, asked_at)
        self._count += 1

    @property
    def is_denied(self) -> bool:
        """Whether the broker has said that it does not know the order."""
        return self._count > 0

    def is_settled(self, quarantine: float) -> bool:
        """Whether it was denied for so long that no request can be on its way any more."""
        return not self._has_arrived and self._count >= DENIALS and self._last - self._first >= quarantine
