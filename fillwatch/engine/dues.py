"""The looks that are due, and those that somebody waits for."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Container, Iterable

from fillwatch.engine.agenda import HAIR, Agenda
from fillwatch.engine.by_id import ById
from fillwatch.engine.case import Case
from fillwatch.engine.index import Index

#: One look: whose it is, and at which order.
Due = tuple[Case, str]


class Dues:
    """Cases of which a look is due, and looks that somebody waits for. `kick` is set whenever there is something new
    to be read.

    A case that a sweep is to meet is *swept*: it is not due, and will not be, until a page shows it or the sweep ends.
    `has_list`: whether there are pages at all.
    """

    def __init__(self, index: Index, agenda: Agenda, kick: asyncio.Event, *, has_list: bool = True) -> None:
        self._index = index
        self._agenda = agenda
        self._kick = kick
        self._has_list = has_list
        self._loop = asyncio.get_running_loop()
        #: Seconds for which a case need not be read although its interval is over: a push route tells of it.
        self.audit_of: Callable[[Case], float] = lambda case: 0.0
        #: What a page of the list may show, what has to be asked by its id, and what somebody waits for.
        self._listed: dict[Case, None] = {}
        self._single = ById()
        self._urgent: dict[Due, None] = {}
        #: Cases that no read has described yet, and for which no page has been asked since they were due.
        self._new: dict[Case, None] = {}
        #: Cases that were due and that the sweep is to meet, with the moment at which they were due last; its orders.
        self._swept: dict[Case, float] = {}
        self._missing: Container[str] = ()

    @property
    def is_urgent(self) -> bool:
        """Whether somebody waits for a look."""
        return bool(self._urgent)

    @property
    def listed(self) -> int:
        """Looks that a page of the list may answer."""
        return len(self._listed) + sum(map(self._is_listed, self._urgent))

    @property
    def single(self) -> int:
        """Looks that nothing but a request of their own answers."""
        return len(self._single) + sum(not self._is_listed(due) for due in self._urgent)

    @property
    def waited_for(self) -> list[Case]:
        """Cases of the list that somebody waits for a look at."""
        return [due[0] for due in self._urgent if self._is_listed(due)]

    @property
    def newcomers(self) -> list[str]:
        """Orders of the list that nobody has seen yet, and for which no page has been asked."""
        new = (case.chain.current for case in self._new if case in self._listed)
        return [belief.order_id for belief in new if not belief.is_known]

    def first(self) -> Due | None:
        """The look to ask for by its id: of those that nothing else answers, or of all."""
        if not self._single.is_owed:
            for due in self._urgent:
                if not self._is_listed(due):
                    return due
        case = self._single.first()
        if case is not None:
            return case, case.chain.current.order_id
        for due in self._urgent:
            return due
        return next(((case, case.chain.current.order_id) for case in self._listed), None)

    def keep_due(self, case: Case) -> None:
        """Let the case be due at its intervals for as long as it is live or audited; now, if its time has come.

        To be called again when the intervals have changed.
        """
        if not (case.is_live or case.is_audited) or case not in self._index:
            return
        next_due = case.chain.seen_as_of + self._interval(case)
        if next_due > self._loop.time() + HAIR:
            self._appoint([case], next_due)
            return
        self.mark(case)
        if case.audits is not None:
            case.audits += 1

    def mark(self, case: Case) -> None:
        """The case is due now, if anything is to be learnt of it."""
        if not (case.is_live or case.is_audited):
            return
        if not (self._has_list and case.is_listed):
            self._listed.pop(case, None)
            self._single.add(case)
        elif case.chain.current.order_id in self._missing:
            self._swept[case] = self._loop.time()
            return
        else:
            self._single.discard(case)
            self._listed[case] = None
            if not case.chain.current.is_known:
                self._new[case] = None
        self._kick.set()

    def want(self, case: Case, order_id: str, since: float) -> None:
        """Somebody waits for a look at `order_id` from `since` on: it goes before the looks that are merely due."""
        if since > self._loop.time():
            self._agenda.at(since, self.want_again, case, order_id)
            return
        self._urgent[case, order_id] = None
        self._kick.set()

    def want_again(self, case: Case, order_id: str) -> None:
        """As `want`, from now on, if anybody still does."""
        if self._is_wanted(case):
            self.want(case, order_id, -math.inf)

    def _is_wanted(self, case: Case) -> bool:
        """Whether anybody would hear the answer: an ended case whose result was told may be asked for all the same."""
        return case.is_live or case.is_audited or case.is_heard

    def sweep(self, missing: Container[str]) -> None:
        """A sweep begins that is to meet every case of the list; what it met is taken from `missing` as it goes on."""
        now = self._loop.time()
        self._missing = missing
        due, self._listed = self._listed, {}
        self._swept |= dict.fromkeys(due, now)

    def cover(self, order_ids: Container[str]) -> None:
        """A page is being asked for that may show these orders: for now nobody has to ask for them by themselves."""
        for case in [case for case in self._new if case.chain.current.order_id in order_ids]:
            del self._new[case]
        for due in [due for due in self._urgent if due[1] in order_ids]:
            del self._urgent[due]

    def shown(self, cases: Iterable[Case], as_of: float) -> None:
        """A page that was asked for at `as_of` showed these cases: they are due again after their intervals."""
        seen: list[Case] = []
        for case in cases:
            due_since = self._swept.pop(case, math.nan)
            if due_since <= as_of:
                seen.append(case)
            elif due_since > as_of:  # the page is older than what it was due for
                self.mark(case)
        self._appoint_again(seen, as_of)

    def swept(self) -> None:
        """The sweep is over: what it did not meet is due."""
        left, self._swept, self._missing = self._swept, {}, ()
        for case in left:
            self.mark(case)

    def failed(self) -> None:
        """A page went unanswered and the sweep was given up: what it did not meet is due again after its interval."""
        left, self._swept, self._missing = self._swept, {}, ()
        self._appoint_again(left, self._loop.time())

    def asked(self, due: Due) -> None:
        """A request that covers this look is being sent: it is due again after the order's interval."""
        case, order_id = due
        self._urgent.pop(due, None)
        self._single.asked(case)
        if case.chain.current.order_id == order_id and (case in self._listed or case in self._single):
            self._listed.pop(case, None)
            self._single.discard(case)
            self._appoint_again([case], self._loop.time())

    def forget(self, case: Case) -> None:
        """Nothing of the case is due any more, unless somebody waits for it."""
        for dues in (self._listed, self._swept, self._new):
            dues.pop(case, None)
        self._single.discard(case)
        if not self._is_wanted(case):
            for order_id in case.chain.ids:
                self._urgent.pop((case, order_id), None)

    def follow(self, case: Case) -> None:
        """The order was replaced: what is due, and what somebody waits for, is a look at its successor."""
        self.forget(case)
        current = case.chain.current.order_id
        for due in [due for due in self._urgent if due[0] is case and due[1] != current]:
            del self._urgent[due]  # no page that is aimed or swept would ever answer it
            self._urgent[case, current] = None
        self.keep_due(case)

    def _interval(self, case: Case) -> float:
        return case.interval(at_least=self.audit_of(case))

    def _appoint_again(self, cases: Iterable[Case], since: float) -> None:
        groups: dict[float, list[Case]] = {}
        for case in cases:
            groups.setdefault(self._interval(case), []).append(case)
        for seconds, group in groups.items():
            self._appoint(group, since + seconds)

    def _appoint(self, cases: list[Case], when: float) -> None:
        for case in cases:
            case.due_at = when
        self._agenda.at(when, self._come_back, cases, when)

    def _come_back(self, cases: list[Case], due_at: float) -> None:
        for case in cases:
            if case.due_at == due_at:  # else it was appointed anew meanwhile
                self.keep_due(case)

    def _is_listed(self, due: Due) -> bool:
        """Whether pages of the list are read for this look: they are for the order at work, not for one before it."""
        case, order_id = due
        return self._has_list and case.is_listed and case.chain.current.order_id == order_id
