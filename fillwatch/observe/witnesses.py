"""On whose word an end was told: which field of which route, how the quantity is known, and who bore it out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from fillwatch.core.evidence import PUSHED
from fillwatch.core.orders import OrderStatus
from fillwatch.core.results import FillResult, Transition
from fillwatch.core.verification import METHODS
from fillwatch.journal.watching import Learnt, Piece, Traded
from fillwatch.observe.execution_rules import tapes
from fillwatch.observe.lines import Line
from fillwatch.observe.wording import learnt_words, number

Clock = Callable[[Line], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The entries up to the result, the result, and seconds since the watch began of each entry."""

    found: Sequence[Line]
    result: FillResult
    clock: Clock

    def when(self, line: Line) -> str:
        """Of an entry: how long the order had been watched."""
        return f"+{self.clock(line):.2f} s"

    @property
    def end(self) -> Line | None:
        """Where the order's end was first believed."""
        ends = (each for each in self.found if isinstance(each.watch, Transition) and each.watch.is_end)
        return next(ends, None)


def decided(case: Case) -> Iterator[str]:
    """Who said the end, and which field settled it."""
    result, end = case.result, case.end
    field, _, route = (result.detection_method or "").partition("@")
    settled = f"the field `{field}`, told by `{route}`, settled it" if route else ""
    if end is not None:
        change = end.watch
        assert isinstance(change, Transition)
        by = change.route.value if change.route else "?"
        said = f"The end ({change.status.value}) was first told by the route `{by}`, at {case.when(end)}"
        yield f"{said}; {settled}." if settled else f"{said}."
    elif settled:
        yield f"{settled[0].upper()}{settled[1:]}."


def fields(case: Case) -> Iterator[str]:
    """What each of the four fields of the order said."""
    seen = case.result.verification
    if seen is None:
        return
    silent = [name for name in METHODS if name not in (*seen.methods_confirmed, *seen.methods_contradicting)]
    spoken = "; ".join(
        f"{_listed(names)} say{'s'[: len(names) == 1]} {what}"
        for names, what in (
            (seen.methods_confirmed, "that it is filled"),
            (seen.methods_contradicting, "that it is not"),
            (silent, "nothing"),
        )
        if names
    )
    yield f"Of the four fields of the order that tell of a fill, {spoken} (confidence {seen.confidence_score:.0%})."


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def executed(case: Case) -> Iterator[str]:
    """Whether the quantity is the sum of executions, or the broker's own cumulative number."""
    quantity = case.result.fill_quantity
    if quantity is None:
        yield "How much was executed is not known, and nothing is guessed."
        return
    told = [each.watch.filled_qty for each in case.found if isinstance(each.watch, Learnt) and each.watch.filled_qty]
    cumulative = max(told, default=None)
    sums: dict[str, Decimal] = defaultdict(Decimal)
    rows: Counter[str] = Counter()
    for (route, _), (tape, _) in tapes(case.found).items():
        sums[route] += tape.net
        rows[route] += len(tape.rows)
    by = next((route for route, executed in sums.items() if executed == quantity), None)
    executions = f"{rows[by]} execution{'s'[: rows[by] != 1]} told by `{by}`" if by else ""
    if by and cumulative == quantity:
        yield f"The quantity {number(quantity)}: the order's cumulative number agrees with {executions}."
    elif by:
        lag = "was not told" if cumulative is None else f"said {number(cumulative)}, and lags"
        yield f"The quantity {number(quantity)} comes from {executions}; the order's cumulative number {lag}."
    elif cumulative == quantity:
        yield f"The quantity {number(quantity)} is the order's cumulative number; not all executions were told by then."
    elif quantity:
        yield f"The quantity {number(quantity)} is taken over the order and the successors that replaced it."


def witness(case: Case) -> Iterator[str]:
    """An end short of a full fill, met alive, needs a second witness."""
    end = case.end
    if end is None:
        return
    changes = [each.watch for each in case.found if isinstance(each.watch, Transition)]
    if changes[0].is_end:
        yield "It had ended before it was first seen: nothing can lag behind that end any more."
    elif changes[-1].status is OrderStatus.REJECTED and len({change.order_id for change in changes}) == 1:
        yield "A rejected order was never in the market: its rejection needs no second witness."
    elif "one route only" in (case.result.reason or ""):
        yield "The end was seen by one route only: a second witness was asked for, and none answered in time."
    else:
        second = _second(case, end)
        yield f"An end short of a full fill needs a second witness, as fields lag behind the status: {second}."


def _second(case: Case, end: Line) -> str:
    """Which read came after the end."""
    reads = [each for each in case.found if each.number > end.number and _is_read(each)]
    if not reads:
        return "the tape of executions, or the order, was read again after it and showed nothing else"
    last = reads[-1]
    assert isinstance(last.watch, Learnt | Traded)
    if isinstance(last.watch, Traded):
        return f"the tape (`{last.watch.route.value}`), read after it, told its executions at {case.when(last)}"
    return f"`{last.watch.route.value}` told at {case.when(last)}: {learnt_words(last.watch)}"


def _is_read(each: Line) -> bool:
    match each.watch:
        case Learnt(piece=Piece.SEEN, route=route) | Traded(route=route):
            return route not in PUSHED
        case _:
            return False
