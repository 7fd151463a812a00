"""How the engine behaved: one result each, everything ended, within the limit, no cancel that should not have been."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from fillwatch.brokers.base import Listing
from fillwatch.core.errors import BrokerError, RateLimited
from fillwatch.core.evidence import Seen
from fillwatch.core.orders import OrderSnapshot, OrderStatus
from fillwatch.core.results import FillResult, Transition
from fillwatch.simulator.ledger import Ledger
from fillwatch.testing.history import History, Line, Phase
from fillwatch.testing.recorder import WatchTerms
from fillwatch.testing.violations import Terms, Violation

#: Seconds between two cancels while the broker has asked for silence.
CANCEL_SPACING = 1.0
#: The longest silence that a broker's reset is followed for.
LONGEST_SILENCE = 60.0
#: Differences of clock readings smaller than this are rounding.
ROUNDING = 1e-6

_NEVER = datetime.min.replace(tzinfo=UTC)
REQUESTS = frozenset(
    {"look", "look_by_client_id", "list", "ended", "fills", "submit", "cancel", "positions", "account", "clock"}
)


def results_that_are_not_one(history: History, ledger: Ledger, terms: Terms) -> Iterator[Violation]:
    """Invariant 4: one result for a watch, no transition that came to pass after it, no amendment before it."""
    told: dict[str, float] = {}
    orders: set[str] = set()
    for line in history.lines:
        if line.op == "result" and isinstance(line.value, FillResult):
            if line.actor in told:
                yield Violation(invariant=4, t=line.t, order=line.order, what=f"a second result for {line.actor}")
            told[line.actor] = line.t
            orders.add(line.order)
        elif isinstance(line.value, Transition) and line.value.at > told.get(line.actor, math.inf):
            yield Violation(invariant=4, t=line.t, order=line.order, what="a transition after the result")
        elif line.op == "amendment" and line.order not in orders:
            yield Violation(invariant=4, t=line.t, order=line.order, what="an amendment before any result")


def what_never_ended(history: History, ledger: Ledger, terms: Terms) -> Iterator[Violation]:
    """Invariant 5: each watch and each other operation that was begun has a line that ends it."""
    ended = {(line.actor, line.op) for line in history.lines if line.phase is not Phase.INVOKE}
    for line in history.lines:
        op = "result" if line.op == "watch" else line.op
        if line.phase is Phase.INVOKE and (line.actor, op) not in ended:
            yield Violation(invariant=5, t=line.t, order=line.order, what=f"{line.actor}: {op} never ended")


def calls_after_close(history: History, ledger: Ledger, terms: Terms) -> Iterator[Violation]:
    """Invariant 6: after `close` has returned nothing is asked any more, and it returns in time."""
    began = next((line.t for line in history.of("close", Phase.INVOKE)), None)
    for closed in history.of("close", Phase.OK):
        after = history.lines[history.lines.index(closed) + 1 :]
        for line in after:
            if line.phase is Phase.INVOKE and line.op in REQUESTS:
                yield Violation(invariant=6, t=line.t, order=line.order, what=f"{line.op} after close")
        for arrival in ledger.arrivals:
            if arrival.t > closed.t:
                yield Violation(invariant=6, t=arrival.t, order="", what=f"{arrival.operation} arrived after close")
        if began is not None and closed.t - began > terms.close_within:
            yield Violation(invariant=6, t=closed.t, order="", what=f"close took {closed.t - began:.1f} s")


def too_many_requests(history: History, ledger: Ledger, terms: Terms) -> Iterator[Violation]:
    """Invariant 7: arrivals in every sliding window, and requests sent while the broker had asked for silence."""
    if terms.granted is not None:
        times = [arrival.t for arrival in ledger.arrivals]
        start = 0
        for end, t in enumerate(times):
            while times[start] <= t - terms.window:
                start += 1
            if end - start + 1 > terms.granted:
                what = f"{end - start + 1} requests within {terms.window:g} s, {terms.granted:g} are granted"
                yield Violation(invariant=7, t=t, order="", what=what)
                break
    yield from _noise(history)


class _Silence:
    """The silence that 429s ask for, from `since` to `until`; without a reset it is 1 s, doubling until an answer."""

    def __init__(self) -> None:
        self.since = self.until = -math.inf
        self._bare = 0.0

    def hear(self, line: Line) -> None:
        """A line may be a 429, or the answer that ends a row of them."""
        if line.phase is Phase.OK and line.op in REQUESTS and line.t >= self.until:
            self._bare = 0.0
        if line.phase is not Phase.FAIL or not isinstance(line.value, RateLimited):
            return
        told, begins = line.value.reset_in, line.t >= self.until
        if told:
            wanted = min(told, LONGEST_SILENCE)
        elif begins:
            wanted = self._bare = min(2 * self._bare or CANCEL_SPACING, LONGEST_SILENCE)
        else:
            return  # the answer to what had been sent before says nothing new
        self.since = line.t if begins else self.since
        self.until = max(self.until, line.t + wanted)

    def holds(self, t: float) -> bool:
        """Whether nothing should be sent at `t`. What was granted before the answer came may go in its instant."""
        return self.since < t < self.until - ROUNDING


def _noise(history: History) -> Iterator[Violation]:
    silence, last_cancel = _Silence(), -math.inf
    for line in history.lines:
        silence.hear(line)
        if line.phase is Phase.INVOKE and line.op in REQUESTS:
            spaced = line.op == "cancel" and line.t - last_cancel >= CANCEL_SPACING - ROUNDING
            if silence.holds(line.t) and not spaced:
                what = f"{line.op} although silence was asked for until {silence.until:.3f}"
                yield Violation(invariant=7, t=line.t, order=line.order, what=what)
            last_cancel = line.t if line.op == "cancel" else last_cancel


def needless_cancels(history: History, ledger: Ledger, terms: Terms) -> Iterator[Violation]:
    """Invariant 8: before each cancel a look at the order was tried, and none had shown its end.

    A cancel that got no answer may be repeated without another look, and while the broker wants silence no look can
    be tried, so that time does not count.
    """
    silence = _Silence()
    ends: dict[str, float] = {}
    looks: dict[str, float] = {}
    watched: dict[str, float] = {}
    listed, lost = -math.inf, set[str]()
    for line in history.lines:
        silence.hear(line)
        if line.phase is Phase.INVOKE and line.op == "look":
            looks[line.order] = line.t
        elif line.phase is Phase.INVOKE and line.op == "list":
            listed = line.t
        elif line.phase is Phase.INVOKE and line.op == "cancel":
            if ends.get(line.order, math.inf) < line.t:
                what = f"cancelled, although seen to be over at {ends[line.order]:.6f}"
                yield Violation(invariant=8, t=line.t, order=line.order, what=what)
            looked = max(listed, looks.get(line.order, -math.inf))
            now = line.t
            if silence.holds(now):
                now, looked = silence.since, max(looked, watched.get(line.order, silence.since))
            if now - looked > terms.look_before_cancel and line.order not in lost:
                yield Violation(invariant=8, t=line.t, order=line.order, what="cancelled without a look before")
        elif line.op == "cancel":
            (lost.add if line.phase is Phase.FAIL else lost.discard)(line.order)
        elif line.op == "watch" and line.phase is Phase.INVOKE:
            watched.setdefault(line.order, line.t)
        for order in _followed(shown(line), watched):
            if order.status.is_terminal and order.status is not OrderStatus.REPLACED:  # that can be taken back
                ends.setdefault(order.order_id, line.t)


def _followed(orders: tuple[OrderSnapshot, ...], watched: dict[str, float]) -> Iterator[OrderSnapshot]:
    """Those of an answer's orders that are watched, or known by then to be what a watched order became."""
    for order in sorted(orders, key=lambda order: order.created_at or _NEVER):
        if order.order_id in watched:
            if order.replaced_by is not None:
                watched.setdefault(order.replaced_by, watched[order.order_id])
            yield order


