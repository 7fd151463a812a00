"""What we hold to be true of one order: a join over all evidence, whatever route, order and repetition it came in.

Every component is a maximum under a total order or a union of sets, so the same pieces of evidence end in the same
belief however they are permuted or repeated. Whoever adds a route adds no rule.
"""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal

from fillwatch.core.evidence import Evidence, Executed, Missing, Route, Seen, Unanswered
from fillwatch.core.orders import ENDS, STATUS_RULES, Execution, ExecutionKind, OrderSnapshot, OrderStatus
from fillwatch.core.quick import maker
from fillwatch.core.reading import Reading
from fillwatch.core.results import Transition
from fillwatch.core.standing import NEVER, rank, visible
from fillwatch.core.tape import ZERO, fingerprint
from fillwatch.core.tapes import Tapes

_transition = maker(Transition)


class OrderBelief(Reading):
    """The belief in one order id. `absorb` is its only door in.

    `seen_as_of` is the latest moment (monotonic seconds) for which the broker described the order, `route` the route
    that did so last; both are -inf and None before the first description.
    """

    __slots__ = (
        "_as_of",
        "_cumulative",
        "cumulative_as_of",
        "missing_as_of",
        "news",
        "route",
        "seen_as_of",
    )  # fmt: skip

    def __init__(self, order_id: str) -> None:
        super().__init__(order_id)
        self.seen_as_of = -math.inf
        self.missing_as_of = -math.inf
        self.route: Route | None = None
        #: The earliest moment for which the present cumulative quantity was told.
        self.cumulative_as_of = math.inf
        #: Pieces of evidence, so far, that brought something which was not known before.
        self.news = 0
        self._as_of = -math.inf
        self._cumulative: Decimal | None = None

    def absorb(self, evidence: Evidence) -> tuple[Transition, ...]:
        """Take in one piece of evidence; returns what changed, nothing if it was known or says nothing."""
        match evidence:
            case Seen():
                news = self._absorb_snapshot(evidence.order, evidence.route, evidence.as_of)
                if evidence.execution is not None:
                    news = self._absorb_execution(evidence.execution, evidence.route, evidence.as_of) or news
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
        tapes = self._tapes
        told = OrderStatus.UNKNOWN if tapes is None else tapes.status
        after = visible(self.best, None if tapes is None else tapes.fullest, self._cumulative, told)
        old, was_told = self.status, self._is_told
        if after == (old, self.filled_quantity, self.replaced_by, was_told):
            return ()
        new, filled, successor_id, _ = after
        self.status, self.filled_quantity, self.replaced_by, self._is_told = after
        return (
            _transition(
                order_id=self.order_id,
                before=old if was_told else None,
                status=new,
                filled_quantity=filled,
                requested_quantity=self.qty,
                route=evidence.route,
                at=evidence.as_of,
                successor_id=successor_id,
                surprising=was_told and old is not new and new in STATUS_RULES[old].follows_badly,
            ),
        )

    @property
    def untold(self) -> Decimal:
        """Shares of the order's cumulative quantity that no execution was told of; negative: executions of more were.

        0 as long as one of the two is not known.
        """
        if self._tapes is None or self._cumulative is None:
            return ZERO
        return self._cumulative - self._tapes.fullest.gross

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OrderBelief) and self._state() == other._state()

    __hash__ = None  # type: ignore[assignment]  # a belief changes

    def _absorb_snapshot(self, order: OrderSnapshot, route: Route, as_of: float) -> bool:
        """Take it in; whether something follows from it that did not before."""
        if as_of >= self.seen_as_of:
            self.seen_as_of, self.route = as_of, route
        best, filled = self.best, order.filled_qty
        news = filled is not None and self._count(filled, as_of)
        self._price(order, as_of)
        if best is not None and _is_same(order, best):
            # The older one stays: objects that live long are what the garbage collector walks over.
            self._as_of = max(self._as_of, as_of)
        elif best is None or self._outranks(best, order, as_of):
            self.best, self._as_of = order, as_of
            return True
        return news

    def absorb_again(self, order: OrderSnapshot, route: Route, as_of: float) -> bool:
        """Take in the snapshot that counts, at a later moment: what `absorb` does, where it is certain that nothing
        follows. False, and nothing done, if that is not certain."""
        if as_of < self.seen_as_of or self.best is None or not _is_same(order, self.best):
            return False
        self.seen_as_of = self._as_of = as_of
        self.route = route
        self._price(order, as_of)
        return True

    def _price(self, order: OrderSnapshot, as_of: float) -> None:
        told = self._priced
        if (
            order.filled_qty
            and order.filled_avg_price
            and (told is None or _tells_price_better(order, as_of, told, self._priced_as_of))
        ):
            self._priced, self._priced_as_of = order, as_of

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

    def _state(self) -> object:
        tapes = {route: tape.rows for route, tape in self.tapes.items()}
        return (
            *(self.order_id, self.best, self._as_of, tapes, self.seen_as_of, self.missing_as_of),
            *(
                self._cumulative,
                self.cumulative_as_of,
                None if self._priced is None else _price_told(self._priced, self._priced_as_of),
                None if self._tapes is None else self._tapes.status,
            ),
        )


def _tells_price_better(new: OrderSnapshot, as_of: float, old: OrderSnapshot, old_as_of: float) -> bool:
    quantity, before = new.filled_qty or ZERO, old.filled_qty or ZERO
    return quantity > before or (quantity == before and _price_told(new, as_of) > _price_told(old, old_as_of))


def _price_told(order: OrderSnapshot, as_of: float) -> tuple[Decimal, datetime, float, Decimal]:
    return order.filled_qty or ZERO, order.updated_at or NEVER, as_of, order.filled_avg_price or ZERO


def _is_same(order: OrderSnapshot, best: OrderSnapshot) -> bool:
    return order is best or (order.updated_at == best.updated_at and order == best)
