"""The tape of one order as one route tells it: what was executed, what of it stands, and at which average."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwatch.core.orders import Execution, ExecutionKind
from fillwatch.core.tape import Tape

D = Decimal
FILL, BUST, CORRECTION = ExecutionKind.FILL, ExecutionKind.BUST, ExecutionKind.CORRECTION


def row(ident: str, qty: str, price: str = "10", kind: ExecutionKind = FILL, of: str | None = None) -> Execution:
    return Execution(execution_id=ident, order_id="a1", qty=D(qty), price=D(price), kind=kind, previous_id=of)


def taped(*rows: Execution) -> Tape:
    tape = Tape()
    for each in rows:
        tape.add(each)
    return tape


E1, E2 = row("e1", "4", "10"), row("e2", "6", "20")


@pytest.mark.parametrize(
    ("rows", "gross", "net", "average"),
    [
        pytest.param([], "0", "0", None, id="nothing"),
        pytest.param([E1, E2], "10", "10", "16", id="two fills"),
        pytest.param([E1, E1, E2, E1], "10", "10", "16", id="told again"),
        pytest.param([E1, E2, row("x", "6", "20", BUST, "e2")], "10", "4", "10", id="bust"),
        pytest.param([E1, row("x", "4", "10", BUST, "e1")], "4", "0", None, id="all busted"),
        pytest.param([E1, row("x", "6", "20", BUST, "e2")], "10", "4", "10", id="bust of what was not seen"),
        pytest.param([E1, E2, row("x", "6", "15", CORRECTION, "e2")], "10", "10", "13", id="price corrected"),
        pytest.param([E1, E2, row("x", "1", "20", CORRECTION, "e2")], "10", "5", "12", id="quantity corrected"),
        pytest.param([row("x", "6", "15", CORRECTION, "e2")], "6", "6", "15", id="correction of what was not seen"),
        pytest.param(
            [E2, row("x", "5", "9", CORRECTION, "e2"), row("y", "5", "9", BUST, "x")],
            *("6", "0", None),
            id="correction busted",
        ),
        pytest.param([row("e1", "0.000000001"), row("e2", "2.999999999")], "3", "3", "10", id="nine decimals"),
        pytest.param([row("e1", "1", "10"), row("e2", "2", "10.5")], "3", "3", str(D(31) / 3), id="endless average"),
    ],
)
def test_what_was_executed_and_what_stands(rows: list[Execution], gross: str, net: str, average: str | None) -> None:
    """Gross is before anything was undone, net after it; forwards and backwards alike."""
    for tape in (taped(*rows), taped(*reversed(rows))):
        assert tape.gross == D(gross)
        assert tape.net == D(net)
        assert tape.average_price == (None if average is None else D(average))


def test_the_undone_are_named() -> None:
    """Ids of the executions that a bust or a correction names, seen or not."""
    tape = taped(E1, row("x", "4", "10", BUST, "e1"), row("y", "6", "15", CORRECTION, "e2"))
    assert tape.voided == {"e1", "e2"}
    assert taped(E1, E2).voided == frozenset()


def test_of_two_rows_with_one_id_the_same_is_kept() -> None:
    """A broker that tells an execution in two ways is believed in the same one, whichever came first."""
    one, other = row("e1", "4"), row("e1", "5")
    assert taped(one, other).rows == taped(other, one).rows
    assert len(taped(one, other).rows) == 1


ROWS = st.builds(
    row,
    st.sampled_from(["e1", "e2", "e3"]),
    st.sampled_from(["1", "2.000000001"]),
    st.sampled_from(["10", "11"]),
    st.sampled_from(list(ExecutionKind)),
    st.sampled_from([None, "e1", "e2", "e9"]),
)


@given(st.data(), st.lists(ROWS, max_size=7))
def test_adding_is_a_join(data: st.DataObject, rows: list[Execution]) -> None:
    """Any order and any repetition make the same tape, even of rows that contradict each other."""
    again = data.draw(st.permutations([*rows, *rows[:3]]))
    assert taped(*rows).rows == taped(*again).rows


@given(st.lists(st.builds(row, st.uuids().map(str), st.decimals("0.000000001", 1_000, places=9).map(str)), max_size=9))
def test_without_busts_all_of_it_stands(rows: list[Execution]) -> None:
    """Net is gross, and both are the exact sum."""
    tape = taped(*rows)
    assert tape.net == tape.gross == sum((each.qty for each in rows), D(0))
