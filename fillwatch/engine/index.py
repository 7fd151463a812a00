"""Which cases an order id concerns: its own, and those of orders that it replaced and somebody watches as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from fillwatch.engine.case import Case


class Index:
    """Every order id of every case, ended ones that late facts may amend included; and the cases by their kind.

    `live`: cases that the list shows and whose result is to come; `audited`: those that it shows and that are looked
    at after their result; `strays`: those of both kinds that it does not show. A case says when it `moved` from one
    to another, so that nobody has to walk over all of them to know how many there are.
    """

    def __init__(self) -> None:
        self.live: dict[Case, None] = {}
        self.audited: dict[Case, None] = {}
        self.strays: dict[Case, None] = {}
        #: Told of each case that comes, and of each that is told of under one more id.
        self.arrived: Callable[[Case], None] = lambda case: None
        self._past: dict[Case, None] = {}
        self._kinds = self.live, self.audited, self.strays, self._past
        self._moved = self._place  # bound once for all of them
        #: A case where there is one; few ids concern several, and a hundred thousand tuples of one are a burden.
        self._by_id: dict[str, Case | tuple[Case, ...]] = {}

    def add(self, order_id: str, case: Case) -> bool:
        """What is told of `order_id` is told of `case`; False if that was known."""
        known = self.of(order_id)
        self.arrived(case)
        if case in known:
            return False
        self._by_id[order_id] = (*known, case) if known else case
        case.moved = self._moved
        self._place(case)
        return True

    def remove(self, case: Case) -> None:
        """Forget the case under all its ids."""
        case.moved = None
        for kind in self._kinds:
            kind.pop(case, None)
        for order_id in case.chain.ids:
            left = tuple(other for other in self.of(order_id) if other is not case)
            if left:
                self._by_id[order_id] = left
            else:
                self._by_id.pop(order_id, None)

    def of(self, order_id: str) -> tuple[Case, ...]:
        """The cases that the id concerns."""
        found = self._by_id.get(order_id)
        if found is None:
            return ()
        return found if isinstance(found, tuple) else (found,)

    def owner(self, order_id: str) -> Case | None:
        """The case that was opened for this very id."""
        return next((case for case in self.of(order_id) if case.order_id == order_id), None)

    def __contains__(self, case: object) -> bool:
        return any(case in kind for kind in self._kinds)

    def __len__(self) -> int:
        return sum(map(len, self._kinds))

    def __iter__(self) -> Iterator[Case]:
        return chain(*self._kinds)

    def _place(self, case: Case) -> None:
        home = self._home(case)
        if case not in home:
            for kind in self._kinds:
                kind.pop(case, None)
            home[case] = None

    def _home(self, case: Case) -> dict[Case, None]:
        if case.told is not None and not case.is_audited:
            return self._past
        if case.is_stray:
            return self.strays
        return self.live if case.told is None else self.audited
