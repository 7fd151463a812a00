"""What follows from all that was told of one order: its status, what was executed, and which snapshot counts most."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal

from fillwatch.core.orders import ENDS, STATUS_RULES, OrderSnapshot, OrderStatus
from fillwatch.core.tape import Tape

NEVER = datetime.min.replace(tzinfo=UTC)
_NOTHING_SAID = Decimal(-1)

Rank = tuple[bool, datetime, float, int, Decimal]
#: What a caller can see of a belief: status, executed quantity, successor, and whether the order was ever described.
Visible = tuple[OrderStatus, Decimal | None, str | None, bool]
UNHEARD: Visible = (OrderStatus.UNKNOWN, None, None, False)


def visible(best: OrderSnapshot | None, tape: Tape | None, cumulative: Decimal | None, told: OrderStatus) -> Visible:
    """What the snapshot that counts, the fullest tape, the greatest cumulative quantity and the tape's status say."""
    if tape is None and best is not None and best.status is not OrderStatus.REPLACED:
        return best.status, cumulative, None, True  # what the lines below come to, for most orders
    return (
        _status(best, told),
        _filled(best, tape, cumulative),
        best.replaced_by if best is not None and best.status is OrderStatus.REPLACED else None,
        best is not None or tape is not None,
    )


def _status(best: OrderSnapshot | None, told: OrderStatus) -> OrderStatus:
    if best is None:
        return told
    status = best.status
    if told is status or told is OrderStatus.UNKNOWN or status.is_terminal:
        return status
    if told is OrderStatus.FILLED:
        return told
    return told if STATUS_RULES[status].rank < STATUS_RULES[told].rank else status


def _filled(best: OrderSnapshot | None, tape: Tape | None, gross: Decimal | None) -> Decimal | None:
    """A smaller snapshot is a stale one, never a bust; a bust is told by the tape. When the tape has one but not all
    the executions before it, the newest snapshot decides if it agrees with the difference, and nothing otherwise."""
    if tape is None:
        return gross
    if not tape.voided:
        return gross if gross is not None and gross >= tape.gross else tape.gross
    if gross is None or tape.gross >= gross:
        return tape.net
    shown = best.filled_qty if best is not None else None
    return shown if shown == gross - tape.gross + tape.net else None


def rank(order: OrderSnapshot, as_of: float) -> Rank:
    """What makes one snapshot count more than another: an end is not left for anything older or newer but another
    end; then the broker's own time stamp, then ours where it gives none, then how far along it is.

    `replaced` ends an id but can be taken back (Alpaca: when the replacement is rejected), so it counts as alive here.
    Time stamps are compared at the microseconds that all of Alpaca's routes share.
    """
    status, stamp, filled = order.status, order.updated_at, order.filled_qty
    return (
        status in ENDS,
        stamp or NEVER,
        as_of if stamp is None else -math.inf,
        STATUS_RULES[status].rank,
        _NOTHING_SAID if filled is None else filled,
    )
