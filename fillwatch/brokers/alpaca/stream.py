"""Trade updates as `Pushes.events` promises them: over one connection after another, for as long as it is read."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

from loguru import logger

from fillwatch.brokers.alpaca import frames
from fillwatch.brokers.alpaca.inbox import Inbox, Replayed
from fillwatch.brokers.alpaca.keys import Credentials
from fillwatch.brokers.alpaca.line import Line, Lost, Patience
from fillwatch.brokers.alpaca.replay import Replay
from fillwatch.brokers.alpaca.settled import settled
from fillwatch.brokers.alpaca.socket import Opener, open_socket
from fillwatch.brokers.pauses import STOOD, Loss, Pauses
from fillwatch.brokers.push import Disconnected, Event

#: Frames decoded at a stretch, and so made into one batch: about half a millisecond of work.
AT_A_STRETCH = 64


class Stream:
    """The trade updates of one account, for one reader at a time.

    `replay`: the server-sent feed that is read beside the WebSocket. `rng`: where the pauses are drawn from. `opener`:
    what opens a WebSocket, where it is not to go over the network.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        replay: Replay | None = None,
        patience: Patience | None = None,
        rng: random.Random | None = None,
        opener: Opener = open_socket,
    ) -> None:
        self._url = url
        self._opener = opener
        self._credentials = credentials
        self._replay = replay
        self._patience = patience or Patience()
        self._pauses = Pauses(rng)
        self._inbox: Inbox | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._told: Loss | None = None
        self._newer_form = False

    async def events(self) -> AsyncIterator[tuple[Event, ...]]:
        """As `Pushes.events` says. A newer iteration ends the older one, and `aclose` the newest."""
        await self.aclose()
        inbox = self._inbox = Inbox()
        keeper = self._keeper = asyncio.get_running_loop().create_task(self._run(inbox), name="fillwatch-stream")
        try:
            while items := await inbox.take(AT_A_STRETCH):
                batch: list[Event] = []
                for at, item in items:
                    if isinstance(item, Replayed):
                        batch += frames.event(item, at)
                    elif isinstance(item, bytes):
                        batch += frames.told(item, at)
                    else:
                        batch.append(item)
                if batch:
                    yield tuple(batch)
                if len(items) == AT_A_STRETCH:
                    await asyncio.sleep(0)  # a burst is everybody's turn, too
        finally:
            await self._end(inbox, keeper)

    async def aclose(self) -> None:
        """End the iteration and its connection, within about a second."""
        if self._inbox is not None and self._keeper is not None:
            await self._end(self._inbox, self._keeper)

    async def _end(self, inbox: Inbox, keeper: asyncio.Task[None]) -> None:
        inbox.close()
        if not keeper.done() and keeper.get_loop() is asyncio.get_running_loop():
            keeper.cancel()
            await asyncio.wait({keeper}, timeout=5 * self._patience.closing)
        if self._keeper is keeper:
            self._inbox = self._keeper = None

    async def _run(self, inbox: Inbox) -> None:
        async with asyncio.TaskGroup() as tasks:
            if self._replay is not None:
                tasks.create_task(self._beside(self._replay, inbox), name="fillwatch-replays")
            await self._keep(inbox)

    async def _beside(self, replay: Replay, inbox: Inbox) -> None:
        error = await settled(replay.run(inbox), "fillwatch-replay", 2 * self._patience.closing)
        if error is not None:
            logger.error("the feed of server-sent events failed in an unexpected way: {}", type(error).__name__)

    async def _keep(self, inbox: Inbox) -> None:
        """Keep a connection up, whatever happens to it."""
        loop = asyncio.get_running_loop()
        while True:
            lost = await self._connection(inbox)
            if lost.stood > 0.0:
                self._told = None
            if lost.stood >= STOOD:
                self._pauses.reset()
            wait = self._pauses.next(lost.loss)
            self._tell(lost, wait)
            now = loop.time()
            slot_taken = lost.loss is Loss.TAKEN
            inbox.put(now, Disconnected(reason=lost.reason, as_of=now, retry_in=wait, slot_taken=slot_taken))
            if lost.loss is Loss.KEYS:
                self._newer_form = not self._newer_form
            await asyncio.sleep(wait)

    async def _connection(self, inbox: Inbox) -> Lost:
        """One connection, in a task of its own, so that even an error that nobody has foreseen only ends that one."""
        line = Line(
            self._url, self._credentials, inbox, self._patience, newer_form=self._newer_form, opener=self._opener
        )
        lost = await settled(line.run(), "fillwatch-stream-line", 4 * self._patience.closing)
        if isinstance(lost, Lost):
            return lost
        logger.error("the stream of trade updates failed in an unexpected way: {}", type(lost).__name__)
        return Lost(loss=Loss.BROKEN, reason=f"an unexpected {type(lost).__name__}")

    def _tell(self, lost: Lost, wait: float) -> None:
        """Log a lost connection: what only the user can mend once, and loudly."""
        if lost.loss is self._told:
            level = "DEBUG"
        elif lost.loss is Loss.KEYS:
            level = "ERROR"
        else:
            level = "WARNING" if lost.loss is Loss.TAKEN else "INFO"
        self._told = lost.loss
        more = "; another program holds the account's only connection" if lost.loss is Loss.TAKEN else ""
        logger.log(level, "trade updates: {}{}; trying again in {:.1f} s", lost.reason, more, wait)
