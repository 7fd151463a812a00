"""What can go wrong with a journal, grouped by what the caller does next.

JournalError
├── JournalUnwritable       a fact could not be written: whoever was about to act on it must not; others go on
│   └── JournalFull           because there is no room: the disk is full, or the journal's own limit is reached
├── JournalUnreadable       the file is damaged, of another program, or of a newer version: nothing was changed in it
├── JournalInUse            another process writes this file: end that one first, or use another file
└── JournalClosed           the journal was closed
"""

from __future__ import annotations

from fillwatch.core.errors import FillwatchError


class JournalError(FillwatchError):
    """Everything a journal raises on purpose, `ValueError` for bad arguments apart."""


class JournalUnwritable(JournalError):
    """The facts just given are not on the disk.

    `kept`: they stay in memory and will be written once there is room, so that only durability was lost; false for
    facts that announce an action (`KIND_RULES`), which are forgotten: the action must not be taken.
    """

    def __init__(self, message: str, *, kept: bool = False) -> None:
        super().__init__(message)
        self.kept = kept


class JournalFull(JournalUnwritable):
    """There is no room: the disk is full, a quota is reached, or the journal's own limit is."""


class JournalUnreadable(JournalError):
    """The file cannot be used as a journal: damaged, made by another program, or by a newer version of this one."""


class JournalInUse(JournalError):
    """Another process (or another journal of this one) writes the file. Two writers would tell one story twice."""


class JournalClosed(JournalError):
    """The journal was closed before the fact was written."""
