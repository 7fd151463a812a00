"""What the seed decides besides fates: ids, prices, and the orders that a bot might have placed."""

from __future__ import annotations

import random
import uuid
from decimal import Decimal

from fillwatch.core.orders import OrderRequest, Side
from fillwatch.simulator.fates import Fate

SYMBOLS = ("AAPL", "MSFT", "TSLA", "NVDA", "AMZN", "SPY", "QQQ", "F")


def drawn_id(stream: random.Random) -> str:
    """A UUID drawn from `stream`."""
    return str(uuid.UUID(int=stream.getrandbits(128), version=4))


def symbol_price(seed: int, symbol: str) -> Decimal:
    """The price of a symbol in this world, 5.00 to 500.00, the same at all times."""
    return Decimal(random.Random(f"{seed}/price/{symbol}").randint(500, 50_000)) / 100


def price_of(seed: int, request: OrderRequest) -> Decimal:
    """What the order trades at, give or take three cents: its limit, or the symbol's price."""
    return symbol_price(seed, request.symbol) if request.limit_price is None else request.limit_price


def drawn_request(seed: int, stream: random.Random, fate: Fate) -> OrderRequest:
    """An order as a bot places it, of the shape that `fate` needs (notional, fractional, or whole shares)."""
    symbol = stream.choice(SYMBOLS)
    side = stream.choice(tuple(Side))
    client_order_id = f"bot-{drawn_id(stream)}"
    if fate is Fate.NOTIONAL:
        notional = Decimal(stream.randint(1_000, 500_000)) / 100
        return OrderRequest(symbol=symbol, side=side, notional=notional, client_order_id=client_order_id)
    if fate is Fate.FRACTIONAL:
        qty = Decimal(stream.randint(1, 50 * 10**9)) / 10**9
        return OrderRequest(symbol=symbol, side=side, qty=qty, client_order_id=client_order_id)
    qty = Decimal(stream.randint(10, 400))  # enough shares to be cut into parts
    if stream.random() < 0.5:
        return OrderRequest(symbol=symbol, side=side, qty=qty, client_order_id=client_order_id)
    limit = symbol_price(seed, symbol) + side.sign * Decimal(stream.randint(0, 50)) / 100
    return OrderRequest(
        symbol=symbol,
        side=side,
        qty=qty,
        order_type="limit",
        limit_price=limit,
        time_in_force=stream.choice(("day", "gtc")),
        client_order_id=client_order_id,
    )
