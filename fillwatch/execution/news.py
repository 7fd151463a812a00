"""Whether something was learnt of a trade since its next step was chosen."""

from __future__ import annotations

import asyncio


class News:
    """`heed` before the step is chosen, `wait` while it has to wait: what is learnt in between ends the wait."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def heed(self) -> None:
        """From now on whatever is learnt is news."""
        self._event.clear()

    def stir(self) -> None:
        """Something was learnt."""
        self._event.set()

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait for news, for so many seconds at most (None: without an end); whether there is any."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        return True
