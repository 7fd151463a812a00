"""Answers from the wire to what the `Broker` protocol speaks of: evidence, pages, answers to cancels and submits."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from fillwatch.brokers.alpaca import decode, ledger, tape
from fillwatch.brokers.alpaca.answers import Answer, Lost, Reply
from fillwatch.brokers.alpaca.errors import Verdict, named_state, refusal, unreadable
from fillwatch.brokers.alpaca.fields import Unreadable
from fillwatch.brokers.alpaca.known import KnownRows
from fillwatch.brokers.base import (
    Accepted,
    Account,
    AlreadyTerminal,
    CancelAnswer,
    Fills,
    Listing,
    MarketClock,
    NotThere,
    Positions,
    Refused,
    Requested,
    SubmitAnswer,
    Unknown,
)
from fillwatch.core.errors import AmbiguousError
from fillwatch.core.evidence import Look, Missing, Route, Seen, Unanswered
from fillwatch.core.orders import OrderSnapshot
from fillwatch.core.text import plain

#: The broker keeps nanoseconds and we microseconds: one more, and the bound still lies after the row it was read from.
_TICK = timedelta(microseconds=1)


def _usable(reply: Reply, route: Route) -> Answer | Unanswered:
    if isinstance(reply, Answer) and reply.is_success:
        return reply
    error = reply.error if isinstance(reply, Lost) else refusal(reply).error
    return Unanswered(error=error, route=route, as_of=reply.as_of)


def _garbled(answer: Answer, error: Unreadable, route: Route) -> Unanswered:
    return Unanswered(error=unreadable(plain(str(error)), answer), route=route, as_of=answer.as_of)


def order(reply: Reply, asked: str, route: Route) -> Look:
    """One order, asked for by its id (`ORDER`) or its sender's (`CLIENT_ID`). An answer about another one is none."""
    if isinstance(reply, Answer) and not reply.is_success and refusal(reply).cancel is Verdict.NOT_THERE:
        return Missing(order_id=asked, route=route, as_of=reply.as_of)
    answer = _usable(reply, route)
    if isinstance(answer, Unanswered):
        return answer
    try:
        found = decode.order(answer.body)
    except Unreadable as error:
        return _garbled(answer, error, route)
    answered = found.order_id if route is Route.ORDER else found.client_order_id
    if answered != asked:
        wrong = AmbiguousError(f"asked for order {plain(asked)}, answered with {plain(answered)}", status=answer.status)
        return Unanswered(error=wrong, route=route, as_of=answer.as_of)
    return Seen(order=found, route=route, as_of=answer.as_of)


async def listing(reply: Reply, limit: int, until: datetime | None, known: KnownRows) -> Listing | Unanswered:
    """A page of orders; `known`: rows that were read before.

    The next cursor is the oldest submission (creation, if there is none) plus a microsecond: the seam comes twice
    rather than never. If that is not below the `until` asked for (the whole page has one time stamp, or the broker
    ignores `until`), or if the page is not newest first, nothing older can be proven: not complete and no cursor.
    """
    answer = _usable(reply, Route.LIST)
    if isinstance(answer, Unanswered):
        return answer
    try:
        rows = await decode.orders_in_turns(answer.body, known)
    except Unreadable as error:
        return _garbled(answer, error, Route.LIST)
    complete = rows.count < limit
    unique: dict[str, OrderSnapshot] = {}
    for row in rows.values:
        unique.setdefault(row.order_id, row)
    return Listing(
        orders=tuple(unique.values()),
        complete=complete,
        until=None if complete else _cursor(rows.values, until),
        as_of=answer.as_of,
        unreadable=rows.unreadable,
    )


def _cursor(rows: tuple[OrderSnapshot, ...], until: datetime | None) -> datetime | None:
    times = [at for row in rows if (at := row.submitted_at or row.created_at) is not None]
    if not times or times[0] < times[-1]:
        return None
    cursor = min(times) + _TICK
    return cursor if until is None or cursor < until else None


