"""A journal that is forgotten with the process: for those who want none, and for tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from fillwatch.journal.base import Entry, Fact, FactKind
from fillwatch.journal.errors import JournalClosed, JournalError

_ENDS_A_WATCH = frozenset({FactKind.RESULT, FactKind.RELEASED})


class MemoryJournal:
    """Keeps the last `limit` facts, and beyond them those of intents and watches that are still open.

    Nothing in it survives the process, `durable` or not. Raises `ValueError` for a limit below 1.
    """

    def __init__(self, limit: int = 100_000) -> None:
        if limit < 1:
            raise ValueError(f"limit: {limit} facts, at least 1 is needed")
        self._limit = limit
        self._forget_at = limit + limit // 4
        self._entries: list[Entry] = []
        self._number = 0
        self._is_closed = False

    @property
    def problem(self) -> JournalError | None:
        """See `Journal`. Memory has none."""
        return None

    @property
    def lost(self) -> int:
        """See `Journal`. What is forgotten over the limit was written first."""
        return 0

    async def write(self, *facts: Fact, durable: bool | None = None) -> None:
        """See `Journal`."""
        for fact in facts:
            self.note(fact)

    def note(self, fact: Fact) -> None:
        """See `Journal`."""
        if self._is_closed:
            raise JournalClosed("the journal is closed")
        self._number += 1
        self._entries.append(Entry(number=self._number, run=1, fact=fact))
        if len(self._entries) > self._forget_at:
            self._forget()

    async def read(
        self,
        *,
        order_id: str | None = None,
        intent_id: str | None = None,
        kinds: Sequence[FactKind] = (),
        after: int = 0,
        limit: int | None = None,
    ) -> tuple[Entry, ...]:
        """See `Journal`."""
        wanted = [
            entry
            for entry in self._entries
            if entry.number > after
            and order_id in (None, entry.fact.order_id)
            and intent_id in (None, entry.fact.intent_id)
            and (not kinds or entry.fact.kind in kinds)
        ]
        return tuple(wanted[:limit])

    async def intents(self, *, open_only: bool = False) -> tuple[Entry, ...]:
        """See `Journal`."""
        return tuple(_intents(self._entries, open_only=open_only))

    async def watches(self, *, open_only: bool = False) -> tuple[Entry, ...]:
        """See `Journal`."""
        return tuple(_watches(self._entries, open_only=open_only))

    async def aclose(self) -> None:
        """See `Journal`. What was written can still be read."""
        self._is_closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _forget(self) -> None:
        open_intents = {entry.fact.intent_id for entry in _intents(self._entries, open_only=True)}
        watched = {entry.fact.order_id for entry in _watches(self._entries, open_only=True)}
        newest = self._number - self._limit
        self._entries = [
            entry
            for entry in self._entries
            if entry.number > newest or entry.fact.intent_id in open_intents or entry.fact.order_id in watched
        ]
        # When most of what is there is still open, the next look for what can go has to wait in proportion.
        self._forget_at = max(self._limit, len(self._entries)) + self._limit // 4


def _intents(entries: Iterable[Entry], *, open_only: bool) -> list[Entry]:
    first: dict[str, Entry] = {}
    closed: set[str] = set()
    for entry in entries:
        if entry.fact.kind is FactKind.INTENT:
            first.setdefault(entry.fact.intent_id, entry)
        elif entry.fact.kind is FactKind.CLOSED:
            closed.add(entry.fact.intent_id)
        elif entry.fact.kind is FactKind.REOPENED:
            closed.discard(entry.fact.intent_id)
    return [entry for intent_id, entry in first.items() if not (open_only and intent_id in closed)]


def _watches(entries: Iterable[Entry], *, open_only: bool) -> list[Entry]:
    last: dict[str, Entry] = {}
    for entry in entries:
        if entry.fact.kind is FactKind.WATCH:
            last.pop(entry.fact.order_id, None)
            last[entry.fact.order_id] = entry
        elif open_only and entry.fact.kind in _ENDS_A_WATCH:
            last.pop(entry.fact.order_id, None)
    return list(last.values())
