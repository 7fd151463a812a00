"""The belief in one order: a join over all evidence, and what it says of status, quantity and price."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fillwatch.core.belief import OrderBelief
from fillwatch.core.errors import TransientError
from fillwatch.core.evidence import Evidence, Executed, Missing, Route, Seen, Unanswered
from fillwatch.core.orders import Execution, ExecutionKind, OrderSnapshot, OrderStatus, Side

D = Decimal
S = OrderStatus
ID = "a1"
T0 = datetime(2026, 3, 2, 15, 0, 0, tzinfo=UTC)
MICROSECOND = 1e-6

ENDS = (S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED)
ALIVE = tuple(status for status in S if not status.is_terminal)


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def seen(
    status: OrderStatus,
    filled: str | None = None,
    *,
    qty: str | None = "10",
    price: str | None = None,
    updated: float | None = None,
    as_of: float = 0.0,
    route: Route = Route.ORDER,
    replaced_by: str | None = None,
) -> Seen:
    order = OrderSnapshot(
        order_id=ID,
        status=status,
        qty=None if qty is None else D(qty),
        filled_qty=None if filled is None else D(filled),
        filled_avg_price=None if price is None else D(price),
        updated_at=None if updated is None else after(updated),
        replaced_by=replaced_by,
    )
    return Seen(order=order, route=route, as_of=as_of)


def executed(
    ident: str,
    qty: str,
    *,
    price: str = "10",
    kind: ExecutionKind = ExecutionKind.FILL,
    previous: str | None = None,
    cum: str | None = None,
    leaves: str | None = None,
    status: OrderStatus | None = None,
    as_of: float = 0.0,
    route: Route = Route.ACTIVITIES,
) -> Executed:
    row = Execution(
        execution_id=ident,
        order_id=ID,
        qty=D(qty),
        price=D(price),
        kind=kind,
        previous_id=previous,
        cum_qty=None if cum is None else D(cum),
        leaves_qty=None if leaves is None else D(leaves),
        order_status=status,
    )
    return Executed(execution=row, route=route, as_of=as_of)


def bust(ident: str, qty: str, of: str, *, price: str = "10", route: Route = Route.ACTIVITIES) -> Executed:
    return executed(ident, qty, price=price, kind=ExecutionKind.BUST, previous=of, route=route)


def corrected(ident: str, qty: str, of: str, *, price: str, route: Route = Route.ACTIVITIES) -> Executed:
    return executed(ident, qty, price=price, kind=ExecutionKind.CORRECTION, previous=of, route=route)


def believing(*evidence: Evidence) -> OrderBelief:
    belief = OrderBelief(ID)
    for piece in evidence:
        belief.absorb(piece)
    return belief


def unanswered(as_of: float = 0.0) -> Unanswered:
    return Unanswered(error=TransientError("503"), route=Route.ORDER, as_of=as_of)


def missing(as_of: float = 0.0) -> Missing:
    return Missing(order_id=ID, route=Route.ORDER, as_of=as_of)


# --- a join -----------------------------------------------------------------------------------------------------------

QUANTITIES = st.sampled_from([None, "0", "0.000000001", "4", "10"])
MOMENTS = st.sampled_from([0.0, 1.0, 2.0, 3.0])
SEEN = st.builds(
    seen,
    st.sampled_from(list(S)),
    QUANTITIES,
    qty=st.sampled_from([None, "10"]),
    price=st.sampled_from([None, "0", "10", "11"]),
    updated=st.sampled_from([None, 0.0, MICROSECOND, 1.0]),
    as_of=MOMENTS,
    route=st.sampled_from([Route.ORDER, Route.LIST, Route.STREAM]),
    replaced_by=st.sampled_from([None, "b2"]),
)
TAPE_ROUTES = st.sampled_from([Route.ACTIVITIES, Route.STREAM])
#: Fills of an order that are what they are: an id is always the same execution, on whatever route it is told.
FILLS = st.builds(
    lambda fill, route, as_of: replace(fill, route=route, as_of=as_of),
    st.sampled_from(
        [
            executed("e1", "4", price="10", cum="4", leaves="6", status=S.PARTIALLY_FILLED),
            executed("e2", "5.999999999", price="11", cum="9.999999999", leaves="0.000000001"),
            executed("e3", "0.000000001", price="12", cum="10", leaves="0", status=S.FILLED),
        ]
    ),
    TAPE_ROUTES,
    MOMENTS,
)
UNDONE = st.builds(
    lambda undone, route, as_of: replace(undone, route=route, as_of=as_of),
    st.sampled_from([bust("x1", "4", "e1"), corrected("x2", "5", "e2", price="9"), bust("x3", "5", "x2")]),
    TAPE_ROUTES,
    MOMENTS,
)
#: An order that is described together with what has just happened to it.
UPDATES = st.builds(
    lambda seen, told: replace(seen, execution=told.execution),
    SEEN.filter(lambda seen: seen.route is Route.STREAM),
    st.one_of(FILLS, UNDONE),
)
EVIDENCE: st.SearchStrategy[Evidence] = st.one_of(
    SEEN, UPDATES, FILLS, UNDONE, st.builds(missing, MOMENTS), st.builds(unanswered, MOMENTS)
)


@st.composite
def retold(draw: st.DrawFn) -> tuple[list[Evidence], list[Evidence]]:
    """Some evidence, and the same in another order with some of it twice."""
    told = draw(st.lists(EVIDENCE, max_size=8))
    again = draw(st.lists(st.sampled_from(told), max_size=4)) if told else []
    return told, draw(st.permutations([*told, *again]))


@settings(max_examples=400)
@given(retold())
def test_any_order_and_repetition_ends_in_the_same_belief(both: tuple[list[Evidence], list[Evidence]]) -> None:
    """What is held, and all that is read off it, depends on the set of what was told alone."""
    told, other = (believing(*evidence) for evidence in both)
    assert told == other
    assert told.status is other.status
    assert told.qty == other.qty
    assert told.filled_quantity == other.filled_quantity
    assert told.average_price == other.average_price
    assert told.replaced_by == other.replaced_by
    assert told.view() == other.view()


@given(st.lists(EVIDENCE, max_size=4), UPDATES)
def test_an_order_told_with_its_execution_is_both_told_one_after_the_other(told: list[Evidence], update: Seen) -> None:
    """In either order; and there is one transition instead of two."""
    assert update.execution is not None
    row = Executed(execution=update.execution, route=update.route, as_of=update.as_of)
    belief, alone = believing(*told), replace(update, execution=None)
    assert len(belief.absorb(update)) <= 1
    assert belief == believing(*told, alone, row) == believing(*told, row, alone)


@given(st.lists(EVIDENCE, max_size=8))
def test_known_evidence_changes_nothing_and_is_no_news(told: list[Evidence]) -> None:
    """Telling everything once more makes no transition."""
    belief = believing(*told)
    assert [belief.absorb(piece) for piece in told] == [()] * len(told)


@given(st.lists(st.one_of(SEEN, FILLS, st.builds(unanswered)), max_size=8))
def test_without_a_bust_the_quantity_only_rises(told: list[Evidence]) -> None:
    """Nothing but the tape's word for it takes executed shares away, nor the knowledge of them."""
    belief, before = OrderBelief(ID), D(-1)
    for piece in told:
        belief.absorb(piece)
        now = belief.filled_quantity
        assert (D(-1) if now is None else now) >= before
        before = D(-1) if now is None else now


