"""Alpaca's Trading API. The HTTP client is loaded when the first `AlpacaBroker` is made, alpaca-py never."""

from fillwatch.brokers.alpaca.broker import AlpacaBroker
from fillwatch.core.positions import normal_symbol

__all__ = ["AlpacaBroker", "normal_symbol"]
