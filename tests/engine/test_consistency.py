"""Positions compared after a fill: the lag waited out, others' trades learnt, one report for each discrepancy."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from loguru import logger

from fillwatch.brokers.base import Positions
from fillwatch.core.baseline import Expectation
from fillwatch.core.errors import TransientError
from fillwatch.core.evidence import Route, Unanswered
from fillwatch.core.orders import Execution, Side
from fillwatch.core.positions import PositionBook
from fillwatch.core.results import ConsistencyResult
from fillwatch.engine.consistency import StateConsistencyValidator
from fillwatch.testing.loop import virtual

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
#: The broker's clock when the loop's says 0; the virtual loop starts at 1,000.
EPOCH = datetime(2026, 3, 2, 15, 0, 0, tzinfo=UTC)
START = 1_000.0


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(slots=True)
class Desk:
    """A broker that answers for positions only: what it holds from which moment on, and until when it is silent."""

    held: list[tuple[float, Mapping[str, int | str]]]
    silent_until: float = 0.0
    token_after: float = 0.0
    round_trip: float = 0.0
    tape: list[Execution] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    taped: list[float] = field(default_factory=list)
    hooked: list[tuple[float, ConsistencyResult]] = field(default_factory=list)
    book: PositionBook = field(default_factory=PositionBook)

    async def positions(self) -> Positions | Unanswered:
        await asyncio.sleep(self.token_after)
        as_of = now()
        self.asked.append(as_of - START)
        await asyncio.sleep(self.round_trip)
        if as_of - START < self.silent_until:
            return Unanswered(error=TransientError("down"), route=Route.POSITIONS, as_of=as_of)
        held = [quantities for since, quantities in self.held if as_of - START >= since][-1]
        return Positions(quantities={name: D(q) for name, q in held.items()}, as_of=as_of, at=clock(as_of))

    async def fills(self) -> None:
        self.taped.append(now() - START)
        for execution in self.tape:
            self.book.record_execution(execution, as_of=now())

    def hook(self, result: ConsistencyResult) -> None:
        self.hooked.append((now() - START, result))

    def validator(
        self, on_discrepancy: Callable[[ConsistencyResult], Awaitable[None] | None] | None = None
    ) -> StateConsistencyValidator:
        return StateConsistencyValidator(
            self.book,
            read_positions=self.positions,
            read_fills=self.fills,
            on_discrepancy=on_discrepancy or self.hook,
        )

    def fill(self, order: str, side: Side, quantity: int, *, symbol: str = "AAPL") -> None:
        """Our order was executed at this moment."""
        self.book.record(
            order, symbol=symbol, side=side, quantity=D(quantity), as_of=now(), at=clock(now()), created_at=clock(now())
        )


def clock(moment: float) -> datetime:
    return EPOCH + timedelta(seconds=moment)


def desk(*held: tuple[float, Mapping[str, int | str]], start: Mapping[str, int | str] | None = None) -> Desk:
    """A desk whose book took its baseline (`start`) a minute before the test begins."""
    made = Desk(held=list(held))
    baseline = {symbol: D(quantity) for symbol, quantity in (start or {}).items()}
    made.book.start(baseline, as_of=START - 60, at=clock(START - 60))
    return made


def theirs(ident: str, side: Side, quantity: int, at: float) -> Execution:
    return Execution(
        execution_id=ident,
        order_id="theirs",
        qty=D(quantity),
        price=D(1),
        symbol="AAPL",
        side=side,
        at=clock(START + at),
    )


@pytest.fixture
def logged() -> Iterator[list[tuple[str, str]]]:
    """Level and message of each line logged."""
    lines: list[tuple[str, str]] = []
    logger.enable("fillwatch")
    sink = logger.add(lambda m: lines.append((m.record["level"].name, m.record["message"])), level="WARNING")
    yield lines
    logger.remove(sink)
    logger.disable("fillwatch")


@pytest.mark.parametrize(
    ("held", "start", "fills", "expected"),
    [
        ({"AAPL": 110}, {"AAPL": 100}, [("a", BUY, 10)], 110),
        ({"AAPL": -5}, {}, [("a", SELL, 5)], -5),
        ({"AAPL": 15}, {"AAPL": -10}, [("a", BUY, 25)], 15),
        ({}, {"AAPL": 10}, [("a", SELL, 10)], 0),
        ({"AAPL": 81}, {"AAPL": 100}, [("a", BUY, 10), ("b", SELL, 30), ("c", BUY, 1)], 81),
    ],
    ids=["buy", "short", "flip", "closed", "three orders of one symbol"],
)
@virtual
async def test_agreement_comes_at_once(
    held: dict[str, int], start: dict[str, int], fills: list[tuple[str, Side, int]], expected: int
) -> None:
    """One look, no waiting, no report."""
    bench = desk((0, held), start=start)
    for order, side, quantity in fills:
        bench.fill(order, side, quantity)
    result = await bench.validator().validate_fill_consistency("a")
    assert result == ConsistencyResult(
        order_id="a", symbol="AAPL", consistent=True, broker_quantity=D(expected), expected_quantity=D(expected)
    )
    assert (bench.asked, bench.taped, bench.hooked) == ([0], [], [])


@pytest.mark.parametrize("spelt", ["BTCUSD", "BTC/USD"])
@virtual
async def test_an_instrument_may_be_spelt_in_two_ways(spelt: str) -> None:
    """The order's BTC/USD is the position's BTCUSD, its fee paid in coins."""
    bench = desk((0, {spelt: "1.995"}))
    bench.fill("a", BUY, 2, symbol="BTC/USD")
    assert (await bench.validator().validate_fill_consistency("a")).consistent


@pytest.mark.parametrize(
    ("lag", "asked"), [(0.5, [0, 1]), (3, [0, 1, 3]), (8, [0, 1, 3, 7, 10]), (10, [0, 1, 3, 7, 10])]
)
@virtual
async def test_the_brokers_lag_is_waited_out(lag: float, asked: list[float], logged: list[tuple[str, str]]) -> None:
    """Looks at growing intervals and one at the lag itself; no alarm in between."""
    bench = desk((0, {}), (lag, {"AAPL": 10}))
    bench.fill("a", BUY, 10)
    result = await bench.validator().validate_fill_consistency("a")
    assert result.consistent
    assert result.waited == asked[-1]
    assert (bench.asked, bench.taped, bench.hooked, logged) == (asked, [], [], [])


@virtual
async def test_others_trades_are_no_discrepancy(logged: list[tuple[str, str]]) -> None:
    """The tape, read once before the verdict, explains the difference."""
    bench = desk((0, {"AAPL": 7}))
    bench.tape = [theirs("1", SELL, 3, at=-20)]
    bench.fill("a", BUY, 10)
    result = await bench.validator().validate_fill_consistency("a")
    assert result.consistent
    assert result.expected_quantity == 7
    assert (bench.asked, bench.taped, bench.hooked, logged) == ([0, 1, 3, 7, 10], [10], [], [])


@virtual
async def test_a_discrepancy_is_reported_once_and_the_book_synced(logged: list[tuple[str, str]]) -> None:
    """After the lag: one ERROR, one call of the hook, and the next fill starts from the broker's position."""
    bench = desk((0, {"AAPL": 4}), (100, {"AAPL": 5}))
    bench.fill("a", BUY, 10)
    validator = bench.validator()
    result = await validator.validate_fill_consistency("a")
    assert result == ConsistencyResult(
        order_id="a",
        symbol="AAPL",
        consistent=False,
        broker_quantity=D(4),
        expected_quantity=D(10),
        discrepancy="AAPL: the broker holds 4, expected 10",
        waited=10.0,
    )
    await validator.aclose()
    assert bench.hooked == [(10, result)]
    assert logged == [("ERROR", "discrepancy: AAPL: the broker holds 4, expected 10")]
    assert bench.book.expected("AAPL") == 4
    await asyncio.sleep(90)
    bench.fill("b", BUY, 1)
    assert (await validator.validate_fill_consistency("b")).consistent
    assert len(logged) == len(bench.hooked) == 1


