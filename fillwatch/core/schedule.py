"""When an order is to be looked at, and which read is cheapest for the looks that are due.

Pure arithmetic over what the reader knows. A read costs requests; one GET tells of one order, a page of the list of up
to a page's size, the tape of every execution but of no other end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from fillwatch.core.config import FillDetectionConfig

#: Seconds between two looks at an order that was left unresolved: at first, and at most.
FIRST_AUDIT, LONGEST_AUDIT = 5.0, 300.0
#: A sweep of so many requests at most counts as short. While one of more than one hides fills, this share of the
#: requests goes to what shows all of them, the tape and a short list of ended orders: most beside a short list, about
#: half beside a long one, or its sweep, which alone shows how the other orders stand, would take for ever.
SHORT_LIST, TAPE_SHARE, TAPE_SHARE_LONG = 3, 0.78, 0.55
#: An order younger than this (seconds since it was handed in) that a list leaves out is late, not missing.
YOUNG = 10.0
#: A young order goes before others until it has been looked at so often; and one that was not seen in the last seconds
#: before its deadline does, since what is learnt then saves a cancel.
FEW_LOOKS, NEAR = 2, 5.0
#: Looks by id in a row that may pass over the order that has been due for longest: one in so many and one more is its,
#: so that nobody waits longer than so many times what he would wait if all had the same right.
PASSED_OVER = 3
#: Orders that are asked by id because the list did not show them; when there are more, the list is searched again.
STRAYS = 5


def interval(config: FillDetectionConfig, looks: int, wish: float | None = None, *, at_least: float = 0.0) -> float:
    """The longest that an order may go unseen after `looks` answered looks, in seconds.

    Grows from the initial interval by the increase to the longest (the seed's Property 10). `wish` is what
    `interval_for` returned; a wish that is no positive number is none. Without a wish it is `at_least` so much.
    """
    if wish is not None and math.isfinite(wish) and wish > 0:
        return float(wish)
    if not config.enable_adaptive_polling:
        return max(at_least, config.initial_poll_interval)
    grown = min(config.initial_poll_interval + looks * config.poll_interval_increase, config.max_poll_interval)
    return max(at_least, grown)


def audit_interval(audits: int) -> float:
    """Seconds until the next look at an unresolved order, after `audits` of them."""
    return float(min(FIRST_AUDIT * 2.0 ** min(audits, 30), LONGEST_AUDIT))


def is_young(*, age: float, checks: int) -> bool:
    """Whether an order handed in `age` seconds ago, and looked at so often, is looked at before older ones."""
    return age < YOUNG and checks < FEW_LOOKS


def is_near_deadline(left: float, unseen_for: float = math.inf) -> bool:
    """Whether an order with `left` seconds to its deadline, not seen for so many, is looked at before others.

    Once is enough; after the deadline it has a last look, for which somebody waits.
    """
    return 0.0 < left <= NEAR and unseen_for > NEAR - left


class Read(StrEnum):
    """The requests that can tell of an order."""

    NOTHING = "nothing"
    ORDER = "order"
    PAGE = "page"
    TAPE = "tape"
    ENDS = "ends"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is to be read, in numbers.

    `due`: orders due that the list shows; `strays`: orders due that it does not. `shown`: watched and audited orders
    that the list shows; `exposed`: those of them whose result is still to come and of which nothing tells
    reliably but reads.
    `pages`: requests of a whole sweep, as the last one took; without a list, one for each order. `sweeping`: a sweep is
    under way; `paging`: its next page was asked for just now. `tape_wanted`: somebody waits for the tape; `audit_due`:
    nobody does, but fills were not asked for too long; `tape_due`: its turn has come; `ends`: a page of ended orders,
    which shows fills and other ends alike, may take that turn or be that audit; `leftover`: a token can be spent on
    something else without delaying its next. `beat`: looks that are due have their turn. `urgent`: somebody waits for
    a look. `spare`: a token can be spent without regret, or news is likely. `in_vain`: looks by id go unanswered, so
    that another route is to be tried. `last`: what was sent last; `paged`: pages since a look by id.
    """

    due: int
    strays: int
    shown: int
    exposed: int
    pages: int
    lists: bool
    sweeping: bool
    paging: bool
    tape: bool
    tape_wanted: bool
    audit_due: bool
    tape_due: bool
    ends: bool
    leftover: bool
    beat: bool
    urgent: bool
    in_vain: bool
    spare: bool
    last: Read
    paged: int


class Looks(StrEnum):
    """For how many of those who wait for a look one request answers: for nearly all, for those on its page, for one."""

    SHARED = "shared"
    PAGED = "paged"
    SINGLE = "single"


#: Who is asked first after each kind of read, so that none of the three can starve the others.
_TURNS: Mapping[Read, tuple[Read, ...]] = MappingProxyType(
    {
        Read.NOTHING: (Read.TAPE, Read.PAGE, Read.ORDER),
        Read.TAPE: (Read.PAGE, Read.ORDER, Read.TAPE),
        Read.PAGE: (Read.ORDER, Read.TAPE, Read.PAGE),
        Read.ORDER: (Read.TAPE, Read.PAGE, Read.ORDER),
        Read.ENDS: (Read.TAPE, Read.PAGE, Read.ORDER),
    }
)
#: The same after the tape, or a page of ended orders, when in a whole sweep each order that it does not show, and that
#: is due, has not had its look by id.
_ORDER_OWED = (Read.ORDER, Read.PAGE, Read.TAPE)


def cheapest(outlook: Outlook) -> Read:
    """The next request to send: whatever tells most of what is due for one token, each kind in its turn."""
    o = outlook
    page_pays = o.lists and ((o.shown > 1 and o.due >= min(o.pages, o.shown)) or o.in_vain)
    hides_fills = o.tape and o.pages > 1 and o.exposed > 0
    if hides_fills and o.tape_due and not o.urgent:
        return Read.ENDS if o.ends else Read.TAPE
    if o.audit_due and o.ends and not o.urgent:
        return Read.ENDS
    may = o.urgent or (o.leftover if hides_fills else o.beat)
    wanted = {
        Read.TAPE: o.tape and (o.tape_wanted or o.audit_due),
        Read.PAGE: may and not o.paging and (o.sweeping or (o.due > 0 and page_pays)),
        Read.ORDER: may and (o.strays > 0 or (o.due > 0 and not page_pays and (not o.sweeping or o.urgent))),
    }
    turns = _TURNS[o.last]
    if o.last in (Read.TAPE, Read.ENDS) and o.strays * o.paged >= o.pages:
        turns = _ORDER_OWED  # or it would never come: the tape has turns of its own, with one read between two of them
    for read in turns:
        if wanted[read]:
            return read
    if o.spare and o.exposed and not hides_fills:
        return Read.PAGE if o.lists and o.shown > 1 else Read.ORDER
    return Read.NOTHING


def tape_period(rate: float, pages: int) -> float:
    """Seconds between two reads of the tape while a list of so many pages hides fills, at `rate` requests a second."""
    return 1.0 / (rate * (TAPE_SHARE if pages <= SHORT_LIST else TAPE_SHARE_LONG))


def is_leftover(tokens: float, rate: float, seconds: float) -> bool:
    """Whether one of `tokens` can be spent: one stays for who comes next, another for the tape's turn in `seconds`."""
    return tokens >= 2.0 and tokens - 1.0 + rate * seconds >= 2.0


def goes_on(*, missing: int, barren: int) -> bool:
    """Whether a sweep is worth its next page: `missing` orders were not met, the last `barren` pages showed none.

    A missing order costs one request by its id, so a sweep that has spent half of that in vain is given up.
    """
    return missing >= 2 and barren < max(1, missing // 2)
