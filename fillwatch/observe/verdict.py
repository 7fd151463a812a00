"""Why a verdict is what it is: which rule decided, on whose word, and what was not answered. Sentences for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from fillwatch.core.results import FillOutcome, FillResult
from fillwatch.core.text import plain
from fillwatch.core.trade_facts import Doubtful, Looked, NotPlaced
from fillwatch.journal.watching import Canceling, Learnt, Piece, Released, Traded, WatchBegun
from fillwatch.observe.lines import Line
from fillwatch.observe.witnesses import Case, Clock, decided, executed, fields, witness
from fillwatch.observe.wording import CANCEL_ANSWERS, learnt_words, number


def why(found: Sequence[Line], result: FillResult | None, clock: Clock) -> Iterator[str]:
    """The reasons for `result`, or why there is none."""
    if result is None:
        yield from _without_result(found)
        return
    told = next((place for place, each in enumerate(found) if isinstance(each.watch, FillResult)), len(found))
    case = Case(found=found[:told], result=result, clock=clock)
    if not any(each.watch is not None for each in case.found):
        yield "What the engine heard of this order is not in this journal: it kept none, or another one."
    for reason in _REASONS[result.outcome]:
        yield from reason(case)
    if result.reason:
        yield f"In the engine's own words: {plain(result.reason)}."


def _without_result(found: Sequence[Line]) -> Iterator[str]:
    last = found[-1]
    for each in found:
        match each.trade:
            case NotPlaced(arrived=True, reason=reason):
                yield f"The broker refused the order: {plain(reason)}. It has none, and nothing was executed."
                return
            case NotPlaced(reason=reason):
                yield f"The order never arrived: {plain(reason)}."
                yield "The broker was asked for it by its client id for long enough, and did not know it."
                return
            case _:
                pass
    looked = [each.trade for each in found if isinstance(each.trade, Looked)]
    if looked:
        seen = looked[-1]
        state = "over" if seen.over else "working" if seen.working else "there, but not seen working"
        yield f"The exits have no result yet. Last seen {state}, {number(seen.filled)} shares closed by them."
        return
    doubts = [each.trade.reason for each in found if isinstance(each.trade, Doubtful)]
    if doubts:
        yield f"It is in doubt: {plain(doubts[-1])}. The order may be live."
    elif isinstance(last.watch, Released):
        yield f"The watch was given up: {plain(last.watch.reason)}. The order was left as it is."
    yield "There is no result yet. If nobody runs it any more, `fillwatch resume` takes it up again."


def _cancel(case: Case) -> Iterator[str]:
    """The last look, the cancels, and what the broker answered."""
    sent = [each for each in case.found if isinstance(each.watch, Canceling) and each.watch.answer is None]
    answers = [each.watch.answer for each in case.found if isinstance(each.watch, Canceling) and each.watch.answer]
    if not sent:
        return
    last = next(
        (each for each in reversed(case.found) if each.number < sent[0].number and isinstance(each.watch, Learnt)), None
    )
    if last is not None and isinstance(last.watch, Learnt):
        heard = f"{learnt_words(last.watch)} (by `{last.watch.route.value}` at {case.when(last)})"
        yield f"What was known before our cancel: {heard}."
    told = "; ".join(dict.fromkeys(CANCEL_ANSWERS.get(str(answer), str(answer)) for answer in answers)) or "no answer"
    begun = next((each.watch for each in case.found if isinstance(each.watch, WatchBegun)), None)
    seconds = begun.timeout_seconds if begun is not None else None
    if case.result.fill_quantity and (seconds is None or case.clock(sent[0]) < seconds):
        yield "Some of it was executed, then no more for a while: what was left was cancelled before its time."
    times = "A cancel" if len(sent) == 1 else f"{len(sent)} cancels"
    yield f"{times} went out, {'first ' if len(sent) > 1 else ''}at {case.when(sent[0])}: {told}."


def _nothing(case: Case) -> Iterator[str]:
    yield "Nothing was executed."


def _unresolved(case: Case) -> Iterator[str]:
    yield "UNRESOLVED is no end and no error: no end was confirmed by then, so none was told. THE ORDER MAY BE LIVE."
    reason = case.result.reason or ""
    yield next((text for start, text in _UNPROVEN.items() if start in reason), "What was heard did not settle it.")
    seen = [each for each in case.found if isinstance(each.watch, Learnt) and each.watch.piece is Piece.SEEN]
    if seen and isinstance(seen[-1].watch, Learnt):
        heard = seen[-1].watch
        later = sum(_again(each) for each in case.found if each.number > seen[-1].number)
        since = f"; {later} looks since told the same" if later else ""
        yield f"Last heard: {learnt_words(heard)}, by `{heard.route.value}` at {case.when(seen[-1])}{since}."
    yield "It is looked at further for as long as the engine runs; its end comes as an amendment."


def _again(each: Line) -> int:
    return each.watch.again if isinstance(each.watch, Learnt | Traded | Canceling) else 0


#: By what the engine's reason holds.
_UNPROVEN: Mapping[str, str] = MappingProxyType(
    {
        "never seen": "The broker never described the order: every answer said that it does not know the id.",
        "left alone": "The time was up, and the order was to be left alone: nothing was cancelled.",
        "cancel is not confirmed": "The time was up and a cancel was sent, but the order was not seen to end.",
        "released": "The watch was given up by its caller; the order was left as it is.",
        "contradicts itself": "The broker says `filled`, and a quantity that is not.",
        "how much was executed": "The order has ended, but how much was executed before its end is not known.",
    }
)


def _unanswered(case: Case) -> Iterator[str]:
    """What was asked and not answered, which proves nothing."""
    errors: Counter[str] = Counter()
    for each in case.found:
        match each.watch:
            case Learnt(piece=Piece.UNANSWERED, error=error, unanswered=more):
                errors[plain(error or "no answer", 80)] += 1
                errors["no answer"] += more
            case Learnt(unanswered=more) | Traded(unanswered=more) | Canceling(unanswered=more):
                errors["no answer"] += more
            case _:
                pass
    count = sum(errors.values())
    if count:
        some = ", ".join(f"{text} ({times})" for text, times in errors.most_common(3) if times)
        yield f"{count} question{'s' if count > 1 else ''} got no answer, which proves nothing either way: {some}."


def _overdue(case: Case) -> Iterator[str]:
    begun = next((each.watch for each in case.found if isinstance(each.watch, WatchBegun)), None)
    if begun is not None and begun.timeout_seconds is not None:
        yield f"The timeout of {begun.timeout_seconds:g} s had passed; nothing had been executed."


_Reason = Callable[[Case], Iterator[str]]
_END: tuple[_Reason, ...] = (decided, fields, _cancel, witness, _nothing, _unanswered)
#: Total over `FillOutcome`.
_REASONS: Mapping[FillOutcome, tuple[_Reason, ...]] = MappingProxyType(
    {
        FillOutcome.FILLED: (decided, fields, executed, _cancel, _unanswered),
        FillOutcome.PARTIALLY_FILLED: (decided, _cancel, executed, witness, _unanswered),
        FillOutcome.CANCELED: _END,
        FillOutcome.EXPIRED: _END,
        FillOutcome.REJECTED: _END,
        FillOutcome.TIMED_OUT: (_overdue, _cancel, decided, witness, _unanswered),
        FillOutcome.UNRESOLVED: (_unresolved, _cancel, _unanswered),
    }
)