@pytest.mark.parametrize("moment", [0.1, 0.123456789, 3.3, 77.7])
@virtual
async def test_a_discrepancy_at_an_odd_moment(moment: float) -> None:
    """Rounding of times makes no fill younger than it is: the verdict takes a look more at most."""
    bench = desk((0, {}))
    await asyncio.sleep(moment)
    bench.fill("a", BUY, 10)
    validator = bench.validator()
    result = await validator.validate_fill_consistency("a")
    await validator.aclose()
    assert not result.consistent
    assert 10 <= result.waited <= 11.001
    expectation = bench.book.expectation("AAPL")
    assert expectation is not None
    assert (expectation.low, expectation.high) == (D(0), D(0))


@virtual
async def test_one_request_serves_twenty_fills() -> None:
    """Those who ask while the request waits for its token share it; each gets its own result."""
    bench = desk((0, {f"S{n}": 1 for n in range(20)}))
    bench.token_after, bench.round_trip = 2.0, 0.5
    for n in range(20):
        bench.fill(f"o{n}", BUY, 1, symbol=f"S{n}")
    validator = bench.validator()

    async def check(n: int) -> ConsistencyResult:
        await asyncio.sleep(n / 10)
        return await validator.validate_fill_consistency(f"o{n}")

    results = await asyncio.gather(*(check(n) for n in range(20)))
    assert [result.order_id for result in results] == [f"o{n}" for n in range(20)]
    assert all(result.consistent for result in results)
    assert bench.asked == [2.0]


