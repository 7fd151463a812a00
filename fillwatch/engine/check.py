"""One comparison of a position under way: a record and no task, since thousands may wait for the same positions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TypeVar

from fillwatch.brokers.base import Positions
from fillwatch.core.baseline import Expectation
from fillwatch.core.ledger import ZERO
from fillwatch.core.results import ConsistencyResult

T = TypeVar("T")

#: Seconds between looks at a position that does not fit: the first, doubled each time, at most the last.
FIRST_WAIT, LONGEST_WAIT = 1.0, 8.0

UNREADABLE = "positions could not be read"
NO_FILLS = "the position differs, and the fills of others that may explain it could not be read"


@dataclass(slots=True, kw_only=True, eq=False)
class Check:
    """Began at `started`; a difference counts from `ripe` on (the loop's clock, in seconds).

    `claim`: what the caller expects, None for what the book does. `in_flight`: the last comparison, if fills that
    positions need not show yet explain its difference. `lacks`: what stands in the way of a verdict.
    """

    order_id: str
    symbol: str
    claim: Expectation | None
    started: float
    ripe: float
    verdict: asyncio.Future[ConsistencyResult]
    in_flight: ConsistencyResult | None = None
    lacks: str = UNREADABLE
    _wait: float = FIRST_WAIT

    @property
    def at_worst(self) -> ConsistencyResult:
        """The verdict if nothing more is learnt."""
        return self.in_flight or self.unknown(self.lacks)

    def unknown(self, why: str) -> ConsistencyResult:
        """The verdict when there was nothing to compare."""
        return ConsistencyResult(order_id=self.order_id, symbol=self.symbol, consistent=False, discrepancy=why)

    def compare(self, answer: Positions, expectation: Expectation) -> ConsistencyResult:
        """`answer` has normal symbols."""
        broker = answer.quantities.get(self.symbol, ZERO)
        consistent = expectation.allows(broker)
        return ConsistencyResult(
            order_id=self.order_id,
            symbol=self.symbol,
            consistent=consistent,
            broker_quantity=broker,
            expected_quantity=expectation.expected,
            discrepancy=None if consistent else f"{self.symbol}: the broker holds {broker}, expected {expectation}",
        )

    def next_look(self, now: float) -> float:
        """When to look again: at growing intervals, and when it is ripe."""
        wait, self._wait = self._wait, min(2 * self._wait, LONGEST_WAIT)
        return min(now + wait, self.ripe) if now < self.ripe else now + wait

    def heard(self, outcome: asyncio.Future[T]) -> T | None:
        """What was asked for; None if nobody waits for it any more, or it failed, which is the verdict then."""
        if self.verdict.done():
            return None
        if outcome.cancelled():
            self.verdict.cancel()
            return None
        error = outcome.exception()
        if error is not None:
            self.verdict.set_exception(error)
            return None
        return outcome.result()