def shown(line: Line) -> tuple[OrderSnapshot, ...]:
    """The orders that an answer described."""
    if line.phase is Phase.OK and isinstance(line.value, Seen):
        return (line.value.order,)
    return line.value.orders if line.phase is Phase.OK and isinstance(line.value, Listing) else ()


def foreign_cancels(history: History, ledger: Ledger, terms: Terms) -> Iterator[Violation]:
    """Invariant 15: only orders handed over with the right to cancel, and what they were replaced by."""
    known = set(ledger.order_ids)
    rights: Counter[str] = Counter()
    for line in history.lines:
        if line.op == "watch" and isinstance(line.value, WatchTerms):
            members = ledger.chain(line.order) if line.order in known else (line.order,)
            rights.update(dict.fromkeys(members, 1) if line.value.may_cancel else {})
        elif line.op == "release":
            members = ledger.chain(line.order) if line.order in known else (line.order,)
            for member in members:
                rights[member] = 0
        elif line.op == "cancel" and line.phase is Phase.INVOKE and not rights[line.order]:
            yield Violation(invariant=15, t=line.t, order=line.order, what="cancelled, though not ours to cancel")


def orders_unseen(history: History, ledger: Ledger, terms: Terms) -> Iterator[Violation]:
    """Invariant 16: between the beginning and the end of a watch its order is seen at least every so often."""
    if terms.seen_within is None:
        return
    open_since: dict[str, float] = {}
    heads = {member: order for order in _watched(history, ledger) for member in ledger.chain(order)}
    for line in history.lines:
        if line.op == "watch" and line.phase is Phase.INVOKE:
            open_since[line.order] = line.t
        for order in shown(line):
            head = heads.get(order.order_id, order.order_id)
            if head in open_since:
                yield from _too_long(head, open_since[head], line.t, terms.seen_within)
                open_since[head] = line.t
        if line.op in ("result", "release") and line.order in open_since:
            yield from _too_long(line.order, open_since.pop(line.order), line.t, terms.seen_within)


def _watched(history: History, ledger: Ledger) -> set[str]:
    return {line.order for line in history.of("watch", Phase.INVOKE)} & set(ledger.order_ids)


def _too_long(order: str, since: float, t: float, allowed: float) -> Iterator[Violation]:
    if t - since > allowed:
        yield Violation(invariant=16, t=t, order=order, what=f"not seen for {t - since:.3f} s, {allowed:g} are allowed")


def errors(history: History) -> Counter[str]:
    """How often requests failed, by kind of failure: which faults were really met."""
    return Counter(type(line.value).__name__ for line in history.lines if isinstance(line.value, BrokerError))
