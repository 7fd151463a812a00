"""What a journal is: facts go in, in order, and are read back in that order after whatever has happened.

A fact is written before it matters: the intent before the request, the broker's id once it is known, the result
before it is handed out. `write` returns when the fact has reached the disk (`durable`) or has been taken over;
`note` is for what rides along, never waits and never raises for want of room.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType, TracebackType
from typing import Final, Protocol, Self, TypeVar

import msgspec

from fillwatch.journal.errors import JournalError

T = TypeVar("T")

#: Characters of one fact's payload. A fact is about one order; whole pages of a list are not facts.
PAYLOAD_LIMIT: Final = 65_536
#: Characters of an id. Alpaca's client ids have at most 128, its own 36.
ID_LIMIT: Final = 256


class FactKind(StrEnum):
    """What a fact is about. The text is what stands in the file: never renamed, never reused."""

    INTENT = "intent"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    QUARANTINED = "quarantined"
    CANCELING = "canceling"
    WATCH = "watch"
    EVIDENCE = "evidence"
    TRANSITION = "transition"
    EXECUTION = "execution"
    RESULT = "result"
    AMENDMENT = "amendment"
    RELEASED = "released"
    EXITS = "exits"
    STEP = "step"
    CURSOR = "cursor"
    DISAGREEMENT = "disagreement"
    CLOSED = "closed"
    REOPENED = "reopened"


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRule:
    """`durable`: a fact of this kind is on the disk before `write` returns, unless the caller says otherwise.

    `announces`: it precedes an action that must not be taken when the fact could not be written. Such a fact is
    forgotten when it cannot be written; every other one is kept in memory until there is room.
    """

    durable: bool
    announces: bool = False


#: Total over `FactKind`. A cancel only ever makes the world safer: it goes on without its fact.
KIND_RULES: Final[Mapping[FactKind, KindRule]] = MappingProxyType(
    {
        FactKind.INTENT: KindRule(durable=True, announces=True),  # what a caller wants; opens the intent
        FactKind.SENDING: KindRule(durable=True, announces=True),  # a request with this client id goes out now
        FactKind.ACCEPTED: KindRule(durable=True),  # the broker gave it an id
        FactKind.REFUSED: KindRule(durable=True),  # the broker said no
        FactKind.QUARANTINED: KindRule(durable=True),  # the broker does not know it, and it is not sent again
        FactKind.CANCELING: KindRule(durable=True),  # a cancel goes out now
        FactKind.WATCH: KindRule(durable=True),  # an order is watched from now on, with these parameters
        FactKind.EVIDENCE: KindRule(durable=False),  # what a route told, and when
        FactKind.TRANSITION: KindRule(durable=False),  # what that changed
        FactKind.EXECUTION: KindRule(durable=True),  # shares were traded, or a trade was undone
        FactKind.RESULT: KindRule(durable=True),  # what the caller is told; ends the watch
        FactKind.AMENDMENT: KindRule(durable=True),  # what came after it
        FactKind.RELEASED: KindRule(durable=True),  # the watch was given up, the order left alone
        FactKind.EXITS: KindRule(durable=True),  # which orders protect what was bought
        FactKind.STEP: KindRule(durable=False),  # what a trade did otherwise
        FactKind.CURSOR: KindRule(durable=False),  # how far a tape was read
        FactKind.DISAGREEMENT: KindRule(durable=False),  # two ways of detecting a fill told two stories
        FactKind.CLOSED: KindRule(durable=True),  # nothing more is to be done about the intent
        FactKind.REOPENED: KindRule(durable=True),  # something is, after all
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened or is about to.

    `at` is the wall clock (aware, kept as UTC, to the microsecond), `monotonic` the seconds of the event loop's clock,
    comparable within one run only. `intent_id` and `order_id` say whom it concerns ("" for nobody). `payload` is the
    text of one JSON value; `Fact.of` writes it from plain data, dataclasses or structs. Raises `ValueError` for a naive
    time, a monotonic time that is no finite number, and for ids and payloads beyond their limits.
    """

    kind: FactKind
    at: datetime
    monotonic: float
    intent_id: str = ""
    order_id: str = ""
    payload: str = "{}"

    def __post_init__(self) -> None:
        if self.at.tzinfo is not UTC:
            if self.at.utcoffset() is None:
                raise ValueError(f"at: {self.at!r} has no time zone")
            object.__setattr__(self, "at", self.at.astimezone(UTC))
        if not math.isfinite(self.monotonic):
            raise ValueError(f"monotonic: {self.monotonic!r} is not a finite number of seconds")
        intent_id, order_id, payload = self.intent_id, self.order_id, self.payload
        if not (intent_id.isascii() and order_id.isascii() and payload.isascii()) or (
            len(payload) > PAYLOAD_LIMIT or len(order_id) > ID_LIMIT or len(intent_id) > ID_LIMIT
        ):
            _check_text("intent_id", intent_id, ID_LIMIT)
            _check_text("order_id", order_id, ID_LIMIT)
            _check_text("payload", payload, PAYLOAD_LIMIT)

    @classmethod
    def of(
        cls,
        kind: FactKind,
        body: object,
        *,
        at: datetime,
        monotonic: float,
        intent_id: str = "",
        order_id: str = "",
    ) -> Self:
        """The fact with `body` as its payload: decimals as text, times in ISO 8601, dataclasses as objects."""
        payload = msgspec.json.encode(body).decode()
        return cls(kind=kind, at=at, monotonic=monotonic, intent_id=intent_id, order_id=order_id, payload=payload)

    def read(self, shape: type[T]) -> T:
        """The payload as a `shape` (a dataclass of ours, `dict[str, object]`, ...).

        Raises `JournalError` when it is something else.
        """
        try:
            return msgspec.json.decode(self.payload, type=shape)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise JournalError(
                f"the payload of a fact of kind {self.kind} is not a {shape.__name__}: {error}"
            ) from error


