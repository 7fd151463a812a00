"""What a watched order wants next: to be waited for, to be finally checked, or to be reported.

Pure: the time is an argument, and nothing here waits. A course remembers what has been done for the order (cancels
sent, ends seen) and decides from that, the chain of beliefs and the terms of the watch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from fillwatch.core.chain import OrderChain
from fillwatch.core.config import AtTimeout, PartialFills
from fillwatch.core.orders import OrderStatus
from fillwatch.core.quick import quick
from fillwatch.core.results import FillOutcome
from fillwatch.core.verification import MultiMethodVerifier

_VERIFIER = MultiMethodVerifier()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the caller wants, as monotonic seconds and durations; `deadline` may be infinite."""

    deadline: float
    at_timeout: AtTimeout
    partial_fills: PartialFills
    partial_patience: float
    resolution: float


class CheckFor(StrEnum):
    """Why an order is finally checked."""

    TIMEOUT = "timeout"
    REMAINDER = "remainder"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing to do before `until` unless there is news. `wants`: what would settle the matter soonest."""

    until: float
    wants: Wants | None = None


class Wants(StrEnum):
    """What an ended order still lacks: another look at it, a look at the order before it, or the tape."""

    LOOK = "look"
    PREDECESSOR = "predecessor"
    TAPE = "tape"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalCheck:
    """Have the last-look dialogue now."""

    purpose: CheckFor


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Report this outcome. `reason` is None for a plain full fill."""

    outcome: FillOutcome
    reason: str | None


Step = Wait | FinalCheck | Finish


