"""The one place that looks: due looks of all watches are answered with whatever costs the fewest requests.

Monitors never ask a broker; they become due here. Each request that is sent covers as many of them as it can, and what
its answer shows is absorbed by every watch it concerns. An unanswered read is not retried: its orders are due again.
"""

from __future__ import annotations

import asyncio
import math

from fillwatch.brokers.base import Broker, Fills, Listing
from fillwatch.core.errors import BrokerError, EngineClosed
from fillwatch.core.evidence import Look, Missing, Route, Seen, Unanswered
from fillwatch.core.positions import PositionBook
from fillwatch.core.schedule import STRAYS, YOUNG, Outlook, Read, cheapest
from fillwatch.engine.agenda import HAIR, Agenda
from fillwatch.engine.case import Case
from fillwatch.engine.index import Index
from fillwatch.engine.limiter import Priority
from fillwatch.engine.sweep import Sweep
from fillwatch.engine.tape_feed import TapeReader
from fillwatch.engine.wire import Wire
from fillwatch.logs import plain_logger

#: Seconds between two looks at whether a token is about to be lost.
LEAST_REST, LONGEST_REST = 0.01, 0.5
#: Seconds for which a page of the list is awaited before the same one is asked for again.
PAGE_PATIENCE = 1.0
#: Seconds between two reads of the tape that nobody asked for.
LATE_FACTS = 20.0

Answer = Look | Listing | Fills | None


