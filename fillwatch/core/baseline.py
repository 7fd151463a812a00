"""Where the count of a position begins, and what may have moved it since: the arithmetic of a position in doubt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from fillwatch.core.ledger import ZERO, Change

#: How much later than its text a time stamp of HTTP's `Date` may be (RFC 9110 §5.6.7: whole seconds).
DATE_RESOLUTION = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the broker's position of one symbol should be, in shares, shorts negative.

    `expected` is the likeliest value, `low` and `high` the bounds that the uncertain executions leave open.
    """

    expected: Decimal
    low: Decimal
    high: Decimal

    @classmethod
    def exactly(cls, quantity: Decimal) -> Expectation:
        """An expectation without doubt."""
        return cls(expected=quantity, low=quantity, high=quantity)

    def __str__(self) -> str:
        return str(self.expected) if self.low == self.high else f"{self.expected} ({self.low} to {self.high})"

    def __add__(self, other: Expectation) -> Expectation:
        return Expectation(
            expected=self.expected + other.expected, low=self.low + other.low, high=self.high + other.high
        )

    def allows(self, quantity: Decimal) -> bool:
        """Whether a broker's position of `quantity` is what was expected."""
        return self.low <= quantity <= self.high


NOTHING = Expectation.exactly(ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A position as the broker told it: asked for at `as_of` (the event loop's clock), answered at `at` (its own)."""

    quantity: Decimal
    as_of: float
    at: datetime | None

    def moved_by(self, change: Change, *, lag: float, shown_at: float, counted_to: datetime | None) -> Expectation:
        """What `change` adds to the baseline.

        `lag`: seconds by which positions trail executions. `shown_at`: when the positions to compare with were asked
        for. `counted_to`: what was executed until then may have been counted once before (None: surely not).
        """
        held = self._holds(change, lag)
        if held:
            return NOTHING
        counted = counted_to is not None and (change.earliest is None or change.earliest <= counted_to)
        sure = held is False and not counted and change.known + lag <= shown_at
        within = counted_to is not None and change.latest is not None and change.latest <= counted_to
        likely = not within and (held is False or not self._probably_holds(change))
        return Expectation(
            expected=change.amount if likely else ZERO,
            low=change.low if sure else min(change.low, ZERO),
            high=change.high if sure else max(change.high, ZERO),
        )

    def _holds(self, change: Change, lag: float) -> bool | None:
        """Whether `change` happened before this baseline was taken; None when neither clock can tell."""
        if self.at is not None:
            if change.latest is not None and change.latest <= self.at - timedelta(seconds=lag):
                return True
            if change.earliest is not None and change.earliest > self.at + DATE_RESOLUTION:
                return False
        if change.known + lag <= self.as_of:
            return True
        if change.absent >= self.as_of + lag:
            return False
        return None

    def _probably_holds(self, change: Change) -> bool:
        if self.at is not None and change.latest is not None:
            return change.latest <= self.at
        return change.known <= self.as_of
