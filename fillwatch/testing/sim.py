"""The control endpoint of a simulated server, from the outside: what a test sees and does behind its bot's back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

Json = dict[str, Any]
#: Straight to the server: a proxy of the environment's is not for loopback.
_OPENER = build_opener(ProxyHandler({}))
#: Seconds after which a server that says nothing is given up.
PATIENCE = 30.0


class Sim:
    """A blocking client of `/sim`. Each call raises `ValueError` with the server's words when they are a refusal.

    Names, values and units are those of the scenario files; `GET /sim/faults` shows all of them.
    """

    def __init__(self, url: str, key: str, secret: str) -> None:
        self._url = url
        self._headers = {
            "APCA-API-KEY-ID": key,
            "APCA-API-SECRET-KEY": secret,
            "Content-Type": "application/json",
        }

    def overview(self) -> Json:
        """Seed, clock, how many orders and requests there are, and which faults have struck how often."""
        return self._ask("GET", "")

    @property
    def ledger(self) -> Json:
        """What really happened to each order, and every request that arrived."""
        return self._ask("GET", "/ledger")

    @property
    def faults(self) -> Json:
        """What goes wrong at present."""
        return self._ask("GET", "/faults")

    def replace_faults(self, **faults: object) -> Json:
        """Let these go wrong and nothing else: `sim.replace_faults(server_error=0.2, outages=[[10, 20]])`."""
        return self._ask("PUT", "/faults", faults)

    def change_faults(self, **faults: object) -> Json:
        """Change these and leave the others as they are."""
        return self._ask("PATCH", "/faults", faults)

    def scenario(self, name: str) -> Json:
        """Let a packaged scenario begin now."""
        return self._ask("POST", "/scenario", {"name": name})

    def strike(self, kind: str, operation: str | None = None, times: int = 1) -> Json:
        """Let the next requests (of this operation, if named) be struck: `sim.strike("reset_after", "submit")`."""
        return self._ask("POST", "/strike", {"kind": kind, "operation": operation, "times": times})

    def prices(self, **prices: object) -> Json:
        """Set the price of symbols: `sim.prices(AAPL="187.20")`; None lets one go by itself again."""
        return self._ask("POST", "/prices", prices)

    def orders(self, orders: Sequence[Json]) -> list[str]:
        """Place orders as somebody else's programme would, each with the `fate` it names; their ids."""
        return list(self._ask("POST", "/orders", {"orders": list(orders)})["orders"])

    def populate(self, count: int, **options: object) -> list[str]:
        """Place so many orders of the seed's own drawing; their ids."""
        return list(self._ask("POST", "/orders", {"populate": count, **options})["orders"])

    def _ask(self, method: str, path: str, data: object = None) -> Json:
        body = None if data is None else json.dumps(data, default=str).encode()
        request = Request(f"{self._url}/sim{path}", body, self._headers, method=method)
        try:
            with _OPENER.open(request, timeout=PATIENCE) as response:
                said: Json = json.load(response)
        except HTTPError as error:
            with error:
                raise ValueError(f"{method} /sim{path}: {_words(error.read())}") from None
        return said


def _words(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")
