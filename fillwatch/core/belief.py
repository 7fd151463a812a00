"""What we hold to be true of one order: a join over all evidence, whatever route, order and repetition it came in.

Every component is a maximum under a total order or a union of sets, so the same pieces of evidence end in the same
belief however they are permuted or repeated. Whoever adds a route adds no rule.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from fillwatch.core.evidence import Evidence, Executed, Missing, Route, Seen, Unanswered
from fillwatch.core.orders import STATUS_RULES, Execution, ExecutionKind, OrderSnapshot, OrderStatus
from fillwatch.core.results import Transition
from fillwatch.core.tape import ZERO, Tape, fingerprint

_NEVER = datetime.min.replace(tzinfo=UTC)
#: Statuses of the tape's rows that say something; a row says what its order became with it, nothing more.
_TAPE_STATUSES = frozenset({OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED})

_Rank = tuple[bool, datetime, float, int, Decimal]


class OrderBelief:
    """The belief in one order id. `absorb` is its only door in.

    `seen_as_of` is the latest moment (monotonic seconds) for which the broker described the order, `route` the route
    that did so last; both are -inf and None before the first description.
    """

    __slots__ = (
        "_as_of",
        "_cumulative",
        "_priced",
        "_tape_status",
        "best",
        "cumulative_as_of",
        "missing_as_of",
        "order_id",
        "route",
        "seen_as_of",
        "tapes",
    )  # fmt: skip

    def __init__(self, order_id: str) -> None:
        self.order_id = order_id
        self.best: OrderSnapshot | None = None
        self.tapes: dict[Route, Tape] = {}
        self.seen_as_of = -math.inf
        self.missing_as_of = -math.inf
        self.route: Route | None = None
        #: The earliest moment for which the present cumulative quantity was told.
        self.cumulative_as_of = math.inf
        self._as_of = -math.inf
        self._cumulative: Decimal | None = None
        self._priced: tuple[Decimal, datetime, float, Decimal] | None = None
        self._tape_status = OrderStatus.UNKNOWN

    def absorb(self, evidence: Evidence) -> tuple[Transition, ...]:
        """Take in one piece of evidence; returns what changed, nothing if it was known or says nothing."""
        before = self._visible()
        match evidence:
            case Seen():
                self._absorb_snapshot(evidence)
            case Executed():
                self._absorb_execution(evidence.execution, evidence.route, evidence.as_of)
            case Missing():
                self.missing_as_of = max(self.missing_as_of, evidence.as_of)
            case Unanswered():
                return ()
        after = self._visible()
        if after == before:
            return ()
        old, new = before[0], self.status
        return (
            Transition(
                order_id=self.order_id,
                before=old if before[3] else None,
                status=new,
                filled_quantity=self.filled_quantity,
                requested_quantity=self.qty,
                route=evidence.route,
                at=evidence.as_of,
                successor_id=self.replaced_by,
                surprising=before[3] and old is not new and new in STATUS_RULES[old].follows_badly,
            ),
        )

    @property
    def is_known(self) -> bool:
        """Whether any route has ever described the order."""
        return self.best is not None or bool(self.tapes)

    @property
    def status(self) -> OrderStatus:
        """Where the order stands; `UNKNOWN` before anything was heard."""
        told = self._tape_status
        if self.best is None:
            return told
        status = self.best.status
        if status.is_terminal or told is OrderStatus.UNKNOWN:
            return status
        if told is OrderStatus.FILLED:
            return told
        return told if STATUS_RULES[status].rank < STATUS_RULES[told].rank else status

    @property
    def qty(self) -> Decimal | None:
        """Shares asked for; None for notional orders and before it is known."""
        if self.best is not None:
            return self.best.qty
        last = max(self._rows(), key=lambda row: row.cum_qty or ZERO, default=None)
        if last is None or last.cum_qty is None or last.leaves_qty is None:
            return None
        return last.cum_qty + last.leaves_qty

    @property
    def filled_quantity(self) -> Decimal | None:
        """Shares that stand executed; None when not known.

        A smaller snapshot is a stale one, never a bust; a bust is told by the tape. When the tape has one but not all
        the executions before it, the newest snapshot decides if it agrees with the difference, and nothing otherwise.
        """
        tape = self.fullest_tape
        gross = self._cumulative
        if tape is None:
            return gross
        if not tape.voided:
            return tape.gross if gross is None else max(gross, tape.gross)
        if gross is None or tape.gross >= gross:
            return tape.net
        shown = self.best.filled_qty if self.best is not None else None
        return shown if shown == gross - tape.gross + tape.net else None

    @property
    def is_complete(self) -> bool:
        """Whether the whole quantity stands executed: nothing is left to happen, whatever the status lags behind."""
        filled = self.filled_quantity
        return bool(self.qty) and filled is not None and self.qty is not None and filled >= self.qty

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
        fullest = max(self.tapes.items(), key=lambda item: (item[1].gross, len(item[1].voided), item[0]), default=None)
        return None if fullest is None else fullest[1]

    @property
    def replaced_by(self) -> str | None:
        """The successor's id, once the order was replaced."""
        if self.best is None or self.best.status is not OrderStatus.REPLACED:
            return None
        return self.best.replaced_by

    def view(self) -> OrderSnapshot:
        """The belief in the form of a snapshot, for the verifier and for people."""
        base = self.best or OrderSnapshot(order_id=self.order_id, status=OrderStatus.UNKNOWN)
        row = max(self._rows(), key=lambda row: (row.cum_qty or ZERO, row.execution_id), default=None)
        filled_at = base.filled_at
        if filled_at is None and row is not None:
            filled_at = row.at
        return replace(
            base,
            status=self.status,
            qty=self.qty,
            filled_qty=self.filled_quantity,
            filled_avg_price=self.average_price,
            filled_at=filled_at,
            symbol=base.symbol or (row.symbol if row else ""),
            side=base.side or (row.side if row else None),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OrderBelief) and self._state() == other._state()

    __hash__ = None  # type: ignore[assignment]  # a belief changes

    def __repr__(self) -> str:
        of = "?" if self.qty is None else self.qty
        filled = "?" if self.filled_quantity is None else self.filled_quantity
        return f"<OrderBelief {self.order_id} {self.status.value} {filled}/{of}>"

    def _absorb_snapshot(self, evidence: Seen) -> None:
        order, as_of = evidence.order, evidence.as_of
        if as_of >= self.seen_as_of:
            self.seen_as_of, self.route = as_of, evidence.route
        if order.filled_qty is not None:
            self._count(order.filled_qty, as_of)
        if order.filled_avg_price and order.filled_qty:
            priced = (order.filled_qty, order.updated_at or _NEVER, as_of, order.filled_avg_price)
            if self._priced is None or priced > self._priced:
                self._priced = priced
        if self.best is None or self._outranks(order, as_of):
            self.best, self._as_of = order, as_of
        elif order == self.best:
            self._as_of = max(self._as_of, as_of)

    def _absorb_execution(self, row: Execution, route: Route, as_of: float) -> None:
        self.tapes.setdefault(route, Tape()).add(row)
        if row.cum_qty is not None and row.kind is ExecutionKind.FILL:
            self._count(row.cum_qty, as_of)
        told = row.order_status
        if told in _TAPE_STATUSES and STATUS_RULES[told].rank > STATUS_RULES[self._tape_status].rank:
            self._tape_status = told

    def _count(self, cumulative: Decimal, as_of: float) -> None:
        if self._cumulative is None or cumulative > self._cumulative:
            self._cumulative, self.cumulative_as_of = cumulative, as_of
        elif cumulative == self._cumulative:
            self.cumulative_as_of = min(self.cumulative_as_of, as_of)

    def _outranks(self, order: OrderSnapshot, as_of: float) -> bool:
        assert self.best is not None
        new, old = _rank(order, as_of), _rank(self.best, self._as_of)
        if new != old:
            return new > old
        return order != self.best and fingerprint(order) > fingerprint(self.best)

    def _visible(self) -> tuple[OrderStatus, Decimal | None, str | None, bool]:
        return self.status, self.filled_quantity, self.replaced_by, self.is_known

    def _rows(self) -> list[Execution]:
        tape = self.fullest_tape
        return [] if tape is None else [row for row in tape.rows.values() if row.kind is ExecutionKind.FILL]

    def _state(self) -> object:
        tapes = {route: tape.rows for route, tape in self.tapes.items()}
        return (
            *(self.order_id, self.best, self._as_of, tapes, self.seen_as_of, self.missing_as_of),
            *(self._cumulative, self.cumulative_as_of, self._priced, self._tape_status),
        )


def _rank(order: OrderSnapshot, as_of: float) -> _Rank:
    """What makes one snapshot count more than another: an end is not left for anything older or newer but another
    end; then the broker's own time stamp, then ours where it gives none, then how far along it is.

    `replaced` ends an id but can be taken back (Alpaca: when the replacement is rejected), so it counts as alive here.
    Time stamps are compared at the microseconds that all of Alpaca's routes share.
    """
    ended = order.status.is_terminal and order.status is not OrderStatus.REPLACED
    stamped = order.updated_at is not None
    return (
        ended,
        order.updated_at or _NEVER,
        -math.inf if stamped else as_of,
        STATUS_RULES[order.status].rank,
        order.filled_qty if order.filled_qty is not None else Decimal(-1),
    )
