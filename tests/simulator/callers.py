"""A caller of the HTTP API in whose world time stands still unless it says so; no socket is involved."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import httpx

from fillwatch.simulator import Fate, World
from fillwatch.simulator.server import create_app
from tests.simulator.at import HandClock

Json = Any


class Caller:
    """Requests with the right keys, and the world that they reach. Orders go by the market and fill whole."""

    def __init__(self, seed: int = 1, **settings: Any) -> None:  # noqa: ANN401 - passed on to World
        self.clock = HandClock()
        settings = {"requests_per_minute": None, "fate": Fate.MARKET, "partial_fills": 0.0} | settings
        self.world = World(seed, clock=self.clock, **settings)
        self.app = create_app(self.world, "k", "s")

    def ask(self, method: str, path: str, *, json: Json = None, content: bytes | None = None) -> tuple[int, Json]:
        """The status and the decoded body of the answer, None for an empty one."""

        async def exchange() -> httpx.Response:
            headers = {"APCA-API-KEY-ID": "k", "APCA-API-SECRET-KEY": "s"}
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=headers) as client:
                return await client.request(method, path, json=json, content=content)

        answer = asyncio.run(exchange())
        return answer.status_code, answer.json() if answer.content else None

    def get(self, path: str) -> Json:
        """What a GET is answered with; it must succeed."""
        status, found = self.ask("GET", path)
        assert status == 200, found
        return found

    def post(self, **order: Json) -> tuple[int, Json]:
        """A new order: a market order for ten AAPL but for what is said otherwise; None leaves a field out."""
        sent: dict[str, Any] = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "qty": "10"}
        sent |= order
        return self.ask("POST", "/v2/orders", json={name: value for name, value in sent.items() if value is not None})

    def order(self, **order: Json) -> Json:
        """A new order that must be accepted."""
        status, made = self.post(**order)
        assert status == 200, made
        return made

    def bought(self, qty: str = "10", symbol: str = "AAPL", side: str = "buy") -> Json:
        """A market order that has been filled."""
        made = self.order(symbol=symbol, qty=qty, side=side)
        self.after(1.0)
        return self.get(f"/v2/orders/{made['id']}")

    def after(self, seconds: float) -> Caller:
        """Let time pass."""
        self.clock.t += seconds
        self.world.advance()
        return self

    def price(self, symbol: str, price: str) -> Caller:
        """Let a symbol cost so much."""
        self.world.set_price(symbol, Decimal(price))
        return self
