"""An order through its replacements: which link is at work, whether it is over, and what was executed in all."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwatch.core.booking import record_chain
from fillwatch.core.chain import LONGEST, OrderChain
from fillwatch.core.errors import TransientError
from fillwatch.core.evidence import Evidence, Executed, Missing, Route, Seen, Unanswered
from fillwatch.core.orders import Execution, ExecutionKind, OrderSnapshot, OrderStatus, Side
from fillwatch.core.positions import PositionBook

D = Decimal
S = OrderStatus
T0 = datetime(2026, 3, 2, 15, 0, 0, tzinfo=UTC)


def seen(
    ident: str,
    status: OrderStatus,
    filled: str | None = "0",
    *,
    qty: str | None = "10",
    to: str | None = None,
    price: str | None = None,
    updated: float = 0.0,
    as_of: float = 0.0,
    side: Side | None = None,
) -> Seen:
    order = OrderSnapshot(
        order_id=ident,
        status=status,
        symbol="AAPL",
        side=side,
        qty=None if qty is None else D(qty),
        filled_qty=None if filled is None else D(filled),
        filled_avg_price=None if price is None else D(price),
        updated_at=T0 + timedelta(seconds=updated),
        replaced_by=to,
    )
    return Seen(order=order, route=Route.ORDER, as_of=as_of)


def executed(ident: str, of: str, qty: str, price: str = "10", undoes: str | None = None) -> Executed:
    row = Execution(
        execution_id=ident,
        order_id=of,
        qty=D(qty),
        price=D(price),
        kind=ExecutionKind.FILL if undoes is None else ExecutionKind.BUST,
        previous_id=undoes,
    )
    return Executed(execution=row, route=Route.ACTIVITIES, as_of=0.0)


def chained(*evidence: Evidence, tape_as_of: float = -math.inf) -> OrderChain:
    chain = OrderChain("a")
    for piece in evidence:
        chain.absorb(piece)
    chain.tape_as_of = tape_as_of
    return chain


def amount(number: str | None) -> Decimal | None:
    return None if number is None else D(number)


# --- growing ----------------------------------------------------------------------------------------------------------


def test_a_replaced_order_goes_on_as_its_successor() -> None:
    """The chain grows by the id that a link names, and is not over with it."""
    told = seen("a", S.REPLACED, to="b"), seen("b", S.REPLACED, to="c")
    chain = chained(told[0])
    assert (chain.ids, chain.first.order_id, chain.current.order_id) == (("a", "b"), "a", "b")
    assert (chain.is_over, chain.current.is_known) == (False, False)
    chain = chained(*told)
    (change,) = chain.absorb(seen("c", S.FILLED, "10"))
    assert change.order_id == "c"
    assert (chain.ids, chain.is_over) == (("a", "b", "c"), True)
    assert [link.order_id for link in chain.links()] == ["a", "b", "c"]


def test_a_replacement_that_was_taken_back_before_its_successor_was_named() -> None:
    """An order seen replaced without a successor's name waits for the name; alive again, it is at work."""
    chain = chained(seen("a", S.REPLACED))
    assert (chain.ids, chain.is_over) == (("a",), False)
    chain.absorb(seen("a", S.NEW, updated=1.0))
    assert (chain.ids, chain.current.status, chain.is_over) == (("a",), S.NEW, False)


@pytest.mark.parametrize("back", ["a", "b"])
def test_circles_do_not_grow(back: str) -> None:
    """A link that names itself or an earlier one adds nothing."""
    chain = chained(seen("a", S.REPLACED, to="b"), seen("b", S.REPLACED, to=back))
    assert chain.ids == ("a", "b")
    assert not chain.is_over


def test_a_chain_has_an_end() -> None:
    """A broker that replaces for ever is not followed for ever."""
    chain = OrderChain("0")
    for number in range(LONGEST + 5):
        chain.absorb(seen(str(number), S.REPLACED, to=str(number + 1)))
    assert len(chain.ids) == LONGEST