class Reader:
    """Plans and makes the reads for the cases of its `index`."""

    def __init__(self, broker: Broker, wire: Wire, agenda: Agenda, book: PositionBook) -> None:
        self.index = Index()
        self._broker = broker
        self._wire = wire
        self._agenda = agenda
        self._loop = asyncio.get_running_loop()
        self._log = plain_logger()
        self._kick = asyncio.Event()
        self._due: dict[tuple[Case, str], None] = {}
        self._urgent: dict[tuple[Case, str], None] = {}
        self.tape = TapeReader(broker, self.index, book, self._kick)
        self._sweep: Sweep | None = None
        self._pages = 1
        self._page_asked = -math.inf
        self._last = Read.NOTHING
        self._reading = 0
        self._asking: set[Priority] = set()

    def add(self, case: Case) -> None:
        """Look at this case from now on, first at once."""
        self.index.add(case.order_id, case)
        self._become_due(case)

    def audit(self, case: Case) -> None:
        """Look at an unresolved case at the growing intervals of an audit."""
        self._become_due(case)

    def follow(self, case: Case) -> None:
        """The order was replaced: what is told of its successors is told of it."""
        for order_id in case.chain.ids:
            if self.index.add(order_id, case):
                case.indexed_at = self._loop.time()
        if not case.chain.current.is_known:
            self._mark_due(case)

    def drop(self, case: Case) -> None:
        """Forget the case."""
        self.index.remove(case)

    def want_look(self, case: Case, order_id: str, since: float) -> None:
        """Somebody waits for a look at `order_id` from `since` on: it goes before the looks that are merely due."""

        def want() -> None:
            self._urgent[case, order_id] = None
            self._kick.set()

        if since <= self._loop.time():
            want()
        else:
            self._agenda.at(since, want)

    def reschedule(self, case: Case) -> None:
        """The intervals may have become shorter."""
        self._mark_due(case)

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Send reads for as long as the engine lives; at most one waits for its token in each of two classes."""
        while True:
            self._kick.clear()
            if self._urgent or self.tape.is_wanted:
                self._ask(group, Priority.FINAL_CHECK)
            if self._choose(spare=self._wire.limiter.is_full and not self._reading) is not Read.NOTHING:
                self._ask(group, Priority.POLL)
            await self._rest()

    async def _rest(self) -> None:
        """Until something becomes due, or a token would be lost with orders to look at."""
        pause = self._tape_wait() if self.tape.is_ready and Priority.POLL not in self._asking else None
        if any(case.is_live for case in self.index) and Priority.POLL not in self._asking:
            pause = min(self._wire.limiter.seconds_until_full(), LONGEST_REST, LONGEST_REST if pause is None else pause)
        if pause is not None:
            pause = max(pause, LEAST_REST)
        try:
            async with asyncio.timeout(pause):
                await self._kick.wait()
        except TimeoutError:
            pass

    def _tape_wait(self) -> float:
        """Seconds until the tape is due for late facts (busts, corrections), which no look at a live order shows."""
        if not self.tape.is_ready or not self.index:
            return math.inf
        return LATE_FACTS - self.tape.age

    def _ask(self, group: asyncio.TaskGroup, priority: Priority) -> None:
        if priority not in self._asking:
            self._asking.add(priority)
            group.create_task(self._request(priority), name=f"fillwatch-read-{priority.name.lower()}")

    async def _request(self, priority: Priority) -> None:
        """Wait for a token, then send whatever is best at that moment."""

        async def read() -> Answer:
            self._kick.set()
            try:
                return await self._read()
            finally:
                self._reading -= 1
                self._kick.set()

        def wanted() -> bool:
            self._asking.discard(priority)
            return self._next() is not Read.NOTHING

        try:
            await self._wire.ask_if(wanted, priority, read)
        except EngineClosed:
            self._asking.discard(priority)
        except BrokerError as error:
            self._log.warning("a read failed: {}: {}", type(error).__name__, error)

    def _next(self) -> Read:
        # Without anything due, one look at a time: a second one before its answer would tell the same.
        return self._choose(spare=not self._reading)

    def _choose(self, *, spare: bool) -> Read:
        caps = self._broker.caps
        wanted = [*self._urgent, *self._due]
        strays = sum(case.is_stray for case, _ in wanted)
        live = sum(case.is_live and not case.is_stray for case in self.index)
        audited = sum(case.is_audited and not case.is_stray for case in self.index)
        return cheapest(
            Outlook(
                due=len(wanted) - strays,
                strays=strays,
                shown=live + audited,
                live=live,
                pages=self._pages,
                lists=caps.page_size > 0,
                sweeping=self._sweep is not None,
                paging=self._loop.time() < self._page_asked + PAGE_PATIENCE,
                tape=self.tape.is_ready,
                tape_wanted=self.tape.is_wanted or self._tape_wait() <= 0,
                tape_age=self.tape.age,
                spare=spare,
                last=self._last,
            )
        )

    async def _read(self) -> Answer:
        choice = self._next()
        self._reading += 1
        self._last = choice
        match choice:
            case Read.NOTHING:
                return None
            case Read.ORDER:
                return await self._look()
            case Read.PAGE:
                return await self._list()
            case Read.TAPE:
                return await self.tape.read()

    async def _look(self) -> Answer:
        case, order_id = self._next_by_id()
        self._asked(case, order_id)
        case.api_calls += 1
        look = await self._broker.look(order_id)
        if isinstance(look, Unanswered):
            case.unanswered(look)
        else:
            case.absorb(look, self._loop.time())
            if isinstance(look, Seen):
                self.tape.begin(look.order)
        return look

    def _next_by_id(self) -> tuple[Case, str]:
        """The order that has waited longest for a look of its own."""
        waiting = [*self._urgent, *self._due]
        strays = [entry for entry in waiting if entry[0].is_stray]
        if strays or waiting:
            return (strays or waiting)[0]
        live = [case for case in self.index if case.is_live]
        oldest = min(live, key=lambda case: case.chain.seen_as_of)
        return oldest, oldest.chain.current.order_id

    async def _list(self) -> Answer:
        if self._sweep is None:
            self._sweep = Sweep.over(self._searchable())
        sweep = self._sweep
        for entry in [*self._urgent, *self._due]:
            if entry[1] in sweep.missing:
                self._asked(*entry)
        covered = {case: None for order_id in sweep.missing for case in self.index.of(order_id)}
        self._page_asked = asked = self._loop.time()
        page = await self._broker.list(after=sweep.after, until=sweep.until)
        if self._page_asked == asked:
            self._page_asked = -math.inf
        if isinstance(page, Unanswered):
            self._sweep = None if self._sweep is sweep else self._sweep
            for case in covered:
                case.unanswered(page)
        else:
            self._absorb_page(sweep, page)
        return page

    def _absorb_page(self, sweep: Sweep, page: Listing) -> None:
        now = self._loop.time()
        for order in reversed(page.orders):  # the replaced one before its successor, which nobody knows before it
            for case in self.index.of(order.order_id):
                case.is_stray = False
                case.api_calls += 1
                case.absorb(Seen(order=order, route=Route.LIST, as_of=page.as_of), now)
                self.tape.begin(order)
        if sweep is not self._sweep:
            return
        if sweep.take(page):
            return
        self._sweep, self._pages = None, max(1, sweep.pages)
        for order_id in sweep.missing:
            for case in self.index.of(order_id):
                case.is_stray = True
                if sweep.is_complete and now - case.started > YOUNG:
                    case.absorb(Missing(order_id=order_id, route=Route.LIST, as_of=sweep.began), now)
                self._mark_due(case)

    def _searchable(self) -> list[Case]:
        """The cases a sweep is to meet: those the list shows, and the others too when they have become many."""
        cases = {case: None for case in self.index if case.is_live or case.is_audited}
        strays = [case for case in cases if case.is_stray]
        if len(strays) > STRAYS:
            for case in strays:
                case.is_stray = False
        return [case for case in cases if not case.is_stray]

    def _asked(self, case: Case, order_id: str) -> None:
        """A request that covers this look is being sent: it is due again after the order's interval."""
        self._urgent.pop((case, order_id), None)
        self._due.pop((case, order_id), None)

    def _become_due(self, case: Case) -> None:
        """The look of the case may be due by now; either way come back when the next one can be."""
        if not (case.is_live or case.is_audited) or case not in self.index:
            return
        now = self._loop.time()
        next_due = case.chain.seen_as_of + case.interval()
        if next_due <= now + HAIR:
            self._mark_due(case)
            next_due = now + case.interval()
            if case.audits is not None:
                case.audits += 1
        self._agenda.at(next_due, lambda: self._become_due(case))

    def _mark_due(self, case: Case) -> None:
        self._due[case, case.chain.current.order_id] = None
        self._kick.set()
