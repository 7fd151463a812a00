"""What callers are told of trades after their results, for any number of listeners."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator

from fillwatch.core.trade_amendment import TradeAmendment
from fillwatch.engine.channel import Channel

#: Amendments kept for listeners that come later.
KEPT = 1_000


class TradeAmendments:
    """Amendments of all trades of one executor."""

    def __init__(self) -> None:
        self._kept: deque[TradeAmendment] = deque(maxlen=KEPT)
        self._channel: Channel[TradeAmendment] = Channel()

    def publish(self, amendment: TradeAmendment) -> None:
        """Tell everybody who listens, and keep it for those who will."""
        self._kept.append(amendment)
        self._channel.publish(amendment)

    def listen(self) -> AsyncIterator[TradeAmendment]:
        """Those kept, and those to come until the engine ends."""
        return self._channel.listen(self._kept)

    def close(self) -> None:
        """There will be no more."""
        self._channel.close()
