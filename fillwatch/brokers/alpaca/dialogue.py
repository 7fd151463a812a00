"""What is said on a connection to the trade updates: the keys, the subscription, and what takes it back.

Facts: both forms of showing the keys have been seen to work (alpaca-py uses the first); a `listen` replaces the one
before, and its acknowledgement names the streams that there are.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fillwatch.brokers.alpaca import frames
from fillwatch.brokers.alpaca.frames import TRADE_UPDATES
from fillwatch.brokers.alpaca.keys import Credentials
from fillwatch.brokers.pauses import Loss


class GaveUp(Exception):
    """The connection is over by our own decision."""

    def __init__(self, reason: str, loss: Loss = Loss.BROKEN) -> None:
        super().__init__(reason)
        self.loss = loss


LISTEN = msgspec.json.encode({"action": "listen", "data": {"streams": [TRADE_UPDATES]}})


def shown(credentials: Credentials, *, newer_first: bool) -> Iterator[bytes]:
    """The keys in each form that there is for them, made when it is asked for."""
    if credentials.key_id is None:
        yield _usual_form(credentials)
        return
    for form in (_newer_form, _usual_form) if newer_first else (_usual_form, _newer_form):
        yield form(credentials)


def _usual_form(credentials: Credentials) -> bytes:
    """`authenticate`, with a pair of keys or an OAuth token. The keys are unwrapped here and in the next, only."""
    if credentials.key_id is None:
        shown = {"oauth_token": credentials.secret.reveal()}
    else:
        shown = {"key_id": credentials.key_id.reveal(), "secret_key": credentials.secret.reveal()}
    return msgspec.json.encode({"action": "authenticate", "data": shown})


def _newer_form(credentials: Credentials) -> bytes:
    """`auth`, with the keys beside it."""
    key = "" if credentials.key_id is None else credentials.key_id.reveal()
    return msgspec.json.encode({"action": "auth", "key": key, "secret": credentials.secret.reveal()})


def heed(raw: bytes) -> None:
    """Give up when the broker says, unasked, that we are not listening any more."""
    frame = frames.read(raw)
    if frame is None or frame.data is None:
        return
    unsubscribed = frame.stream == "listening" and TRADE_UPDATES not in (frame.data.streams or ())
    if unsubscribed or (frame.stream == "authorization" and frame.data.status != "authorized"):
        raise GaveUp("the broker has ended the subscription")
