"""What must hold of a journal as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType

from fillwatch.core.trade_facts import Placed
from fillwatch.observe.lines import Line
from fillwatch.observe.record import Record
from fillwatch.observe.rules import Breach, Rule


def readable(record: Record) -> Iterator[Breach]:
    """Every payload can be read."""
    for each in record.lines:
        if each.problem is not None:
            yield Breach(numbers=(each.number,), text=each.problem)


def in_order(record: Record) -> Iterator[Breach]:
    """Numbers and runs rise, and within a run the clock of one intent, and of one watched order, never goes back.

    The engine hands its facts in by the batch: between two subjects a fact may stand before an earlier one.
    """
    latest: dict[tuple[int, bool, str], Line] = {}
    for before, after in pairwise(record.lines):
        if after.number <= before.number:
            yield Breach(numbers=(before.number, after.number), text="the numbers do not rise")
        if after.entry.run < before.entry.run:
            text = f"run {after.entry.run} stands behind run {before.entry.run}"
            yield Breach(numbers=(before.number, after.number), text=text)
    for each in record.lines:
        subject = each.entry.run, each.watch is not None, each.order_id if each.watch is not None else each.intent_id
        before = latest.get(subject, each)
        back = before.entry.fact.monotonic - each.entry.fact.monotonic
        if back > 0:
            text = f"the clock of the run went back by {back:.6f} s"
            yield Breach(numbers=(before.number, each.number), text=text)
        latest[subject] = each


def one_owner(record: Record) -> Iterator[Breach]:
    """No order belongs to two trades."""
    owners: dict[str, tuple[str, str, int]] = {}
    for each in record.lines:
        if isinstance(each.trade, Placed):
            mine = each.intent_id, each.trade.name
            *theirs, number = owners.setdefault(each.trade.order_id, (*mine, each.number))
            if tuple(theirs) != mine:
                yield Breach(
                    numbers=(number, each.number),
                    text=f"order {each.trade.order_id} is {theirs[1]} of {theirs[0]} and {mine[1]} of {mine[0]}",
                )


RULES: Mapping[str, Rule[Record]] = MappingProxyType(
    {
        "readable": Rule(check=readable, means="what this entry tells is lost; nothing else is"),
        "in-order": Rule(check=in_order, means="the file was changed by somebody else, or put together from several"),
        "one-owner": Rule(check=one_owner, means="what one of the trades believes of this order is about the other"),
    }
)
