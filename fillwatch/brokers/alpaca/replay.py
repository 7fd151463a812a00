"""`GET /v2/events/trades`: trade updates as server-sent events, which begin again after the last one that was heard.

Alpaca's own Go client reads trade updates there; it is documented for brokers only, and whether retail accounts have it
is not known. So it is asked for once, beside the WebSocket, and where it is not there nothing more is said of it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from datetime import datetime, timedelta

from loguru import logger

from fillwatch.brokers.alpaca import frames
from fillwatch.brokers.alpaca.client import Caps, Client, Listen, Timeouts, Wire
from fillwatch.brokers.alpaca.inbox import Inbox, Replayed
from fillwatch.brokers.alpaca.keys import Credentials, Endpoint
from fillwatch.brokers.alpaca.settled import settled
from fillwatch.brokers.pauses import STOOD, Loss, Pauses

_PATH = "/v2/events/trades"
#: Seconds without a byte until the connection is given up. How often Alpaca shows that it is there is not known.
SILENCE = 60.0
#: Bytes of one event; hundreds of times the largest.
LONGEST = 2**20
#: Answers that mean that the account does not have the feed.
ABSENT = frozenset({400, 401, 403, 404, 405, 406, 410, 501})
#: The broker's `Date` is cut to the second.
_SECOND = timedelta(seconds=1)
#: What follows a comment like this was not sent to us; it is asked for again.
_DROPPED = b"dropped"


class Replay:
    """The server-sent trade updates of one account. `is_there`: None until it is known."""

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Credentials,
        listen: Listen,
        *,
        rng: random.Random | None = None,
        wire: Wire | None = None,
    ) -> None:
        self.is_there: bool | None = None
        self._line = (endpoint, credentials, Timeouts(), Caps(in_flight=1, body=LONGEST), listen, wire)
        self._pauses = Pauses(rng)
        #: The last event that was heard, and when anything was.
        self._last: str | None = None
        self._heard = 0.0

    async def run(self, inbox: Inbox) -> None:
        """Put events into the inbox for as long as the account has them."""
        clock = asyncio.get_running_loop().time
        while self.is_there is not False:
            begun = clock()
            client = Client(*self._line)
            try:
                visit = _Visit(inbox, self._last, self._heard)
                status = await settled(client.follow(_PATH, visit.params, SILENCE, visit), "fillwatch-replay", 1.0)
            finally:
                await client.aclose()
            if isinstance(status, BaseException):
                logger.debug("the feed of server-sent events was lost: {}", client.translate(status))
            elif status in ABSENT and not self.is_there:
                self.is_there = False
                logger.debug("this account has no feed of server-sent events (HTTP {}); it is not needed", status)
                return
            if visit.is_open:
                self.is_there = True
                self._last, self._heard = visit.last, visit.heard
            if clock() - begun >= STOOD:
                self._pauses.reset()
            # Each attempt costs a request of the account's allowance.
            await asyncio.sleep(self._pauses.next(Loss.TAKEN))


class _Visit:
    """What is heard on one connection, line by line; it resumes after the event `last`, heard before `before`."""

    def __init__(self, inbox: Inbox, last: str | None, before: float) -> None:
        self.last = last
        self.heard = before
        self.is_open = False
        self._inbox = inbox
        self._resumes = last is not None
        self._before = before
        self._opened_at: datetime | None = None
        self._data: list[bytes] = []
        self._size = 0
        self._clock = asyncio.get_running_loop().time

    @property
    def params(self) -> Mapping[str, str]:
        """What is asked for."""
        return {} if self.last is None else {"since_id": self.last}

    def opened(self, at: datetime | None) -> None:
        """The answer has begun, at this time of the broker's."""
        self.is_open = True
        self._opened_at = at

    async def hear(self, line: bytes) -> bool:
        """Take in a line; whether to go on."""
        now = self._clock()
        if line.startswith(b"data:"):
            self._data.append(line[5:].strip())
            self._size += len(line)  # even a line that says nothing has to be kept
            if self._size > LONGEST:
                return False
        elif not line and self._data:
            raw, self._data, self._size = b"\n".join(self._data), [], 0
            self._take(raw, now)
            if self._inbox.is_full:
                await self._inbox.room()
        self.heard = now
        return not (line.startswith(b":") and _DROPPED in line)

    def _take(self, raw: bytes, now: float) -> None:
        event_id, at = frames.mark(raw)
        if event_id is not None and event_id == self.last:
            return  # `since_id` includes it
        self.last = event_id or self.last
        live = not self._resumes or (at is not None and self._opened_at is not None and at > self._opened_at + _SECOND)
        # What is replayed may have been overtaken long ago: it is no younger than the last that was heard before.
        self._inbox.put(now if live else self._before, Replayed(raw))
