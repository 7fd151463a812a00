"""A whole journal in memory, by whom its facts concern: what the checks of an audit are asked about."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fillwatch.journal import Entry
from fillwatch.observe.lines import Line, line


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """`lines` is everything, in order.

    `intents` are the executor's entries by intent, `orders` the engine's by the id that was handed to `watch()`.
    """

    lines: Sequence[Line]
    intents: Mapping[str, Sequence[Line]]
    orders: Mapping[str, Sequence[Line]]

    def forgot(self, before: int) -> bool:
        """Whether entries with a lower number were taken out: what began in them seems to have no beginning."""
        return bisect_left(self.lines, before, key=lambda each: each.number) < before - 1


def record(entries: Iterable[Entry]) -> Record:
    """Everything that `entries`, a whole journal in order, hold."""
    every: list[Line] = []
    intents: dict[str, list[Line]] = defaultdict(list)
    orders: dict[str, list[Line]] = defaultdict(list)
    for entry in entries:
        found = line(entry)
        every.append(found)
        if found.trade is not None:
            intents[found.intent_id].append(found)
        elif found.watch is not None:
            orders[found.order_id].append(found)
    return Record(lines=every, intents=intents, orders=orders)