@virtual
async def test_an_answer_asked_for_before_the_fill_does_not_count() -> None:
    """A fill that comes while a request is on its way is compared with the next answer."""
    bench = desk((0, {"AAPL": 10}))
    bench.round_trip = 0.5
    bench.fill("a", BUY, 10)
    validator = bench.validator()
    first = asyncio.ensure_future(validator.validate_fill_consistency("a"))
    await asyncio.sleep(0.25)
    others = await asyncio.gather(*(validator.validate_fill_consistency("a") for _ in range(3)))
    assert (await first).waited == 0.5
    assert [other.waited for other in others] == [1.25] * 3
    assert bench.asked == [0, 1.0]


@virtual
async def test_a_discrepancy_is_shared_by_all_who_were_waiting(logged: list[tuple[str, str]]) -> None:
    """Twenty fills of one symbol, one ERROR, one hook call; none is told that all is well."""
    bench = desk((0, {}))
    for n in range(20):
        bench.fill(f"o{n}", BUY, 1)
    validator = bench.validator()
    results = await asyncio.gather(*(validator.validate_fill_consistency(f"o{n}") for n in range(20)))
    assert {(result.consistent, result.discrepancy) for result in results} == {
        (False, "AAPL: the broker holds 0, expected 20")
    }
    assert [result.order_id for result in results] == [f"o{n}" for n in range(20)]
    await validator.aclose()
    assert len(bench.hooked) == len(logged) == len(bench.taped) == 1
    assert bench.asked == [0, 1, 3, 7, 10]


@virtual
async def test_fills_in_flight_at_the_verdict_delay_it() -> None:
    """A fill of another order 2 s before the verdict need not show yet; when it does, all is well."""
    bench = desk((0, {}), (9, {"AAPL": 10}), (15, {"AAPL": 11}))
    bench.fill("a", BUY, 10)
    check = asyncio.ensure_future(bench.validator().validate_fill_consistency("a"))
    await asyncio.sleep(8)
    bench.fill("b", BUY, 1)
    result = await check
    assert (result.consistent, result.broker_quantity, result.waited) == (True, D(11), 18)
    assert bench.hooked == []


@virtual
async def test_a_symbol_that_never_rests_is_not_called_wrong(logged: list[tuple[str, str]]) -> None:
    """Fills younger than the lag explain the difference at every look: consistent, within bounded time."""
    bench = desk(*((n + 5.0, {"AAPL": 10 + n}) for n in range(-5, 80)))
    bench.fill("a", BUY, 10)
    check = asyncio.ensure_future(bench.validator().validate_fill_consistency("a"))
    for n in range(1, 60):
        await asyncio.sleep(1)
        bench.fill(f"o{n}", BUY, 1)
    result = await check
    assert (result.consistent, result.waited, logged) == (True, 40, [])


