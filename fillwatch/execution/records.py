"""Facts of trades as facts of the journal, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

import msgspec

from fillwatch.core.orders import Side
from fillwatch.core.trade_facts import (
    Cleared,
    Closed,
    Counted,
    Declined,
    Doubtful,
    Faulty,
    Intended,
    Looked,
    NotPlaced,
    Placed,
    Reopened,
    Sending,
    Told,
    TradeFact,
    Watched,
)
from fillwatch.core.trade_terms import WISHES, ExecutorConfig, Intent
from fillwatch.journal import Entry, Fact, FactKind, JournalError
from fillwatch.logs import plain_logger

#: Total over the facts of a trade. A `STEP` of ours says in its payload which of them it is.
_KINDS: Mapping[type[TradeFact], FactKind] = MappingProxyType(
    {
        Intended: FactKind.INTENT,
        Declined: FactKind.REFUSED,
        Cleared: FactKind.STEP,
        Sending: FactKind.SENDING,
        Placed: FactKind.ACCEPTED,
        NotPlaced: FactKind.REFUSED,
        Watched: FactKind.STEP,
        Looked: FactKind.EXITS,
        Faulty: FactKind.EXITS,
        Counted: FactKind.EXITS,
        Doubtful: FactKind.STEP,
        Told: FactKind.RESULT,
        Closed: FactKind.CLOSED,
        Reopened: FactKind.REOPENED,
    }
)
_BY_NAME: Mapping[str, type[TradeFact]] = MappingProxyType({kind.__name__.lower(): kind for kind in _KINDS})
#: What a result of the engine says is known to nobody else after a crash.
DURABLE = (Watched,)


def written(fact: TradeFact, *, intent_id: str, order_id: str, monotonic: float) -> Fact:
    """The fact as the journal takes it."""
    name = type(fact).__name__.lower()
    kind = _KINDS[type(fact)]
    if isinstance(fact, NotPlaced) and not fact.arrived:
        kind = FactKind.QUARANTINED
    return Fact.of(
        kind,
        {"trade": name, "is": fact},
        at=fact.at,
        monotonic=monotonic,
        intent_id=intent_id,
        order_id=order_id,
    )


def facts_of(entries: Iterable[Entry]) -> tuple[TradeFact, ...]:
    """The facts of a trade among the journal's entries, in order. Raises `JournalError` for one that cannot be read."""
    found = (_read(entry.fact) for entry in entries)
    return tuple(fact for fact in found if fact is not None)


def intents_of(entries: Iterable[Entry]) -> tuple[list[Intent], list[JournalError]]:
    """The intents among the journal's entries, and why others cannot be read: the log says so too, at ERROR."""
    intents: list[Intent] = []
    errors: list[JournalError] = []
    for entry in entries:
        try:
            intents += [fact.intent for fact in facts_of([entry]) if isinstance(fact, Intended)]
        except JournalError as error:
            plain_logger().error("a trade is not taken up, and may hold shares without exits: {}", error)
            errors.append(error)
    return intents, errors


def _read(fact: Fact) -> TradeFact | None:
    body = fact.read(dict)
    kind = _BY_NAME.get(str(body.get("trade")))
    if kind is None:
        return None
    value = body["is"]
    try:
        if kind is Intended:
            return Intended(at=datetime.fromisoformat(value["at"]), intent=_intent(value["intent"]))
        return msgspec.convert(value, type=kind)
    except (msgspec.ValidationError, ValueError, KeyError, TypeError) as error:
        raise JournalError(f"a {kind.__name__} of intent {fact.intent_id} cannot be read: {error}") from error


def _intent(value: Mapping[str, object]) -> Intent:
    # Settings may be given as any kind of number; they go through the door of the class that checks them.
    config = msgspec.convert(value["config"], type=dict[str, str | int | float | bool | None])
    wishes = {name: Decimal(str(value[name])) for name in WISHES if name not in ("symbol", "side")}
    return Intent(
        intent_id=str(value["intent_id"]),
        symbol=str(value["symbol"]),
        side=Side(str(value["side"])),
        at=datetime.fromisoformat(str(value["at"])),
        config=ExecutorConfig(**config),  # type: ignore[arg-type]  # each field checks its own
        **wishes,
    )
