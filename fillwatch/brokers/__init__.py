"""The only place that knows a vendor. Importing it loads no vendor's library and no HTTP client."""

from __future__ import annotations

from fillwatch.brokers.base import Broker

__all__ = ["adapt"]


def adapt(client: object) -> Broker:
    """`client` as a `Broker`: itself if it is one, an `AlpacaBroker` for an alpaca-py `TradingClient`.

    A `TradingClient` (or a subclass of it) is known by the module of its class; alpaca-py is not imported. Raises
    `TypeError` for anything else, `ValueError` for a `TradingClient` whose keys or address cannot be used.
    """
    if isinstance(client, Broker) and not isinstance(client, type):
        return client
    if any(
        (kind.__module__, kind.__name__) == ("alpaca.trading.client", "TradingClient") for kind in type(client).__mro__
    ):
        from fillwatch.brokers.alpaca import AlpacaBroker

        return AlpacaBroker.from_client(client)
    raise TypeError(
        "a broker is needed: an object with the methods of fillwatch.Broker (AlpacaBroker, for one) or an alpaca-py "
        f"TradingClient, not {type(client).__module__}.{type(client).__qualname__}"
    )
