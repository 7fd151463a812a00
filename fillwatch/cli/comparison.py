"""Every result against the truth: which words were untrue, and how late the true ones came. Plain functions, no I/O."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from fillwatch.cli.facts import Fact, State
from fillwatch.core.orders import OrderStatus
from fillwatch.core.results import Amendment, FillOutcome, FillResult

#: The broker shows at most nine places; an average over a chain of such averages may be off by one more rounding.
PRICE_TOLERANCE = Decimal("1e-9")


class Kind(StrEnum):
    """What is wrong with a word."""

    MISSED = "missed"
    PHANTOM = "phantom"
    WRONG_QUANTITY = "wrong_quantity"
    WRONG_PRICE = "wrong_price"
    WRONG_END = "wrong_end"
    NO_RESULT = "no_result"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One untruth."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the engine told of one order. Times are clock seconds of the listener's receipt.

    `amendments` are pairs of time and amendment, in order. `believed_full_at`: when a full fill was first believed.
    """

    result: FillResult
    at: float
    amendments: tuple[tuple[float, Amendment], ...] = ()
    believed_full_at: float | None = None

    @property
    def last_word(self) -> FillResult:
        """The result as amended by what came after it."""
        return self.amendments[-1][1].amended if self.amendments else self.result


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One order judged. `delay`: seconds from the real full fill to its first belief or the result, None if not filled.

    `overdue`: it was called `UNRESOLVED` although the broker had ended it. That is no untruth, but not good enough.
    `unpriced`: an execution was told without a price.
    """

    order_id: str
    findings: tuple[Finding, ...] = ()
    delay: float | None = None
    overdue: bool = False
    unpriced: bool = False


def judge(fact: Fact, told: Sequence[Told]) -> Verdict:
    """Hold everything that was told of one order against what happened to it."""
    if not told:
        nothing = Finding(kind=Kind.NO_RESULT, text="there was no result")
        return Verdict(order_id=fact.order_id, findings=(nothing,))
    first = told[0]
    findings = [finding for each in told for finding in _untruths(fact, each)]
    if len(told) > 1:
        findings.append(Finding(kind=Kind.REPEATED, text=f"there were {len(told)} results"))
    ended = fact.word_at(first.at).status.is_terminal
    executed = first.last_word.fill_quantity
    return Verdict(
        order_id=fact.order_id,
        findings=tuple(findings),
        delay=_delay(fact, first),
        overdue=first.result.outcome is FillOutcome.UNRESOLVED and ended,
        unpriced=bool(executed) and first.last_word.fill_price is None,
    )


def _untruths(fact: Fact, told: Told) -> Iterator[Finding]:
    yield from untruths_of(fact, told.result, told.at)
    for at, amendment in told.amendments:
        for finding in untruths_of(fact, amendment.amended, at):
            yield Finding(kind=finding.kind, text=f"amendment ({amendment.kind}): {finding.text}")
    owed = min(state.net for state in fact.tellable_at(told.at))
    last = told.last_word
    if told.result.outcome is FillOutcome.UNRESOLVED and (last.fill_quantity or Decimal(0)) < owed:
        yield Finding(kind=Kind.MISSED, text=f"{owed} executed by then, {last.fill_quantity} told up to the end")
    filled_at = math.inf if fact.filled_at is None else fact.filled_at
    if told.believed_full_at is not None and told.believed_full_at < filled_at:
        yield Finding(kind=Kind.PHANTOM, text="believed to be filled before it was")


def untruths_of(fact: Fact, word: FillResult, t: float) -> Iterator[Finding]:
    """What is untrue of one word (a result, or one as amended) that was spoken at `t`."""
    yield from _wrong_end(fact, word, t)
    yield from _wrong_quantity(fact, word, t)
    yield from _wrong_price(fact, word, t)


#: How an order ends in this status when nothing was executed; a filled one is the other table.
_UNEXECUTED: Mapping[OrderStatus, FillOutcome] = MappingProxyType(
    {
        OrderStatus.CANCELED: FillOutcome.CANCELED,
        OrderStatus.EXPIRED: FillOutcome.EXPIRED,
        OrderStatus.REJECTED: FillOutcome.REJECTED,
    }
)


def true_outcomes(fact: Fact, t: float) -> frozenset[FillOutcome]:
    """The outcomes that say what was true at `t`; none for an order without an end: only `UNRESOLVED` is true of it."""
    status, states = fact.word_at(t).status, fact.tellable_at(t)
    if status is OrderStatus.FILLED:
        busted = any(state.net < state.executed for state in states)
        return frozenset({FillOutcome.FILLED} | ({FillOutcome.PARTIALLY_FILLED} if busted else set()))
    if status not in _UNEXECUTED:
        return frozenset()
    outcomes = {FillOutcome.PARTIALLY_FILLED} if states[-1].executed else set()
    if any(not state.net for state in states):
        outcomes |= _without_execution(fact, status, t)
    return frozenset(outcomes)


def _without_execution(fact: Fact, status: OrderStatus, t: float) -> set[FillOutcome]:
    if status is not OrderStatus.CANCELED:
        return {_UNEXECUTED[status]}
    # Whose cancel ended it cannot be known where somebody else's may have come first, or ours may not have come at all.
    ours, perhaps_ours = (any(at <= t for at in times) for times in (fact.cancels, fact.unanswered))
    outcomes = {FillOutcome.TIMED_OUT} if ours or perhaps_ours else set()
    return outcomes if ours and fact.needs_cancel else outcomes | {FillOutcome.CANCELED}


def _wrong_end(fact: Fact, word: FillResult, t: float) -> Iterator[Finding]:
    now, allowed = fact.word_at(t), true_outcomes(fact, t)
    if word.filled is not (word.outcome is FillOutcome.FILLED):
        yield Finding(kind=Kind.WRONG_END, text=f"outcome {word.outcome}, yet filled is {word.filled}")
    if word.outcome is FillOutcome.UNRESOLVED:
        return
    if word.outcome not in allowed:
        told_full, is_full = word.outcome is FillOutcome.FILLED, now.status is OrderStatus.FILLED
        true = " or ".join(sorted(allowed)) or "unresolved"
        kind = Kind.PHANTOM if told_full else Kind.MISSED if is_full else Kind.WRONG_END
        yield Finding(kind=kind, text=f"told as {word.outcome}, true is {true}")
    elif word.final_order_id != now.order_id:
        yield Finding(kind=Kind.WRONG_END, text=f"it ended as {now.order_id}, not as {word.final_order_id}")


def _wrong_quantity(fact: Fact, word: FillResult, t: float) -> Iterator[Finding]:
    told = word.fill_quantity
    if told is None:
        return
    is_open = word.outcome is FillOutcome.UNRESOLVED
    states = fact.known_by(t) if is_open else fact.tellable_at(t)
    amounts = {amount for state in states for amount in (state.executed, state.net)}
    text = f"{told} told, {states[-1].executed} executed by then"
    if told > max(amounts):
        yield Finding(kind=Kind.PHANTOM, text=text)
    elif told < min(amounts):
        yield Finding(kind=Kind.MISSED, text=text)
    elif told not in amounts:
        yield Finding(kind=Kind.WRONG_QUANTITY, text=text)


def _wrong_price(fact: Fact, word: FillResult, t: float) -> Iterator[Finding]:
    told = word.fill_price
    if told is None:
        return
    is_open = word.outcome is FillOutcome.UNRESOLVED
    states = fact.known_by(t) if is_open else fact.tellable_at(t)
    averages = [state.average for state in states if _fits(state, word.fill_quantity) and state.average is not None]
    if not any(abs(average - told) <= PRICE_TOLERANCE for average in averages):
        true = f"{averages[-1]:.9f}" if averages else "none"
        yield Finding(kind=Kind.WRONG_PRICE, text=f"average price {told} told, it was {true}")


def _fits(state: State, quantity: Decimal | None) -> bool:
    return quantity is None or quantity in (state.executed, state.net)


def _delay(fact: Fact, told: Told) -> float | None:
    if fact.filled_at is None or not told.result.filled:
        return None
    first = told.at if told.believed_full_at is None else min(told.at, told.believed_full_at)
    return first - fact.filled_at


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` (0 to 1) of all values do not exceed; None when there are none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None
