"""Pieces of evidence in the form in which the journal keeps them.

`again` and `unanswered`: looks, and questions without an answer, that came since the last fact of the same watch and
told nothing new.
"""

from __future__ import annotations

from fillwatch.core.evidence import Executed, Missing, Seen, Unanswered
from fillwatch.core.orders import Execution
from fillwatch.core.text import plain
from fillwatch.core.verification import MultiMethodVerifier
from fillwatch.journal.watching import Learnt, Piece, Traded

_VERIFIER = MultiMethodVerifier()
#: Characters of a broker's word or explanation.
WORDS = 200


def traded(execution: Execution, evidence: Seen | Executed, again: int, unanswered: int) -> Traded:
    """A row of the tape."""
    return Traded(
        route=evidence.route,
        execution=execution,
        as_of=evidence.as_of,
        again=again,
        unanswered=unanswered,
    )


def seen(evidence: Seen, again: int, unanswered: int, *, is_first: bool) -> Learnt:
    """A description of the order that brought something new; the first one also says what the order is."""
    order = evidence.order
    return Learnt(
        piece=Piece.SEEN,
        route=evidence.route,
        as_of=evidence.as_of,
        about=order.order_id,
        news=True,
        again=again,
        unanswered=unanswered,
        status=order.status,
        raw_status=plain(order.raw_status, WORDS),
        qty=order.qty,
        filled_qty=order.filled_qty,
        filled_avg_price=order.filled_avg_price,
        updated_at=order.updated_at,
        replaced_by=order.replaced_by,
        methods=dict(_VERIFIER.verdicts(order)),
        symbol=plain(order.symbol, WORDS) if is_first else "",
        side=order.side if is_first else None,
        order_type=plain(order.order_type, WORDS) if is_first else "",
        client_order_id=plain(order.client_order_id, WORDS) if is_first else "",
    )


def missing(evidence: Missing, again: int, unanswered: int) -> Learnt:
    """An answer that the order is not there."""
    return Learnt(
        piece=Piece.MISSING,
        route=evidence.route,
        as_of=evidence.as_of,
        about=evidence.order_id,
        news=False,
        again=again,
        unanswered=unanswered,
    )


def unanswered(evidence: Unanswered, about: str, again: int, unanswered: int) -> Learnt:
    """No answer."""
    return Learnt(
        piece=Piece.UNANSWERED,
        route=evidence.route,
        as_of=evidence.as_of,
        about=about,
        news=False,
        again=again,
        unanswered=unanswered,
        error=plain(f"{type(evidence.error).__name__}: {evidence.error}", WORDS),
    )
