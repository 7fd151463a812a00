"""The position book: what the baseline holds, what our orders and others moved since, and what stays uncertain."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwatch.core.baseline import Expectation
from fillwatch.core.orders import Execution, ExecutionKind, Side
from fillwatch.core.positions import PositionBook, PositionsView, normal_symbol

D = Decimal
#: The baseline's moment, on the broker's clock and on the loop's.
T0 = datetime(2026, 3, 2, 15, 0, 0, tzinfo=UTC)
AS_OF = 1_000.0
BUY, SELL = Side.BUY, Side.SELL


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def started(**quantities: int | str) -> PositionBook:
    book = PositionBook()
    book.start({symbol: D(quantity) for symbol, quantity in quantities.items()}, as_of=AS_OF, at=T0)
    return book


def fill(
    book: PositionBook,
    order: str,
    side: Side,
    quantity: int | str,
    *,
    symbol: str = "AAPL",
    at: float | None = 30,
    born: float | None = 20,
    busts: int = 0,
) -> None:
    book.record(
        order,
        symbol=symbol,
        side=side,
        quantity=D(quantity),
        as_of=AS_OF + (30 if at is None else at),
        at=None if at is None else after(at),
        created_at=None if born is None else after(born),
        busts=busts,
    )


def row(
    ident: str,
    qty: int | str,
    *,
    side: Side | None = BUY,
    order: str = "theirs",
    at: float | None = 30,
    kind: ExecutionKind = ExecutionKind.FILL,
    previous: str | None = None,
) -> Execution:
    return Execution(
        execution_id=ident,
        order_id=order,
        qty=D(qty),
        price=D(10),
        symbol="AAPL",
        side=side,
        kind=kind,
        previous_id=previous,
        at=None if at is None else after(at),
    )


def decimals(*numbers: int) -> tuple[Decimal, ...]:
    return tuple(map(D, numbers))


def bounds(book: PositionBook, symbol: str = "AAPL") -> tuple[Decimal, Decimal, Decimal]:
    expectation = book.expectation(symbol)
    assert expectation is not None
    return expectation.low, expectation.expected, expectation.high


@pytest.mark.parametrize(
    ("spelt", "normal"), [("BTC/USD", "BTCUSD"), ("btcusd", "BTCUSD"), (" aapl ", "AAPL"), ("BRK.B", "BRK.B")]
)
def test_one_spelling_of_a_symbol(spelt: str, normal: str) -> None:
    """Orders and positions of one instrument meet under one name."""
    assert normal_symbol(spelt) == normal


def test_nothing_is_expected_before_a_baseline() -> None:
    """Without a positions answer the book knows no position, not even of what it saw filled."""
    book = PositionBook()
    fill(book, "a", BUY, 5)
    assert book.expected("AAPL") is None
    assert repr(PositionsView(book)) == "<positions: no baseline yet>"
    assert len(PositionsView(book)) == 0


@pytest.mark.parametrize(
    ("held", "fills", "expected"),
    [
        (100, [("a", BUY, 10)], 110),
        (100, [("a", BUY, 10), ("b", SELL, 30), ("c", BUY, 1)], 81),
        (0, [("a", SELL, 10)], -10),
        (-10, [("a", BUY, 25)], 15),
        (10, [("a", SELL, 25), ("b", BUY, 40)], 25),
        (10, [("a", SELL, 10)], 0),
        (0, [("a", BUY, "0.123456789"), ("b", BUY, "0.000000001")], "0.123456790"),
        (7, [("a", BUY, 5), ("a", BUY, 5), ("a", BUY, 8), ("a", BUY, 5)], 15),
    ],
    ids=["buy", "three orders", "short", "cover and flip", "flip and back", "closed", "nine decimals", "told again"],
)
def test_expected_is_the_baseline_and_what_was_executed_since(
    held: int, fills: list[tuple[str, Side, int | str]], expected: int | str
) -> None:
    """Baseline + signed cumulative quantity of each order, however often it was told."""
    book = started(AAPL=held)
    for order, side, quantity in fills:
        fill(book, order, side, quantity)
    assert bounds(book) == (D(expected),) * 3


@pytest.mark.parametrize(
    ("born", "at", "expected"),
    [
        (-3_600, -3_000, (100, 100, 100)),
        (-30, -10, (100, 100, 100)),
        (-30, -9.9, (100, 100, 110)),
        (-30, 0, (100, 100, 110)),
        (-30, 0.4, (100, 110, 110)),
        (0.5, 0.6, (100, 110, 110)),
        (1.5, 1.6, (110, 110, 110)),
        (-30, 5, (100, 110, 110)),
    ],
    ids=[
        "long ago",
        "beyond the lag",
        "within the lag",
        "same second",
        "at its end",
        "born in it",
        "after",
        "old order",
    ],
)
def test_what_was_executed_before_the_baseline_is_not_counted_again(
    born: float, at: float, expected: tuple[int, int, int]
) -> None:
    """Times decide; within the doubt of the lag and of the whole second, the broker may say either."""
    book = started(AAPL=100)
    fill(book, "a", BUY, 10, born=born, at=at)
    assert bounds(book) == decimals(*expected)


def test_an_old_order_counts_only_what_it_executed_since() -> None:
    """60 of 100 were executed yesterday and are in the baseline; the other 40 are not."""
    book = started(AAPL=60)
    fill(book, "a", BUY, 60, born=-90_000, at=-80_000)
    book.record("a", symbol="AAPL", side=BUY, quantity=D(60), as_of=AS_OF + 15)
    fill(book, "a", BUY, 100, born=-90_000, at=40)
    assert bounds(book) == decimals(100, 100, 100)


@pytest.mark.parametrize(
    ("empty_at", "full_at", "expected"),
    [(None, -10, (0, 0, 0)), (None, -9, (0, 0, 5)), (None, 1, (0, 5, 5)), (9, 12, (0, 5, 5)), (10, 12, (5, 5, 5))],
)
def test_without_the_brokers_times_our_own_clock_tells(
    empty_at: float | None, full_at: float, expected: tuple[int, int, int]
) -> None:
    """Known `lag` before the baseline was asked for: held by it. Seen absent `lag` after it: not held."""
    book = PositionBook()
    book.start({}, as_of=AS_OF)
    if empty_at is not None:
        for seen in (empty_at, -30):
            book.record("a", symbol="AAPL", side=BUY, quantity=D(0), as_of=AS_OF + seen)
    book.record("a", symbol="AAPL", side=BUY, quantity=D(5), as_of=AS_OF + full_at)
    assert bounds(book) == decimals(*expected)


def test_old_news_does_not_make_a_fill_young() -> None:
    """A late word of 5 shares says nothing about when they became known, if 8 were known long before."""
    book = PositionBook()
    book.start({}, as_of=AS_OF)
    book.record("a", symbol="AAPL", side=BUY, quantity=D(8), as_of=AS_OF - 60)
    book.record("a", symbol="AAPL", side=BUY, quantity=D(5), as_of=AS_OF + 60)
    assert bounds(book) == decimals(0, 0, 0)


def test_only_a_bust_lowers_a_quantity() -> None:
    """A smaller quantity is old news; one that takes a bust into account is not; a fill after it counts again."""
    book = started(AAPL=0)
    fill(book, "a", BUY, 10)
    fill(book, "a", BUY, 6)
    assert book.expected("AAPL") == 10
    fill(book, "a", BUY, 6, busts=1)
    assert book.expected("AAPL") == 6
    fill(book, "a", BUY, 10)
    assert book.expected("AAPL") == 6
    fill(book, "a", BUY, 9, busts=1)
    assert book.expected("AAPL") == 9


def test_a_bust_of_what_the_baseline_holds_takes_it_away() -> None:
    """The fill is in the baseline, its bust came after it: all 10 were still there when the baseline had settled.

    The time of the last execution left, long before the baseline, is not the time of the bust.
    """
    book = started(AAPL=10)
    fill(book, "a", BUY, 10, born=-90, at=-60)
    book.record("a", symbol="AAPL", side=BUY, quantity=D(4), at=after(-80), as_of=AS_OF + 60, busts=1)
    assert bounds(book) == decimals(4, 4, 10)
    book.record("a", symbol="AAPL", side=BUY, quantity=D(10), as_of=AS_OF + 15)
    assert bounds(book) == decimals(4, 4, 4)


def test_others_rows_count_once_each() -> None:
    """The tape repeats itself; rows before the baseline are in it."""
    book = started(AAPL=100)
    for execution in (row("1", 5), row("1", 5), row("2", 7, side=SELL), row("0", 50, at=-60), row("1", 5)):
        book.record_execution(execution, as_of=AS_OF + 40)
    assert bounds(book) == decimals(98, 98, 98)


def test_others_busts_and_corrections() -> None:
    """A bust takes its quantity away, a correction the difference to what it replaces."""
    book = started(AAPL=0)
    fix = row("4", 9, kind=ExecutionKind.CORRECTION, previous="2", at=60)
    for execution in (fix, row("3", 5, kind=ExecutionKind.BUST, previous="1", at=50), row("1", 5), row("2", 7)):
        book.record_execution(execution, as_of=AS_OF + 70)
    assert bounds(book) == decimals(9, 9, 9)


def test_a_row_without_a_side_leaves_the_sign_open() -> None:
    """Neither direction is guessed."""
    book = started(AAPL=10)
    book.record_execution(row("1", 3, side=None), as_of=AS_OF + 40)
    assert bounds(book) == decimals(7, 10, 13)


@pytest.mark.parametrize("watched_first", [True, False])
def test_an_order_both_watched_and_on_the_tape_counts_once(watched_first: bool) -> None:
    """Rows and record are two accounts of one order, and the one that knows more is taken."""
    book = started(AAPL=0)
    steps: list[Callable[[], None]] = [
        partial(fill, book, "a", BUY, 8),
        lambda: book.record_execution(row("1", 5, order="a"), as_of=AS_OF + 40),
        lambda: book.record_execution(row("2", 3, order="a"), as_of=AS_OF + 40),
    ]
    for step in steps if watched_first else reversed(steps):
        step()
    assert bounds(book) == decimals(8, 8, 8)
    book.record_execution(row("3", 2, order="a"), as_of=AS_OF + 50)
    assert bounds(book) == decimals(10, 10, 10)


def test_a_crypto_purchase_may_lack_its_fee() -> None:
    """Alpaca takes it out of the coins bought; a sale's comes out of the money."""
    book = started(BTCUSD=1)
    fill(book, "a", BUY, 2, symbol="BTC/USD")
    assert bounds(book, "BTC/USD") == (D("2.995"), D(3), D(3))
    fill(book, "b", SELL, 1, symbol="BTC/USD")
    assert bounds(book, "btcusd") == (D("1.995"), D(2), D(2))