def test_how_a_number_is_written_does_not_matter() -> None:
    """`5` and `5.0` are one quantity: of three snapshots with one stamp the same one is kept, in every order."""
    told = (
        seen(S.FILLED, "5", qty="5", price="1", updated=1.0),
        seen(S.FILLED, "5", qty="5.0", price="1", updated=1.0),
        seen(S.FILLED, "5", qty="5", price=None, updated=1.0),
    )
    first, *others = (believing(*order) for order in permutations(told))
    assert all(other == first for other in others)


# --- status -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("updated", [None, 0.0, 1.0, 2.0], ids=["unstamped", "older", "same", "newer"])
@pytest.mark.parametrize("alive", [S.NEW, S.PARTIALLY_FILLED, S.PENDING_CANCEL, S.CALCULATED, S.UNKNOWN])
@pytest.mark.parametrize("end", ENDS)
def test_an_end_sticks(end: OrderStatus, alive: OrderStatus, updated: float | None) -> None:
    """No news of life, however new, undoes an end."""
    first, second = seen(end, updated=1.0, as_of=1.0), seen(alive, updated=updated, as_of=2.0)
    assert believing(first, second).status is end
    assert believing(second, first).status is end


@pytest.mark.parametrize(("first", "second"), [(S.CANCELED, S.FILLED), (S.FILLED, S.CANCELED), (S.REJECTED, S.EXPIRED)])
def test_the_newer_of_two_ends_counts(first: OrderStatus, second: OrderStatus) -> None:
    """A broker that says two ends is believed in the one it stamped last."""
    old, new = seen(first, updated=1.0, as_of=9.0), seen(second, updated=2.0, as_of=3.0)
    assert believing(old, new).status is second
    assert believing(new, old).status is second