@pytest.mark.parametrize("kind", ["sync", "async"])
@virtual
async def test_a_raising_hook_harms_nothing(kind: str, logged: list[tuple[str, str]]) -> None:
    """The result comes as ever, and the log names the error."""

    def plain(_: ConsistencyResult) -> None:
        raise RuntimeError("the user's own")

    async def slow(_: ConsistencyResult) -> None:
        await asyncio.sleep(3)
        raise RuntimeError("the user's own")

    bench = desk((0, {}))
    bench.fill("a", BUY, 1)
    validator = bench.validator(plain if kind == "sync" else slow)
    result = await validator.validate_fill_consistency("a")
    assert (result.consistent, result.waited) == (False, 10)
    await validator.aclose()
    assert [level for level, _ in logged] == ["ERROR", "ERROR"]
    assert logged[1][1] == "on_discrepancy raised RuntimeError"


@virtual
async def test_closing_is_bounded_by_its_grace() -> None:
    """A hook that never returns is cancelled."""

    async def endless(_: ConsistencyResult) -> None:
        await asyncio.Event().wait()

    bench = desk((0, {}))
    bench.fill("a", BUY, 1)
    validator = bench.validator(endless)
    await validator.validate_fill_consistency("a")
    await validator.aclose(grace=5)
    assert now() - START == 15


@virtual
async def test_a_broker_that_answers_late_is_waited_for() -> None:
    """Unanswered questions are asked again."""
    bench = desk((0, {"AAPL": 10}))
    bench.silent_until = 12
    bench.fill("a", BUY, 10)
    result = await bench.validator().validate_fill_consistency("a")
    assert (result.consistent, result.waited) == (True, 18)
    assert bench.asked == [0, 1, 3, 7, 10, 18]


@pytest.mark.parametrize(("silent", "round_trip"), [(1_000, 0.0), (0, 1_000.0)], ids=["refuses", "hangs"])
@virtual
async def test_no_answer_is_no_discrepancy(silent: float, round_trip: float, logged: list[tuple[str, str]]) -> None:
    """Within lag + 30 s the result says that nothing could be read: a warning, no hook, the book untouched."""
    bench = desk((0, {}))
    bench.silent_until, bench.round_trip = silent, round_trip
    bench.fill("a", BUY, 10)
    validator = bench.validator()
    result = await validator.validate_fill_consistency("a")
    assert result == ConsistencyResult(
        order_id="a", symbol="AAPL", consistent=False, discrepancy="positions could not be read", waited=40.0
    )
    assert logged == [("WARNING", "position not compared: positions could not be read")]
    assert bench.hooked == []
    assert bench.book.expected("AAPL") == 10
    await validator.aclose()


@virtual
async def test_without_a_baseline_the_answer_becomes_it(logged: list[tuple[str, str]]) -> None:
    """Nothing to compare with, and the result says so; the next fill can be compared."""
    bench = Desk(held=[(0, {"AAPL": 10}), (60, {"AAPL": 11})])
    bench.fill("a", BUY, 10)
    validator = bench.validator()
    result = await validator.validate_fill_consistency("a")
    assert (result.consistent, result.broker_quantity, bench.hooked) == (False, None, [])
    assert result.discrepancy == "no position was known before this fill, so there is nothing to compare with"
    assert [level for level, _ in logged] == ["WARNING"]
    await asyncio.sleep(60)
    bench.fill("b", BUY, 1)
    assert (await validator.validate_fill_consistency("b")).consistent


@pytest.mark.parametrize(("expected_qty", "consistent"), [(10, True), (D("10.0"), True), (9, False), (D(-10), False)])
@virtual
async def test_a_callers_own_expectation(expected_qty: Decimal | int, consistent: bool) -> None:
    """It is compared in place of the book's, which, being right, stays as it is."""
    bench = desk((0, {"AAPL": 10}), start={"AAPL": 8})
    validator = bench.validator()
    bench.fill("a", BUY, 2)
    await asyncio.sleep(5)
    result = await validator.validate_fill_consistency("x", expected_qty, symbol="aapl")
    await validator.aclose()
    assert (result.consistent, result.expected_quantity, result.symbol) == (consistent, expected_qty, "AAPL")
    assert len(bench.hooked) == (not consistent)
    assert bench.book.expectation("AAPL") == Expectation.exactly(D(10))


