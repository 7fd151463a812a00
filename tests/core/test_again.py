"""The short way for a snapshot that is read again: it does what the long way does, or nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from fillwatch.core.belief import OrderBelief
from fillwatch.core.chain import OrderChain
from fillwatch.core.evidence import Evidence, Executed, Route, Seen
from fillwatch.core.orders import Execution, OrderSnapshot, OrderStatus

BEGAN = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)
ORDER = OrderSnapshot(order_id="a", status=OrderStatus.NEW, qty=Decimal(10), filled_qty=Decimal(0), updated_at=BEGAN)
PART = replace(
    ORDER,
    status=OrderStatus.PARTIALLY_FILLED,
    filled_qty=Decimal(4),
    filled_avg_price=Decimal("100.5"),
    updated_at=None,
)
ROW = Execution(execution_id="e", order_id="a", qty=Decimal(4), price=Decimal("100.5"), cum_qty=Decimal(4))

TIMES = st.sampled_from([1.0, 2.0, 3.0, 4.0])
ROUTES = st.sampled_from([Route.LIST, Route.ORDER, Route.STREAM])
EVIDENCE = st.one_of(
    st.builds(Seen, order=st.sampled_from([ORDER, PART]), route=ROUTES, as_of=TIMES),
    st.builds(Executed, execution=st.just(ROW), route=ROUTES, as_of=TIMES),
)


@given(before=st.lists(EVIDENCE, max_size=5), order=st.sampled_from([ORDER, PART]), as_of=TIMES)
def test_the_short_way_ends_where_the_long_way_ends(before: list[Evidence], order: OrderSnapshot, as_of: float) -> None:
    """Whatever was told before, and at whatever moment it is read again."""
    long, short, untouched = OrderBelief("a"), OrderBelief("a"), OrderBelief("a")
    for evidence in before:
        for belief in (long, short, untouched):
            belief.absorb(evidence)
    if short.absorb_again(order, Route.LIST, as_of):
        assert long.absorb(Seen(order=order, route=Route.LIST, as_of=as_of)) == ()
        assert (short, short.route) == (long, long.route)
    else:
        assert short == untouched


def test_a_snapshot_equal_to_the_one_that_counts_takes_the_short_way() -> None:
    """Or nothing would be gained by it; another one does not, and neither does an older moment."""
    chain = OrderChain("a")
    chain.absorb(Seen(order=ORDER, route=Route.LIST, as_of=1.0))
    assert chain.absorb_again(ORDER, Route.LIST, 2.0)
    assert (chain.seen_as_of, chain.read_as_of) == (2.0, 2.0)
    assert chain.absorb_again(replace(ORDER), Route.LIST, 3.0)
    assert not chain.absorb_again(replace(ORDER, qty=Decimal(11)), Route.LIST, 4.0)
    assert not chain.absorb_again(PART, Route.LIST, 4.0)
    assert not chain.absorb_again(ORDER, Route.LIST, 1.5)
    assert chain.seen_as_of == 3.0
    assert chain.absorb_again(ORDER, Route.STREAM, 5.0)
    assert (chain.seen_as_of, chain.read_as_of) == (5.0, 3.0), "what is pushed answers no question"


def test_of_equal_snapshots_the_first_is_kept() -> None:
    """However often the row is read anew: objects that live long are a burden for the garbage collector."""
    belief = OrderBelief("a")
    belief.absorb(Seen(order=ORDER, route=Route.STREAM, as_of=1.0))
    belief.absorb(Seen(order=replace(ORDER), route=Route.LIST, as_of=2.0))
    assert belief.absorb_again(replace(ORDER), Route.LIST, 3.0)
    assert belief.best is ORDER


def test_a_chain_of_several_takes_the_long_way() -> None:
    """The moments at which each link was seen decide something there."""
    chain = OrderChain("a")
    gone = replace(ORDER, status=OrderStatus.REPLACED, replaced_by="b")
    chain.absorb(Seen(order=gone, route=Route.LIST, as_of=1.0))
    assert not chain.absorb_again(gone, Route.LIST, 2.0)