def _check_text(field: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise ValueError(f"{field}: {len(text)} characters, at most {limit} are allowed")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{field}: half a surrogate pair is no text") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A fact as it stands in the journal. `number` rises from entry to entry; `run` tells one opening from the next."""

    number: int
    run: int
    fact: Fact


class Journal(Protocol):
    """A store of facts. All methods belong to one event loop; none blocks it."""

    @property
    def problem(self) -> JournalError | None:
        """Why facts cannot be written at present; None when the last ones could."""

    @property
    def lost(self) -> int:
        """How many facts were given up for want of room since the journal was opened."""

    async def write(self, *facts: Fact, durable: bool | None = None) -> None:
        """Write `facts`, all or none of them, after everything that was written or noted before.

        `durable=True` returns when they are on the disk and would survive a loss of power; False returns once they
        are taken over; None is True when one of their kinds asks for it (`KIND_RULES`). A caller that is cancelled
        does not take its facts back. Raises `JournalUnwritable` (`JournalFull`) when durable facts could not be
        written, and `JournalClosed`.
        """

    def note(self, fact: Fact) -> None:
        """Take `fact` over, to be written with the next ones. Never waits; raises nothing but `JournalClosed`."""

    async def read(
        self,
        *,
        order_id: str | None = None,
        intent_id: str | None = None,
        kinds: Sequence[FactKind] = (),
        after: int = 0,
        limit: int | None = None,
    ) -> tuple[Entry, ...]:
        """The entries that fit all that was asked, in order; `after` and `limit` page through them.

        Everything written or noted before is among them.
        """

    async def intents(self, *, open_only: bool = False) -> tuple[Entry, ...]:
        """The first `INTENT` entry of each intent, in order; `open_only` leaves out those that were `CLOSED` and
        not `REOPENED` since.
        """

    async def watches(self, *, open_only: bool = False) -> tuple[Entry, ...]:
        """The last `WATCH` entry of each order, in order; `open_only` leaves out those that have since been ended by
        a `RESULT` or were `RELEASED`.
        """

    async def aclose(self) -> None:
        """Write what is left and close. Bounded; what could not be written by then is lost, and the log says so."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
