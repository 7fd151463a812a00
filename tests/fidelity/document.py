"""Alpaca's OpenAPI document: where it is, and which of its operations the simulator serves.

The document is not part of this repository. `FILLWATCH_ALPACA_OPENAPI` names the file; without it the tests look for
`../shared/alpaca/trading-api.json` beside the project. What is held against answers is `tests.fidelity.mended`.
"""

from __future__ import annotations

import functools
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VARIABLE = "FILLWATCH_ALPACA_OPENAPI"
DEFAULT = Path(__file__).parents[2] / "../shared/alpaca/trading-api.json"

Json = Any  # what json.loads gives


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path of the document, such as GET `/v2/orders/{order_id}`."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


#: What the simulator serves of the document, by the document's names.
SERVED: tuple[Operation, ...] = tuple(
    Operation(method, path)
    for path, methods in (
        ("/v2/account", "GET"),
        ("/v2/account/activities", "GET"),
        ("/v2/account/activities/{activity_type}", "GET"),
        ("/v2/assets", "GET"),
        ("/v2/assets/{symbol_or_asset_id}", "GET"),
        ("/v2/calendar", "GET"),
        ("/v2/clock", "GET"),
        ("/v2/orders", "GET POST DELETE"),
        ("/v2/orders/{order_id}", "GET PATCH DELETE"),
        ("/v2/orders:by_client_order_id", "GET"),
        ("/v2/positions", "GET DELETE"),
        ("/v2/positions/{symbol_or_asset_id}", "GET DELETE"),
    )
    for method in methods.split()
)


def location() -> Path:
    """Where the document is looked for."""
    return Path(os.environ.get(VARIABLE) or DEFAULT)


def absence() -> str:
    """Why nothing can be compared with the document; "" when it is there."""
    path = location()
    return "" if path.is_file() else f"Alpaca's OpenAPI document is not at {path}; {VARIABLE} names another place"


@functools.cache
def published() -> Json:
    """The document as it was published."""
    return json.loads(location().read_text())


def operation_at(method: str, path: str) -> Operation | None:
    """The served operation that a request is for; a fixed path goes before one with a parameter."""
    found = [one for one in SERVED if one.method == method and _pattern(one.path).fullmatch(path)]
    return min(found, key=lambda one: one.path.count("{"), default=None)


@functools.cache
def _pattern(path: str) -> re.Pattern[str]:
    # The symbols of crypto pairs have a slash.
    parameter = r".+" if path.endswith("{symbol_or_asset_id}") else r"[^/]+"
    return re.compile(parameter.join(re.escape(part) for part in re.split(r"\{[^}]*\}", path)))
