"""What callers are told: each result once, and what is learnt later as amendments."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from fillwatch.core.config import FillDetectionConfig
from fillwatch.core.course import Finish
from fillwatch.core.results import Amendment, ConsistencyResult, FillOutcome, FillResult
from fillwatch.engine.case import Case
from fillwatch.engine.channel import Channel
from fillwatch.engine.report import amendment, fill_result, is_complete
from fillwatch.engine.telling import log_result

if TYPE_CHECKING:
    from fillwatch.engine.diary import Diary

#: Amendments kept for listeners that come later, and ended orders that late facts may still amend.
AMENDMENTS_KEPT, ENDED_KEPT = 1_000, 2_000


class Outcomes:
    """Results and amendments of all cases, and the ended cases that may still be amended.

    With a `diary` each is written down before anybody is told. What is learnt while a result is being written comes
    after it, as an amendment. `drop` is told of a case that has been ended for so long that nothing will
    amend it any more.
    """

    def __init__(
        self,
        config: Callable[[], FillDetectionConfig],
        *,
        has_tape: bool,
        drop: Callable[[Case], None],
        diary: Diary | None = None,
    ) -> None:
        #: Results by outcome, and amendments.
        self.counts: Counter[str] = Counter()
        self.ended: OrderedDict[Case, None] = OrderedDict()
        self._config = config
        self._has_tape = has_tape
        self._drop = drop
        self._diary = diary
        #: Results that are being written down and that nobody was told yet.
        self._pending: dict[Case, FillResult] = {}
        self._kept: deque[Amendment] = deque(maxlen=AMENDMENTS_KEPT)
        self._amendments: Channel[Amendment] = Channel()

    async def settle(self, case: Case, finish: Finish) -> FillResult:
        """Tell the caller, once."""
        result = fill_result(case, finish, slippage_limit=self._config().slippage_limit)
        if self._diary is None:
            self._tell(case, result)
            return result
        self._pending[case] = result
        await self._diary.result(case, result, is_sought=not is_complete(result))
        self.tell_now(case)
        return result

    def tell_now(self, case: Case) -> bool:
        """Tell a result that is being written down without waiting for that; whether there was one."""
        result = self._pending.pop(case, None)
        if result is None:
            return False
        self._tell(case, result)
        self.amend(case)
        return True

    def release(self, case: Case) -> None:
        """The caller wants no more of it."""
        if not (case.is_live or case.is_audited):
            return
        if case.is_live and not self.tell_now(case):
            finish = Finish(outcome=FillOutcome.UNRESOLVED, reason="released; the order may be live")
            self._tell(case, fill_result(case, finish, slippage_limit=self._config().slippage_limit))
        self._note_release(case, "released by its caller")

    def told_before(self, case: Case, result: FillResult) -> None:
        """The case was told by an earlier process; what the result lacks is sought from now on."""
        case.told, case.audits = result, 0
        case.result.set_result(result)
        case.changes.close()
        case.consistency.set_result(
            ConsistencyResult(
                order_id=case.order_id,
                symbol=result.symbol,
                consistent=True,
                discrepancy="told before a restart, and not compared since",
            )
        )

    def found_out(self, case: Case) -> None:
        """What the result of the case lacked is known now."""
        case.audits = None
        self._note_release(case, "what its result lacked is known")

    def _note_release(self, case: Case, reason: str) -> None:
        if self._diary is not None:
            self._diary.released(case, reason)

    def _tell(self, case: Case, result: FillResult) -> None:
        case.told = result
        if not case.result.done():
            case.result.set_result(result)
        case.changes.close()
        self.counts[result.outcome.value] += 1
        log_result(case, result, self._config().slippage_limit)
        if result.outcome.is_end:
            self._keep(case)

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
        if self._diary is None:
            self._publish(late)
        else:
            self._diary.amended(case, late, lambda: self._publish(late))
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

    def _publish(self, late: Amendment) -> None:
        self._kept.append(late)
        self._amendments.publish(late)

    def _keep(self, case: Case) -> None:
        self.ended[case] = None
        while len(self.ended) > ENDED_KEPT:
            oldest, _ = self.ended.popitem(last=False)
            self._drop(oldest)