def test_replaced_can_be_taken_back() -> None:
    """A rejected replacement leaves the old order at work; only news newer than the replacement says so."""
    replaced = seen(S.REPLACED, updated=1.0, replaced_by="b2")
    assert believing(replaced, seen(S.NEW, updated=0.5, as_of=9.0)).status is S.REPLACED
    assert believing(replaced).replaced_by == "b2"
    belief = believing(replaced)
    (change,) = belief.absorb(seen(S.PARTIALLY_FILLED, "3", updated=2.0))
    assert (belief.status, belief.replaced_by) == (S.PARTIALLY_FILLED, None)
    assert change.surprising
    assert believing(replaced, seen(S.FILLED, "10", updated=0.5)).status is S.FILLED


@pytest.mark.parametrize("status", [status for status in S if status is not S.REPLACED])
def test_only_a_replaced_order_has_a_successor(status: OrderStatus) -> None:
    """A name alone, while the replacement is pending or after it failed, is none."""
    assert believing(seen(status, updated=1.0, replaced_by="b2")).replaced_by is None


@pytest.mark.parametrize("status", ALIVE)
def test_what_is_no_end_stays_alive(status: OrderStatus) -> None:
    """`held`, `done_for_day`, `calculated`, unknown words: alive, even with the whole quantity executed."""
    belief = believing(seen(status, "10", updated=1.0))
    assert belief.status is status
    assert not belief.status.is_terminal


def test_within_one_microsecond_the_order_that_is_further_along_counts() -> None:
    """Alpaca's routes share microseconds: of two snapshots with one stamp, rank, then quantity, decides."""
    new, partial = seen(S.NEW, "0", updated=1.0), seen(S.PARTIALLY_FILLED, "2", updated=1.0)
    more = seen(S.PARTIALLY_FILLED, "4", updated=1.0)
    for told in ([new, partial], [partial, new]):
        assert believing(*told).status is S.PARTIALLY_FILLED
    for told in ([more, partial], [partial, more]):
        assert believing(*told).best == more.order
    stopped, ending = seen(S.STOPPED, "0", updated=1.0, as_of=9.0), seen(S.PENDING_CANCEL, "0", updated=1.0, as_of=5.0)
    for told in ([stopped, ending], [ending, stopped]):
        assert believing(*told).status is S.PENDING_CANCEL
    later = seen(S.NEW, "2", updated=1.0 + MICROSECOND)
    assert believing(later, seen(S.PENDING_REPLACE, "2", updated=1.0)).status is S.NEW


def test_where_the_broker_stamps_nothing_our_clock_decides() -> None:
    """The later look counts among the unstamped, whichever came first; a stamped one counts more than those."""
    early, late = seen(S.PENDING_CANCEL, as_of=1.0), seen(S.NEW, as_of=2.0)
    assert believing(early, late).status is S.NEW
    assert believing(late, early).status is S.NEW
    assert believing(seen(S.HELD, updated=0.0, as_of=0.0), late).status is S.HELD


def test_stamped_snapshots_are_not_ranked_by_our_clock() -> None:
    """A stale list that arrives late does not set an order back."""
    fresh, stale = seen(S.PENDING_CANCEL, updated=2.0, as_of=1.0), seen(S.NEW, updated=1.0, as_of=5.0, route=Route.LIST)
    belief = believing(fresh, stale)
    assert belief.status is S.PENDING_CANCEL
    assert (belief.seen_as_of, belief.route) == (5.0, Route.LIST)


