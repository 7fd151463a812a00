"""A picture of the engine at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from fillwatch.core.evidence import Route
from fillwatch.core.orders import OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSnapshot:
    """One open watch. `age`: seconds since the order was last described, infinite before; `elapsed`: since `watch()`.

    `audited`: its result was `UNRESOLVED`, and it is looked at until its end is known.
    """

    order_id: str
    symbol: str
    status: OrderStatus
    filled_quantity: Decimal | None
    requested_quantity: Decimal | None
    age: float
    route: Route | None
    elapsed: float
    audited: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSnapshot:
    """The open watches, and the limiter: tokens that lie ready (`level`), requests in flight, callers waiting.

    `feed_is_up`: whether the broker's push route stands, None if there is none; `feed_loss`: the share of fills that it
    failed to tell of late, 0 to 1. `counts`: results by outcome, `requests`, `events` and `amendments`.
    `journal_problem`: why facts cannot be written down at present, in words, None when they can or there is no journal;
    `journal_lost`: how many were given up.
    """

    watches: tuple[WatchSnapshot, ...]
    level: float
    in_flight: int
    waiting: int
    feed_is_up: bool | None
    feed_loss: float | None
    counts: Mapping[str, int]
    journal_problem: str | None = None
    journal_lost: int = 0
