"""The story of one order: what was heard of it, when, by which route, what that changed, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from fillwatch.core.orders import OrderRequest
from fillwatch.core.results import Amendment, FillResult, Transition
from fillwatch.core.trade_facts import Intended, Looked, NotPlaced, Part, Placed, Sending, Told, Watched, part_of
from fillwatch.journal import FactKind, JournalReader
from fillwatch.journal.watching import Canceling, Learnt, Traded, WatchBegun
from fillwatch.observe.lines import Line, lines
from fillwatch.observe.naming import Subject
from fillwatch.observe.verdict import why
from fillwatch.observe.wording import begun_words, number, result_words, speaker, transition_words, words

#: Seconds between a piece of evidence and what it changed, which are written one behind the other.
AT_ONCE = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that was heard or done. `after` is seconds since the watch began, `by` who told or did it: a route of
    the broker's, `us` (requests of ours), `engine` (what it told its caller), `trade` or `caller`.

    `again` looks and `unanswered` questions came between the moment before and this one, and told nothing new.
    """

    number: int
    at: datetime
    after: float
    by: str
    said: str
    changed: str = ""
    again: int = 0
    unanswered: int = 0
    run: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All of it. `moments` end with the result; what came later are `afterwards`. `why` are sentences.

    `terms` is empty for an order that was not watched, or not in this journal: then it `began` when it was sent.
    `state`: in a few words where it stands, if there is no result.
    """

    order_id: str
    client_order_id: str
    final_order_id: str
    symbol: str
    request: str
    intent_id: str
    part: str
    began: datetime
    terms: str
    state: str
    result: FillResult | None
    moments: tuple[Moment, ...]
    why: tuple[str, ...]
    afterwards: tuple[Moment, ...]
    amended: FillResult | None


def about(reader: JournalReader, subject: Subject) -> list[Line]:
    """Every entry about an intent, or about one order and the part that it plays in its trade, in order."""
    found = {entry.number: entry for entry in reader.read(order_id=subject.order_id)} if subject.order_id else {}
    if subject.intent_id:
        found |= {entry.number: entry for entry in reader.read(intent_id=subject.intent_id)}
    every = lines(found[number] for number in sorted(found))
    return [each for each in every if not subject.is_order or _concerns(each, subject)]


def _concerns(each: Line, subject: Subject) -> bool:
    if each.kind is FactKind.INTENT:
        return True
    if each.trade is not None:
        return each.name == subject.name if each.name is not None else isinstance(each.trade, Told)
    return each.order_id == subject.order_id


def story(found: Sequence[Line], subject: Subject) -> Story:
    """The story that the entries of one order tell; at least one is needed."""
    begun = next((each for each in found if isinstance(each.watch, WatchBegun) and each.watch.told is None), None)
    first = begun or next((each for each in found if isinstance(each.trade, Sending)), found[0])
    told = _told(found, subject.order_id)
    moments = _moments(found, first)
    last = told[0].number if told is not None else found[-1].number
    result = None if told is None else told[1]
    wish = next((each.trade.intent for each in found if isinstance(each.trade, Intended)), None)
    sent = next((each.trade.request for each in found if isinstance(each.trade, Sending)), None)
    seen = next((each.watch for each in found if isinstance(each.watch, Learnt) and each.watch.symbol), None)
    return Story(
        order_id=subject.order_id,
        client_order_id=(sent.client_order_id or "") if sent else seen.client_order_id if seen else "",
        final_order_id=result.final_order_id if result else subject.order_id,
        symbol=wish.symbol if wish else seen.symbol if seen else result.symbol if result else "",
        request=_asked(seen, sent),
        intent_id=subject.intent_id,
        part=_PARTS[part_of(subject.name)] + f" ({subject.name})" if subject.name else "",
        began=begun.watch.began if begun is not None and isinstance(begun.watch, WatchBegun) else first.at,
        terms=begun_words(begun.watch) if begun is not None and isinstance(begun.watch, WatchBegun) else "",
        state=_state(found),
        result=result,
        moments=tuple(moment for moment in moments if moment.number <= last),
        why=tuple(why(found, result, lambda each: _after(each, first))),
        afterwards=tuple(moment for moment in moments if moment.number > last),
        amended=next((each.watch.amended for each in reversed(found) if isinstance(each.watch, Amendment)), None),
    )


_PARTS = {Part.ENTRY: "the entry", Part.EXITS: "the exits", Part.CLOSE: "an order that closes the position"}


def _asked(seen: Learnt | None, sent: OrderRequest | None) -> str:
    """What the order is for, as the broker described it, or as it was sent."""
    if seen is not None:
        said = [seen.side.value if seen.side else "", "" if seen.qty is None else number(seen.qty), seen.symbol]
        return " ".join(word for word in (*said, seen.order_type) if word)
    if sent is None:
        return ""
    price = "" if sent.limit_price is None else f" at {number(sent.limit_price)}"
    return f"{sent.side.value} {'' if sent.qty is None else number(sent.qty)} {sent.symbol} {sent.order_type}{price}"


def _told(found: Sequence[Line], order_id: str) -> tuple[Line, FillResult] | None:
    """The first result, the engine's own or, where its entries are not there, as the trade had it."""
    for each in found:
        if isinstance(each.watch, FillResult):
            return each, each.watch
    heard = ((each, each.trade) for each in found if isinstance(each.trade, Watched))
    return next(((each, fact.result) for each, fact in heard if fact.leg in ("", order_id)), None)