def test_young_fills_may_be_missing_at_the_broker() -> None:
    """What became known less than the lag before the answer widens the bounds towards its absence, others do not."""
    book = started(AAPL=0)
    fill(book, "a", BUY, 5, at=30)
    fill(book, "b", SELL, 2, at=50)
    assert book.expectation("AAPL", shown_at=AS_OF + 59) == Expectation(expected=D(3), low=D(3), high=D(5))
    assert book.expectation("AAPL", shown_at=AS_OF + 60) == Expectation.exactly(D(3))
    fill(book, "c", SELL, 1, at=50)
    assert book.expectation("AAPL", shown_at=AS_OF + 59) == Expectation(expected=D(2), low=D(2), high=D(5))


def test_sync_goes_on_from_the_brokers_position() -> None:
    """What was executed before is in the new baseline, what comes later is added; other symbols keep theirs."""
    book = started(AAPL=100, MSFT=4)
    fill(book, "a", BUY, 10, at=30)
    book.sync("AAPL", D(95), as_of=AS_OF + 60, at=after(60))
    assert bounds(book) == decimals(95, 95, 95)
    fill(book, "b", SELL, 5, born=65, at=70)
    assert bounds(book) == decimals(90, 90, 90)
    assert book.expected("MSFT") == 4
    book.start({"AAPL": D(7)}, as_of=AS_OF + 200, at=after(200))
    assert bounds(book) == decimals(7, 7, 7)
    assert book.expected("MSFT") == 0


