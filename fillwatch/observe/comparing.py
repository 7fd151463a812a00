"""Holds a journal to the account as it is now: every order is looked up, nothing is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from fillwatch.brokers.base import Broker
from fillwatch.core.evidence import Look, Missing, Route, Seen, Unanswered
from fillwatch.core.orders import OrderSnapshot
from fillwatch.core.results import FillResult
from fillwatch.core.text import plain
from fillwatch.core.trade_facts import Looked, NotPlaced, Placed, Sending, Watched
from fillwatch.journal.watching import Learnt, Piece, Traded
from fillwatch.observe.audit import Finding
from fillwatch.observe.execution_rules import was_undone, words
from fillwatch.observe.lines import Line
from fillwatch.observe.overview import is_closed, is_watched
from fillwatch.observe.record import Record
from fillwatch.observe.watch_rules import TOLD_AS
from fillwatch.observe.wording import amount, outcome

#: Seconds between two requests: the account's quota belongs to whoever trades on it, and half of it is left to him.
PAUSE = 0.6
#: Pages of the list that are read at most, and looks at one order that gets no answer.
PAGES, TRIES = 40, 3
#: The list goes back to this long before the journal's first fact, as orders may be older than their watch.
MARGIN = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """What the journal says of one order. `name`: whom a finding is about.

    `told`: what the caller was told; `is_open`: whether something is still to be done; `denied`: it is said not to be
    at the broker; `working`: its exits were seen to stand.
    """

    name: str
    number: int
    order_id: str = ""
    client_order_id: str = ""
    told: FillResult | None = None
    busted: bool = False
    is_open: bool = False
    denied: bool = False
    working: Looked | None = None


async def compare(broker: Broker, known: Record, *, pause: float = PAUSE) -> tuple[list[Finding], int]:
    """What the journal and the account tell differently, and how many orders were compared.

    Reads only, one request each `pause` seconds. The broker is not closed.
    """
    claims = [*_claims(known)]
    account = _Account(broker, pause)
    if known.lines and any(claim.order_id for claim in claims):
        await account.read_list(min(each.at for each in known.lines) - MARGIN)
    found: list[Finding] = []
    for claim in claims:
        if claim.order_id:
            found += _judged(claim, await account.look(claim.order_id), await _exits(claim, account))
        else:
            found += _judged(claim, await account.find(claim.client_order_id), ())
    return found, len(claims)


class _Account:
    """The account's orders, as far as they have been read."""

    def __init__(self, broker: Broker, pause: float) -> None:
        self._broker = broker
        self._pause = pause
        self._seen: dict[str, OrderSnapshot] = {}

    async def read_list(self, since: datetime) -> None:
        """Read pages of the list, newest first, until they are older than `since`."""
        if not self._broker.caps.page_size or not self._broker.caps.lists_closed:
            return
        until: datetime | None = None
        for _ in range(PAGES):
            await asyncio.sleep(self._pause)
            page = await self._broker.list(after=since, until=until)
            if isinstance(page, Unanswered):
                return
            for order in page.orders:
                self._seen.setdefault(order.order_id, order)
                self._seen |= {leg.order_id: leg for leg in order.legs if leg.order_id not in self._seen}
            if page.complete or page.until is None:
                return
            until = page.until

    async def look(self, order_id: str) -> Look:
        """The order as it is now."""
        if order_id in self._seen:
            return Seen(order=self._seen[order_id], route=Route.LIST, as_of=0.0)
        return await self._asked(lambda: self._broker.look(order_id))

    async def find(self, client_order_id: str) -> Look:
        """The order of this client id as it is now."""
        return await self._asked(lambda: self._broker.look_by_client_id(client_order_id))

    async def _asked(self, ask: Callable[[], Awaitable[Look]]) -> Look:
        for _ in range(TRIES):
            await asyncio.sleep(self._pause)
            look = await ask()
            if not isinstance(look, Unanswered):
                break
        return look


def _claims(known: Record) -> Iterator[_Claim]:
    placed = {each.trade.order_id for each in known.lines if isinstance(each.trade, Placed)}
    for intent_id, found in known.intents.items():
        yield from _trade_claims(intent_id, found, known)
    for order_id, found in known.orders.items():
        if order_id not in placed and any(_described(each) for each in found):
            yield _watched(order_id, order_id, found)


def _described(each: Line) -> bool:
    return isinstance(each.watch, Traded) or (isinstance(each.watch, Learnt) and each.watch.piece is Piece.SEEN)