def test_evidence_of_other_orders_and_no_answers_are_nothing() -> None:
    """A chain takes what concerns its links; an unanswered question changes none of them."""
    chain = chained(seen("a", S.NEW))
    assert chain.absorb(seen("z", S.FILLED, "10")) == ()
    assert chain.absorb(executed("e", "z", "10")) == ()
    assert chain.absorb(Unanswered(error=TransientError("503"), route=Route.ORDER, as_of=1.0)) == ()
    assert chain.absorb(Missing(order_id="z", route=Route.ORDER, as_of=4.0)) == ()
    assert chain.absorb(Missing(order_id="a", route=Route.ORDER, as_of=3.0)) == ()
    assert (chain.first.status, chain.first.filled_quantity, chain.first.missing_as_of) == (S.NEW, D(0), 3.0)


# --- a rejected successor ---------------------------------------------------------------------------------------------


def test_the_order_before_a_rejected_successor_is_doubtful_until_it_is_seen_again() -> None:
    """Alpaca: if the original fills first, the replacement is rejected; so the rejection is no end of the order."""
    told = seen("a", S.REPLACED, to="b", as_of=1.0), seen("b", S.REJECTED, as_of=2.0)
    chain = chained(*told)
    assert (chain.doubtful, chain.is_over) == (chain.first, False)
    chain = chained(*told, seen("a", S.FILLED, "10", updated=1.0, as_of=3.0))
    assert (chain.doubtful, chain.current.order_id) == (None, "a")
    assert (chain.is_over, chain.filled_quantity, chain.requested_quantity) == (True, D(10), D(10))


def test_an_order_that_lives_on_after_a_rejected_successor_is_at_work() -> None:
    """The old id is the one to cancel and to wait for."""
    chain = chained(
        seen("a", S.REPLACED, to="b", as_of=1.0),
        seen("b", S.REJECTED, as_of=2.0),
        seen("a", S.PARTIALLY_FILLED, "4", updated=1.0, as_of=3.0),
    )
    assert (chain.current.order_id, chain.is_over, chain.requested_quantity) == ("a", False, D(10))
    assert chain.filled_quantity == D(4)
    chain.absorb(seen("a", S.CANCELED, "4", updated=2.0, as_of=4.0))
    assert chain.is_over


def test_a_rejected_successor_of_an_order_that_stays_replaced_is_the_end() -> None:
    """Seen after the rejection and still replaced: nothing of it is at work any more."""
    chain = chained(
        seen("a", S.REPLACED, to="b", as_of=1.0),
        seen("b", S.REJECTED, as_of=2.0),
        seen("a", S.REPLACED, to="b", updated=1.0, as_of=3.0),
    )
    assert chain.doubtful is None
    assert (chain.current.order_id, chain.is_over) == ("b", True)


def test_one_moment_for_both_is_not_after() -> None:
    """One page that shows both says nothing about the time after the rejection."""
    chain = chained(seen("a", S.REPLACED, to="b", as_of=2.0), seen("b", S.REJECTED, as_of=2.0))
    assert chain.doubtful is chain.first


def test_the_doubt_ends_with_a_later_page_that_shows_both_again() -> None:
    """What counts is when the rejection was first told, in whatever order that came, and not its last mention."""
    told = [
        seen(i, status, to=to, as_of=t)
        for t in (2.0, 3.0)
        for i, status, to in [("a", S.REPLACED, "b"), ("b", S.REJECTED, None)]
    ]
    for evidence in (told, [told[0], told[3], told[2], told[1]]):
        chain = chained(*evidence)
        assert (chain.doubtful, chain.is_over) == (None, True)


# --- quantity and price over the chain --------------------------------------------------------------------------------

TAPE_A, TAPE_B = executed("e1", "a", "4", "10"), executed("e2", "b", "6", "20")