def test_the_view_shows_what_is_held_and_nothing_else() -> None:
    """An order that executed nothing, a closed position and an unknown symbol leave no entry."""
    book = started(AAPL=10, TSLA=-3)
    view = PositionsView(book)
    fill(book, "a", SELL, 10)
    fill(book, "b", BUY, 0, symbol="MSFT")
    fill(book, "c", BUY, "1.5", symbol="ETH/USD")
    assert dict(view) == {"ETHUSD": D("1.5"), "TSLA": D(-3)}
    assert "MSFT" not in view
    assert view["eth/usd"] == D("1.5")
    assert repr(view) == "<positions: ETHUSD +1.5, TSLA -3>"
    assert book.symbol_of("b") == "MSFT"
    assert book.symbol_of("z") is None


seconds = st.sampled_from([-60.0, -5.0, 0.5, 30.0, 60.0])
recordings = st.builds(
    lambda order, quantity, at, seen, busts: (
        lambda book: book.record(
            f"o{order}",
            symbol="AAPL",
            side=SELL if order % 2 else BUY,
            quantity=D(quantity),
            as_of=AS_OF + seen,
            at=None if at is None else after(at),
            busts=busts,
        )
    ),
    order=st.integers(0, 1),
    quantity=st.integers(0, 3),
    at=st.none() | seconds,
    seen=seconds,
    busts=st.integers(0, 1),
)
executions = st.builds(
    lambda ident, order, seen: (
        lambda book: book.record_execution(
            row(
                f"e{ident}",
                ident + 1,
                order=f"o{order}",
                side=SELL if order % 2 else BUY,
                at=None if ident % 2 else ident * 15.0 - 30,
            ),
            as_of=AS_OF + seen,
        )
    ),
    ident=st.integers(0, 3),
    order=st.integers(1, 2),
    seen=seconds,
)
histories = st.lists(st.one_of(recordings, executions), max_size=10)


