"""Holds a whole journal to what must always be true of one. Plain functions, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from fillwatch.journal import Entry
from fillwatch.observe import execution_rules, journal_rules, trade_rules, watch_rules
from fillwatch.observe.overview import Row, open_rows
from fillwatch.observe.record import Record, record
from fillwatch.observe.rules import Rule

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One breach of a rule. `subject` is the intent or the order that it is about, "" for the journal itself."""

    rule: str
    subject: str
    numbers: tuple[int, ...]
    text: str
    means: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What an audit found, and what the journal holds open, which is no breach. `compared`: the orders that were held
    to the account as well; None when it was not asked.
    """

    entries: int
    runs: int
    intents: int
    orders: int
    rules: int
    findings: tuple[Finding, ...]
    open: tuple[Row, ...]
    compared: int | None = None


def audit(entries: Iterable[Entry]) -> Audit:
    """Check `entries`, a whole journal in order."""
    return audited(record(entries))


def audited(known: Record) -> Audit:
    """Check a journal that was read."""
    found = [*_judged("", known, journal_rules.RULES, known)]
    for intent_id, mine in known.intents.items():
        found += _judged(intent_id, mine, trade_rules.RULES, known)
    for order_id, mine in known.orders.items():
        found += _judged(order_id, mine, {**watch_rules.RULES, **execution_rules.RULES}, known)
    found.sort(key=lambda each: each.rule)  # stable: in the order of the journal within a rule
    return Audit(
        entries=len(known.lines),
        runs=len({each.entry.run for each in known.lines}),
        intents=len(known.intents),
        orders=len({each.order_id for each in known.lines if each.order_id}),
        rules=sum(map(len, (journal_rules.RULES, trade_rules.RULES, watch_rules.RULES, execution_rules.RULES))),
        findings=tuple(found),
        open=open_rows(known),
    )


def _judged(subject: str, what: T, rules: Mapping[str, Rule[T]], known: Record) -> Iterator[Finding]:
    for name, rule in rules.items():
        for breach in rule.check(what):
            if rule.needs_beginning and known.forgot(breach.numbers[0]):
                continue
            yield Finding(rule=name, subject=subject, numbers=breach.numbers, text=breach.text, means=rule.means)