@pytest.mark.parametrize(
    ("filled_a", "filled_b", "qty_b", "rows", "read", "total", "asked"),
    [
        pytest.param("0", "6", "10", [], 0, "6", "10", id="nothing before: the last link counts"),
        pytest.param("4", "10", "10", [TAPE_A, TAPE_B], 9, "10", "10", id="the successor inherits"),
        pytest.param("4", "6", "6", [TAPE_A, TAPE_B], 9, "10", "10", id="the successor counts its own"),
        pytest.param("4", "4", "10", [TAPE_A], 9, "4", "10", id="inherited, nothing of its own"),
        pytest.param("4", "0", "6", [TAPE_A], 9, "4", "10", id="own count, nothing yet"),
        pytest.param("4", "10", "10", [], 0, None, "10", id="no tape: it may be 10 or 14"),
        pytest.param("4", "10", "10", [TAPE_A], 9, None, "10", id="a row is missing"),
        pytest.param("4", "10", "10", [TAPE_B], 9, "10", "10", id="the first's own count is known without its row"),
        pytest.param("4", "3", "6", [], 0, "7", "10", id="less than before it: it cannot have inherited"),
        pytest.param("4", "4", "10", [TAPE_A], 2, None, "10", id="tape read before the quantity was told"),
        pytest.param("4", "4", "4", [TAPE_A], 9, None, "4", id="four of four cannot be inherited"),
        pytest.param("4", None, "10", [TAPE_A], 9, None, "10", id="the last is not known"),
    ],
)
def test_what_was_executed_over_a_chain(
    filled_a: str,
    filled_b: str | None,
    qty_b: str,
    rows: list[Executed],
    read: float,
    total: str | None,
    asked: str,
) -> None:
    """Summed from the tape, and believed only if the snapshots fit one of the two readings; else unknown."""
    told = (
        seen("a", S.REPLACED, filled_a, to="b", as_of=1.0),
        seen("b", S.PARTIALLY_FILLED, filled_b, qty=qty_b, as_of=5.0),
    )
    chain = chained(*told, *rows, tape_as_of=read)
    assert chain.filled_quantity == amount(total)
    assert chain.requested_quantity == amount(asked)
    assert chain.needs_tape is (total is None)


def test_a_full_successor_that_counts_its_own_is_filled_as_a_whole() -> None:
    """Its status says that the whole is done, so its quantity is the whole's."""
    rows = TAPE_A, TAPE_B
    told = (seen("a", S.REPLACED, "4", to="b"), seen("b", S.FILLED, "6", qty="10", as_of=1.0))
    chain = chained(*told, *rows, tape_as_of=9.0)
    assert (chain.filled_quantity, chain.requested_quantity) == (D(10), D(10))


def test_the_average_price_of_a_chain_is_the_tapes() -> None:
    """Four at 10 and six at 20 make 16, whatever either snapshot says of its own part."""
    told = (
        seen("a", S.REPLACED, "4", to="b", price="10"),
        seen("b", S.FILLED, "6", qty="6", price="20", as_of=1.0),
    )
    chain = chained(*told, TAPE_A, TAPE_B, tape_as_of=9.0)
    assert chain.average_price == D(16)
    assert chained(*told).average_price is None
    view = chain.view()
    assert (view.order_id, view.qty, view.filled_qty, view.filled_avg_price) == ("b", D(10), D(10), D(16))


def test_parts_of_known_price_need_no_tape() -> None:
    """Three after four are the successor's own, so each snapshot's price belongs to its own part; one may lack."""
    first = seen("a", S.REPLACED, "4", to="b", price="10")
    chain = chained(first, seen("b", S.CANCELED, "3", qty="6", price="20", as_of=1.0))
    assert (chain.filled_quantity, chain.average_price) == (D(7), D(100) / 7)
    chain = chained(first, seen("b", S.CANCELED, "3", qty="6", as_of=1.0))
    assert (chain.filled_quantity, chain.average_price) == (D(7), None)


