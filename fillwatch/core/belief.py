"""What we hold to be true of one order: a join over all evidence, whatever route, order and repetition it came in.

Every component is a maximum under a total order or a union of sets, so the same pieces of evidence end in the same
belief however they are permuted or repeated. Whoever adds a route adds no rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from fillwatch.core.evidence import Evidence, Executed, Missing, Route, Seen, Unanswered
from fillwatch.core.orders import ENDS, STATUS_RULES, Execution, ExecutionKind, OrderSnapshot, OrderStatus, Side
from fillwatch.core.quick import maker
from fillwatch.core.results import Transition
from fillwatch.core.standing import NEVER, UNHEARD, rank, visible
from fillwatch.core.tape import Tape, fingerprint
from fillwatch.core.tapes import NO_TAPES, Tapes

_transition = maker(Transition)


class OrderBelief:
    """The belief in one order id. `absorb` is its only door in.

    `seen_as_of` is the latest moment (monotonic seconds) for which the broker described the order, `route` the route
    that did so last; both are -inf and None before the first description. What follows from the evidence is worked
    out when evidence brings something new, for it is read far more often.
    """

    __slots__ = (
        "_as_of",
        "_cumulative",
        "_priced",
        "_tapes",
        "_visible",
        "best",
        "cumulative_as_of",
        "missing_as_of",
        "news",
        "order_id",
        "route",
        "seen_as_of",
    )  # fmt: skip

    def __init__(self, order_id: str) -> None:
        self.order_id = order_id
        self.best: OrderSnapshot | None = None
        self._tapes: Tapes | None = None
        self.seen_as_of = -math.inf
        self.missing_as_of = -math.inf
        self.route: Route | None = None
        #: The earliest moment for which the present cumulative quantity was told.
        self.cumulative_as_of = math.inf
        #: Pieces of evidence, so far, that brought something which was not known before.
        self.news = 0
        self._as_of = -math.inf
        self._cumulative: Decimal | None = None
        self._priced: tuple[Decimal, datetime, float, Decimal] | None = None
        self._visible = UNHEARD

    def absorb(self, evidence: Evidence) -> tuple[Transition, ...]:
        """Take in one piece of evidence; returns what changed, nothing if it was known or says nothing."""
        match evidence:
            case Seen():
                news = self._absorb_snapshot(evidence.order, evidence.route, evidence.as_of)
            case Executed():
                news = self._absorb_execution(evidence.execution, evidence.route, evidence.as_of)
            case Missing():
                self.missing_as_of = max(self.missing_as_of, evidence.as_of)
                return ()
            case Unanswered():
                return ()
        if not news:
            return ()
        self.news += 1
        before = self._visible
        tapes = self._tapes
        told = OrderStatus.UNKNOWN if tapes is None else tapes.status
        after = visible(self.best, None if tapes is None else tapes.fullest, self._cumulative, told)
        if after == before:
            return ()
        self._visible = after
        old, new = before[0], after[0]
        return (
            _transition(
                order_id=self.order_id,
                before=old if before[3] else None,
                status=new,
                filled_quantity=after[1],
                requested_quantity=self.qty,
                route=evidence.route,
                at=evidence.as_of,
                successor_id=after[2],
                surprising=before[3] and old is not new and new in STATUS_RULES[old].follows_badly,
            ),
        )

    @property
    def tapes(self) -> Mapping[Route, Tape]:
        """The executions, by the route that told of them."""
        return NO_TAPES if self._tapes is None else self._tapes.by_route

    @property
    def is_known(self) -> bool:
        """Whether any route has ever described the order."""
        return self.best is not None or self._tapes is not None

    @property
    def status(self) -> OrderStatus:
        """Where the order stands; `UNKNOWN` before anything was heard."""
        return self._visible[0]

    @property
    def qty(self) -> Decimal | None:
        """Shares asked for; None for notional orders and before it is known."""
        if self.best is not None:
            return self.best.qty
        last = self._last
        if last is None or last.cum_qty is None or last.leaves_qty is None:
            return None
        return last.cum_qty + last.leaves_qty

    @property
    def filled_quantity(self) -> Decimal | None:
        """Shares that stand executed; None when not known.

        A smaller snapshot is a stale one, never a bust; a bust is told by the tape. When the tape has one but not all
        the executions before it, the newest snapshot decides if it agrees with the difference, and nothing otherwise.
        """
        return self._visible[1]

    @property
    def is_complete(self) -> bool:
        """Whether the whole quantity stands executed: nothing is left to happen, whatever the status lags behind."""
        filled = self._visible[1]
        if not filled:
            return False
        qty = self.qty
        return bool(qty) and qty is not None and filled >= qty

    @property
    def average_price(self) -> Decimal | None:
        """Average price of `filled_quantity`, in the quote currency; None when not known."""
        quantity, tape = self.filled_quantity, self.fullest_tape
        if not quantity:
            return None
        voided = tape is not None and bool(tape.voided)
        if self._priced is not None and self._priced[0] == quantity and not voided:
            return self._priced[3]
        if tape is not None and tape.net == quantity:
            return tape.average_price
        return None

    @property
    def fullest_tape(self) -> Tape | None:
        """The tape of the route that told most; routes are never added up, they tell of the same executions."""
        return None if self._tapes is None else self._tapes.fullest

    @property
    def undone(self) -> int:
        """Busts and corrections that were told, by each route that told of them."""
        return 0 if self._tapes is None else self._tapes.undone

    @property
    def replaced_by(self) -> str | None:
        """The successor's id, once the order was replaced."""
        return self._visible[2]

    @property
    def symbol(self) -> str:
        """The instrument; empty before it is known."""
        told = self.best.symbol if self.best is not None else ""
        return told or (self._last.symbol if self._last is not None else "")

    @property
    def side(self) -> Side | None:
        """Which way the order trades; None before it is known."""
        told = self.best.side if self.best is not None else None
        return told or (self._last.side if self._last is not None else None)

    @property
    def filled_at(self) -> datetime | None:
        """When the last execution happened, by the broker's clock; None when it is not known."""
        told = self.best.filled_at if self.best is not None else None
        return told or (self._last.at if self._last is not None else None)

    def view(self) -> OrderSnapshot:
        """The belief in the form of a snapshot, for the verifier and for people."""
        return replace(
            self.best or OrderSnapshot(order_id=self.order_id, status=OrderStatus.UNKNOWN),
            status=self.status,
            qty=self.qty,
            filled_qty=self.filled_quantity,
            filled_avg_price=self.average_price,
            filled_at=self.filled_at,
            symbol=self.symbol,
            side=self.side,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OrderBelief) and self._state() == other._state()

    __hash__ = None  # type: ignore[assignment]  # a belief changes

    def __repr__(self) -> str:
        of = "?" if self.qty is None else self.qty
        filled = "?" if self.filled_quantity is None else self.filled_quantity
        return f"<OrderBelief {self.order_id} {self.status.value} {filled}/{of}>"

    def _absorb_snapshot(self, order: OrderSnapshot, route: Route, as_of: float) -> bool:
        """Take it in; whether something follows from it that did not before."""
        if as_of >= self.seen_as_of:
            self.seen_as_of, self.route = as_of, route
        best, filled = self.best, order.filled_qty
        news = filled is not None and self._count(filled, as_of)
        self._price(order, as_of)
        if best is not None and (order is best or (order.updated_at == best.updated_at and order == best)):
            # The same, so that the next one may be known by its identity: of what is read again only one copy is kept.
            self.best, self._as_of = order, max(self._as_of, as_of)
        elif best is None or self._outranks(best, order, as_of):
            self.best, self._as_of = order, as_of
            return True
        return news

    def absorb_again(self, order: OrderSnapshot, route: Route, as_of: float) -> bool:
        """Take in the very snapshot that counts, at a later moment: what `absorb` does, where it is certain that
        nothing follows. False, and nothing done, if that is not certain."""
        if order is not self.best or as_of < self.seen_as_of:
            return False
        self.seen_as_of = self._as_of = as_of
        self.route = route
        self._price(order, as_of)
        return True

    def _price(self, order: OrderSnapshot, as_of: float) -> None:
        if order.filled_qty and order.filled_avg_price:
            priced = (order.filled_qty, order.updated_at or NEVER, as_of, order.filled_avg_price)
            if self._priced is None or priced > self._priced:
                self._priced = priced

    def _absorb_execution(self, row: Execution, route: Route, as_of: float) -> bool:
        """Take it in; whether something follows from it that did not before."""
        if self._tapes is None:
            self._tapes = Tapes(route)
        news = self._tapes.add(row, route)
        if row.cum_qty is not None and row.kind is ExecutionKind.FILL:
            news = self._count(row.cum_qty, as_of) or news
        return news

    def _count(self, cumulative: Decimal, as_of: float) -> bool:
        """Whether it is more than was told before."""
        if self._cumulative is None or cumulative > self._cumulative:
            self._cumulative, self.cumulative_as_of = cumulative, as_of
            return True
        if cumulative == self._cumulative:
            self.cumulative_as_of = min(self.cumulative_as_of, as_of)
        return False

    def _outranks(self, best: OrderSnapshot, order: OrderSnapshot, as_of: float) -> bool:
        if order.status not in ENDS and best.status not in ENDS:
            later, earlier = order.updated_at, best.updated_at
            if later is not None and earlier is not None and later != earlier:
                return later > earlier  # what the ranks below come to, for most
        new, old = rank(order, as_of), rank(best, self._as_of)
        if new != old:
            return new > old
        return fingerprint(order) > fingerprint(best)

    @property
    def _last(self) -> Execution | None:
        """The execution that tells most, if there is one."""
        tape = self.fullest_tape
        return None if tape is None else tape.last

    def _state(self) -> object:
        tapes = {route: tape.rows for route, tape in self.tapes.items()}
        return (
            *(self.order_id, self.best, self._as_of, tapes, self.seen_as_of, self.missing_as_of),
            *(
                self._cumulative,
                self.cumulative_as_of,
                self._priced,
                None if self._tapes is None else self._tapes.status,
            ),
        )
