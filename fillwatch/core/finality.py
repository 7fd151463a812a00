"""The final check as a dialogue: last look; cancel; look until the broker confirms an end, or the bound has passed.

A generator that yields questions and is sent replies; whoever drives it does the waiting, absorbs the evidence into the
chain before replying, and knows the broker. A 204 to a cancel means nothing yet; a 422 names a state that a look has to
prove; a cancel is sent again when it was refused or lost, each time after a look.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum

from fillwatch.core.chain import OrderChain
from fillwatch.core.evidence import Look, Missing
from fillwatch.core.orders import OrderStatus

#: Seconds between a cancel and the first look after it; doubled from look to look, at most the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 2.0
#: Seconds after which a cancel that was accepted and shows no effect is sent again; doubled each time.
AGAIN_AFTER = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AskLook:
    """Look at the order; the answer must be true at `since` or later. The reply has `.look`, None if the bound came."""

    order_id: str
    since: float
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AskCancel:
    """Send one cancel. The reply has `.cancel` and, if it was sent at all, `.sent_at`."""

    order_id: str


class CancelFate(StrEnum):
    """What a cancel came to, as far as the broker's answer tells."""

    REQUESTED = "requested"
    ALREADY_OVER = "already_over"
    NOT_THERE = "not_there"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What became of a question, and the time (monotonic seconds)."""

    now: float
    look: Look | None = None
    cancel: CancelFate | None = None
    sent_at: float | None = None


class Proof(StrEnum):
    """How a final check ends. Only `OVER` is an end of the order."""

    OVER = "over"
    LEFT_ALONE = "left_alone"
    NEVER_SEEN = "never_seen"
    UNPROVEN = "unproven"


Question = AskLook | AskCancel
Dialogue = Generator[Question, Reply, Proof]

#: Seconds that a last look may take before the cancel goes out without its answer.
LAST_LOOK = 10.0
#: Seconds that are given to the look after a cancel even if the bound has passed before it was sent.
LEAST_LOOK = 1.0


def final_check(
    chain: OrderChain,
    *,
    now: float,
    may_cancel: bool,
    resolution: float,
    first_cancel: float = math.inf,
    since: float = math.inf,
) -> Dialogue:
    """The dialogue of one order. `first_cancel`: when a cancel was first sent for it before, infinite if never.
    `since`: a look that is true then or later does for the last one, if that is before `now`.

    `resolution`: seconds after the first cancel was sent during which an end is sought.
    """
    reply = yield AskLook(order_id=chain.current.order_id, since=min(now, since), until=now + LAST_LOOK)
    if _is_over(chain):
        return Proof.OVER
    if not chain.first.is_known and chain.first.missing_as_of > -math.inf:
        return Proof.NEVER_SEEN
    if not may_cancel:
        return Proof.LEFT_ALONE
    again = AGAIN_AFTER
    while True:
        if chain.first.is_known and not chain.current.is_known:  # replaced just now: look at the successor first
            reply = yield AskLook(order_id=chain.current.order_id, since=reply.now, until=reply.now + LAST_LOOK)
            if _is_over(chain):
                return Proof.OVER
        target = chain.current.order_id
        reply = yield AskCancel(order_id=target)
        if reply.sent_at is not None:
            first_cancel = min(first_cancel, reply.sent_at)
        bound = (reply.now if math.isinf(first_cancel) else first_cancel) + resolution
        bound = max(bound, reply.now + LEAST_LOOK)
        came = yield from _look_until(chain, reply, target=target, bound=bound, again=again)
        if isinstance(came, Proof):
            return came
        reply = came
        again *= 2.0


def _look_until(
    chain: OrderChain, reply: Reply, *, target: str, bound: float, again: float
) -> Generator[Question, Reply, Proof | Reply]:
    """Look at growing intervals; the last reply when the cancel has to be sent again."""
    retry_at = reply.now + (again if reply.cancel is CancelFate.REQUESTED else again / 8.0)
    pause = FIRST_PAUSE
    while not _is_over(chain):
        if reply.now >= bound:
            return Proof.UNPROVEN
        # The last look is asked for early enough to be answered before the bound.
        aim = bound - LEAST_LOOK if reply.now < bound - LEAST_LOOK else bound
        since = min(reply.now + pause, aim)
        reply = yield AskLook(order_id=chain.current.order_id, since=since, until=bound)
        pause = min(2.0 * pause, LONGEST_PAUSE)
        if reply.now < bound and _cancels_again(chain, reply, target, retry_at):
            return reply
    return Proof.OVER


def _cancels_again(chain: OrderChain, reply: Reply, target: str, retry_at: float) -> bool:
    """Whether a look was tried since the last cancel and the order may be alive with no cancel under way."""
    if _is_over(chain):
        return False
    if chain.current.order_id != target:
        return True
    if reply.look is None or isinstance(reply.look, Missing) or reply.now < retry_at:
        return False
    return chain.current.status is not OrderStatus.PENDING_CANCEL


def _is_over(chain: OrderChain) -> bool:
    """Asked anew each time: a yield may have changed it, which a type checker cannot know of an attribute."""
    return chain.is_over