def _state(found: Sequence[Line]) -> str:
    """Where an order without a result stands."""
    state = "none yet"
    for each in found:
        match each.trade:
            case NotPlaced(arrived=arrived):
                state = "none: refused by the broker" if arrived else "none: it never arrived"
            case Placed():
                state = "none yet"
            case Looked(over=over, working=working):
                state = f"none yet; seen {'over' if over else 'working' if working else 'not working yet'}"
            case _:
                pass
    return state


def _after(each: Line, first: Line) -> float:
    """Seconds since the watch began: by the loop's clock within a run, by the wall clock over several."""
    if each.entry.run == first.entry.run:
        return each.entry.fact.monotonic - first.entry.fact.monotonic
    return (each.at - first.at).total_seconds()


def _moments(found: Sequence[Line], first: Line) -> list[Moment]:
    moments: list[Moment] = []
    before: Line | None = None
    for each in found:
        fact = each.watch
        if isinstance(fact, Transition) and moments and before is not None and _belongs(fact, each, before):
            changed = "; ".join(word for word in (moments[-1].changed, transition_words(fact)) if word)
            moments[-1] = replace(moments[-1], changed=changed)
            continue
        moments.append(_moment(each, first))
        before = each
    return moments


def _belongs(fact: Transition, each: Line, before: Line) -> bool:
    """Whether the change came of the evidence written before it."""
    same = isinstance(before.watch, Learnt | Traded) and before.watch.route is fact.route
    return same and each.entry.fact.monotonic - before.entry.fact.monotonic <= AT_ONCE


def _moment(each: Line, first: Line) -> Moment:
    moment = Moment(
        number=each.number,
        at=each.at,
        after=_after(each, first),
        by=speaker(each),
        said=words(each),
        run=each.entry.run,
    )
    match each.watch:
        case Learnt(again=again, unanswered=unanswered) | Traded(again=again, unanswered=unanswered):
            return replace(moment, again=again, unanswered=unanswered)
        case Transition():
            return replace(moment, said="", changed=moment.said)
        case Canceling(target=target, again=again, unanswered=unanswered):
            said = _about(moment.said, target, each.order_id)
            return replace(moment, said=said, again=again, unanswered=unanswered)
        case FillResult() as result:
            return replace(moment, said=f"told: {result_words(replace(result, reason=None))}")
        case _:
            return moment


def _about(said: str, target: str, order_id: str) -> str:
    """A cancel in words; which order it is of is said for a successor alone."""
    return said.replace(f" of {target}", "") if target == order_id else said