@virtual
async def test_a_callers_expectation_is_judged_by_itself() -> None:
    """A discrepancy of the book says nothing about what a caller expects of the same symbol."""
    bench = desk((0, {"AAPL": 10}))
    bench.fill("a", BUY, 9)
    validator = bench.validator()

    async def later() -> ConsistencyResult:
        await asyncio.sleep(1)
        return await validator.validate_fill_consistency("a", 11)

    book, right, wrong = await asyncio.gather(
        validator.validate_fill_consistency("a"), validator.validate_fill_consistency("a", 10), later()
    )
    await validator.aclose()
    assert [result.consistent for result in (book, right, wrong)] == [False, True, False]
    assert (book.expected_quantity, wrong.expected_quantity) == (D(9), D(11))
    assert len(bench.hooked) == 2


@virtual
async def test_a_callers_expectation_leaves_the_book_alone() -> None:
    """Others' trades were not looked for, so nothing is known of the book."""
    bench = desk((0, {"AAPL": 10}))
    bench.fill("a", BUY, 9)
    validator = bench.validator()
    assert not (await validator.validate_fill_consistency("a", 11)).consistent
    await validator.aclose()
    assert (bench.book.expected("AAPL"), bench.taped) == (D(9), [])


@virtual
async def test_an_unknown_symbol_is_said_and_asks_nothing() -> None:
    """Neither the book nor the caller named one."""
    bench = desk((0, {}))
    result = await bench.validator().validate_fill_consistency("x")
    assert (result.consistent, result.discrepancy) == (False, "the symbol of the order is not known")
    assert bench.asked == []


@virtual
async def test_an_expectation_that_is_no_number_is_refused() -> None:
    """`ValueError` names the argument."""
    with pytest.raises(ValueError, match="expected_qty"):
        await desk((0, {})).validator().validate_fill_consistency("x", D("nan"), symbol="AAPL")


@pytest.mark.parametrize("broker", [0, 4, 10])
@virtual
async def test_a_fill_in_the_baselines_second_is_accepted_either_way(broker: int) -> None:
    """Nobody can tell whether the baseline held it, or a part of it."""
    bench = desk((0, {"AAPL": broker}))
    bench.book.start({}, as_of=START, at=clock(START))
    bench.fill("a", BUY, 10)
    result = await bench.validator().validate_fill_consistency("a")
    assert (result.consistent, result.broker_quantity, bench.hooked) == (True, D(broker), [])


@virtual
async def test_a_fill_before_the_baseline_is_not_expected_on_top_of_it() -> None:
    """Bought a minute before the engine started: the baseline holds it."""
    bench = desk((0, {"AAPL": 10}))
    bench.fill("a", BUY, 10)
    bench.book.start({"AAPL": D(10)}, as_of=START + 60, at=clock(START + 60))
    await asyncio.sleep(60)
    result = await bench.validator().validate_fill_consistency("a")
    assert (result.consistent, result.expected_quantity) == (True, D(10))


@virtual
async def test_a_bust_is_expected_once_it_is_recorded() -> None:
    """The expectation is read again at each look."""
    bench = desk((0, {"AAPL": 6}))
    bench.fill("a", BUY, 10)
    check = asyncio.ensure_future(bench.validator().validate_fill_consistency("a"))
    await asyncio.sleep(2)
    bench.book.record("a", symbol="AAPL", side=BUY, quantity=D(6), as_of=now(), busts=1)
    result = await check
    assert (result.consistent, result.expected_quantity, result.waited) == (True, D(6), 3)


@pytest.mark.parametrize("cancelled", [0, 1])
@virtual
async def test_a_cancelled_check_disturbs_no_other(cancelled: int) -> None:
    """The request goes on; the others get its answer; nothing is asked twice."""
    bench = desk((0, {"AAPL": 10}))
    bench.token_after, bench.round_trip = 1.0, 0.5
    bench.fill("a", BUY, 10)
    validator = bench.validator()
    checks = []
    for _ in range(3):
        checks.append(asyncio.ensure_future(validator.validate_fill_consistency("a")))
        await asyncio.sleep(0.25)
    checks[cancelled].cancel()
    await asyncio.wait(checks)
    assert [check.cancelled() for check in checks] == [n == cancelled for n in range(3)]
    assert [check.result().waited for check in checks if not check.cancelled()] == [
        1.5 - n / 4 for n in range(3) if n != cancelled
    ]
    assert bench.asked == [1.0]
