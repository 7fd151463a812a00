"""A journal's entries with their payloads read, so that they can be asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from fillwatch.core.results import Amendment, FillResult, Transition
from fillwatch.core.trade_facts import TradeFact
from fillwatch.execution.migration import Disagreement
from fillwatch.execution.records import facts_of
from fillwatch.journal import Entry, FactKind, JournalError, JournalReader
from fillwatch.journal.watching import PAYLOADS, Canceling, Learnt, Released, Traded, WatchBegun, is_of_a_watch

#: Entries read at a time.
PAGE = 5_000
#: See `core.trade_facts.key`.
_NAME = re.compile(r"[exc][1-9][0-9]*")

#: What the engine writes of an order that it watches.
WatchFact = WatchBegun | Learnt | Transition | Traded | Canceling | FillResult | Amendment | Released


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry. `trade` is the executor's fact about an intent, `watch` the engine's about an order, `shadow` what two
    ways of detecting a fill told differently; `problem` says why the payload cannot be read.
    """

    entry: Entry
    trade: TradeFact | None = None
    watch: WatchFact | None = None
    shadow: Disagreement | None = None
    problem: str | None = None

    @property
    def number(self) -> int:
        """The entry's number."""
        return self.entry.number

    @property
    def kind(self) -> FactKind:
        """What the fact is about."""
        return self.entry.fact.kind

    @property
    def at(self) -> datetime:
        """By the wall clock, UTC."""
        return self.entry.fact.at

    @property
    def order_id(self) -> str:
        """The broker's id of the order it concerns, if any."""
        return self.entry.fact.order_id

    @property
    def intent_id(self) -> str:
        """The intent it concerns, if any."""
        return self.entry.fact.intent_id

    @property
    def name(self) -> str | None:
        """Of a trade's fact: which of its orders it is about (`e1`, `x1`, ...)."""
        return getattr(self.trade, "name", None)


def line(entry: Entry) -> Line:
    """The entry, read. Never raises for what a payload holds."""
    fact = entry.fact
    try:
        if is_of_a_watch(fact):
            return Line(entry=entry, watch=fact.read(PAYLOADS[fact.kind]))
        if fact.kind is FactKind.DISAGREEMENT:
            return Line(entry=entry, shadow=fact.read(Disagreement))
        facts = facts_of([entry])
    except JournalError as error:
        return Line(entry=entry, problem=str(error))
    found = Line(entry=entry, trade=facts[0] if facts else None)
    if found.name is not None and not _NAME.fullmatch(found.name):
        return Line(entry=entry, problem=f"{found.name!r} is not the name of an order of a trade")
    return found


def lines(entries: Iterable[Entry]) -> list[Line]:
    """Every entry, read."""
    return [line(entry) for entry in entries]


def pages(
    reader: JournalReader,
    *,
    order_id: str | None = None,
    intent_id: str | None = None,
    kinds: Sequence[FactKind] = (),
    after: int = 0,
) -> Iterator[Entry]:
    """The entries that fit, a page at a time."""
    while found := reader.read(order_id=order_id, intent_id=intent_id, kinds=kinds, after=after, limit=PAGE):
        yield from found
        after = found[-1].number
