"""The looks that are due, and those that somebody waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container
from itertools import islice

from fillwatch.engine.agenda import HAIR, Agenda
from fillwatch.engine.case import Case
from fillwatch.engine.index import Index

#: One look: whose it is, and at which order.
Due = tuple[Case, str]


class Dues:
    """One entry for each case and order id. `kick` is set whenever there is something new to be read."""

    def __init__(self, index: Index, agenda: Agenda, kick: asyncio.Event) -> None:
        self._index = index
        self._agenda = agenda
        self._kick = kick
        self._loop = asyncio.get_running_loop()
        #: Seconds for which a case need not be read although its interval is over: a push route tells of it.
        self.audit_of: Callable[[Case], float] = lambda case: 0.0
        #: What a page of the list may show, what has to be asked by its id, and what somebody waits for.
        self._listed: dict[Due, None] = {}
        self._single: dict[Due, None] = {}
        self._urgent: dict[Due, None] = {}
        self._when_due = self._come_back  # bound once, for there is an appointment for each watch

    @property
    def is_urgent(self) -> bool:
        """Whether somebody waits for a look."""
        return bool(self._urgent)

    @property
    def listed(self) -> int:
        """Looks that a page of the list may answer."""
        return len(self._listed) + sum(case.is_listed for case, _ in self._urgent)

    @property
    def single(self) -> int:
        """Looks that nothing but a request of their own answers."""
        return len(self._single) + sum(not case.is_listed for case, _ in self._urgent)

    def first(self) -> Due | None:
        """The look to ask for by its id: the longest due of those that nothing else answers, or of all."""
        urgent = [due for due in self._urgent if not due[0].is_listed]
        return next(iter([*urgent, *islice(self._single, 1), *islice(self._urgent, 1), *islice(self._listed, 1)]), None)

    def keep_due(self, case: Case) -> None:
        """Let the case be due at its intervals for as long as it is live or audited; now, if its time has come.

        To be called again when the intervals have changed.
        """
        if not (case.is_live or case.is_audited) or case not in self._index:
            return
        now = self._loop.time()
        next_due = case.chain.seen_as_of + self._interval(case)
        if next_due > now + HAIR:
            self._appoint(case, next_due)
            return
        self.mark(case)
        if case.audits is not None:
            case.audits += 1

    def mark(self, case: Case) -> None:
        """The case is due now, if anything is to be learnt of it."""
        if not (case.is_live or case.is_audited):
            return
        due = case, case.chain.current.order_id
        (self._listed if case.is_listed else self._single)[due] = None
        (self._single if case.is_listed else self._listed).pop(due, None)
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

    def cover(self, order_ids: Container[str]) -> None:
        """A page is being asked for that may show these orders."""
        for dues in (self._urgent, self._listed):
            for due in [due for due in dues if due[1] in order_ids]:
                self.asked(due)

    def asked(self, due: Due) -> None:
        """A request that covers this look is being sent: it is due again after the order's interval."""
        was_due = due in self._listed or due in self._single
        for dues in (self._urgent, self._listed, self._single):
            dues.pop(due, None)
        if was_due:
            self._appoint(due[0], self._loop.time() + self._interval(due[0]))

    def forget(self, case: Case) -> None:
        """Nothing of the case is due any more, unless somebody waits for it."""
        for order_id in case.chain.ids:
            self._listed.pop((case, order_id), None)
            self._single.pop((case, order_id), None)

    def _interval(self, case: Case) -> float:
        return case.interval(at_least=self.audit_of(case))

    def _appoint(self, case: Case, when: float) -> None:
        case.due_at = when
        self._agenda.at(when, self._when_due, case, when)

    def _come_back(self, case: Case, due_at: float) -> None:
        if case.due_at == due_at:  # else it was appointed anew meanwhile
            self.keep_due(case)
