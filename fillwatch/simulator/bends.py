"""Answers bent into what no client has met before, and plans of cancels bent into what no client hopes for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Any

from fillwatch.simulator.plans import NEW_WORDS

Json = dict[str, Any]

#: A value that no client's enumeration has, for each field of the API that one might be made for.
#: `asset_class` differs between the OpenAPI document and alpaca-py (facts §1c.5): such values do come.
_NEW_VALUES: Mapping[str, str] = MappingProxyType(
    {
        "asset_class": "event_contract",
        "class": "event_contract",
        "order_class": "twap",
        "order_type": "midpoint_peg",
        "type": "midpoint_peg",
        "exchange": "TXSE",
        "crypto_status": "UNDER_OBSERVATION",
    }
)


def unknown_field(content: Any, stream: Random) -> Any:  # noqa: ANN401 - whatever the body holds
    """One row gets a field, with a value of a kind that the API does not use, that its client has never heard of."""
    value = stream.choice(({"venue": "XNYS", "rank": 3}, [1, "two", None], 0.1, True, None, "later"))
    return _in_one_row(content, stream, lambda row: {**row, "settlement_hint": value})


def unknown_value(content: Any, stream: Random) -> Any:  # noqa: ANN401 - whatever the body holds
    """One row gets values that its client's enumerations lack."""
    return _in_one_row(content, stream, lambda row: row | {k: v for k, v in _NEW_VALUES.items() if k in row})


def unknown_status(content: Any, stream: Random) -> Any:  # noqa: ANN401 - whatever the body holds
    """One order is shown in a status that its client has never heard of."""
    word = stream.choice(NEW_WORDS)
    return _in_one_row(content, stream, lambda row: row | {"status": word} if "status" in row else row)


def _in_one_row(content: Any, stream: Random, change: Callable[[Json], Json]) -> Any:  # noqa: ANN401 - as above
    if isinstance(content, dict):
        return change(content)
    if not content:
        return content
    number = stream.randrange(len(content))
    return [change(row) if at == number else row for at, row in enumerate(content)]
