"""The facts of a trade: all that a trade is made of, each a frozen value with the time (UTC) at which it was known."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from fillwatch.core.orders import OrderRequest
from fillwatch.core.results import FillResult
from fillwatch.core.trade_terms import Intent


class Part(StrEnum):
    """What an order is to its trade."""

    ENTRY = "entry"
    EXITS = "exits"
    CLOSE = "close"


#: The orders of a trade are named e1, x1, x2, c1 and so on: the part, and which of its kind.
_LETTERS: Mapping[Part, str] = MappingProxyType({Part.ENTRY: "e", Part.EXITS: "x", Part.CLOSE: "c"})
_PARTS: Mapping[str, Part] = MappingProxyType({letter: part for part, letter in _LETTERS.items()})
ENTRY = "e1"


def key(part: Part, number: int) -> str:
    """The name of the order within its trade."""
    return f"{_LETTERS[part]}{number}"


def part_of(name: str) -> Part:
    """What the order of this name is to its trade. `KeyError` for what is no such name."""
    return _PARTS[name[:1]]


def number_of(name: str) -> int:
    """Which of its kind the order of this name is."""
    return int(name[1:])


def client_id(intent_id: str, name: str) -> str:
    """Our id of one order of a trade: always the same for the same intent, so that it can be asked for at any time."""
    return f"fw-{uuid.uuid5(uuid.NAMESPACE_OID, intent_id).hex}-{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """Somebody wants the trade."""

    at: datetime
    intent: Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """Nothing was sent and nothing will be."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """The market and the account allow the trade. `extended`: outside regular hours, where only limits are taken."""

    at: datetime
    extended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """From now on a request may be on its way; whatever is sent under this name is exactly this."""

    at: datetime
    name: str
    request: OrderRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The broker has the order."""

    at: datetime
    name: str
    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPlaced:
    """The broker surely does not have the order and never will. `arrived=False`: it never heard of it."""

    at: datetime
    name: str
    reason: str
    arrived: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the engine said of an order: its result, or what a later fact made of it.

    `undone`: shares, in all, whose executions the broker has taken back; `result` no longer counts them. `leg`: of
    exits, which are two orders, the id of the one that it speaks of.
    """

    at: datetime
    name: str
    result: FillResult
    undone: Decimal = Decimal(0)
    leg: str = ""

    @property
    def executed(self) -> Decimal:
        """Shares that were ever executed, those undone since included."""
        return (self.result.fill_quantity or Decimal(0)) + self.undone


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """How the exits were seen. `filled`: shares that they have closed, at `price` on average (None: not known);
    `over`: they will close no more; `working`: both the target and the stop stand, or what became of them."""

    at: datetime
    name: str
    order_ids: tuple[str, ...]
    filled: Decimal
    over: bool
    working: bool
    price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulty:
    """Exits that stood do not protect any more, although one of them lives: they are to be withdrawn."""

    at: datetime
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Exits that stood are over and left shares behind: `gone` of these somebody else has closed meanwhile."""

    at: datetime
    name: str
    gone: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubtful:
    """What has become of an order cannot be learnt for the time being: whether it arrived, or else (`placed`) how it
    ended, or whether the exits stand. It is asked for further on."""

    at: datetime
    name: str
    reason: str
    placed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The caller was given his result."""

    at: datetime
    success: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Nothing more is to be done, as far as is known. `number`: for the how-manieth time."""

    at: datetime
    number: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopened:
    """A late fact has made something to be done after the closing of that `number`."""

    at: datetime
    number: int = 1


#: The facts about one order of the trade.
OrderFact = Sending | Placed | NotPlaced | Watched | Looked | Faulty | Counted | Doubtful
TradeFact = Intended | Declined | Cleared | OrderFact | Told | Closed | Reopened