@pytest.mark.parametrize("updated", [1.0, 2.0], ids=["same stamp", "new stamp"])
def test_a_changed_submission_time_is_the_same_order(updated: float) -> None:
    """Alpaca stamps `submitted_at` anew in the morning: one order still, and no news."""
    night, day = seen(S.ACCEPTED, "0", updated=1.0), seen(S.ACCEPTED, "0", updated=updated)
    told = [replace(piece, order=replace(piece.order, submitted_at=after(at))) for piece, at in ((night, 0), (day, 9))]
    belief = believing(told[0])
    assert belief.absorb(told[1]) == ()
    assert belief == believing(told[1], told[0])


@pytest.mark.parametrize(
    ("snapshot", "row", "status"),
    [
        (None, S.FILLED, S.FILLED),
        (S.NEW, S.PARTIALLY_FILLED, S.PARTIALLY_FILLED),
        (S.PENDING_CANCEL, S.PARTIALLY_FILLED, S.PENDING_CANCEL),
        (S.PENDING_CANCEL, S.FILLED, S.FILLED),
        (S.CALCULATED, S.FILLED, S.FILLED),
        (S.CANCELED, S.FILLED, S.CANCELED),
        (S.NEW, S.CANCELED, S.NEW),
        (S.NEW, S.REJECTED, S.NEW),
        (S.NEW, None, S.NEW),
    ],
)
def test_what_a_row_of_the_tape_says_of_the_status(
    snapshot: OrderStatus | None, row: OrderStatus | None, status: OrderStatus
) -> None:
    """A row tells that its order was executed in part or whole; never another end, and nothing over a told end."""
    told: list[Evidence] = [executed("e1", "10", status=row)]
    if snapshot is not None:
        told.append(seen(snapshot, updated=1.0))
    assert believing(*told).status is status
    assert believing(*reversed(told)).status is status


# --- quantity ---------------------------------------------------------------------------------------------------------


def test_before_anything_is_heard_nothing_is_known() -> None:
    """Unknown is None, never zero; and questions without answers, or answered with no, change none of it."""
    belief = OrderBelief(ID)
    assert belief.absorb(unanswered(3.0)) == ()
    assert belief.absorb(missing(2.0)) == ()
    assert belief.absorb(missing(1.0)) == ()
    assert not belief.is_known
    assert (belief.status, belief.qty, belief.filled_quantity, belief.average_price) == (S.UNKNOWN, None, None, None)
    assert (belief.missing_as_of, belief.seen_as_of, belief.route) == (2.0, -math.inf, None)
    assert repr(belief) == "<OrderBelief a1 unknown ?/?>"


@pytest.mark.parametrize("later", ["3", "0", None])
def test_a_smaller_snapshot_is_a_stale_one(later: str | None) -> None:
    """Not even the newest look takes executed shares away: that is the tape's to tell."""
    belief = believing(seen(S.PARTIALLY_FILLED, "4", updated=1.0), seen(S.PARTIALLY_FILLED, later, updated=2.0))
    assert belief.filled_quantity == D(4)


def test_the_cumulative_quantity_of_a_row_counts_like_a_snapshots() -> None:
    """Rows before it may be missing; since when the quantity was told is the earliest of all who told it."""
    belief = believing(seen(S.NEW, "0", as_of=1.0), executed("e9", "2", cum="7", as_of=5.0))
    assert belief.filled_quantity == D(7)
    assert belief.cumulative_as_of == 5.0
    belief.absorb(seen(S.PARTIALLY_FILLED, "7", as_of=3.0))
    belief.absorb(seen(S.PARTIALLY_FILLED, "6", as_of=2.0))
    assert belief.cumulative_as_of == 3.0


def test_notional_orders_and_nine_decimals_are_exact() -> None:
    """`qty` is null, the executed quantity has nine decimals, and no digit is lost in a sum."""
    belief = believing(seen(S.FILLED, "0.055138951", qty=None, price="181.36", updated=1.0))
    assert (belief.qty, belief.filled_quantity, belief.average_price) == (None, D("0.055138951"), D("181.36"))
    summed = believing(executed("e1", "0.000000001", price="3"), executed("e2", "1234567.999999999", price="3"))
    assert (summed.filled_quantity, summed.average_price) == (D("1234568.000000000"), D(3))


