"""What was said, against the ledger: fills that were missed, invented or misquoted, ends that nobody brought about."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from fillwatch.core.errors import PermanentError, RateLimited
from fillwatch.core.orders import ExecutionKind, OrderStatus
from fillwatch.core.results import Amendment, FillOutcome, FillResult, Transition
from fillwatch.simulator.ledger import Ledger, Truth
from fillwatch.testing.history import History, Phase
from fillwatch.testing.violations import Terms, Violation

#: The broker shows averages to nine places; an average of such averages may be off by a little more.
SAME_PRICE = Decimal("0.00000001")

#: Which outcomes may be said of an order that ended so, with and without executions. Total over the terminal statuses.
_ENDS: Mapping[OrderStatus, tuple[frozenset[FillOutcome], frozenset[FillOutcome]]] = MappingProxyType(
    {
        OrderStatus.FILLED: (frozenset({FillOutcome.FILLED}), frozenset({FillOutcome.FILLED})),
        OrderStatus.CANCELED: (
            frozenset({FillOutcome.PARTIALLY_FILLED}),
            frozenset({FillOutcome.CANCELED, FillOutcome.TIMED_OUT}),
        ),
        OrderStatus.EXPIRED: (frozenset({FillOutcome.PARTIALLY_FILLED}), frozenset({FillOutcome.EXPIRED})),
        OrderStatus.REJECTED: (frozenset({FillOutcome.PARTIALLY_FILLED}), frozenset({FillOutcome.REJECTED})),
    }
)

_SURELY_NOT_DONE = (RateLimited, PermanentError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Something said of an order at `t`: a result, or what an amendment made of it."""

    t: float
    order: str
    result: FillResult

    @property
    def text(self) -> str:
        """The claim in short."""
        return f"{self.result.outcome} {self.result.fill_quantity} at {self.result.fill_price}"


def claims(history: History) -> Iterator[Claim]:
    """Every result and every amended result, in order."""
    for line in history.lines:
        if line.op == "result" and isinstance(line.value, FillResult):
            yield Claim(t=line.t, order=line.order, result=line.value)
        elif line.op == "amendment" and isinstance(line.value, Amendment):
            yield Claim(t=line.t, order=line.order, result=line.value.amended)


def last_words(history: History) -> dict[str, Claim]:
    """The last claim about each order that had a result."""
    return {claim.order: claim for claim in claims(history)}


def missed_fills(history: History, ledger: Ledger, terms: Terms) -> Iterator[Violation]:
    """Invariant 1: the last word on each order against the ledger as it is in the end."""
    end = max((line.t for line in history.lines), default=0.0)
    known = set(ledger.order_ids)
    released = {line.order for line in history.of("release")}
    for order, claim in last_words(history).items():
        if order not in known or (order in released and not _ends(claim)):
            continue
        truth = ledger.truth(ledger.chain(order)[-1])
        if truth.ended_at is None or not terms.settled or (end - truth.ended_at < terms.audit and not _ends(claim)):
            continue
        if not _ends(claim):
            yield Violation(
                invariant=1,
                t=claim.t,
                order=order,
                what=f"ended {truth.raw_status} at {truth.ended_at}, still unresolved",
            )
            continue
        quantities = _final_quantities(ledger, order)
        if claim.result.fill_quantity not in quantities:
            told = " or ".join(map(str, sorted(quantities)))
            yield Violation(invariant=1, t=claim.t, order=order, what=f"executed {told}, said: {claim.text}")
        elif claim.result.fill_quantity and claim.result.fill_price is None:
            yield Violation(invariant=1, t=claim.t, order=order, what=f"no price in the end: {claim.text}")
    yield from _given_up(history, ledger, terms)


def _given_up(history: History, ledger: Ledger, terms: Terms) -> Iterator[Violation]:
    """Watches of orders that had long ended, closed without a result though nobody had released them."""
    released = {line.order for line in history.of("release")}
    for line in history.of("result", Phase.FAIL):
        if line.order in ledger.order_ids and line.order not in released:
            ended = ledger.truth(ledger.chain(line.order)[-1]).ended_at
            if ended is not None and terms.settled and line.t - ended >= terms.audit:
                yield Violation(
                    invariant=1, t=line.t, order=line.order, what=f"ended at {ended}, no result: {line.value}"
                )


def _ends(claim: Claim) -> bool:
    return claim.result.outcome.is_end


def _final_quantities(ledger: Ledger, order: str) -> set[Decimal]:
    """What may be said in the end: a bust may come after the last look at an order that had ended."""
    return {ledger.executed_in_chain(order), ledger.executed_in_chain(order, busts=False)}


def phantoms(history: History, ledger: Ledger, terms: Terms) -> Iterator[Violation]:
    """Invariant 2: no quantity before its execution, no execution that the tape does not have."""
    known = set(ledger.order_ids)
    for t, order, quantity in _quantities(history):
        if quantity and order not in known:
            yield Violation(invariant=2, t=t, order=order, what=f"{quantity} executed of an order that does not exist")
        elif quantity and quantity > (true := ledger.executed_in_chain(order, t, busts=False)):
            yield Violation(invariant=2, t=t, order=order, what=f"{quantity} called executed, {true} was by then")
    for line in history.of("amendment"):
        if isinstance(line.value, Amendment) and line.value.execution is not None:
            found = line.value.execution.execution_id
            if found not in {row.execution_id for row in _rows(ledger, line.order, line.t)}:
                yield Violation(invariant=2, t=line.t, order=line.order, what=f"no execution {found} by then")


