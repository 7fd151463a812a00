"""How a system is asked and how it answers: JSON on standard input and output. The standard library alone."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

_LOCK = threading.Lock()


def asked() -> dict[str, Any]:
    """`url`, `stream_url`, `key`, `secret`, `orders` (ids), and what the system is to keep to.

    `timeout`: seconds until it is to cancel, or null. `settling`: seconds that it may take before it says that it is
    ready. `share`: of the request limit, for systems that keep to one.
    """
    question: dict[str, Any] = json.loads(sys.stdin.readline())
    return question


def ready() -> None:
    """Everything is being watched from now on."""
    _say({"ready": True})


def tell(order_id: object, status: object, quantity: object, price: object = None) -> None:
    """What is believed of an order from now on: the broker's word, executed shares, and their average price."""
    word = str(getattr(status, "value", status))
    said = {"id": str(order_id), "at": time.monotonic(), "status": word, "quantity": str(quantity or 0)}
    _say(said | {"price": None if price is None else str(price)})


def figure(name: str, value: float) -> None:
    """A figure that the system measured of itself."""
    _say({"figure": name, "value": value})


def case(name: str, wrong: list[str]) -> None:
    """What is untrue of what is believed after a hard case, for a system that is told it without a server."""
    _say({"case": name, "wrong": wrong})


def left_out(name: str, reason: str) -> None:
    """A hard case that has no equivalent."""
    _say({"case": name, "left_out": reason})


def _say(said: dict[str, Any]) -> None:
    with _LOCK:
        print(json.dumps(said), flush=True)
