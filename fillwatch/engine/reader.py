"""The one place that looks: due looks of all watches are answered with whatever costs the fewest requests.

Monitors never ask a broker; they become due here. Each request that is sent covers as many of them as it can, and what
its answer shows is absorbed by every watch it concerns. An unanswered read is not retried: its orders are due again.
"""

from __future__ import annotations

import asyncio
import math

from fillwatch.brokers.base import Broker, Fills, Listing
from fillwatch.brokers.push import Pushes
from fillwatch.core.errors import BrokerError, EngineClosed
from fillwatch.core.evidence import Look, Seen, Unanswered
from fillwatch.core.positions import PositionBook
from fillwatch.core.schedule import Outlook, Read, cheapest, is_leftover
from fillwatch.engine.agenda import HAIR, Agenda
from fillwatch.engine.audits import Audits
from fillwatch.engine.beat import Beat
from fillwatch.engine.case import Case
from fillwatch.engine.census import Counter
from fillwatch.engine.dues import Due, Dues
from fillwatch.engine.ends import EndsReader
from fillwatch.engine.feeds import Feed
from fillwatch.engine.index import Index
from fillwatch.engine.limiter import Priority
from fillwatch.engine.list_reader import ListReader
from fillwatch.engine.tape_feed import TapeReader
from fillwatch.engine.wire import Wire
from fillwatch.logs import plain_logger

#: Seconds between two looks at whether a token is about to be lost.
LEAST_REST, LONGEST_REST = 0.01, 0.5
#: Looks by id that go unanswered, one after the other, before the list is tried instead.
IN_VAIN = 2

Answer = Look | Listing | Fills | None