def _quantities(history: History) -> Iterator[tuple[float, str, Decimal]]:
    for line in history.of("transition"):
        if isinstance(line.value, Transition) and line.value.filled_quantity is not None:
            yield line.t, line.order, line.value.filled_quantity
    for claim in claims(history):
        if claim.result.fill_quantity is not None:
            yield claim.t, claim.order, claim.result.fill_quantity


def _rows(ledger: Ledger, order: str, t: float = math.inf) -> list[_Row]:
    return [
        _Row(trade.t, trade.execution.execution_id, trade.execution.kind)
        for member in ledger.chain(order)
        for trade in ledger.truth(member).trades
        if trade.t <= t
    ]


@dataclass(frozen=True, slots=True)
class _Row:
    t: float
    execution_id: str
    kind: ExecutionKind


def wrong_figures(history: History, ledger: Ledger, terms: Terms) -> Iterator[Violation]:
    """Invariant 3: quantities that fall without a bust, and pairs of quantity and price that never were."""
    highest: dict[str, Decimal] = {}
    known = set(ledger.order_ids)
    for t, actor, order, quantity in _steps(history):
        before = highest.get(actor, Decimal(0))
        if quantity < before and order in known and not _busted(ledger, order, t):
            yield Violation(invariant=3, t=t, order=order, what=f"executed fell from {before} to {quantity}")
        highest[actor] = max(before, quantity)
    for claim in claims(history):
        if claim.result.fill_price is not None and claim.order in known and not _was_true(ledger, claim):
            true = ledger.average_in_chain(claim.order, claim.t)
            yield Violation(
                invariant=3, t=claim.t, order=claim.order, what=f"{claim.text}: never so; the average was {true}"
            )


def _busted(ledger: Ledger, order: str, t: float) -> bool:
    return any(row.kind is ExecutionKind.BUST for row in _rows(ledger, order, t))


def _steps(history: History) -> Iterator[tuple[float, str, str, Decimal]]:
    """Cumulative quantities in the order in which they were said: of each link of a watched chain, and of the whole."""
    for line in history.lines:
        if isinstance(line.value, Transition) and line.value.filled_quantity is not None:
            yield line.t, f"{line.actor}/{line.value.order_id}", line.order, line.value.filled_quantity
        elif isinstance(line.value, FillResult) and line.value.fill_quantity is not None:
            yield line.t, f"{line.actor}/{line.value.final_order_id}", line.order, line.value.fill_quantity


def _was_true(ledger: Ledger, claim: Claim) -> bool:
    """Whether quantity and price of a claim were the chain's at one moment up to then."""
    quantity, price = claim.result.fill_quantity, claim.result.fill_price
    assert price is not None
    for t in sorted({row.t for row in _rows(ledger, claim.order, claim.t)}):
        average = ledger.average_in_chain(claim.order, t)
        fits = quantity is None or quantity == ledger.executed_in_chain(claim.order, t)
        if fits and average is not None and abs(average - price) <= SAME_PRICE:
            return True
    return False


def invented_ends(history: History, ledger: Ledger, terms: Terms) -> Iterator[Violation]:
    """Invariant 14: each end that was claimed had come about by then, and `TIMED_OUT` by a cancel of ours."""
    known = set(ledger.order_ids)
    # Of a cancel without a usable answer nobody can tell whether it was the one that ended the order.
    lost = {line.order for line in history.of("cancel", Phase.FAIL) if not isinstance(line.value, _SURELY_NOT_DONE)}
    for claim in claims(history):
        result = claim.result
        if result.filled != (result.outcome is FillOutcome.FILLED):
            yield Violation(
                invariant=14, t=claim.t, order=claim.order, what=f"filled={result.filled}, yet {claim.text}"
            )
        if claim.order not in known:
            if _ends(claim):
                yield Violation(invariant=14, t=claim.t, order=claim.order, what=f"does not exist, yet {claim.text}")
        elif _ends(claim) and (problem := _unsupported(ledger, claim, lost)):
            yield Violation(invariant=14, t=claim.t, order=claim.order, what=f"{claim.text}, yet {problem}")


def _unsupported(ledger: Ledger, claim: Claim, lost: set[str]) -> str:
    """Why the ledger does not bear a claimed end out; "" when it does."""
    member = ledger.truth(ledger.chain(claim.order)[-1])
    status = _status_at(member, claim.t)
    if not status.is_terminal or status is OrderStatus.REPLACED:
        return f"the order was alive ({status})"
    executed = ledger.executed_in_chain(claim.order, claim.t, busts=False)
    with_fills, without = _ENDS[status]
    allowed = with_fills if executed else without
    if (standing := ledger.executed_in_chain(claim.order, claim.t)) != executed:  # a bust, which may be known or not
        allowed |= without if not standing else {FillOutcome.PARTIALLY_FILLED}
    if claim.result.outcome not in allowed:
        return f"it had ended {status} with {executed} executed"
    if claim.result.outcome is FillOutcome.TIMED_OUT and not member.cancels and member.order_id not in lost:
        return "no cancel of ours had reached the broker"
    return ""


def _status_at(truth: Truth, t: float) -> OrderStatus:
    words = [word for at, _, word in truth.statuses if at <= t]
    return OrderStatus.parse(words[-1]) if words else OrderStatus.UNKNOWN