def test_the_quantity_asked_for_is_told_by_the_tape_until_a_snapshot_tells_it() -> None:
    """The last row's executed and remaining quantity make the whole."""
    rows = executed("e1", "4", cum="4", leaves="6"), executed("e2", "3", cum="7", leaves="3")
    assert believing(*rows).qty == D(10)
    assert believing(executed("e1", "4", cum="4")).qty is None
    assert believing(*rows, seen(S.NEW, qty="12")).qty == D(12)


def test_two_routes_tell_of_the_same_executions() -> None:
    """Tapes are never added up, whatever ids their rows bear: the fullest counts."""
    told = (
        executed("s1", "4", route=Route.STREAM),
        executed("s2", "3", route=Route.STREAM),
        executed("a1", "4"),
    )
    assert believing(*told).filled_quantity == D(7)
    assert believing(*told, executed("s2", "3", route=Route.STREAM)).filled_quantity == D(7)


FOUR, SIX = executed("e1", "4", price="10"), executed("e2", "6", price="20")


@pytest.mark.parametrize(
    ("told", "quantity", "price"),
    [
        pytest.param([FOUR, SIX], "10", "16", id="nothing undone"),
        pytest.param([FOUR, SIX, bust("x", "6", "e2")], "4", "10", id="bust"),
        pytest.param([FOUR, bust("x", "4", "e1")], "0", None, id="all busted"),
        pytest.param([FOUR, bust("x", "6", "e2")], "4", "10", id="bust of an execution not seen"),
        pytest.param([FOUR, SIX, corrected("x", "6", "e2", price="15")], "10", "13", id="price corrected"),
        pytest.param([FOUR, SIX, corrected("x", "5", "e2", price="20")], "9", None, id="quantity corrected"),
        pytest.param([corrected("x", "6", "e2", price="15")], "6", "15", id="correction of an execution not seen"),
        pytest.param(
            [SIX, corrected("x", "5", "e2", price="9"), bust("y", "5", "x")], "0", None, id="correction busted"
        ),
        pytest.param(
            [SIX, corrected("x", "5", "e2", price="9"), corrected("y", "3", "x", price="7")], "3", "7", id="twice"
        ),
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_what_the_tape_undoes(told: list[Executed], quantity: str, price: str | None, backwards: bool) -> None:
    """Busts and corrections take away or replace the execution they name, whether it was seen or not."""
    belief = believing(*(reversed(told) if backwards else told))
    assert belief.filled_quantity == D(quantity)
    if price is not None:
        assert belief.average_price == D(price)
    elif not D(quantity):
        assert belief.average_price is None


def test_a_bust_counts_against_snapshots_that_tell_of_more() -> None:
    """The snapshot from before the bust does not bring the shares back, nor its price."""
    belief = believing(seen(S.FILLED, "10", price="16", updated=1.0), FOUR, SIX, bust("x", "6", "e2"))
    assert (belief.status, belief.filled_quantity, belief.average_price) == (S.FILLED, D(4), D(10))


def test_a_price_from_before_a_bust_is_not_the_price_of_what_stands() -> None:
    """Four at 10, four at 20, the first four busted: four stand again, and they cost 20."""
    told = executed("e1", "4", price="10"), executed("e2", "4", price="20"), bust("x", "4", "e1")
    belief = believing(seen(S.PARTIALLY_FILLED, "4", price="10", updated=1.0), *told)
    assert (belief.filled_quantity, belief.average_price) == (D(4), D(20))


@pytest.mark.parametrize(("shown", "quantity"), [("10", None), ("4", "4"), ("6", None), ("0", None)])
def test_a_bust_on_an_incomplete_tape_needs_a_snapshot_that_fits(shown: str, quantity: str | None) -> None:
    """Ten were executed and six undone, but the other four are not on the tape: four, if the broker says so too."""
    told = (
        seen(S.FILLED, "10", updated=1.0),
        SIX,
        bust("x", "6", "e2"),
        seen(S.FILLED, shown, updated=2.0),
    )
    assert believing(*told).filled_quantity == (None if quantity is None else D(quantity))


def test_a_bust_told_by_one_route_is_not_hidden_by_another() -> None:
    """Two tapes tell of as many executed shares; the one that knows of the bust knows more, whichever came first."""
    told = (
        executed("a1", "4", route=Route.ACTIVITIES),
        executed("s1", "4", route=Route.STREAM),
        bust("s2", "4", "s1", route=Route.STREAM),
    )
    assert believing(*told).filled_quantity == D(0)
    assert believing(*reversed(told)).filled_quantity == D(0)


# --- price ------------------------------------------------------------------------------------------------------------


def test_an_average_price_belongs_to_the_quantity_it_was_told_with() -> None:
    """The price of four shares is not the price of seven; zero is no price; the newest of one quantity counts."""
    told = [
        seen(S.PARTIALLY_FILLED, "4", price="10", updated=1.0),
        seen(S.PARTIALLY_FILLED, "7", price="0", updated=2.0),
        seen(S.PARTIALLY_FILLED, "7", price="11", updated=3.0),
        seen(S.PARTIALLY_FILLED, "7", price="10.5", updated=2.5),
    ]
    prices = [believing(*told[:count]).average_price for count in (1, 2, 3, 4)]
    assert prices == [D(10), None, D(11), D(11)]


def test_the_tape_prices_what_it_holds_in_full_only() -> None:
    """Four of seven shares on the tape say nothing about the average of seven."""
    assert believing(seen(S.PARTIALLY_FILLED, "7"), FOUR).average_price is None
    assert believing(seen(S.PARTIALLY_FILLED, "4"), FOUR).average_price == D(10)


# --- transitions ------------------------------------------------------------------------------------------------------


def test_transitions_tell_what_changed() -> None:
    """The first has nothing before it; a change of quantity alone is one too; a repetition is none."""
    belief = OrderBelief(ID)
    (first,) = belief.absorb(seen(S.NEW, "0", updated=1.0, as_of=1.5, route=Route.LIST))
    assert (first.before, first.status, first.filled_quantity) == (None, S.NEW, D(0))
    assert (first.route, first.at, first.requested_quantity, first.surprising) == (Route.LIST, 1.5, D(10), False)
    assert belief.absorb(seen(S.NEW, "0", updated=1.0, as_of=2.0)) == ()
    (some,) = belief.absorb(seen(S.PARTIALLY_FILLED, "2", updated=2.0))
    (more,) = belief.absorb(seen(S.PARTIALLY_FILLED, "5", updated=3.0))
    assert (some.before, some.status) == (S.NEW, S.PARTIALLY_FILLED)
    assert (more.before, more.status, more.filled_quantity) == (S.PARTIALLY_FILLED, S.PARTIALLY_FILLED, D(5))
    (odd,) = belief.absorb(seen(S.PENDING_NEW, "5", updated=4.0))
    assert odd.surprising
    (end,) = belief.absorb(seen(S.REPLACED, "5", updated=5.0, replaced_by="b2"))
    assert (end.successor_id, end.is_end) == ("b2", False)


def test_the_first_word_is_no_surprise() -> None:
    """Before it nothing was believed that it could belie, whatever its status."""
    for status in S:
        (change,) = OrderBelief(ID).absorb(seen(status))
        assert (change.before, change.surprising) == (None, False)


def test_the_view_is_the_belief_as_a_snapshot() -> None:
    """Status, quantity and price as believed; what the snapshot leaves open is taken from the last execution."""
    belief = believing(seen(S.NEW, "0", updated=1.0, qty="10"))
    row = executed("e1", "4", price="10", cum="4", status=S.PARTIALLY_FILLED).execution
    row = replace(row, symbol="AAPL", side=Side.SELL, at=after(7))
    belief.absorb(Executed(execution=row, route=Route.ACTIVITIES, as_of=1.0))
    view = belief.view()
    assert (view.order_id, view.status, view.qty) == (ID, S.PARTIALLY_FILLED, D(10))
    assert (view.filled_qty, view.filled_avg_price, view.filled_at) == (D(4), D(10), after(7))
    assert (view.symbol, view.side) == ("AAPL", Side.SELL)
    assert repr(belief) == "<OrderBelief a1 partially_filled 4/10>"


def test_beliefs_are_compared_by_what_they_hold() -> None:
    """Another id, other evidence or another type makes another belief; a belief changes, so it has no hash."""
    assert OrderBelief("a") != OrderBelief("b")
    assert believing(seen(S.NEW)) != OrderBelief(ID)
    assert OrderBelief(ID) != ID
    with pytest.raises(TypeError):
        hash(OrderBelief(ID))
