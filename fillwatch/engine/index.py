"""Which cases an order id concerns: its own, and those of orders that it replaced and somebody watches as well."""

from __future__ import annotations

from collections.abc import Iterator

from fillwatch.engine.case import Case


class Index:
    """Every order id of every case, ended ones that late facts may amend included."""

    def __init__(self) -> None:
        self._by_id: dict[str, tuple[Case, ...]] = {}
        self._cases: dict[Case, None] = {}

    def add(self, order_id: str, case: Case) -> bool:
        """What is told of `order_id` is told of `case`; False if that was known."""
        known = self._by_id.get(order_id, ())
        if case in known:
            return False
        self._by_id[order_id] = (*known, case)
        self._cases[case] = None
        return True

    def remove(self, case: Case) -> None:
        """Forget the case under all its ids."""
        self._cases.pop(case, None)
        for order_id in case.chain.ids:
            left = tuple(other for other in self._by_id.get(order_id, ()) if other is not case)
            if left:
                self._by_id[order_id] = left
            else:
                self._by_id.pop(order_id, None)

    def of(self, order_id: str) -> tuple[Case, ...]:
        """The cases that the id concerns."""
        return self._by_id.get(order_id, ())

    def owner(self, order_id: str) -> Case | None:
        """The case that was opened for this very id."""
        return next((case for case in self.of(order_id) if case.order_id == order_id), None)

    def __contains__(self, case: object) -> bool:
        return case in self._cases

    def __len__(self) -> int:
        return len(self._cases)

    def __iter__(self) -> Iterator[Case]:
        return iter(self._cases)
