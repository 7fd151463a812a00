"""Which watches an earlier process left open, as its journal tells it, and what each of them was."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from fillwatch.core.results import Amendment
from fillwatch.engine.case import Wishes
from fillwatch.engine.origin import Origin
from fillwatch.journal import Entry, FactKind, Journal, JournalError
from fillwatch.journal.patience import TAKING_UP, in_time
from fillwatch.journal.watching import MAY_HAVE_WORKED, Canceling, TimeoutKind, WatchBegun
from fillwatch.logs import plain_logger


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOpen:
    """A watch to be resumed."""

    order_id: str
    wishes: Wishes
    origin: Origin


async def left_open(journal: Journal) -> tuple[LeftOpen, ...]:
    """The plain watches that the journal holds open, in the order in which they were taken up.

    Those of trades are not among them: whoever recovers a trade watches its orders. A fact that cannot be read is
    passed over, and the log says so at ERROR. Raises `JournalError` when the journal cannot be read at all, or does not
    answer a question within `TAKING_UP` seconds.
    """
    entries = await in_time(journal, journal.watches(open_only=True), TAKING_UP)
    traded = await _orders_of_trades(journal)
    plain = [entry for entry in entries if not entry.fact.intent_id and entry.fact.order_id not in traded]
    if not plain:
        return ()
    since = min(entry.number for entry in plain)
    later: dict[str, list[Entry]] = {entry.fact.order_id: [] for entry in plain}
    news = journal.read(kinds=(FactKind.CANCELING, FactKind.AMENDMENT), after=since)
    for entry in await in_time(journal, news, TAKING_UP):
        later.get(entry.fact.order_id, []).append(entry)
    found = (_left_open(entry, later[entry.fact.order_id]) for entry in plain)
    return tuple(one for one in found if one is not None)


async def may_be_canceled(journal: Journal, order_id: str) -> bool:
    """Whether the journal tells of a cancel of this order, by us, that may have worked. Raises `JournalError` when it
    cannot be read.
    """
    return _may_be_canceled(await journal.read(order_id=order_id, kinds=(FactKind.WATCH, FactKind.CANCELING)))


def _may_be_canceled(entries: Iterable[Entry]) -> bool:
    sent: dict[str, str | None] = {}
    worked = False
    for entry in entries:
        if entry.fact.kind is FactKind.WATCH:
            worked = worked or entry.fact.read(WatchBegun).cancel_sent
        elif entry.fact.kind is FactKind.CANCELING:
            told = entry.fact.read(Canceling)
            sent[told.target] = told.answer
            worked = worked or (told.answer is not None and told.answer in MAY_HAVE_WORKED)
    # One without an answer was cut off: the cancel may have gone out.
    return worked or any(answer in MAY_HAVE_WORKED for answer in sent.values())


async def _orders_of_trades(journal: Journal) -> frozenset[str]:
    """The orders that the broker accepted for trades which are still open."""
    orders: set[str] = set()
    for intent in await in_time(journal, journal.intents(open_only=True), TAKING_UP):
        accepted = journal.read(intent_id=intent.fact.intent_id, kinds=(FactKind.ACCEPTED,))
        orders.update(entry.fact.order_id for entry in await in_time(journal, accepted, TAKING_UP))
    return frozenset(orders)


def _left_open(entry: Entry, later: list[Entry]) -> LeftOpen | None:
    fact = entry.fact
    try:
        begun = fact.read(WatchBegun)
        origin = Origin(
            began=begun.began,
            cancel_sent=_may_be_canceled([entry, *later]),
            told=begun.told,
        )
        if begun.told is not None:
            amendments = [one.fact.read(Amendment) for one in later if one.fact.kind is FactKind.AMENDMENT]
            origin = replace(origin, told=amendments[-1].amended if amendments else begun.told)
    except JournalError as error:
        plain_logger().error("the watch of {} cannot be resumed: {}", fact.order_id, error)
        return None
    wishes = Wishes(timeout_seconds=_timeout(begun), expected_price=begun.expected_price, at_timeout=begun.at_timeout)
    return LeftOpen(order_id=fact.order_id, wishes=wishes, origin=origin)


def _timeout(begun: WatchBegun) -> float | None:
    match begun.timeout:
        case TimeoutKind.GIVEN:
            return begun.timeout_seconds
        case TimeoutKind.CONFIGURED:
            return None
        case TimeoutKind.NONE:
            return math.inf
