"""What alpaca-py returns is a model or, asked for raw data, a mapping; these say which one a test expects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

import pytest

from tests.fidelity.alpaca_client import APIError, Order, OrderRequest, TradingClient

T = TypeVar("T")


def one(kind: type[T], answer: object) -> T:
    """The answer, which is of this kind."""
    assert isinstance(answer, kind), answer
    return answer


def many(kind: type[T], answer: object) -> list[T]:
    """The answer, which is a list of this kind."""
    assert isinstance(answer, list), answer
    return [one(kind, part) for part in answer]


def submitted(client: TradingClient, request: OrderRequest) -> Order:
    """The order that the broker made of the request."""
    return one(Order, client.submit_order(request))


def seen(client: TradingClient, order: Order) -> Order:
    """The order as it is now."""
    return one(Order, client.get_order_by_id(order.id))


def ids(orders: Iterable[Order]) -> list[str]:
    """Their ids, in order."""
    return [str(order.id) for order in orders]


class Refused(NamedTuple):
    """What an `APIError` says."""

    status: int | None
    code: int | None
    message: str


def refusal(act: Callable[[], object]) -> Refused:
    """The refusal that `act` meets."""
    with pytest.raises(APIError) as caught:
        act()
    error = caught.value
    return Refused(error.status_code, error.code, error.message)
