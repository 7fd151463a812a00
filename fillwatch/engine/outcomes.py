"""What callers are told: each result once, and what is learnt later as amendments."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable

from fillwatch.core.config import FillDetectionConfig
from fillwatch.core.course import Finish
from fillwatch.core.results import Amendment, FillResult
from fillwatch.engine.case import Case
from fillwatch.engine.channel import Channel
from fillwatch.engine.report import amendment, fill_result
from fillwatch.engine.telling import log_result

#: Amendments kept for listeners that come later, and ended orders that late facts may still amend.
AMENDMENTS_KEPT, ENDED_KEPT = 1_000, 2_000


class Outcomes:
    """Results and amendments of all cases, and the ended cases that may still be amended.

    `drop` is told of a case that has been ended for so long that nothing will amend it any more.
    """

    def __init__(
        self, config: Callable[[], FillDetectionConfig], *, has_tape: bool, drop: Callable[[Case], None]
    ) -> None:
        #: Results by outcome, and amendments.
        self.counts: Counter[str] = Counter()
        self.ended: OrderedDict[Case, None] = OrderedDict()
        self._config = config
        self._has_tape = has_tape
        self._drop = drop
        self._kept: deque[Amendment] = deque(maxlen=AMENDMENTS_KEPT)
        self._amendments: Channel[Amendment] = Channel()

    def settle(self, case: Case, finish: Finish) -> FillResult:
        """Tell the caller, once."""
        limit = self._config().slippage_limit
        result = fill_result(case, finish, slippage_limit=limit)
        case.told = result
        if not case.result.done():
            case.result.set_result(result)
        case.changes.close()
        self.counts[result.outcome.value] += 1
        log_result(case, result, limit)
        if result.outcome.is_end:
            self._keep(case)
        return result

    def amend(self, case: Case) -> None:
        """Something may have been learnt that changes what was told."""
        if case.told is None:
            return
        step = case.course.next_step(case.terms(), asyncio.get_running_loop().time(), has_tape=self._has_tape)
        if not isinstance(step, Finish):
            return
        today = fill_result(case, step, slippage_limit=self._config().slippage_limit)
        late = amendment(case, case.told, today)
        if late is None:
            return
        case.told = today
        self.counts["amendments"] += 1
        case.log.warning("amended ({}): {}", late.kind.value, late.reason)
        self._kept.append(late)
        self._amendments.publish(late)
        if today.outcome.is_end:
            self._keep(case)

    def amendments(self) -> AsyncIterator[Amendment]:
        """Those kept, and those to come."""
        return self._amendments.listen(self._kept)

    def forget(self, case: Case) -> None:
        """Nobody wants to hear of this case any more."""
        self.ended.pop(case, None)

    def close(self) -> None:
        """There will be no more amendments."""
        self._amendments.close()

    def _keep(self, case: Case) -> None:
        self.ended[case] = None
        while len(self.ended) > ENDED_KEPT:
            oldest, _ = self.ended.popitem(last=False)
            self._drop(oldest)
