"""What really happened to one order, read from the simulated broker's ledger, so that words can be held against it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from fillwatch.core.orders import OrderStatus
from fillwatch.simulator.answers import Op
from fillwatch.simulator.fates import Fate
from fillwatch.simulator.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What was executed from `t` on: shares without (`executed`) and with busts taken off (`net`), exact average."""

    t: float
    executed: Decimal
    net: Decimal
    average: Decimal | None


NOTHING = State(t=-math.inf, executed=Decimal(0), net=Decimal(0), average=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """From `t` on the newest order of the chain was `order_id`, in `status`."""

    t: float
    order_id: str
    status: OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One order and what replaced it. Times are clock seconds; `states` and `words` are in the order of time.

    `needs_cancel`: nobody but us could have ended it. `cancels`: when a cancel of ours was accepted; `unanswered`: when
    one arrived and got no answer that tells what became of it.
    """

    order_id: str
    fate: Fate
    target: Decimal
    needs_cancel: bool
    states: tuple[State, ...]
    words: tuple[Word, ...]
    cancels: tuple[float, ...]
    unanswered: tuple[float, ...] = ()

    @property
    def ended_at(self) -> float | None:
        """When it ended for good; None while it lives."""
        last = self.words[-1]
        return last.t if last.status.is_terminal else None

    @property
    def filled_at(self) -> float | None:
        """When the last share of a full fill was executed; None if that has not happened."""
        return next((word.t for word in self.words if word.status is OrderStatus.FILLED), None)

    def word_at(self, t: float) -> Word:
        """The newest order id and its status at `t`."""
        return next((word for word in reversed(self.words) if word.t <= t), self.words[0])

    def known_by(self, t: float) -> tuple[State, ...]:
        """Every state there was by `t`, nothing executed first."""
        return (NOTHING, *(state for state in self.states if state.t <= t))

    def tellable_at(self, t: float) -> tuple[State, ...]:
        """The states that a truthful word at `t` may tell: that after the last fill, and those after it.

        A bust or a correction reaches nobody before the tape is read again, so a word may be before or after it.
        """
        known = self.known_by(t)
        last_fill = max(
            (i for i in range(1, len(known)) if known[i].executed > known[i - 1].executed),
            default=0,
        )
        return known[last_fill:]


def read_fact(ledger: Ledger, order_id: str) -> Fact:
    """The fact of one order, its successors included. `KeyError` for an id that does not exist."""
    ids = ledger.chain(order_id)
    chain = [ledger.truth(member) for member in ids]
    times = sorted({trade.t for truth in chain for trade in truth.trades})
    return Fact(
        order_id=order_id,
        fate=chain[0].fate,
        target=chain[0].target,
        needs_cancel=chain[0].needs_cancel,
        states=tuple(
            State(
                t=t,
                executed=ledger.executed_in_chain(order_id, t, busts=False),
                net=ledger.executed_in_chain(order_id, t),
                average=ledger.average_in_chain(order_id, t),
            )
            for t in times
        ),
        words=tuple(
            Word(t=t, order_id=truth.order_id, status=OrderStatus.parse(raw))
            for truth in chain
            for t, _, raw in truth.statuses
            if OrderStatus.parse(raw) is not OrderStatus.REPLACED
        ),
        cancels=tuple(cancel.t for truth in chain for cancel in truth.cancels if cancel.status == 204),
        unanswered=tuple(
            arrival.t
            for arrival in ledger.arrivals
            if arrival.operation == Op.CANCEL and arrival.target in ids and (arrival.fault or arrival.status == 0)
        ),
    )
