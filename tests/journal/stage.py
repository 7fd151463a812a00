"""What the journal's tests share: facts that are easy to make, and entries that are easy to compare."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fillwatch.journal import Entry, Fact, FactKind

BEGAN = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a payload made by `fact` holds."""

    n: int
    more: str


def fact(
    kind: FactKind = FactKind.RESULT, number: int = 0, *, intent: str = "", order: str = "", size: int = 0
) -> Fact:
    """A fact that says `number`, with `size` characters more."""
    return Fact.of(
        kind,
        {"n": number, "more": "x" * size},
        at=BEGAN + timedelta(microseconds=number),
        monotonic=float(number),
        intent_id=intent,
        order_id=order,
    )


def numbers(entries: Iterable[Entry]) -> list[int]:
    """What the facts say, in order."""
    return [entry.fact.read(Said).n for entry in entries]


def facts(entries: Iterable[Entry]) -> list[Fact]:
    """The facts alone."""
    return [entry.fact for entry in entries]
