"""What the push routes say of a change: its event name, its id, and the JSON of one trade update."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from fillwatch.core.orders import Execution, ExecutionKind, OrderStatus
from fillwatch.simulator.book import Change, Record, Trade, Version
from fillwatch.simulator.spreads import is_spread, is_spread_leg
from fillwatch.simulator.wire import order_body
from fillwatch.simulator.world import World

_S = OrderStatus

#: Total over `OrderStatus`: the event that tells of an order's coming into this status without an execution; None: the
#: status word itself, whatever it is.
EVENT_OF: Mapping[OrderStatus, str | None] = MappingProxyType(
    {
        **{status: status.value for status in OrderStatus},
        _S.FILLED: "fill",
        _S.PARTIALLY_FILLED: "partial_fill",
        _S.UNKNOWN: None,
    }
)
#: Total over `ExecutionKind`: the event of an execution that leaves something open.
EVENT_OF_TRADE: Mapping[ExecutionKind, str] = MappingProxyType(
    {
        ExecutionKind.FILL: "partial_fill",
        ExecutionKind.BUST: "trade_bust",
        ExecutionKind.CORRECTION: "trade_correct",
    }
)
#: From a word that waits for an answer back into the market: the answer was no.
REFUSED: Mapping[str, str] = MappingProxyType(
    {"pending_cancel": "order_cancel_rejected", "pending_replace": "order_replace_rejected"}
)
_BACK_IN_THE_MARKET = frozenset({_S.NEW, _S.ACCEPTED, _S.PARTIALLY_FILLED, _S.HELD})
_TERMS = ("qty", "notional", "limit_price", "time_in_force")
_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One trade update: the `number`-th of the account, at `t` clock seconds, `at` broker time.

    `event_id` is a ULID; later events have greater ones. `position_qty`: the signed position after an execution.
    """

    number: int
    t: float
    at: datetime
    event_id: str
    name: str
    version: Version
    trade: Trade | None = None
    position_qty: Decimal | None = None
    #: Of a multi-leg order: its legs, what they have executed with it, and what it has by that.
    legs: tuple[Version, ...] = ()
    leg_trades: tuple[Event, ...] = ()
    strategy: Execution | None = None
    #: The event is of such a leg: no trade update tells of it by itself, its order's does (facts §3c).
    is_legs: bool = False

    @property
    def names(self) -> tuple[str, str, str]:
        """What its order goes by: id, client order id, symbol."""
        order = self.version.order
        return order.order_id, order.client_order_id, order.symbol


