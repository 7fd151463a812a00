"""Events of orders that nobody watches yet: the fill may come before `watch()` is called."""

from __future__ import annotations

from collections import OrderedDict

from fillwatch.core.evidence import Executed, Seen

#: Seconds for which such events are kept, the most of such orders, and the most events of one of them.
SECONDS, ORDERS, TOLD = 30.0, 10_000, 1_000


class Early:
    """What was told lately, by order id; the order told of longest ago goes first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, list[Seen | Executed]] = OrderedDict()

    def keep(self, order_id: str, evidence: Seen | Executed, now: float) -> None:
        """Remember `evidence` for a while."""
        told = self._kept.setdefault(order_id, [])
        told.append(evidence)
        while len(told) > 1 and (told[0].as_of < now - SECONDS or len(told) > TOLD):
            del told[0]
        self._kept.move_to_end(order_id)
        while len(self._kept) > ORDERS or next(iter(self._kept.values()))[-1].as_of < now - SECONDS:
            self._kept.popitem(last=False)

    def take(self, order_id: str, now: float) -> list[Seen | Executed]:
        """What was told of the order within the last seconds."""
        return [evidence for evidence in self._kept.pop(order_id, []) if evidence.as_of >= now - SECONDS]

    def __len__(self) -> int:
        return len(self._kept)
