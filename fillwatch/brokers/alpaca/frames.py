"""What a frame of the trade updates says, as events: one strange frame costs that frame and never the stream.

A frame is decoded in one go; only when that fails is it taken apart, so that at least its order is saved. Facts: the
event's `qty` and `price` are those of this execution alone, the order's `filled_qty` is cumulative (alpacahq/Alpaca-API
issue 103); `data` may be null (issue 110); text, binary and MessagePack frames occur.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

import msgspec

from fillwatch.brokers.alpaca import decode, fields
from fillwatch.brokers.alpaca.fields import Unreadable
from fillwatch.brokers.alpaca.updates import Frame, LegRow, Rest, Update, check, moment, snapshot
from fillwatch.brokers.push import Event, Gap
from fillwatch.core.evidence import Executed, Route, Seen
from fillwatch.core.orders import Execution, ExecutionKind, OrderSnapshot, OrderStatus
from fillwatch.core.quick import maker
from fillwatch.core.text import plain

#: Bytes of the longest frame that is read: hundreds of times the largest trade update, that of a multi-leg order.
#: Everybody else would have to wait while a longer one, of whatever it may be, is taken apart.
LONGEST = 2**20
#: The stream that tells of orders.
TRADE_UPDATES = "trade_updates"
#: Statuses that an order comes into by an execution, or that are none.
_OF_EXECUTIONS = frozenset({OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED, OrderStatus.UNKNOWN})
#: What each event that Alpaca has named says besides how the order is now: an execution of this kind, or nothing.
EVENTS: Mapping[str, ExecutionKind | None] = MappingProxyType(
    {
        "fill": ExecutionKind.FILL,
        "partial_fill": ExecutionKind.FILL,
        "trade_bust": ExecutionKind.BUST,
        "trade_correct": ExecutionKind.CORRECTION,
    }
    | dict.fromkeys((status.value for status in OrderStatus if status not in _OF_EXECUTIONS), None)
    | dict.fromkeys(("order_cancel_rejected", "order_replace_rejected", "restated"), None)
)
#: What msgspec raises for malformed, mistyped, wrongly encoded and absurdly nested input.
_BAD_FRAME = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _LooseUpdate(Rest):
    order: msgspec.Raw = msgspec.Raw(b"")


class _OrderAlone(msgspec.Struct):
    order: msgspec.Raw = msgspec.Raw(b"")


class _Mark(msgspec.Struct):
    event_id: str | None = None
    at: str | None = None
    timestamp: str | None = None


class _Envelope(msgspec.Struct):
    stream: str
    data: msgspec.Raw = msgspec.Raw(b"null")


_seen, _row = maker(Seen), maker(Execution)
_FRAME = msgspec.json.Decoder(Frame)
_UPDATE = msgspec.json.Decoder(Update)
_LOOSE = msgspec.json.Decoder(_LooseUpdate)
_ALONE = msgspec.json.Decoder(_OrderAlone)
_MARK = msgspec.json.Decoder(_Mark)
_ENVELOPE = msgspec.json.Decoder(_Envelope)


def read(raw: bytes) -> Frame | None:
    """The frame; None for one that has to be taken apart."""
    if len(raw) > LONGEST:
        return None
    try:
        return _FRAME.decode(raw)
    except _BAD_FRAME:
        pass
    try:
        return _FRAME.decode(_repacked(raw))
    except _BAD_FRAME:
        return None


def told(raw: bytes, as_of: float) -> tuple[Event, ...]:
    """What a frame that came at `as_of` tells; nothing if it is of no stream that tells of orders. Never raises."""
    if len(raw) > LONGEST:
        return (Gap(reason=f"a frame of {len(raw)} bytes is too long to be read", as_of=as_of),)
    try:
        frame = _FRAME.decode(raw)
        if frame.stream and frame.stream != TRADE_UPDATES:
            return ()
        if frame.stream and frame.data is not None and frame.data.order is not None:
            return _said(frame.data, snapshot(frame.data.order), Route.STREAM, as_of)
    except (*_BAD_FRAME, Unreadable):
        pass
    try:
        envelope = _opened(raw)
        return () if envelope.stream != TRADE_UPDATES else _taken_apart(envelope.data, Route.STREAM, as_of)
    except _BAD_FRAME as error:
        return (Gap(reason=f"a frame could not be read ({plain(str(error), 120)})", as_of=as_of),)


def event(raw: bytes, as_of: float) -> tuple[Event, ...]:
    """What a trade update of the server-sent feed tells. Never raises."""
    try:
        update = _UPDATE.decode(raw)
        if update.order is not None:
            return _said(update, snapshot(update.order), Route.EVENTS, as_of)
    except (*_BAD_FRAME, Unreadable):
        pass
    return _taken_apart(msgspec.Raw(raw), Route.EVENTS, as_of)


def mark(raw: bytes) -> tuple[str | None, datetime | None]:
    """The id of a trade update of the server-sent feed and when it was made, as far as that can be read."""
    try:
        found = _MARK.decode(raw)
        return found.event_id, moment(found.at or found.timestamp)
    except (*_BAD_FRAME, Unreadable):
        return None, None


def _said(update: Rest, order: OrderSnapshot, route: Route, as_of: float) -> tuple[Event, ...]:
    name = update.event
    kind = EVENTS.get(name)
    try:
        if kind is not None and update.execution_id:
            execution = _execution(update, kind, order)
            return (_seen(order=order, route=route, as_of=as_of, execution=execution),)
        seen = _seen(order=order, route=route, as_of=as_of)
        if kind is not None and order.order_class == "mleg":
            legs = [_of_leg(leg, update, order) for leg in update.legs or ()]
            return seen, *(Executed(execution=leg, route=route, as_of=as_of) for leg in legs)
    except Unreadable as error:
        seen = _seen(order=order, route=route, as_of=as_of)
        return seen, Gap(reason=f"the execution of a {name} could not be read: {error}", as_of=as_of)
    if kind is ExecutionKind.FILL and order.filled_qty:
        return (seen,)  # how much it is in all, the order says; which execution it was, the tape
    if kind is None and (update.qty is None or update.price is None):
        return (seen,)
    why = f"an execution came by the name {plain(name, 40)!r}" if kind is None else f"a {name} came without an id"
    return seen, Gap(reason=why, as_of=as_of)


def _execution(update: Rest, kind: ExecutionKind, order: OrderSnapshot) -> Execution:
    execution_id, qty, price = update.execution_id, update.qty, update.price
    if not execution_id or qty is None or price is None:
        raise Unreadable("it has no id, no quantity or no price")
    check(qty)
    check(price)
    if price < 0 or (qty <= 0 and kind is ExecutionKind.FILL):
        raise Unreadable(f"qty {qty}, price {price}")
    previous = update.previous_execution_id
    return _row(
        execution_id=fields.uuid_text(execution_id) or execution_id,
        order_id=order.order_id,
        qty=qty.copy_abs(),
        price=price,
        symbol=order.symbol,
        side=order.side,
        kind=kind,
        previous_id=(fields.uuid_text(previous) or previous) if previous else None,
        cum_qty=order.filled_qty,
        order_status=order.status,
        at=moment(update.timestamp),
    )


def _of_leg(leg: LegRow, update: Rest, order: OrderSnapshot) -> Execution:
    check(leg.qty)
    check(leg.price)
    order_id = fields.order_id(leg.order_id)
    side = next((each.side for each in order.legs if each.order_id == order_id), None)
    return Execution(
        execution_id=fields.uuid_text(leg.execution_id) or leg.execution_id,
        order_id=order_id,
        qty=leg.qty.copy_abs(),
        price=leg.price,
        symbol=leg.symbol,
        side=side,
        at=moment(update.timestamp),
    )


def _taken_apart(data: msgspec.Raw, route: Route, as_of: float) -> tuple[Event, ...]:
    """As much of a strange trade update as can be read: all of it, its order, or nothing."""
    try:
        loose = _LOOSE.decode(data)
        return _said(loose, decode.order(bytes(loose.order)), route, as_of)
    except (*_BAD_FRAME, Unreadable) as error:
        why = Gap(reason=f"a trade update could not be read ({plain(str(error), 120)})", as_of=as_of)
    try:
        order = decode.order(bytes(_ALONE.decode(data).order))
    except (*_BAD_FRAME, Unreadable):
        return (why,)
    return Seen(order=order, route=route, as_of=as_of), why


def _opened(raw: bytes) -> _Envelope:
    try:
        return _ENVELOPE.decode(raw)
    except _BAD_FRAME:
        if raw.startswith((b"{", b"[")):  # no MessagePack that could be meant
            raise
        return _ENVELOPE.decode(_repacked(raw))


def _repacked(raw: bytes) -> bytes:
    """A MessagePack frame as JSON; a `msgspec.DecodeError` for what is neither."""
    try:
        return msgspec.json.encode(msgspec.msgpack.decode(raw))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from None
