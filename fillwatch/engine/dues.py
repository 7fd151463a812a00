"""The looks that are due, and those that somebody waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fillwatch.engine.agenda import HAIR, Agenda
from fillwatch.engine.case import Case
from fillwatch.engine.index import Index

#: One look: whose it is, and at which order.
Due = tuple[Case, str]


class Dues:
    """One entry for each case and order id, those that somebody waits for first, each kind oldest first.

    `kick` is set whenever there is something new to be read.
    """

    def __init__(self, index: Index, agenda: Agenda, kick: asyncio.Event) -> None:
        self._index = index
        self._agenda = agenda
        self._kick = kick
        self._loop = asyncio.get_running_loop()
        #: Seconds for which a case need not be read although its interval is over: a push route tells of it.
        self.audit_of: Callable[[Case], float] = lambda case: 0.0
        self._due: dict[Due, None] = {}
        self._urgent: dict[Due, None] = {}

    @property
    def is_urgent(self) -> bool:
        """Whether somebody waits for a look."""
        return bool(self._urgent)

    def all(self) -> list[Due]:
        """Every look that is wanted."""
        return [*self._urgent, *self._due]

    def keep_due(self, case: Case) -> None:
        """Let the case be due at its intervals for as long as it is live or audited; now, if its time has come.

        To be called again when the intervals have changed.
        """
        if not (case.is_live or case.is_audited) or case not in self._index:
            return
        now = self._loop.time()
        interval = case.interval(at_least=self.audit_of(case))
        next_due = case.chain.seen_as_of + interval
        if next_due <= now + HAIR:
            self.mark(case)
            next_due = now + interval
            if case.audits is not None:
                case.audits += 1
        case.due_at = next_due
        self._agenda.at(next_due, lambda: self._come_back(case, next_due))

    def _come_back(self, case: Case, due_at: float) -> None:
        if case.due_at == due_at:  # else it was appointed anew meanwhile
            self.keep_due(case)

    def mark(self, case: Case) -> None:
        """The case is due now."""
        self._due[case, case.chain.current.order_id] = None
        self._kick.set()

    def want(self, case: Case, order_id: str, since: float) -> None:
        """Somebody waits for a look at `order_id` from `since` on: it goes before the looks that are merely due."""

        def want() -> None:
            self._urgent[case, order_id] = None
            self._kick.set()

        if since <= self._loop.time():
            want()
        else:
            self._agenda.at(since, want)

    def asked(self, due: Due) -> None:
        """A request that covers this look is being sent: it is due again after the order's interval."""
        self._urgent.pop(due, None)
        self._due.pop(due, None)
