"""REMEMBERS: facts that must survive, in order; in memory, or in an SQLite file."""

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
