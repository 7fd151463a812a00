"""One watched order through its replacements: a chain of beliefs, the first id to the last.

Alpaca replaces an order by a new one with a new id (`replaced_by`). Whether the successor's `filled_qty` counts what
its predecessors executed is not documented, so a chain with executions in more than one link is summed from the tape
and believed only where the snapshots fit one of the two readings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from fillwatch.core.belief import OrderBelief
from fillwatch.core.evidence import PUSHED, Evidence, Executed, Missing, Route, Seen, Unanswered
from fillwatch.core.orders import ENDS, OrderSnapshot, OrderStatus
from fillwatch.core.results import Transition
from fillwatch.core.tape import ZERO

#: A chain longer than this is a broker gone mad, or a circle.
LONGEST = 1_000


class OrderChain:
    """The beliefs of an order and its successors.

    `tape_as_of`: when the tape that was last read to its end was asked for; `read_as_of`: when the link at work was
    last asked for and described.
    """

    __slots__ = ("_is_over", "_later", "_rejected_as_of", "first", "news", "read_as_of", "tape_as_of")

    def __init__(self, order_id: str) -> None:
        #: The order that was handed in, and those that replaced it.
        self.first = OrderBelief(order_id)
        self._later: tuple[OrderBelief, ...] = ()
        #: The earliest moment for which a successor was told to be rejected.
        self._rejected_as_of: dict[str, float] | None = None
        #: None when it has to be worked out anew.
        self._is_over: bool | None = False
        #: Grows with each piece of evidence from which something may follow; what follows from none need not be asked.
        self.news = 0
        self.tape_as_of = -math.inf
        self.read_as_of = -math.inf

    def absorb(self, evidence: Evidence) -> tuple[Transition, ...]:
        """Take in evidence of any link; what changed."""
        match evidence:
            case Seen():
                order_id = evidence.order.order_id
            case Executed():
                order_id = evidence.execution.order_id
            case Missing():
                order_id = evidence.order_id
            case Unanswered():
                return ()
        link = first = self.first
        if order_id != first.order_id:
            later = self._link(order_id)
            if later is None:
                return ()
            link = later
        before = link.news
        changes = link.absorb(evidence)
        if link is not first and isinstance(evidence, Seen) and evidence.order.status is OrderStatus.REJECTED:
            told = self._rejected_as_of = self._rejected_as_of or {}
            told[order_id] = min(told.get(order_id, math.inf), evidence.as_of)
        # Of several links the moments at which each was seen count as well.
        if link.news != before or self._later:
            self.news += 1
            self._is_over = None
        if evidence.route not in PUSHED and isinstance(evidence, Seen) and link is self.current:
            self.read_as_of = max(self.read_as_of, evidence.as_of)
        if changes and changes[0].successor_id is not None:
            self._grow()
        return changes

    def _link(self, order_id: str) -> OrderBelief | None:
        return next((link for link in self._later if link.order_id == order_id), None)

    def absorb_again(self, order: OrderSnapshot, route: Route, as_of: float) -> bool:
        """Take in the very snapshot that counts once more, read later; False, and nothing done, if it is not that."""
        if self._later or not self.first.absorb_again(order, route, as_of):
            return False
        if route not in PUSHED:
            self.read_as_of = max(self.read_as_of, as_of)
        return True

    @property
    def has_successors(self) -> bool:
        """Whether the order that was handed in was ever replaced."""
        return bool(self._later)

    @property
    def current(self) -> OrderBelief:
        """The link that is or was at work: the last, or the one before if the last was rejected and it lives on."""
        if not self._later:
            return self.first
        links, last = self._links, len(self._later)
        while (
            last and links[last].status is OrderStatus.REJECTED and links[last - 1].status is not OrderStatus.REPLACED
        ):
            last -= 1
        return links[last]

    @property
    def ids(self) -> tuple[str, ...]:
        """Every id of the order, first to last."""
        return tuple([link.order_id for link in self._links])

    @property
    def doubtful(self) -> OrderBelief | None:
        """The order before a rejected successor, if it has not been seen since: it may be alive or filled.

        Since it was rejected, that is: one page shows both, and would leave the doubt for ever.
        """
        for before, after in zip(self._links, self._later, strict=False):
            if after.status is OrderStatus.REJECTED:
                rejected = (self._rejected_as_of or {}).get(after.order_id, after.seen_as_of)
                if before.seen_as_of <= rejected:
                    return before
        return None

    @property
    def is_over(self) -> bool:
        """Whether the order has ended: no link of it can execute any more."""
        if self._is_over is None:
            self._is_over = self._has_ended()
        return self._is_over

    def _has_ended(self) -> bool:
        if not self._later:
            return self.first.status in ENDS or self.first.is_complete
        current = self.current
        return current.is_complete or (current.status in ENDS and self.doubtful is None)

    @property
    def filled_quantity(self) -> Decimal | None:
        """Shares that stand executed over the whole chain; None when not known."""
        if not self._later:
            return self.first.filled_quantity
        parts = self._parts()
        return None if parts is None else sum(parts, ZERO)

    def _parts(self) -> list[Decimal] | None:
        """What each link executed itself; None when that is not known of one of them."""
        parts: list[Decimal] = []
        earlier = ZERO
        for link in self._links:
            quantity, tape = link.filled_quantity, _taped(link)
            if quantity is None:
                return None
            if not earlier or quantity == tape or quantity < earlier:
                own = quantity
            elif quantity == earlier + tape and self._may_inherit(link, earlier):
                own = tape
            else:
                return None
            parts.append(own)
            earlier += own
        return parts

    def _may_inherit(self, link: OrderBelief, earlier: Decimal) -> bool:
        """Whether a link's quantity can be its predecessors' and what the tape shows of its own.

        The quantity of a replacement must exceed what is filled already (Alpaca: "qty must be > filled_qty"), and a
        tape read before the quantity was told may lack executions that would tell the other story.
        """
        return (link.qty is None or link.qty > earlier) and self.tape_as_of > link.cumulative_as_of

    @property
    def requested_quantity(self) -> Decimal | None:
        """Shares asked for over the whole chain; None for notional orders and before it is known.

        A successor that does not count what was executed before it asks for that much less, unless its own status
        says that the whole is done.
        """
        last = self._links[-1]
        earlier = sum((link.filled_quantity or ZERO for link in self._links[:-1]), ZERO)
        if self.current is not last:
            return self.current.qty
        total = self.filled_quantity
        if last.qty is None or not earlier or total is None or last.filled_quantity == total:
            return last.qty
        if last.status is OrderStatus.FILLED and total == last.qty:
            return last.qty
        return last.qty + total - (last.filled_quantity or ZERO)

    @property
    def average_price(self) -> Decimal | None:
        """Average price of `filled_quantity` in the quote currency; None when not known."""
        parts = self._parts()
        quantity = sum(parts or (), ZERO)
        if parts is None or not quantity:
            return None
        paid = ZERO
        for link, part in zip(self._links, parts, strict=True):
            price = self._price_of(link, part)
            if part and price is None:
                return None
            if part == quantity:
                return price
            paid += part * (price or ZERO)
        return paid / quantity

    def _price_of(self, link: OrderBelief, part: Decimal) -> Decimal | None:
        """What `part` was executed at: the link's own average if it counts nothing else, or the tape's."""
        if part == link.filled_quantity:
            return link.average_price
        tape = link.fullest_tape
        return tape.average_price if tape is not None and tape.net == part else None

    @property
    def needs_tape(self) -> bool:
        """Whether only the tape can tell how much was executed."""
        if not self._later:
            return False
        return self.filled_quantity is None and any(link.filled_quantity for link in self._links[:-1])

    @property
    def seen_as_of(self) -> float:
        """The latest moment for which the present link was described."""
        return self.current.seen_as_of if self._later else self.first.seen_as_of

    def view(self) -> OrderSnapshot:
        """The whole order as one snapshot: the present link's, with the chain's quantity and price."""
        return replace(
            self.current.view(),
            qty=self.requested_quantity,
            filled_qty=self.filled_quantity,
            filled_avg_price=self.average_price,
        )

    def links(self) -> Iterator[OrderBelief]:
        """The beliefs, first to last."""
        return iter(self._links)

    @property
    def _links(self) -> tuple[OrderBelief, ...]:
        return (self.first, *self._later)

    def _grow(self) -> None:
        while (successor := self._links[-1].replaced_by) is not None and successor not in self.ids:
            if len(self._later) + 1 >= LONGEST:
                return
            self._later = (*self._later, OrderBelief(successor))
            self._is_over = None


def _taped(link: OrderBelief) -> Decimal:
    tape = link.fullest_tape
    return ZERO if tape is None else tape.net