def _trade_claims(intent_id: str, found: Sequence[Line], known: Record) -> Iterator[_Claim]:
    sent = {each.trade.name: each for each in found if isinstance(each.trade, Sending)}
    ids = {each.trade.name: each.trade.order_id for each in found if isinstance(each.trade, Placed)}
    for name, each in sent.items():
        assert isinstance(each.trade, Sending)
        subject = f"{intent_id} ({name})"
        if name in ids:
            mine = known.orders.get(ids[name])
            claim = _watched(subject, ids[name], mine) if mine else _Claim(name=subject, number=each.number)
            seen = [line.trade for line in found if isinstance(line.trade, Looked) and line.trade.name == name]
            told = [line.trade.result for line in found if isinstance(line.trade, Watched) and line.trade.name == name]
            yield _Claim(
                name=subject,
                number=claim.number,
                order_id=ids[name],
                told=claim.told or (told[-1] if told else None),
                busted=claim.busted,
                is_open=claim.is_open,
                working=seen[-1] if seen and seen[-1].working and not is_closed(found) else None,
            )
        else:
            denied = any(isinstance(line.trade, NotPlaced) and line.trade.name == name for line in found)
            yield _Claim(
                name=subject,
                number=each.number,
                client_order_id=each.trade.request.client_order_id or "",
                denied=denied,
                is_open=not denied,
            )


def _watched(name: str, order_id: str, found: Sequence[Line]) -> _Claim:
    told = [*words(found)]
    return _Claim(
        name=name,
        number=told[-1][0].number if told else found[-1].number,
        order_id=told[-1][1].final_order_id if told else order_id,
        told=told[-1][1] if told else None,
        busted=was_undone(found),
        is_open=is_watched(found),
    )


async def _exits(claim: _Claim, account: _Account) -> Sequence[Look]:
    if claim.working is None:
        return ()
    return [await account.look(order_id) for order_id in claim.working.order_ids]


#: What it means that the account tells another story, by the rule.
MEANS: Mapping[str, str] = MappingProxyType(
    {
        "account-answers": "nothing can be said of this order now; try again",
        "account-has-it": "the journal belongs to another account, or the broker has forgotten the order",
        "account-lacks-it": "what was given up for lost is there: look at the position, cancel the order if it is live",
        "account-same-end": "the caller acts on what is no longer so",
        "account-up-to-date": "its process is gone, or has not heard yet: `fillwatch resume` finishes it",
        "account-exits-stand": "shares may be without exits: look at the position now",
    }
)


def _judged(claim: _Claim, look: Look, exits: Sequence[Look]) -> Iterator[Finding]:
    for rule, text in _differences(claim, look, exits):
        yield Finding(rule=rule, subject=claim.name, numbers=(claim.number,), text=text, means=MEANS[rule])


def _differences(claim: _Claim, look: Look, exits: Sequence[Look]) -> Iterator[tuple[str, str]]:
    match look:
        case Unanswered(error=error):
            yield "account-answers", f"the broker does not answer: {plain(str(error))}"
        case Missing():
            if claim.order_id:
                yield "account-has-it", f"the broker does not know order {claim.order_id}"
        case Seen(order=order) if claim.denied:
            yield "account-lacks-it", f"it is said not to be at the broker, and is there as {_say(order)}"
        case Seen(order=order) if not claim.order_id:
            yield "account-up-to-date", f"it has no answer here, and is at the broker as {_say(order)}"
        case Seen(order=order):
            yield from _other_end(claim, order)
    alive = [one for one in exits if isinstance(one, Seen) and (one.order.filled_qty or not _is_over(one.order))]
    if exits and not alive and not any(isinstance(one, Unanswered) for one in exits):
        yield "account-exits-stand", "its exits were seen working, and none of them stands or has traded"


def _is_over(order: OrderSnapshot) -> bool:
    return order.status.is_terminal


def _other_end(claim: _Claim, order: OrderSnapshot) -> Iterator[tuple[str, str]]:
    told = claim.told
    if told is None or not told.outcome.is_end:
        if claim.is_open and _is_over(order):
            yield "account-up-to-date", f"it is open here, and over at the broker: {_say(order)}"
        return
    other = order.status in TOLD_AS and told.outcome not in TOLD_AS[order.status]
    quantity = order.filled_qty is not None and not claim.busted and told.fill_quantity != order.filled_qty
    if not _is_over(order) or other or (quantity and told.final_order_id == told.order_id):
        said = f"{outcome(told.outcome)} {amount(told.fill_quantity, told.requested_quantity)}"
        yield "account-same-end", f"told was {said}, and the broker has {_say(order)}"


def _say(order: OrderSnapshot) -> str:
    return f"{plain(order.raw_status or order.status.value)} {amount(order.filled_qty, order.qty)} ({order.order_id})"
