"""The tapes of one order: what each route told of its executions. Routes are never added up, they tell of the same."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from fillwatch.core.evidence import Route
from fillwatch.core.orders import STATUS_RULES, Execution, OrderStatus
from fillwatch.core.tape import Tape

NO_TAPES: Mapping[Route, Tape] = MappingProxyType({})
#: Statuses of the tape's rows that say something; a row says what its order became with it, nothing more.
_STATUSES = frozenset({OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED})


class Tapes:
    """A tape for each route that told of an execution; `fullest` is the one that told most, `status` what all the rows
    say that the order became.
    """

    __slots__ = ("_by_route", "fullest", "route", "status")

    def __init__(self, route: Route) -> None:
        #: The first route that told of any, and the others if there are: most orders have one.
        self.route = route
        self.fullest = Tape()
        self.status = OrderStatus.UNKNOWN
        self._by_route: dict[Route, Tape] | None = None

    @property
    def by_route(self) -> Mapping[Route, Tape]:
        """The tape of each route."""
        return {self.route: self.fullest} if self._by_route is None else self._by_route

    def add(self, row: Execution, route: Route) -> bool:
        """Take `row`; whether something follows from it that did not before."""
        alone = self._by_route is None and route is self.route
        news = self.fullest.add(row) if alone else self._add(row, route)
        told = row.order_status
        if told in _STATUSES and told is not self.status and STATUS_RULES[told].rank > STATUS_RULES[self.status].rank:
            self.status = told
            news = True
        return news

    def _add(self, row: Execution, route: Route) -> bool:
        """The same where there are several routes."""
        if self._by_route is None:
            self._by_route = {self.route: self.fullest}
        news = self._by_route.setdefault(route, Tape()).add(row)
        if news:
            self.fullest = max(self._by_route.items(), key=_fullness)[1]
        return news

    @property
    def undone(self) -> int:
        """Busts and corrections that were told, by each route that told of them."""
        if self._by_route is None:
            return len(self.fullest.voided)
        return sum([len(tape.voided) for tape in self._by_route.values()])


def _fullness(item: tuple[Route, Tape]) -> tuple[Decimal, int, Route]:
    route, tape = item
    return tape.gross, len(tape.voided), route
