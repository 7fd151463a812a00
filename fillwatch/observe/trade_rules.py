"""What must hold of the entries of one intent. Each check is given them in order, and finds what breaks its rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from fillwatch.core.trade import Trade, absorb, fold
from fillwatch.core.trade_facts import (
    Closed,
    Declined,
    Intended,
    Looked,
    NotPlaced,
    Part,
    Placed,
    Reopened,
    Sending,
    Told,
    Watched,
    client_id,
    part_of,
)
from fillwatch.observe.lines import Line
from fillwatch.observe.rules import Breach, Rule


def one_order_per_part(found: Sequence[Line]) -> Iterator[Breach]:
    """Each order of a trade was accepted under one id."""
    accepted: dict[str, tuple[str, int]] = {}
    for each in found:
        if isinstance(each.trade, Placed):
            order_id, number = accepted.setdefault(each.trade.name, (each.trade.order_id, each.number))
            if order_id != each.trade.order_id:
                yield Breach(
                    numbers=(number, each.number),
                    text=f"{each.trade.name} was accepted as {order_id}, and as {each.trade.order_id}",
                )


def one_entry(found: Sequence[Line]) -> Iterator[Breach]:
    """There is one entry, and every order has the client id that follows from the intent."""
    entries: dict[str, int] = {}
    for each in found:
        match each.trade:
            case Sending(name=name, request=request):
                ours = client_id(each.intent_id, name)
                if request.client_order_id != ours:
                    yield Breach(
                        numbers=(each.number,), text=f"{name} was sent as {request.client_order_id}, not as {ours}"
                    )
                if part_of(name) is Part.ENTRY:
                    sent = request.client_order_id or name
                    entries.setdefault(sent, each.number)
                    if len(entries) > 1 and entries[sent] == each.number:
                        first, number = next(iter(entries.items()))
                        yield Breach(
                            numbers=(number, each.number), text=f"two entries were sent, as {first} and as {sent}"
                        )
            case _:
                pass


def one_request(found: Sequence[Line]) -> Iterator[Breach]:
    """Whatever is sent again under a name is what was sent before."""
    sent: dict[str, Line] = {}
    for each in found:
        if isinstance(each.trade, Sending):
            first = sent.setdefault(each.trade.name, each)
            assert isinstance(first.trade, Sending)
            if first.trade.request != each.trade.request:
                yield Breach(
                    numbers=(first.number, each.number), text=f"{each.trade.name} was sent again as another order"
                )


def nothing_after_the_end(found: Sequence[Line]) -> Iterator[Breach]:
    """Nothing is sent after its refusal, nor for an intent that was declined or closed, late facts apart."""
    refused: dict[str, int] = {}
    closed: int | None = None
    for each in found:
        match each.trade:
            case NotPlaced(name=name):
                refused.setdefault(name, each.number)
            case Closed() | Declined():
                closed = each.number
            case Placed() | Watched() | Looked() | Reopened():
                closed = None  # a late fact may leave shares bare, and then the trade is taken up again
            case Sending(name=name):
                if name in refused:
                    yield Breach(numbers=(refused[name], each.number), text=f"{name} was sent after it was refused")
                if closed is not None:
                    yield Breach(numbers=(closed, each.number), text=f"{name} was sent after the trade was over")
            case _:
                pass


def accepted_was_announced(found: Sequence[Line]) -> Iterator[Breach]:
    """An order that the broker has was written down before it was sent."""
    announced: set[str] = set()
    for each in found:
        if isinstance(each.trade, Sending):
            announced.add(each.trade.name)
        elif isinstance(each.trade, Placed) and each.trade.name not in announced:
            yield Breach(numbers=(each.number,), text=f"{each.trade.name} was accepted and never announced")


def one_answer(found: Sequence[Line]) -> Iterator[Breach]:
    """What was accepted is not refused later, and what the broker refused is not accepted later.

    What never arrived by all appearance may arrive all the same.
    """
    answers: dict[str, tuple[str, int]] = {}
    for each in found:
        match each.trade:
            case Placed(name=name):
                answer = "accepted"
            case NotPlaced(name=name, arrived=True):
                answer = "refused"
            case NotPlaced(name=name):
                answer = "never arrived"
            case _:
                continue
        before, number = answers.setdefault(name, (answer, each.number))
        if before != answer and (before, answer) != ("never arrived", "accepted"):
            yield Breach(numbers=(number, each.number), text=f"{name} was {before}, and then {answer}")
        answers[name] = answer, each.number


def told_once(found: Sequence[Line]) -> Iterator[Breach]:
    """The caller is told one result, and none is withheld from him at the end."""
    told: int | None = None
    for each in found:
        match each.trade:
            case Told():
                if told is not None:
                    yield Breach(numbers=(told, each.number), text="the caller was told a result twice")
                told = told or each.number
            case Closed():
                if told is None:
                    yield Breach(numbers=(each.number,), text="it was closed, and its caller was told nothing")
            case _:
                pass


def _steps(found: Sequence[Line]) -> Iterator[tuple[Line, Trade, Trade]]:
    """Each entry with the trade before it and after it."""
    trade: Trade | None = None
    for each in found:
        if isinstance(each.trade, Intended):
            trade = trade or fold(each.trade)
        elif trade is not None and each.trade is not None:
            before, trade = trade, absorb(trade, each.trade)
            yield each, before, trade


def exits_fit(found: Sequence[Line]) -> Iterator[Breach]:
    """What is sent to leave the position is for no more shares than nothing else answers for."""
    for each, before, after in _steps(found):
        if isinstance(each.trade, Sending) and part_of(each.trade.name) is not Part.ENTRY:
            if each.trade.name in before.orders and before.order(each.trade.name).sent is not None:
                continue
            wanted = after.order(each.trade.name).quantity
            if wanted > before.bare:
                yield Breach(
                    numbers=(each.number,),
                    text=f"{each.trade.name} was sent for {wanted} shares when {before.bare} were without exits",
                )


def within_the_order(found: Sequence[Line]) -> Iterator[Breach]:
    """No order of the trade executed more than it asked for."""
    for each, before, after in _steps(found):
        if each.name is None:
            continue
        order = after.order(each.name)
        grew = order.filled > before.order(each.name).filled
        if grew and order.request is not None and order.request.qty is not None and order.filled > order.quantity:
            yield Breach(
                numbers=(each.number,),
                text=f"{each.name} executed {order.filled} shares and asked for {order.quantity}",
            )


def protected(found: Sequence[Line]) -> Iterator[Breach]:
    """Whoever was told a result holds no share without exits, and has no exits for shares that he does not hold."""
    last: tuple[Line, Trade] | None = None
    for each, _, after in _steps(found):
        last = each, after
    if last is None or last[1].told is None:
        return
    trade, numbers = last[1], (last[0].number,)
    if trade.bare:
        yield Breach(numbers=numbers, text=f"{trade.bare} shares of {trade.intent.symbol} are held without exits")
    if trade.excess:
        yield Breach(numbers=numbers, text=f"exits stand for {trade.excess} shares of {trade.intent.symbol} too many")


def has_a_beginning(found: Sequence[Line]) -> Iterator[Breach]:
    """An intent was written down before anything was done about it."""
    first = next((each for each in found if each.trade is not None), None)
    if first is not None and not isinstance(first.trade, Intended):
        yield Breach(numbers=(first.number,), text=f"it begins with a fact of kind {first.kind}, not with the intent")


#: In the order in which they are told.
RULES: Mapping[str, Rule[Sequence[Line]]] = MappingProxyType(
    {
        "intent-first": Rule(
            check=has_a_beginning, means="something was done that nobody had asked for", needs_beginning=True
        ),
        "one-order-per-part": Rule(
            check=one_order_per_part, means="the broker may have executed two orders where one was wanted"
        ),
        "one-entry": Rule(check=one_entry, means="the position may have been entered twice"),
        "one-request": Rule(check=one_request, means="the broker may have executed another order than is known here"),
        "announced": Rule(
            check=accepted_was_announced,
            means="a crash before its answer would have lost the order; the journal was full, or did not take it",
            needs_beginning=True,
        ),
        "nothing-after-the-end": Rule(
            check=nothing_after_the_end, means="an order was sent for a trade that nobody wanted any more"
        ),
        "one-answer": Rule(check=one_answer, means="whether the broker has the order cannot be told from here"),
        "told-once": Rule(
            check=told_once, means="the caller acted on another result, or on none", needs_beginning=True
        ),
        "exits-fit": Rule(check=exits_fit, means="exits may sell more shares than are held"),
        "trade-within-order": Rule(check=within_the_order, means="more shares are held than were asked for"),
        "protected": Rule(check=protected, means="look at the position and its exits at the broker now"),
    }
)