def fills(reply: Reply, limit: int, page_token: str | None) -> Fills | Unanswered:
    """A page of the tape. A full page of which no id can be read, or which leads to the token asked with, has no next
    page: not complete and no token, so what follows cannot be had from here."""
    answer = _usable(reply, Route.ACTIVITIES)
    if isinstance(answer, Unanswered):
        return answer
    try:
        rows, last = tape.executions(answer.body)
    except Unreadable as error:
        return _garbled(answer, error, Route.ACTIVITIES)
    complete = rows.count < limit
    return Fills(
        executions=rows.values,
        complete=complete,
        page_token=None if complete or last == page_token else last,
        as_of=answer.as_of,
        unreadable=rows.unreadable,
    )


def positions(reply: Reply) -> Positions | Unanswered:
    """All positions, or nothing: one row that cannot be read would make its symbol look flat."""
    answer = _usable(reply, Route.POSITIONS)
    if isinstance(answer, Unanswered):
        return answer
    try:
        return Positions(quantities=ledger.positions(answer.body), as_of=answer.as_of, at=answer.at)
    except Unreadable as error:
        return _garbled(answer, error, Route.POSITIONS)


def account(reply: Reply) -> Account | Unanswered:
    """The account. `Route` has no member for it: an `Unanswered` says `POSITIONS`, the other page of the account."""
    answer = _usable(reply, Route.POSITIONS)
    if isinstance(answer, Unanswered):
        return answer
    try:
        facts = ledger.account(answer.body)
    except Unreadable as error:
        return _garbled(answer, error, Route.POSITIONS)
    return Account(
        account_id=facts.account_id,
        currency=facts.currency,
        buying_power=facts.buying_power,
        can_trade=facts.can_trade,
        as_of=answer.as_of,
        raw=facts.raw,
    )


def clock(reply: Reply) -> MarketClock | Unanswered:
    """The broker's clock; an `Unanswered` says `POSITIONS`, as for the account."""
    answer = _usable(reply, Route.POSITIONS)
    if isinstance(answer, Unanswered):
        return answer
    try:
        facts = ledger.clock(answer.body)
    except Unreadable as error:
        return _garbled(answer, error, Route.POSITIONS)
    return MarketClock(
        at=facts.at,
        is_open=facts.is_open,
        next_open=facts.next_open,
        next_close=facts.next_close,
        as_of=answer.as_of,
    )


def cancelled(reply: Reply) -> CancelAnswer:
    """What a cancel was answered with; a 2xx is a request taken note of, and no more.

    A 422 that names a state which is not an end (`pending_cancel`, `pending_replace`) is `Refused` with an
    `AmbiguousError`: the order lives, and the same cancel may be taken later.
    """
    if isinstance(reply, Lost):
        return Unknown(error=reply.error)
    if reply.is_success:
        return Requested()
    no = refusal(reply)
    match no.cancel:
        case Verdict.NOT_THERE:
            return NotThere(message=no.error.message)
        case Verdict.OVER:
            status = named_state(no.error)
            if status.is_terminal:
                return AlreadyTerminal(status=status, message=no.error.message)
            alive = AmbiguousError(no.error.message, status=no.error.status, code=no.error.code)
            return Refused(error=alive)
        case Verdict.REFUSED:
            return Refused(error=no.error)
        case _:
            return Unknown(error=no.error)


def submitted(reply: Reply, client_order_id: str) -> SubmitAnswer | None:
    """What a new order was answered with; None when its client order id is taken: look up by whom, then decide."""
    if isinstance(reply, Lost):
        return Unknown(error=reply.error)
    if not reply.is_success:
        no = refusal(reply)
        if no.submit is Verdict.DUPLICATE:
            return None
        return Refused(error=no.error) if no.submit is Verdict.REFUSED else Unknown(error=no.error)
    try:
        order = decode.order(reply.body)
    except Unreadable as error:
        return Unknown(error=unreadable(plain(str(error)), reply))
    if order.client_order_id not in ("", client_order_id):
        text = f"sent order {plain(client_order_id)}, answered with {plain(order.client_order_id)}"
        return Unknown(error=AmbiguousError(text, status=reply.status))
    return Accepted(order=replace(order, client_order_id=client_order_id))
