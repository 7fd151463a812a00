"""What must hold of the engine's entries about one watched order. Each check is given them in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType

from fillwatch.core.config import AtTimeout
from fillwatch.core.orders import OrderStatus
from fillwatch.core.results import Amendment, FillOutcome, FillResult, Transition
from fillwatch.journal.watching import Canceling, Learnt, Traded, WatchBegun
from fillwatch.observe.execution_rules import tapes, was_undone, words
from fillwatch.observe.lines import Line
from fillwatch.observe.rules import Breach, Rule


def one_result(found: Sequence[Line]) -> Iterator[Breach]:
    """Every result follows a watch, and each watch has one."""
    awaited, last = False, 0
    for each in found:
        match each.watch:
            case WatchBegun(told=told):
                awaited = told is None
            case FillResult() if awaited:
                awaited, last = False, each.number
            case FillResult() if not last:
                yield Breach(numbers=(each.number,), text="a result was told and nobody watched the order")
                last = each.number
            case FillResult():
                yield Breach(numbers=(last, each.number), text="one watch had two results")
            case _:
                pass


def outcome_fits(found: Sequence[Line]) -> Iterator[Breach]:
    """Outcome and quantity say the same: `filled` is all of it, and an end without a fill is nothing."""
    for each, word in words(found):
        quantity, wanted = word.fill_quantity, word.requested_quantity
        wrong = None
        if word.filled is not (word.outcome is FillOutcome.FILLED):
            wrong = f"filled is {word.filled}"
        elif word.outcome is FillOutcome.FILLED and quantity is None and not word.reason:
            wrong = "no quantity is told, and no reason"
        elif quantity is not None and wanted is not None:
            wrong = _misfit(word, quantity, wanted)
        if wrong is not None:
            yield Breach(numbers=(each.number,), text=f"told as {word.outcome.value}, and {wrong}")


_NOTHING = frozenset({FillOutcome.CANCELED, FillOutcome.EXPIRED, FillOutcome.REJECTED, FillOutcome.TIMED_OUT})


def _misfit(word: FillResult, quantity: Decimal, wanted: Decimal) -> str | None:
    said = f"{quantity} of {wanted} executed"
    if word.outcome is FillOutcome.FILLED:
        overfilled = quantity > wanted and (word.reason or "").startswith("overfilled")
        return None if quantity == wanted or overfilled else said
    if word.outcome is FillOutcome.PARTIALLY_FILLED:
        return None if 0 < quantity < wanted or word.reason else said
    return said if word.outcome in _NOTHING and quantity else None


def amends_what_was_told(found: Sequence[Line]) -> Iterator[Breach]:
    """An amendment comes after its result, and starts from what was told last."""
    last: tuple[FillResult, int] | None = None
    for each in found:
        match each.watch:
            case WatchBegun(told=FillResult() as told):
                last = told, each.number
            case FillResult() as result:
                last = result, each.number
            case Amendment(result=before, amended=after):
                if last is None:
                    yield Breach(numbers=(each.number,), text="an amendment, and no result before it")
                elif _said(before) != _said(last[0]):
                    yield Breach(
                        numbers=(last[1], each.number),
                        text=f"told was {_say(last[0])}, and the amendment starts from {_say(before)}",
                    )
                last = after, each.number
            case _:
                pass


def _said(word: FillResult) -> tuple[object, ...]:
    return word.outcome, word.fill_quantity, word.fill_price


def _say(word: FillResult) -> str:
    return f"{word.outcome.value} {'?' if word.fill_quantity is None else word.fill_quantity}"


#: How an order that has this status may have been told, if its end was told at all.
TOLD_AS: Mapping[OrderStatus, frozenset[FillOutcome]] = MappingProxyType(
    {
        OrderStatus.FILLED: frozenset({FillOutcome.FILLED, FillOutcome.PARTIALLY_FILLED, FillOutcome.CANCELED}),
        OrderStatus.CANCELED: frozenset({FillOutcome.CANCELED, FillOutcome.TIMED_OUT, FillOutcome.PARTIALLY_FILLED}),
        OrderStatus.EXPIRED: frozenset({FillOutcome.EXPIRED, FillOutcome.PARTIALLY_FILLED}),
        OrderStatus.REJECTED: frozenset({FillOutcome.REJECTED, FillOutcome.PARTIALLY_FILLED}),
    }
)


def ends_stand(found: Sequence[Line]) -> Iterator[Breach]:
    """What became known after an end was told was told as an amendment."""
    told: tuple[Line, FillResult] | None = None
    for each in found:
        match each.watch:
            case FillResult() as result:
                if told is not None and told[1].outcome.is_end and _said(told[1]) != _said(result):
                    yield Breach(
                        numbers=(told[0].number, each.number),
                        text=f"told was {_say(told[1])}, then {_say(result)}, and no amendment between them",
                    )
                told = each, result
            case Amendment(amended=result):
                told = each, result
            case _:
                pass
    if told is not None and told[1].outcome.is_end:
        yield from _untold(found, *told)


def _untold(found: Sequence[Line], told: Line, word: FillResult) -> Iterator[Breach]:
    last = next((each for each in reversed(found) if isinstance(each.watch, Transition)), None)
    if last is not None and last.number > told.number:
        assert isinstance(last.watch, Transition)
        status, quantity = last.watch.status, last.watch.filled_quantity
        is_other_end = status in TOLD_AS and word.outcome not in TOLD_AS[status]
        if is_other_end or (quantity is not None and quantity != word.fill_quantity):
            yield Breach(
                numbers=(told.number, last.number),
                text=f"told was {_say(word)}; later it was known to be {status.value} {quantity}, and nobody was told",
            )
    if was_undone(found):
        return
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for (route, _), (tape, _) in tapes(found).items():
        sums[route] += tape.net
    for route, executed in sums.items():
        if word.fill_quantity is not None and executed > word.fill_quantity:
            yield Breach(
                numbers=(told.number,),
                text=f"told was {_say(word)}; executions of {executed} shares are known by {route}",
            )


def no_cancel_after_the_end(found: Sequence[Line]) -> Iterator[Breach]:
    """No cancel is sent for an order that is known to be over; a process that takes it up again does not know yet."""
    ended: dict[str, int] = {}
    for place, each in enumerate(found):
        match each.watch:
            case WatchBegun():
                ended.clear()
            case Transition(order_id=order_id, status=status):
                if status.is_terminal:
                    ended.setdefault(order_id, each.number)
                else:
                    ended.pop(order_id, None)
            case Canceling(target=target, answer=None) if target in ended and not _was_spared(found, place, target):
                yield Breach(
                    numbers=(ended[target], each.number), text=f"a cancel of {target} was sent after it had ended"
                )
            case _:
                pass


def _was_spared(found: Sequence[Line], place: int, target: str) -> bool:
    """Whether the cancel announced there was not sent after all."""
    for each in found[place + 1 :]:
        if isinstance(each.watch, Canceling) and each.watch.target == target:
            return each.watch.answer == "not_sent"
    return False


def left_alone(found: Sequence[Line]) -> Iterator[Breach]:
    """An order that was to be left as it is is not cancelled."""
    leave: int | None = None
    for each in found:
        match each.watch:
            case WatchBegun(at_timeout=at_timeout):
                leave = each.number if at_timeout is AtTimeout.LEAVE else None
            case Canceling(answer=None) if leave is not None:
                yield Breach(numbers=(leave, each.number), text="it was to be left alone, and a cancel was sent")
            case _:
                pass


def witnessed(found: Sequence[Line]) -> Iterator[Breach]:
    """Before an end is told the broker was heard to say it."""
    heard = False
    for each in found:
        match each.watch:
            case Learnt() | Transition() | Traded():
                heard = True
            case FillResult(outcome=outcome) if outcome.is_end and not heard:
                yield Breach(
                    numbers=(each.number,), text=f"told as {outcome.value}, and nothing was ever seen of the order"
                )
            case _:
                pass


#: In the order in which they are told.
RULES: Mapping[str, Rule[Sequence[Line]]] = MappingProxyType(
    {
        "one-result": Rule(check=one_result, means="a caller acted on a result that was not his", needs_beginning=True),
        "witnessed": Rule(check=witnessed, means="the result was invented", needs_beginning=True),
        "outcome-fits": Rule(check=outcome_fits, means="the result contradicts itself: look at the order"),
        "amends-what-was-told": Rule(
            check=amends_what_was_told, means="a caller missed what came between", needs_beginning=True
        ),
        "ends-stand": Rule(check=ends_stand, means="the caller believes what is no longer so"),
        "no-cancel-after-the-end": Rule(check=no_cancel_after_the_end, means="a request was wasted, no more"),
        "left-alone": Rule(check=left_alone, means="an order that belongs to somebody else may be cancelled"),
    }
)
