"""What must hold of the executions of one watched order. Each check is given the engine's entries about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType

from fillwatch.core.orders import ExecutionKind
from fillwatch.core.results import Amendment, FillResult, Transition
from fillwatch.core.tape import Tape
from fillwatch.journal.watching import Learnt, Traded, WatchBegun
from fillwatch.observe.lines import Line
from fillwatch.observe.rules import Breach, Rule

#: The most by which two routes' words on one average price differ, in the quote currency.
ROUNDING = Decimal("0.000001")


def words(found: Sequence[Line]) -> Iterator[tuple[Line, FillResult]]:
    """What was told of the order: results, and what amendments made of them."""
    for each in found:
        match each.watch:
            case FillResult() as result:
                yield each, result
            case Amendment(amended=result):
                yield each, result
            case _:
                pass


def tapes(found: Sequence[Line]) -> dict[tuple[str, str], tuple[Tape, int]]:
    """By route and order id: the executions, and the entry that told of the last one."""
    tapes: dict[tuple[str, str], tuple[Tape, int]] = {}
    for each in found:
        if isinstance(each.watch, Traded):
            about = each.watch.route.value, each.watch.execution.order_id
            tape, _ = tapes.get(about, (Tape(), 0))
            tape.add(each.watch.execution)
            tapes[about] = tape, each.number
    return tapes


def was_undone(found: Sequence[Line]) -> bool:
    """Whether some route told of a bust or a correction: the others may not have heard of it, or not yet."""
    rows = (each.watch.execution for each in found if isinstance(each.watch, Traded))
    return any(row.kind is not ExecutionKind.FILL for row in rows)


def executions_within_order(found: Sequence[Line]) -> Iterator[Breach]:
    """No route tells of more executions than the order, or its successor, asked for."""
    asked: dict[str, Decimal] = {}
    for each in found:
        if isinstance(each.watch, Learnt) and each.watch.qty is not None:
            asked[each.watch.about] = max(each.watch.qty, asked.get(each.watch.about, each.watch.qty))
    for (route, order_id), (tape, number) in tapes(found).items():
        if order_id in asked and tape.net > asked[order_id]:
            yield Breach(
                numbers=(number,),
                text=f"executions of {tape.net} shares were told by {route}, and {asked[order_id]} were asked for",
            )


def executions_told_once(found: Sequence[Line]) -> Iterator[Breach]:
    """An execution is always the same one; another price or quantity comes as a correction."""
    known: dict[tuple[str, str], tuple[Decimal, Decimal, int]] = {}
    for each in found:
        if isinstance(each.watch, Traded):
            row = each.watch.execution
            new = row.qty, row.price, each.number
            *before, number = known.setdefault((each.watch.route.value, row.execution_id), new)
            if before != [row.qty, row.price]:
                yield Breach(
                    numbers=(number, each.number),
                    text=f"execution {row.execution_id} is {before[0]} at {before[1]}, and {row.qty} at {row.price}",
                )


def price_was_heard(found: Sequence[Line]) -> Iterator[Breach]:
    """The price told is one that the broker named by then, or the average of executions that it told.

    Of an order that was replaced it is reckoned over several, and not judged here.
    """
    heard: list[Decimal] = []
    tapes: dict[str, Tape] = defaultdict(Tape)
    for each in found:
        match each.watch:
            case Learnt(filled_avg_price=Decimal() as price):
                heard.append(price)
            case Traded(route=route, execution=row):
                tapes[route].add(row)
                heard += [average] if (average := tapes[route].average_price) is not None else []
            case FillResult(fill_price=told) | Amendment(amended=FillResult(fill_price=told)) if told is not None:
                [(_, word)] = words([each])
                if word.final_order_id == word.order_id and not any(abs(told - price) <= ROUNDING for price in heard):
                    yield Breach(numbers=(each.number,), text=f"told was a price of {told}, which was never heard")
            case _:
                pass


def quantity_only_rises(found: Sequence[Line]) -> Iterator[Breach]:
    """What was executed stays executed, unless a bust or a correction was told.

    A watch that is taken up again has heard nothing yet, and may hear an old answer first.
    """
    most: dict[str, tuple[Decimal, int]] = {}
    for each in found:
        match each.watch:
            case WatchBegun():
                most.clear()
            case Traded(execution=row) if row.kind is not ExecutionKind.FILL:
                most.clear()
            case Transition(order_id=order_id, filled_quantity=Decimal() as quantity):
                before, number = most.get(order_id, (quantity, each.number))
                if quantity < before:
                    yield Breach(
                        numbers=(number, each.number), text=f"{before} shares were executed, and later {quantity}"
                    )
                most[order_id] = quantity, each.number
            case _:
                pass


#: In the order in which they are told.
RULES: Mapping[str, Rule[Sequence[Line]]] = MappingProxyType(
    {
        "executions-within-order": Rule(
            check=executions_within_order, means="the broker executed more than was asked for, or told it twice"
        ),
        "executions-told-once": Rule(
            check=executions_told_once, means="the broker changed an execution without a correction"
        ),
        "price-was-heard": Rule(
            check=price_was_heard, means="profit and slippage are reckoned wrongly", needs_beginning=True
        ),
        "quantity-only-rises": Rule(check=quantity_only_rises, means="an older answer was taken for a newer one"),
    }
)