@given(
    histories.flatmap(
        lambda steps: st.tuples(
            st.just(steps), st.permutations(steps), st.lists(st.sampled_from(steps or [lambda _: None]))
        )
    )
)
def test_any_order_and_duplication_of_recordings_gives_the_same_book(
    told: tuple[list[Callable[[PositionBook], None]], ...],
) -> None:
    """Recording is a join."""
    once, shuffled, again = told
    books = started(AAPL=5), started(AAPL=5)
    for step in once:
        step(books[0])
    for step in [*again, *shuffled, *again]:
        step(books[1])
        books[1].expected("AAPL")
    for baseline in (-70, -20, 0, 11, 45, 80):
        for at in (None, after(baseline)):
            for book in books:
                book.start({}, as_of=AS_OF + baseline, at=at)
            for shown_at in (AS_OF + 35, math.inf):
                one, other = (book.expectation("AAPL", shown_at=shown_at) for book in books)
                assert one == other


@given(histories)
def test_the_likeliest_value_is_within_the_bounds(steps: list[Callable[[PositionBook], None]]) -> None:
    """Bounds that exclude the expectation would call the expected position a discrepancy."""
    book = started(AAPL=5)
    for step in steps:
        step(book)
    low, expected, high = bounds(book)
    assert low <= expected <= high


# ---- a long life


def lived(book: PositionBook, numbers: range) -> Decimal:
    """Ten orders a second, ours and others' by turns, each executed and let go; the quantity they make together."""
    total = D(0)
    for number in numbers:
        at = 60.0 + number * 0.1
        side, quantity = (BUY, 3) if number % 3 else (SELL, 2)
        total += side.sign * quantity
        if number % 2:
            book.record_execution(row(f"e{number}", quantity, order=f"o{number}", side=side, at=at), as_of=AS_OF + at)
        else:
            fill(book, f"o{number}", side, quantity, at=at, born=at - 1)
            book.let_go(f"o{number}")
    return total


def test_the_book_does_not_grow_over_100_000_orders() -> None:
    book = started(AAPL=7)
    total, sizes = D(7), []
    for start in range(0, 100_000, 10_000):
        total += lived(book, range(start, start + 10_000))
        sizes.append(len(book))
    assert max(sizes) < 7_000  # five minutes are 3,000 orders; the book folds when it has doubled
    assert book.expectation("AAPL") == Expectation.exactly(total)


def test_a_folded_row_that_comes_again_is_not_counted_again() -> None:
    book = started()
    total = lived(book, range(9_000))
    assert len(book) < 7_000
    again = row("e1", 3, order="o1", side=BUY, at=60.1)
    book.record_execution(again, as_of=AS_OF + 3_000)
    assert book.expectation("AAPL") == Expectation.exactly(total)


def test_a_followed_order_is_never_folded() -> None:
    book = started()
    fill(book, "mine", BUY, 10, at=30, born=20)
    total = lived(book, range(9_000)) + 10
    fill(book, "mine", BUY, 25, at=1_000, born=20)
    assert book.expectation("AAPL") == Expectation.exactly(total + 15)


def test_a_folded_order_that_is_watched_again_is_in_doubt_and_not_counted_twice() -> None:
    book = started()
    total = lived(book, range(9_000))
    fill(book, "o2", BUY, 3, at=60.2, born=59)
    expectation = book.expectation("AAPL")
    assert expectation == Expectation(expected=total, low=total, high=total + 3)


def test_after_a_sync_the_folded_past_counts_no_more() -> None:
    book = started()
    lived(book, range(9_000))
    book.sync("AAPL", D(5), as_of=AS_OF + 5_000, at=after(5_000))
    assert book.expectation("AAPL") == Expectation.exactly(D(5))


def test_nothing_is_folded_before_there_is_a_baseline() -> None:
    book = PositionBook()
    total = lived(book, range(5_000))
    book.start({}, as_of=AS_OF, at=T0)
    assert book.expectation("AAPL") == Expectation.exactly(total)
