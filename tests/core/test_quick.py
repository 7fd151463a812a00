"""Values that are made quickly are what the dataclass that they are would have been."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from decimal import Decimal

import pytest

from fillwatch.core.evidence import Executed, Missing, Route, Seen
from fillwatch.core.orders import Execution, OrderSnapshot, OrderStatus
from fillwatch.core.quick import maker, quick
from fillwatch.core.results import Transition

QUICK = (Seen, Executed, Missing, OrderSnapshot, Execution, Transition)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    x: int
    y: int = 7


def test_arguments_and_defaults() -> None:
    """As written: what has no default is needed, what is not a field is refused."""
    assert (Point(x=1).x, Point(x=1).y, Point(x=1, y=2).y) == (1, 7, 2)
    with pytest.raises(TypeError, match="x"):
        Point()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="z"):
        Point(x=1, z=2)  # type: ignore[call-arg]


def test_it_is_frozen_and_of_its_class() -> None:
    """From the moment that somebody else has it."""
    point = Point(x=1)
    assert type(point) is Point
    with pytest.raises(FrozenInstanceError):
        point.x = 2  # type: ignore[misc]


def test_it_is_equal_hashed_replaced_copied_and_pickled_like_any_dataclass() -> None:
    """Nothing but the making differs."""
    snapshot = OrderSnapshot(order_id="a", status=OrderStatus.NEW, qty=Decimal(10))
    assert replace(snapshot, qty=Decimal(11)).qty == 11
    assert replace(snapshot) == snapshot
    assert hash(replace(snapshot)) == hash(snapshot)
    assert copy.deepcopy(snapshot) == snapshot
    assert pickle.loads(pickle.dumps(snapshot)) == snapshot
    assert repr(Point(x=1)) == "Point(x=1, y=7)"


@pytest.mark.parametrize("kind", QUICK, ids=lambda kind: str(kind.__name__))
def test_every_field_of_a_value_arrives_in_its_own_place(kind: type) -> None:
    """Each is given a value of its own, and has it."""
    given = {each.name: object() for each in fields(kind)}
    for make in (kind, maker(kind)):
        made = make(**given)
        assert type(made) is kind
        assert {name: getattr(made, name) for name in given} == given


def test_what_a_maker_makes_is_as_frozen_and_has_the_same_defaults() -> None:
    """A function instead of the class, and the same value."""
    point = maker(Point)(x=1)
    assert point == Point(x=1)
    with pytest.raises(FrozenInstanceError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(KeyError):
        maker(dict)


def test_what_cannot_be_made_quickly_is_refused() -> None:
    """Rather than made wrongly."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Listed:
        items: list[int] = field(default_factory=list)

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Checked:
        x: int

        def __post_init__(self) -> None:
            raise AssertionError

    @dataclass(frozen=True, kw_only=True)
    class Open:
        x: int

    for kind in (Listed, Checked, Open):
        with pytest.raises(TypeError, match=kind.__name__):
            quick(kind)


def test_evidence_says_what_it_said() -> None:
    """The three kinds that are made for every answer of a broker."""
    seen = Seen(order=OrderSnapshot(order_id="a", status=OrderStatus.NEW), route=Route.LIST, as_of=1.0)
    assert (seen.order.order_id, seen.route, seen.as_of) == ("a", Route.LIST, 1.0)
