"""The push route: what it tells goes to the cases that it concerns, and while it stands reads are audits of it.

A feed tells nothing of what happened before it was connected, nor of what it lost. An order is *covered* by it once it
has been described, by whatever route, at a moment since which the feed has stood without a gap; only then does it
make reads rarer. After each connection, and each gap, every order is therefore due once: the gap is repaired by reads.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable
from decimal import Decimal

from fillwatch.brokers.push import Connected, Disconnected, Event, Gap, Heartbeat, Pushes
from fillwatch.core.evidence import PUSHED, Executed, Seen
from fillwatch.core.loss import LONGEST_AUDIT, LossMeter
from fillwatch.core.results import Transition
from fillwatch.engine.agenda import Agenda
from fillwatch.engine.case import Case
from fillwatch.engine.dues import Dues
from fillwatch.engine.early import Early
from fillwatch.engine.index import Index
from fillwatch.engine.tape_feed import TapeReader
from fillwatch.logs import plain_logger

#: Seconds that an event may come after a read that told the same before it counts as lost.
GRACE = 1.0
#: A feed that has to be audited more often than this, in seconds, spares no reads at all.
RELIEF = 2.0
#: A feed that broke spares no reads until it has stood so long, in seconds: what a bad connection loses besides would
#: show too late.
STEADY = 60.0
#: Events after which everybody else has a turn, however many lie ready.
BREATH = 64
#: Seconds that a feed is given to close its connection.
CLOSING = 5.0
#: Seconds between two repairs, however many gaps there are.
REPAIR_SPACING = 1.0
#: Seconds before a feed that broke its promise never to raise, ended, or told nothing is taken up again.
PAUSE_AFTER_FAILURE = 30.0
#: Fills in a row that were lost, and seconds over which nothing was told meanwhile: such a feed is mute.
MUTE_FILLS, MUTE = 3, 5.0


class Feed:
    """Takes in what a broker pushes (None: it does not), and knows whom it covers and how much it loses."""

    def __init__(
        self,
        broker: Pushes | None,
        index: Index,
        dues: Dues,
        tape: TapeReader,
        agenda: Agenda,
        *,
        sweep_spacing: Callable[[], float],
    ) -> None:
        self._sweep_spacing = sweep_spacing
        self.exists = broker is not None
        self.meter = LossMeter()
        #: Events that came, so far.
        self.events = 0
        self._broker = broker
        self._index = index
        self._dues = dues
        self._tape = tape
        self._agenda = agenda
        self._loop = asyncio.get_running_loop()
        self._log = plain_logger()
        self._since = math.inf
        self._next_repair = -math.inf
        self._unsteady_until = -math.inf
        self._early = Early()
        self._taking: asyncio.Task[None] | None = None
        #: When the fills were lost of which nothing was told, and nothing of any other order since.
        self._untold: list[float] = []
        dues.audit_of = self.audit_interval

    @property
    def is_up(self) -> bool:
        """Whether the feed stands."""
        return self._since < math.inf

    def covers(self, case: Case) -> bool:
        """Whether whatever happens to the case will be told, unless it is lost."""
        return case.chain.seen_as_of >= self._since

    @property
    def is_trusted(self) -> bool:
        """Whether the feed spares reads of what it covers: it loses next to nothing and did not break lately."""
        return self.meter.audit_interval >= RELIEF and self._loop.time() >= self._unsteady_until

    @property
    def relieves_since(self) -> float:
        """Reads of a case can wait that was described at this moment or later: it is covered, by a feed that is
        trusted. Infinite while there is none."""
        return self._since if self.is_trusted else math.inf

    @property
    def tape_audit(self) -> float:
        """Seconds within which the tape has to be asked what the feed did not tell; infinite while it is down.

        Of a feed that is not trusted every order is read as if there were none.
        """
        if not self.is_up:
            return math.inf
        return self.meter.audit_interval if self.is_trusted else LONGEST_AUDIT

    def audit_interval(self, case: Case) -> float:
        """Seconds for which the feed makes a read of the case needless; 0 if it does not cover it.

        A long list is swept less often: of a feed that loses next to nothing the tape is audit enough for fills.
        """
        if not self.covers(case):
            return 0.0
        seconds = self.meter.audit_interval
        return max(seconds, self._sweep_spacing()) if self.is_trusted else min(seconds, RELIEF)

    def begin(self, case: Case) -> None:
        """A case was opened, or its order replaced: what was told of its ids shortly before is not forgotten."""
        for order_id in case.chain.ids:
            for evidence in self._early.take(order_id, self._loop.time()):
                self._hear(evidence)

    async def run(self) -> None:
        """Take events in for as long as the engine lives."""
        while self._broker is not None:
            task = self._taking = self._loop.create_task(self._take_in(self._broker), name="fillwatch-feed")
            try:
                await asyncio.wait({task})
            finally:
                task.cancel()
                await asyncio.wait({task}, timeout=CLOSING)  # so that its connection does not outlive the engine
            self._fall()
            why = "it tells nothing" if task.cancelled() else task.exception() or "it ended"
            self._log.error("the broker's feed failed: {}; watching by reads, trying again later", why)
            await asyncio.sleep(PAUSE_AFTER_FAILURE)

    async def _take_in(self, broker: Pushes) -> None:
        batches = broker.events()
        try:
            async for batch in batches:
                for event in batch:
                    self._hear(event)
                    self.events += 1
                    if self.events % BREATH == 0:
                        await asyncio.sleep(0)
        finally:
            if isinstance(batches, AsyncGenerator):  # else a cancel in this loop would leave its end to the collector
                await batches.aclose()

    def _hear(self, event: Event) -> None:
        match event:
            case Seen():
                self._tape.begin(event.order)
                self._tell(event.order.order_id, event)
            case Executed():
                self._tell(event.execution.order_id, event)
            case Connected():
                self._log.info("the broker's feed stands")
                self._since = event.as_of
                self._repair()
            case Gap():
                level = "WARNING" if self._loop.time() >= self._next_repair else "DEBUG"
                self._log.log(level, "the broker's feed lost something: {}", event.reason)
                self._since = max(self._since, event.as_of)
                self._repair()
            case Heartbeat():
                pass
            case Disconnected():
                level = "WARNING" if self.is_up else "DEBUG"
                self._log.log(level, "the broker's feed is down: {}; again in {:.1f} s", event.reason, event.retry_in)
                self._fall()

    def _tell(self, order_id: str, evidence: Seen | Executed) -> None:
        self._untold.clear()
        now, cases = self._loop.time(), self._index.of(order_id)
        if not cases:
            self._early.keep(order_id, evidence, now)
        filled = evidence.order.filled_qty if isinstance(evidence, Seen) else evidence.execution.cum_qty
        for case in cases:
            if filled is not None and filled > case.pushed:
                case.pushed = filled
            case.absorb(evidence, now)

    def _fall(self) -> None:
        was_up, self._since = self.is_up, math.inf
        if was_up:
            self._unsteady_until = self._loop.time() + STEADY
            self._repair()

    def _repair(self) -> None:
        """What the feed does not cover is due: what happened while nobody told has to be read."""
        now = self._loop.time()
        if now < self._next_repair:
            return
        self._next_repair = now + REPAIR_SPACING
        self._mark_all()
        self._agenda.at(self._next_repair, self._mark_all)  # for the gaps between now and then

    def _mark_all(self) -> None:
        for case in [*self._index]:
            self._dues.keep_due(case)
            if (case.is_live or case.is_audited) and not self.covers(case):
                self._dues.mark(case)

    def watch_losses(self, case: Case, change: Transition) -> None:
        """Count a fill: told by the feed, or found by a read although the feed covered the order."""
        quantity = change.filled_quantity
        if quantity is None or quantity <= case.counted:
            return
        case.counted = quantity
        if change.route in PUSHED:
            self.meter.note(lost=False)
        elif case.seen_before >= self._since:
            self._agenda.at(self._loop.time() + GRACE, self._count, case, quantity, self._since)

    def _count(self, case: Case, quantity: Decimal, since: float) -> None:
        """An event may have been overtaken by a read; what has still not come is lost."""
        if since == self._since:
            lost = case.pushed < quantity
            self.meter.note(lost=lost)
            if lost:
                self._repair()
                self._miss(self._loop.time())

    def _miss(self, now: float) -> None:
        """A feed that stands and tells nothing at all may tell again on another connection (alpaca-py issue 740)."""
        self._untold.append(now)
        if len(self._untold) >= MUTE_FILLS and now - self._untold[0] >= MUTE and self._taking is not None:
            self._untold.clear()
            self._taking.cancel()
