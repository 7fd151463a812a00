"""Machines that take any steps in any order: belief is a join, and the bucket never gives more than its terms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fillwatch.core.belief import OrderBelief
from fillwatch.core.errors import TransientError
from fillwatch.core.evidence import Evidence, Executed, Missing, Route, Seen, Unanswered
from fillwatch.core.orders import Execution, OrderSnapshot, OrderStatus
from fillwatch.core.tokens import Meter, Terms

ORDER = "6f3b8e0a-30f1-4a7c-9d44-0d9c3c1f2a10"
START = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)
QTY = Decimal(100)
ROUTES = st.sampled_from((Route.ORDER, Route.LIST))


class BeliefMachine(RuleBasedStateMachine):
    """An order goes its way; what is told of it arrives late, twice and in any order, at three believers."""

    def __init__(self) -> None:
        super().__init__()
        self.t = 0.0
        self.rows: list[Execution] = []
        self.versions: list[OrderSnapshot] = []
        self.told: list[Evidence] = []
        self.belief = OrderBelief(ORDER)
        self.highest = Decimal(0)
        self.ended = False

    @initialize()
    def begin(self) -> None:
        self._publish(OrderStatus.NEW)

    @property
    def _executed(self) -> Decimal:
        return sum((row.qty for row in self.rows), Decimal(0))

    def _publish(self, status: OrderStatus) -> None:
        self.t += 1.0
        paid = sum((row.qty * row.price for row in self.rows), Decimal(0))
        version = OrderSnapshot(
            order_id=ORDER,
            status=status,
            raw_status=status.value,
            qty=QTY,
            filled_qty=self._executed,
            filled_avg_price=paid / self._executed if self._executed else None,
            updated_at=START + timedelta(seconds=self.t),
        )
        self.versions.append(version)

    @precondition(lambda self: not self.ended)
    @rule(part=st.sampled_from((1, 10, 50)))
    def execute(self, part: int) -> None:
        """Some of what is left is executed, perhaps all of it."""
        qty = min(Decimal(part), QTY - self._executed)
        row = Execution(
            execution_id=f"row-{len(self.rows)}",
            order_id=ORDER,
            qty=qty,
            price=Decimal(10 + len(self.rows)),
            cum_qty=self._executed + qty,
            leaves_qty=QTY - self._executed - qty,
            at=START + timedelta(seconds=self.t),
        )
        self.rows.append(row)
        self.ended = self._executed == QTY
        self._publish(OrderStatus.FILLED if self.ended else OrderStatus.PARTIALLY_FILLED)

    @precondition(lambda self: not self.ended)
    @rule(status=st.sampled_from((OrderStatus.CANCELED, OrderStatus.EXPIRED)))
    def end(self, status: OrderStatus) -> None:
        """The order ends with what it has."""
        self.ended = True
        self._publish(status)

    @rule(data=st.data(), route=ROUTES)
    def look(self, data: st.DataObject, route: Route) -> None:
        """A look shows some state of the order, perhaps an old one."""
        version = data.draw(st.sampled_from(self.versions))
        self._tell(Seen(order=version, route=route, as_of=self.t))

    @precondition(lambda self: bool(self.rows))
    @rule(data=st.data())
    def read_tape(self, data: st.DataObject) -> None:
        """A row of the tape, perhaps again."""
        row = data.draw(st.sampled_from(self.rows))
        self._tell(Executed(execution=row, route=Route.ACTIVITIES, as_of=self.t))

    @precondition(lambda self: bool(self.rows))
    @rule()
    def push(self) -> None:
        """An update comes with the order as it is and its newest execution."""
        self._tell(Seen(order=self.versions[-1], route=Route.STREAM, as_of=self.t, execution=self.rows[-1]))

    @rule()
    def fail(self) -> None:
        """Looks that tell nothing."""
        before = repr(self.belief)
        self._tell(Unanswered(error=TransientError("no answer"), route=Route.ORDER, as_of=self.t))
        self._tell(Missing(order_id=ORDER, route=Route.ORDER, as_of=self.t))
        assert repr(self.belief) == before

    def _tell(self, evidence: Evidence) -> None:
        self.told.append(evidence)
        again = self.belief.absorb(evidence)
        assert self.belief.absorb(evidence) == (), f"twice is not once: {again}"

    @invariant()
    def nothing_is_invented(self) -> None:
        quantity = self.belief.filled_quantity
        assert quantity is None or quantity <= self._executed
        assert quantity is None or quantity >= self.highest
        self.highest = max(self.highest, quantity or Decimal(0))
        if self.belief.status.is_terminal:
            assert self.ended

    @invariant()
    def an_end_that_was_shown_is_believed(self) -> None:
        shown = [e.order for e in self.told if isinstance(e, Seen) and e.order.status.is_terminal]
        if shown:
            assert self.belief.status is shown[0].status
            assert self.belief.filled_quantity == self._executed

    def teardown(self) -> None:
        """The same pieces in another order end in the same belief."""
        for seed in range(3):
            other, pieces = OrderBelief(ORDER), [*self.told, *self.told]
            Random(seed).shuffle(pieces)
            for piece in pieces:
                other.absorb(piece)
            assert other == self.belief


class MeterMachine(RuleBasedStateMachine):
    """Whatever is asked of the bucket and however long requests take: no window holds more arrivals than the grant."""

    GRANT, WINDOW = 20, 60.0

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.meter = Meter(Terms.of(self.GRANT, self.WINDOW), self.now)
        self.taken: list[float] = []
        self.arrived: list[float] = []
        self.flying = 0

    @rule(seconds=st.one_of(st.floats(0.0, 5.0), st.floats(0.0, 90.0)))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take(self) -> None:
        """Send as soon as a token lies ready, as a greedy caller does."""
        seconds = self.meter.seconds_until(1.0, self.now)
        if seconds < 100.0:
            self.now += seconds
            self.meter.take(self.now)
            self.taken.append(self.now)
            self.flying += 1

    @precondition(lambda self: self.flying)
    @rule()
    def arrive(self) -> None:
        """The oldest request in flight arrives and is answered."""
        self.flying -= 1
        self.arrived.append(self.now)
        self.meter.end(self.now)

    @rule(seconds=st.floats(0.1, 70.0))
    def refused(self, seconds: float) -> None:
        """A 429 with a reset."""
        self.meter.stand_still(self.now + seconds, self.now)
        assert self.meter.level(self.now) <= 1.0

    @invariant()
    def no_window_holds_more_than_the_grant(self) -> None:
        for index, first in enumerate(self.arrived):
            inside = [t for t in self.arrived[index:] if t < first + self.WINDOW]
            assert len(inside) <= self.GRANT

    @invariant()
    def level_and_flight_stay_within_the_burst(self) -> None:
        assert self.meter.level(self.now) + self.meter.in_flight <= self.meter.terms.burst + 1e-6


TestBelief = BeliefMachine.TestCase
TestBelief.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestMeter = MeterMachine.TestCase
TestMeter.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