class Reader:
    """Plans and makes the reads for the cases of its `index`; `dues` says which looks are wanted."""

    def __init__(self, broker: Broker, wire: Wire, agenda: Agenda, book: PositionBook) -> None:
        self._broker = broker
        self._wire = wire
        self._agenda = agenda
        self._loop = asyncio.get_running_loop()
        self._log = plain_logger()
        self._kick = asyncio.Event()
        self.index = Index()
        self.dues = Dues(self.index, agenda, self._kick, has_list=broker.caps.page_size > 0)
        self.tape = TapeReader(broker, self.index, book, self._kick)
        self.list = ListReader(broker, self.index, self.dues, self.tape)
        self._ends = EndsReader(broker, self.index)
        self._audits = Audits(self.index, self.list, self.tape, self._ends, page_size=broker.caps.page_size)
        pushes = broker if broker.caps.stream and isinstance(broker, Pushes) else None
        self.feed = Feed(
            pushes, self.index, self.dues, self.tape, agenda, sweep_spacing=lambda: self._audits.sweep_spacing
        )
        self._counter = Counter(self.index, lambda: self.feed.relieves_since)
        self._last, self._paged = Read.NOTHING, 0
        self._in_vain = 0
        self._beat = Beat(wire.limiter)
        self._chosen: list[Read] = []
        self._reading = 0
        self._asking: set[Priority] = set()

    def add(self, case: Case) -> None:
        """Look at this case from now on, first at once."""
        self.index.add(case.order_id, case)
        case.tape_since = self.tape.read_to
        self.feed.begin(case)
        self.dues.keep_due(case)

    def follow(self, case: Case) -> None:
        """The order was replaced: what is told of its successors is told of it."""
        if sum(self.index.add(order_id, case) for order_id in case.chain.ids):
            case.tape_since = max(case.tape_since, self.tape.read_to)
            self.dues.follow(case)
            self._agenda.at(self._loop.time(), self.feed.begin, case)  # not while what replaced it is taken in

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Send reads for as long as the engine lives; at most one waits for its token in each of two classes."""
        while True:
            self._kick.clear()
            if self.dues.is_urgent or self.tape.is_wanted:
                self._ask(group, Priority.FINAL_CHECK)
            if self._choose(self._wire.limiter.beyond_reserve, spare=self._has_spare()) is not Read.NOTHING:
                self._ask(group, Priority.POLL)
            await self._rest()

    async def _rest(self) -> None:
        """Until something becomes due, or the tape's turn comes, or a token can be spent with orders to look at."""
        pause = None
        if Priority.POLL not in self._asking:
            pause = self._audits.due_in(self.feed.tape_audit)
            exposed, turn = self._counter.census().exposed, self._audits.turn_in(self._wire.limiter.rate_now)
            if exposed and turn < math.inf:
                pause = min(pause, LONGEST_REST, max(turn, LEAST_REST))
            elif exposed:
                pause = min(pause, LONGEST_REST, self._spare_in())
            elif self.dues.listed or self.dues.single or self.list.is_sweeping:
                # If it could go now, something else is awaited.
                pause = min(pause, self._beat.look_in or self.list.awaits_for or math.inf)
        pause = min(math.inf if pause is None else pause, self.tape.wanted_in)
        try:
            async with asyncio.timeout(max(pause, LEAST_REST)):
                await self._kick.wait()
        except TimeoutError:
            pass

    def _ask(self, group: asyncio.TaskGroup, priority: Priority) -> None:
        if priority not in self._asking:
            self._asking.add(priority)
            group.create_task(self._request(priority), name=f"fillwatch-read-{priority.name.lower()}")

    async def _request(self, priority: Priority) -> None:
        """Wait for a token, then send whatever is best at that moment."""
        choice = Read.NOTHING

        def wanted() -> bool:
            nonlocal choice
            self._asking.discard(priority)
            # Without anything due, one look at a time: a second one before its answer would tell the same.
            choice = self._choose(self._wire.limiter.beyond_reserve + 1.0, spare=not (self._reading or self._chosen))
            if choice is Read.NOTHING:  # somebody else has asked meanwhile: see again soon what is left
                self._agenda.at(self._loop.time() + LEAST_REST, self._kick.set)
                return False
            self._last = choice
            if choice not in (Read.TAPE, Read.ENDS):
                self._paged = self._paged + 1 if choice is Read.PAGE else 0
                self._beat.struck()
            self._chosen.append(choice)
            return True

        async def read() -> Answer:
            self._kick.set()
            try:
                return await self._read(choice)
            finally:
                self._reading -= 1
                self._kick.set()

        try:
            await self._wire.ask_if(wanted, priority, read)
        except EngineClosed:
            self._asking.discard(priority)
        except BrokerError as error:
            self._log.warning("a read failed: {}: {}", type(error).__name__, error)

    def _has_spare(self) -> bool:
        """Whether to read although nothing is due: a token is there without regret, or news is likely."""
        return not self._chosen and self._spare_in() <= HAIR

    def _spare_in(self) -> float:
        """Seconds until a token is well spent: tokens abound, or the beat comes, or news is likely."""
        if self._reading:
            return math.inf  # its end is news
        if self._counter.census().hot and not self.dues.listed:
            return self._beat.hot_in
        return self._beat.look_in

    def _choose(self, tokens: float, *, spare: bool) -> Read:
        census, tape_in = self._counter.census(), self._audits.turn_in(self._wire.limiter.rate_now)
        return cheapest(
            Outlook(
                due=self.dues.listed,
                strays=self.dues.single,
                shown=census.live + census.audited,
                exposed=census.exposed,
                pages=self._audits.pages,
                lists=self.list.exists,
                sweeping=self.list.is_sweeping,
                paging=self.list.is_paging or Read.PAGE in self._chosen,
                tape=self.tape.is_ready and Read.TAPE not in self._chosen,
                tape_wanted=self.tape.is_wanted,
                audit_due=self._audits.due_in(self.feed.tape_audit) <= 0,
                tape_due=tape_in <= HAIR,
                ends=self._audits.ends_may_go and Read.ENDS not in self._chosen,
                leftover=is_leftover(tokens, self._wire.limiter.rate_now, tape_in),
                beat=self._beat.look_in <= HAIR,
                urgent=self.dues.is_urgent,
                in_vain=self._in_vain >= IN_VAIN,
                spare=spare,
                last=self._last,
                paged=self._paged,
            )
        )

    async def _read(self, choice: Read) -> Answer:
        self._chosen.remove(choice)
        self._reading += 1
        match choice:
            case Read.NOTHING:
                return None
            case Read.ORDER:
                return await self._look()
            case Read.PAGE:
                self._in_vain = 0
                return await self.list.read()
            case Read.TAPE:
                return await self.tape.read()
            case Read.ENDS:
                return await self._ends.read()

    async def _look(self) -> Answer:
        due = self._next_by_id()
        if due is None:
            return None
        case, order_id = due
        self.dues.asked(due)
        case.api_calls += 1
        look = await self._broker.look(order_id)
        self._in_vain = self._in_vain + 1 if isinstance(look, Unanswered) else 0
        if isinstance(look, Unanswered):
            case.unanswered(look)
        else:
            case.absorb(look, self._loop.time())
            if isinstance(look, Seen):
                self.tape.begin(look.order)
        return look

    def _next_by_id(self) -> Due | None:
        """The look that is due, or else at the order seen longest ago."""
        due = self.dues.first()
        if due is not None:
            return due
        live = (case for case in self.index if case.is_live)
        oldest = min(live, key=lambda case: case.chain.seen_as_of, default=None)
        return None if oldest is None else (oldest, oldest.chain.current.order_id)
