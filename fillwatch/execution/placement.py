"""Drives the dialogue of core/placing: sends orders and asks for them through the engine's door."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

from fillwatch.brokers.base import Accepted, Refused, SubmitAnswer, Unknown
from fillwatch.core.errors import BrokerError, Failure, RateLimited
from fillwatch.core.evidence import Look, Missing, Seen, Unanswered
from fillwatch.core.orders import OrderRequest
from fillwatch.core.placing import AskFind, AskSubmit, AskWait, NotThere, Placing, Reply, Said, There
from fillwatch.core.text import plain
from fillwatch.engine.trading import TradingDoor

#: What the broker answers while shares are not free yet, or a position has not been booked (facts §6: code 40310000).
FORBIDDEN = 403
#: What the broker answers to an id that it has seen before (facts §6: its code differs, status and words do not), and
#: what our adapter makes of it when the order cannot be found yet.
TAKEN = (422, re.compile(r"client_order_id (must be unique|is taken, yet)"))


async def place(
    door: TradingDoor,
    request: OrderRequest,
    dialogue: Placing,
    *,
    protects: bool,
    insist_until: float,
    on_sent: Callable[[float], None],
    on_doubt: Callable[[str], Awaitable[None]],
) -> There | NotThere:
    """Have the dialogue for `request`. Until `insist_until` (monotonic) a 403 is answered by sending it again.

    `on_sent` is given the moment (monotonic) of each sending; `on_doubt` is told, with the reason, when the caller
    should no longer be kept waiting.
    """
    loop = asyncio.get_running_loop()
    question = next(dialogue)
    reason = "no answer"
    while True:
        match question:
            case AskSubmit():
                answer = await door.submit(request, protects=protects, on_sent=on_sent)
                reply = _submitted(answer, loop.time(), insists=protects and loop.time() < insist_until)
            case AskFind():
                sent: list[float] = []
                look = await door.find(request.client_order_id or "", on_sent=sent.append)
                reply = _looked(look, loop.time(), sent[0] if sent else loop.time())
            case AskWait():
                if question.doubtful:
                    await on_doubt(reason)
                await asyncio.sleep(question.seconds)
                reply = Reply(now=loop.time())
        reason = reply.reason or reason
        try:
            question = dialogue.send(reply)
        except StopIteration as end:
            came: There | NotThere = end.value
            return came


def _submitted(answer: SubmitAnswer, now: float, *, insists: bool) -> Reply:
    match answer:
        case Accepted(order=order):
            return Reply(now=now, said=Said.HERE, order=order)
        case Refused(error=error) | Unknown(error=error) if error.status == TAKEN[0] and TAKEN[1].search(str(error)):
            return Reply(now=now, said=Said.TAKEN, reason=_words(error))
        case Refused(error=error):
            wait = error.reset_in or 0.0 if isinstance(error, RateLimited) else 0.0
            again = error.failure is Failure.RATE_LIMITED or (insists and error.status == FORBIDDEN)
            said = Said.NOT_NOW if again else Said.REFUSED
            return Reply(now=now, said=said, reason=_words(error), wait=wait)
        case Unknown(error=error):
            return Reply(now=now, reason=_words(error))


def _looked(look: Look, now: float, sent_at: float) -> Reply:
    match look:
        case Seen(order=order):
            return Reply(now=now, said=Said.HERE, order=order, sent_at=sent_at)
        case Missing():
            return Reply(now=now, said=Said.DENIED, sent_at=sent_at)
        case Unanswered(error=error):
            return Reply(now=now, sent_at=sent_at, reason=_words(error))


def _words(error: BrokerError) -> str:
    return plain(str(error)) or type(error).__name__
