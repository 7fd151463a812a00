"""Who owns a request: not its caller.

A request once begun is never cancelled, for a cancelled one can leave the client's connection pool stuck for good
(encode/httpcore#1093). So it runs in a task that belongs to the transport; its caller waits on a future of its own
and may leave at any time. A request that has not begun yet is dropped when its caller leaves.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from loguru import logger

from fillwatch.brokers.alpaca.answers import Lost, RateHeaders, Reply
from fillwatch.brokers.alpaca.client import Call, Caps, Client, Timeouts, Wire, is_pool_timeout
from fillwatch.brokers.alpaca.keys import Credentials, Endpoint
from fillwatch.brokers.base import Quota
from fillwatch.core.errors import TransientError
from fillwatch.core.text import plain


@dataclass(eq=False, slots=True, kw_only=True)
class _Line:
    """One HTTP client and the requests it is busy with, oldest first."""

    client: Client
    loop: asyncio.AbstractEventLoop
    begun: dict[asyncio.Task[Reply], Call] = field(default_factory=dict)
    pool_timeouts: int = 0


class Transport:
    """Sends requests, at most `caps.in_flight` at a time, and answers each with an `Answer` or a `Lost`.

    One event loop at a time; the client is opened by the first request, and again by one that comes after `aclose()`.
    A client that looks stuck is replaced: one whose oldest request has outlived `timeouts.stuck`, or that has had
    `caps.pool_timeouts` pool time-outs in a row. `wire` takes the network's place.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Credentials,
        *,
        timeouts: Timeouts | None = None,
        caps: Caps | None = None,
        wire: Wire | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.credentials = credentials
        self.quota: Quota | None = None
        self._timeouts = timeouts or Timeouts()
        self._caps = caps or Caps()
        self._wire = wire
        self._line: _Line | None = None
        self._waiting: deque[Call] = deque()
        self._drains: set[asyncio.Task[None]] = set()

    @property
    def is_wired(self) -> bool:
        """Whether something else takes the network's place."""
        return self._wire is not None

    async def ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        within: float | None = None,
    ) -> Reply:
        """Send one request, once. Ends within `within` seconds (`timeouts.total` when None).

        Raises `RuntimeError` when another event loop, still open, is using this transport.
        """
        loop = asyncio.get_running_loop()
        limit = self._timeouts.total if within is None else min(within, self._timeouts.total)
        call = Call(
            method=method,
            path=path,
            params=params or {},
            body=body,
            deadline=loop.time() + limit,
            as_of=loop.time(),
            reply=loop.create_future(),
        )
        self._open(loop)
        self._waiting.append(call)
        self._pump()
        try:
            async with asyncio.timeout_at(call.deadline):
                return await call.reply
        except TimeoutError:
            self._pump()
            return Lost(error=TransientError(f"no answer within {limit:g} s"), as_of=call.as_of)

    async def aclose(self) -> None:
        """Let requests in flight finish (bounded by `timeouts.drain`), then free the sockets. Again is allowed."""
        line, self._line = self._line, None
        while self._waiting:
            call = self._waiting.popleft()
            call.settle(Lost(error=TransientError("the broker was closed"), as_of=call.as_of))
        if line is not None and line.loop is asyncio.get_running_loop():
            self._retire(line)
        if self._drains:
            await asyncio.wait(set(self._drains))

    def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        line = self._line
        if line is not None and line.loop is not loop:
            if not line.loop.is_closed():
                raise RuntimeError("this broker is in use in another event loop; close it there first")
            self._waiting.clear()
            self._drains.clear()
            line = None
        if line is None:
            self._line = self._new_line(loop)

    def _new_line(self, loop: asyncio.AbstractEventLoop) -> _Line:
        client = Client(self.endpoint, self.credentials, self._timeouts, self._caps, self.listen, self._wire)
        return _Line(client=client, loop=loop)

    def listen(self, heard: RateHeaders) -> None:
        """Take in what an answer's headers say of our allowance, another client's of this account included."""
        if heard.speaks:
            now = asyncio.get_running_loop().time()
            self.quota = Quota(limit=heard.limit, remaining=heard.remaining, reset_in=heard.reset_in, as_of=now)

    def _pump(self) -> None:
        line = self._line
        if line is None:
            return
        if self._is_stuck(line):
            logger.warning("the HTTP client looks stuck ({} requests in flight); it is replaced", len(line.begun))
            self._retire(line)
            line = self._line = self._new_line(line.loop)
        while self._waiting and len(line.begun) < self._caps.in_flight:
            call = self._waiting.popleft()
            if not call.reply.done():
                self._begin(line, call)

    def _is_stuck(self, line: _Line) -> bool:
        oldest = next(iter(line.begun.values()), None)
        overdue = oldest is not None and line.loop.time() - oldest.as_of > self._timeouts.stuck
        return overdue or line.pool_timeouts >= self._caps.pool_timeouts

    def _begin(self, line: _Line, call: Call) -> None:
        call.as_of = line.loop.time()
        task = line.loop.create_task(line.client.exchange(call))
        line.begun[task] = call
        task.add_done_callback(lambda done: self._end(line, call, done))

    def _end(self, line: _Line, call: Call, task: asyncio.Task[Reply]) -> None:
        del line.begun[task]
        if task.cancelled():
            call.settle(Lost(error=TransientError("the client was closed before it had an answer"), as_of=call.as_of))
            return
        error = task.exception()
        line.pool_timeouts = line.pool_timeouts + 1 if is_pool_timeout(error) else 0
        call.settle(task.result() if error is None else Lost(error=line.client.translate(error), as_of=call.as_of))
        self._pump()

    def _retire(self, line: _Line) -> None:
        drain = line.loop.create_task(_drain(line, self._timeouts.drain))
        self._drains.add(drain)
        drain.add_done_callback(self._drains.discard)


async def _drain(line: _Line, patience: float) -> None:
    """Wait for what is in flight, close the client, and only then cancel what even that did not end."""
    if line.begun:
        await asyncio.wait(set(line.begun), timeout=patience)
    closing = asyncio.get_running_loop().create_task(line.client.aclose())
    await asyncio.wait({closing, *line.begun}, timeout=1.0)
    left = {task for task in (closing, *line.begun) if not task.done()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=1.0)
    if not closing.cancelled() and closing.exception() is not None:
        logger.warning("closing the HTTP client failed: {}", plain(str(closing.exception())))
