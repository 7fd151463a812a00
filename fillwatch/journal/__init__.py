"""REMEMBERS: facts that must survive, in order; in memory, or in an SQLite file, which is loaded when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from fillwatch.journal.base import KIND_RULES, Entry, Fact, FactKind, Journal, KindRule
from fillwatch.journal.errors import (
    JournalClosed,
    JournalError,
    JournalFull,
    JournalInUse,
    JournalUnreadable,
    JournalUnwritable,
)
from fillwatch.journal.memory import MemoryJournal

if TYPE_CHECKING:
    from fillwatch.journal.reader import JournalReader
    from fillwatch.journal.sqlite import SqliteJournal

__all__ = [
    "KIND_RULES",
    "Entry",
    "Fact",
    "FactKind",
    "Journal",
    "JournalClosed",
    "JournalError",
    "JournalFull",
    "JournalInUse",
    "JournalReader",
    "JournalUnreadable",
    "JournalUnwritable",
    "KindRule",
    "MemoryJournal",
    "SqliteJournal",
]

#: Every engine knows of facts; few programs open a file of them.
_LATE: Mapping[str, str] = MappingProxyType(
    {"JournalReader": "fillwatch.journal.reader", "SqliteJournal": "fillwatch.journal.sqlite"}
)


def __getattr__(name: str) -> object:
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