class Course:
    """The decisions of one watch.

    The shell tells it what happened: `executed` (shares were), `ended` (a broker's end was absorbed), `canceling` (a
    cancel was sent), `confirmed` (our cancel was accepted), `gave_up` (a final check proved nothing).
    """

    __slots__ = ("cancel_accepted", "chain", "end_seen", "first_cancel", "last_execution", "lives_on", "seen_alive",
                 "unproven")  # fmt: skip

    def __init__(self, chain: OrderChain) -> None:
        self.chain = chain
        self.seen_alive = False
        self.last_execution = -math.inf
        self.end_seen = math.inf
        self.first_cancel = math.inf
        self.cancel_accepted = False
        self.lives_on = False
        self.unproven: str | None = None

    def note(self, now: float) -> None:
        """Evidence was absorbed at `now`: remember what the next steps are counted from."""
        if not self.chain.is_over:
            self.seen_alive = self.seen_alive or self.chain.current.best is not None
            self.end_seen = math.inf
        elif self.end_seen == math.inf:
            self.end_seen = now

    def next_step(self, terms: Terms, now: float, *, has_tape: bool) -> Step:
        """What to do now."""
        if self.chain.is_over:
            return self._settle(terms, now, has_tape=has_tape)
        if self.unproven is not None:
            return Finish(outcome=FillOutcome.UNRESOLVED, reason=self.unproven)
        if now >= terms.deadline:
            return FinalCheck(purpose=CheckFor.TIMEOUT)
        until = terms.deadline
        if self._may_cut(terms):
            patience = self.last_execution + terms.partial_patience
            if now >= patience:
                return FinalCheck(purpose=CheckFor.REMAINDER)
            until = min(until, patience)
        if self.chain.doubtful is not None:
            return Wait(until=until, wants=Wants.PREDECESSOR)
        return Wait(until=until, wants=Wants.TAPE if has_tape and self.chain.needs_tape else None)

    def goes_on(self, now: float, *, asleep_until: float, patience: float) -> bool:
        """Whether whoever waits by the last step, for a decision or until `asleep_until`, may wait on although there
        was news at `now`: the next step would be the same, or the same for longer. `patience` is that of the terms,
        infinite if nothing is ever cut.

        Cheaper than the step, and false where that is not certain.
        """
        if self.chain.is_over or self.unproven is not None or self.chain.has_successors:
            return False
        return now < asleep_until <= now + patience

    def _may_cut(self, terms: Terms) -> bool:
        """Whether what is left of a partly executed order is to be cancelled (the seed's policy)."""
        if terms.partial_fills is not PartialFills.CANCEL_REMAINDER or terms.at_timeout is not AtTimeout.CANCEL:
            return False
        return bool(self.chain.filled_quantity) and not self.lives_on

    def _settle(self, terms: Terms, now: float, *, has_tape: bool) -> Step:
        """The order has ended; wait for what lags behind its end, within the bound, and never guess it."""
        lack = self._lack(has_tape=has_tape)
        bound = self.end_seen + terms.resolution
        if lack is not None and now < bound:
            return Wait(until=bound, wants=lack[0])
        outcome, reason = self._conclude()
        if lack is not None:
            reason = lack[1] if reason is None else f"{reason}; {lack[1]}"
        return Finish(outcome=outcome, reason=reason)

    def _lack(self, *, has_tape: bool) -> tuple[Wants, str] | None:
        chain, quantity = self.chain, self.chain.filled_quantity
        tape_or_look = Wants.TAPE if has_tape else Wants.LOOK
        status = chain.current.status
        if status is OrderStatus.REJECTED and len(chain.ids) == 1:
            return None
        if quantity is None:
            return tape_or_look, "the executed quantity is not known"
        if status is OrderStatus.FILLED and not self._is_busted():
            qty = chain.requested_quantity
            if qty is not None and quantity < qty:
                return tape_or_look, f"status says filled, quantity says {quantity} of {qty}"
            if not quantity:
                return tape_or_look, "the executed quantity is not known"
        elif status is not OrderStatus.FILLED and self._is_fresh_end(has_tape=has_tape):
            return tape_or_look, "the end was seen by one route only"
        untold = chain.current.untold
        if untold < 0 and chain.read_as_of <= self.end_seen:
            return Wants.LOOK, f"executions of {-untold} more were told than the order says"
        if quantity and chain.average_price is None:
            return tape_or_look, "the average price is not known"
        return None

    def _is_busted(self) -> bool:
        """Whether the tape explains why an order that is filled has less than its quantity: some of it was undone."""
        current = self.chain.current
        tape, qty = current.fullest_tape, current.qty
        return tape is not None and bool(tape.voided) and qty is not None and tape.net < qty <= tape.gross

    def _is_fresh_end(self, *, has_tape: bool) -> bool:
        """Whether an end short of a full fill, met while we watched, still lacks its second witness.

        Fields may lag behind the status: `canceled` with nothing executed may be a cancel with something executed.
        The tape asked after it tells; where there is none, another look does, or the end stands as it is.
        """
        if not self.seen_alive or self.chain.current.is_complete:
            return False
        return self.chain.tape_as_of < self.end_seen if has_tape else self.chain.read_as_of <= self.end_seen

    def _conclude(self) -> tuple[FillOutcome, str | None]:
        chain = self.chain
        quantity = chain.filled_quantity
        if _VERIFIER.verify_fill(chain.view()).is_filled:
            wanted = chain.requested_quantity
            extra = wanted is not None and quantity is not None and quantity > wanted
            return FillOutcome.FILLED, f"overfilled: {quantity} of {wanted}" if extra else None
        status = chain.current.status
        if status is OrderStatus.FILLED and self._is_busted():
            told = f"filled, then busted to {quantity} of {_of(chain.requested_quantity)}"
            return (FillOutcome.PARTIALLY_FILLED if quantity else FillOutcome.CANCELED), told
        if status is OrderStatus.FILLED:
            return FillOutcome.UNRESOLVED, "the broker contradicts itself"
        if quantity is None and status is not OrderStatus.REJECTED:
            return FillOutcome.UNRESOLVED, f"{status.value}, but how much was executed before is not known"
        if quantity:
            return FillOutcome.PARTIALLY_FILLED, f"{status.value} after {quantity} of {_of(chain.requested_quantity)}"
        if status is OrderStatus.CANCELED and self.cancel_accepted:
            return FillOutcome.TIMED_OUT, "timed out; canceled after our cancel, nothing was executed"
        return _ENDS[status](status)


def _of(qty: Decimal | None) -> str:
    return "an unknown quantity" if qty is None else str(qty)


def _plain_end(outcome: FillOutcome) -> Callable[[OrderStatus], tuple[FillOutcome, str | None]]:
    return lambda status: (outcome, f"{status.value} by the broker; nothing was executed")


#: Ends without an execution, by the status that says so.
_ENDS: Mapping[OrderStatus, Callable[[OrderStatus], tuple[FillOutcome, str | None]]] = MappingProxyType(
    {
        OrderStatus.CANCELED: _plain_end(FillOutcome.CANCELED),
        OrderStatus.EXPIRED: _plain_end(FillOutcome.EXPIRED),
        OrderStatus.REJECTED: _plain_end(FillOutcome.REJECTED),
    }
)