class EventLog:
    """The events of a world, made of its changes as they come: only ever appended to, so that a reader is a number.

    The same world gives the same events with the same ids, whenever they are read.
    """

    def __init__(self, world: World) -> None:
        self.events: list[Event] = []
        self._world = world
        self._read = 0
        self._positions: dict[str, Decimal] = {}
        self._last: dict[str, Version] = {}
        self._leg_trades: dict[str, list[Event]] = {}
        self._milliseconds = 0

    def catch_up(self) -> float:
        """Let the world catch up with its clock, and take in what happened; the clock's seconds."""
        now = self._world.advance()
        changes = self._world.changes
        while self._read < len(changes):
            change = changes[self._read]
            self._read += 1
            before = self._last.get(change.record.order_id)
            self._last[change.record.order_id] = change.version
            name = self._name(change, before)
            if name is not None:
                self.events.append(self._event(change, name))
        return now

    def _name(self, change: Change, before: Version | None) -> str | None:
        """Of the legs of a multi-leg order only their executions are events."""
        record = change.record
        if not is_spread_leg(record):
            executed = is_spread(record) and record.order_id in self._leg_trades
            return event_name(change, before, executed=executed)
        return None if change.trade is None else event_name(change, before)

    def _event(self, change: Change, name: str) -> Event:
        number, record, trade = len(self.events), change.record, change.trade
        at = self._world.wall(change.t)
        self._milliseconds = max(self._milliseconds, nanoseconds(at) // 1_000_000)
        has_legs = is_spread(record)
        event = Event(
            number=number,
            t=change.t,
            at=at,
            event_id=_ulid(self._milliseconds, number, self._world.seed),
            name=name,
            version=change.version,
            trade=trade,
            position_qty=None if trade is None else self._moved(record, trade),
            legs=tuple(self._last[leg] for leg in record.leg_ids if leg in self._last) if has_legs else (),
            leg_trades=tuple(self._leg_trades.pop(record.order_id, ())) if has_legs else (),
            strategy=next((own.execution for own in record.trades if has_legs and own.t == change.t), None),
            is_legs=is_spread_leg(record),
        )
        if event.is_legs and record.parent_id is not None:
            self._leg_trades.setdefault(record.parent_id, []).append(event)
        return event

    def _moved(self, record: Record, trade: Trade) -> Decimal:
        symbol = record.request.symbol
        moved = self._positions.get(symbol, Decimal(0)) + record.request.side.sign * trade.change
        self._positions[symbol] = moved
        return moved


def event_name(change: Change, before: Version | None, *, executed: bool = False) -> str | None:
    """The event that tells of a change after `before`; None for one that no event tells of.

    Late figures, a new submission time (facts §8: Alpaca-API#74) and a stop that trails come without an event, other
    terms are `restated`. `executed`: it comes of its legs' executions.
    """
    order, trade = change.version.order, change.trade
    if executed:
        return "fill" if order.status is OrderStatus.FILLED else "partial_fill"
    if trade is not None:
        over = trade.execution.kind is ExecutionKind.FILL and order.status is OrderStatus.FILLED
        return "fill" if over else EVENT_OF_TRADE[trade.execution.kind]
    if before is None or before.order.raw_status != order.raw_status:
        if before is not None and order.status in _BACK_IN_THE_MARKET and before.order.raw_status in REFUSED:
            return REFUSED[before.order.raw_status]
        return EVENT_OF[order.status] or order.raw_status
    terms = _TERMS if order.order_type == "trailing_stop" else (*_TERMS, "stop_price")
    return "restated" if any(getattr(before.order, term) != getattr(order, term) for term in terms) else None


def body(event: Event) -> dict[str, Any]:
    """The trade update as the broker writes it (facts §5): quantity and price are this execution's alone.

    Every event has an `execution_id`, not only those of executions, except a multi-leg order's.
    """
    said: dict[str, Any] = {
        "at": stamp(event.at),
        "event_id": event.event_id,
        "event": event.name,
        "timestamp": stamp(event.at, event.number % 1_000),
        "order": order_body(event.version, event.legs),
    }
    if event.leg_trades:
        said["legs"] = [
            {"order_id": leg.names[0], "symbol": leg.names[2], **_executed(leg)} for leg in event.leg_trades
        ]
        if event.strategy is not None:
            said["qty"], said["price"] = f"{event.strategy.qty:f}", f"{event.strategy.price:f}"
        said["position_qtys"] = {leg.names[2]: f"{leg.position_qty:f}" for leg in event.leg_trades}
    if event.trade is None and event.version.order.order_class != "mleg":
        said["execution_id"] = str(uuid.uuid5(uuid.NAMESPACE_OID, event.event_id))
    return said | _executed(event)


def _executed(event: Event) -> dict[str, str]:
    """What an event says of the execution that it comes of."""
    if event.trade is None:
        return {}
    row = event.trade.execution
    undone = {} if row.previous_id is None else {"previous_execution_id": row.previous_id}
    return {
        "execution_id": row.execution_id,
        "price": f"{row.price:f}",
        "qty": f"{-row.qty if row.kind is ExecutionKind.BUST else row.qty:f}",
        "position_qty": f"{event.position_qty:f}",
        **undone,
    }


def stamp(at: datetime, nanosecond: int | None = None) -> str:
    """A time in UTC, to the microsecond, or with three digits more."""
    text = at.astimezone(UTC).isoformat(timespec="microseconds")[:26]
    return f"{text}Z" if nanosecond is None else f"{text}{nanosecond:03d}Z"


def nanoseconds(at: datetime) -> int:
    """Whole nanoseconds since 1970."""
    return (at - _UNIX) // _MICROSECOND * 1_000


def _ulid(milliseconds: int, number: int, seed: int) -> str:
    """48 bits of time, 40 of the number (so that ties keep their order), 40 drawn."""
    drawn = random.Random(f"{seed}/event/{number}").getrandbits(40)
    value = milliseconds << 80 | number << 40 | drawn
    return "".join(_BASE32[value >> shift & 31] for shift in range(125, -1, -5))