def test_without_executions_before_it_the_last_links_price_counts() -> None:
    """A replacement of an order that had executed nothing needs no tape."""
    chain = chained(seen("a", S.REPLACED, to="b"), seen("b", S.FILLED, "10", price="12", as_of=1.0))
    assert (chain.filled_quantity, chain.average_price, chain.needs_tape) == (D(10), D(12), False)


def test_a_successor_not_yet_seen_leaves_the_quantity_open() -> None:
    """It may have been executed since; the chain does not call that zero."""
    chain = chained(seen("a", S.REPLACED, "0", to="b"))
    assert chain.filled_quantity is None
    assert not chain.needs_tape


def test_a_bust_in_an_early_link_is_taken_off_the_whole() -> None:
    """What was undone in the first link is not in the sum."""
    told = (
        seen("a", S.REPLACED, "4", to="b"),
        seen("b", S.CANCELED, "0", qty="6", as_of=1.0),
        TAPE_A,
        executed("x", "a", "1", undoes="e0"),
        executed("e0", "a", "1"),
    )
    chain = chained(*told, tape_as_of=9.0)
    assert chain.filled_quantity == D(4)
    chain.absorb(executed("y", "a", "4", undoes="e1"))
    assert chain.filled_quantity == D(0)


@given(st.permutations([seen("a", S.REPLACED, "4", to="b"), TAPE_A, executed("e9", "a", "0.5", "11")]))
def test_a_link_is_the_same_whatever_came_first(told: list[Evidence]) -> None:
    """The tape of a link and its snapshot may come in any order."""
    chain = chained(*told, seen("b", S.NEW, "0", qty="6", as_of=2.0), tape_as_of=9.0)
    assert chain.filled_quantity == D("4.5")


# --- the position book ------------------------------------------------------------------------------------------------


def booked(chains: Iterable[OrderChain]) -> Decimal | None:
    book = PositionBook()
    book.start({"AAPL": D(0)}, as_of=-1_000.0, at=T0 - timedelta(hours=1))
    for chain in chains:
        record_chain(book, chain, 50.0)
    return book.expected("AAPL")


def sided(evidence: Evidence, side: Side) -> Evidence:
    return replace(evidence, order=replace(evidence.order, side=side)) if isinstance(evidence, Seen) else evidence


@pytest.mark.parametrize(("side", "sign"), [(Side.BUY, 1), (Side.SELL, -1)])
@pytest.mark.parametrize(
    ("filled_b", "qty_b"), [pytest.param("10", "10", id="inherits"), pytest.param("6", "6", id="its own")]
)
def test_the_book_counts_each_execution_once(side: Side, sign: int, filled_b: str, qty_b: str) -> None:
    """A successor that holds its predecessor's shares adds its own alone; recording again adds nothing."""
    told = (
        seen("a", S.REPLACED, "4", to="b"),
        seen("b", S.FILLED, filled_b, qty=qty_b, as_of=1.0),
        TAPE_A,
        TAPE_B,
    )
    chain = chained(*(sided(piece, side) for piece in told), tape_as_of=9.0)
    assert booked([chain]) == booked([chain, chain]) == sign * D(10)


def test_what_is_not_known_is_not_booked() -> None:
    """Neither a guess nor the part that is known: the book stays as it was."""
    told = (seen("a", S.REPLACED, "4", to="b", side=Side.BUY), seen("b", S.FILLED, "10", side=Side.BUY))
    assert booked([chained(*told)]) == D(0)
    assert booked([chained(seen("a", S.FILLED, "10"))]) == D(0), "which way it went is not known"


def test_two_orders_of_one_symbol_are_added_up() -> None:
    """A buy and a sell that is larger leave a short position, in whatever order they are booked."""
    other = OrderChain("s")
    other.absorb(seen("s", S.FILLED, "10", side=Side.SELL))
    for chains in permutations([chained(seen("a", S.FILLED, "4", side=Side.BUY)), other]):
        assert booked(chains) == D(-6)
