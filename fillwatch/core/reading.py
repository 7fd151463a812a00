"""What can be read off all that was told of one order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from fillwatch.core.evidence import Route
from fillwatch.core.orders import Execution, OrderSnapshot, OrderStatus, Side
from fillwatch.core.standing import UNHEARD
from fillwatch.core.tape import Tape
from fillwatch.core.tapes import NO_TAPES, Tapes


class Reading:
    """The readable side of a belief: `best` is the snapshot that counts, None before the first.

    `status`: where the order stands, `UNKNOWN` before anything was heard. `filled_quantity`: shares that stand
    executed, None when not known; a smaller snapshot is a stale one, never a bust, which is told by the tape, and when
    the tape has one but not all the executions before it, the newest snapshot decides if it agrees with the
    difference, and nothing otherwise. `replaced_by`: the successor's id, once the order was replaced.

    What follows from the evidence is worked out when evidence brings something new, for it is read far more often.
    """

    __slots__ = (
        "_is_told",
        "_priced",
        "_priced_as_of",
        "_tapes",
        "best",
        "filled_quantity",
        "order_id",
        "replaced_by",
        "status",
    )  # fmt: skip

    def __init__(self, order_id: str) -> None:
        self.order_id = order_id
        self.best: OrderSnapshot | None = None
        self._tapes: Tapes | None = None
        #: The snapshot that tells the average price of most, and the latest moment for which it was told.
        self._priced: OrderSnapshot | None = None
        self._priced_as_of = -math.inf
        self.status, self.filled_quantity, self.replaced_by, self._is_told = UNHEARD

    @property
    def tapes(self) -> Mapping[Route, Tape]:
        """The executions, by the route that told of them."""
        return NO_TAPES if self._tapes is None else self._tapes.by_route

    @property
    def is_known(self) -> bool:
        """Whether any route has ever described the order."""
        return self.best is not None or self._tapes is not None

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
    def is_complete(self) -> bool:
        """Whether the whole quantity stands executed: nothing is left to happen, whatever the status lags behind."""
        filled = self.filled_quantity
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
        if self._priced is not None and self._priced.filled_qty == quantity and not voided:
            return self._priced.filled_avg_price
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
        if self.best is not None and self.best.filled_at is not None:
            return self.best.filled_at
        last = self._last
        return None if last is None else last.at

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

    def __repr__(self) -> str:
        of = "?" if self.qty is None else self.qty
        filled = "?" if self.filled_quantity is None else self.filled_quantity
        return f"<OrderBelief {self.order_id} {self.status.value} {filled}/{of}>"

    @property
    def _last(self) -> Execution | None:
        """The execution that tells most, if there is one."""
        return None if self._tapes is None else self._tapes.fullest.last
