"""A look at an order that its task waits for."""

from __future__ import annotations

from dataclasses import dataclass

from fillwatch.core.evidence import PUSHED, Evidence, Look, Missing, Route, Seen, Unanswered


@dataclass(slots=True, kw_only=True)
class Question:
    """A look at `order_id` that is true at `since` or later; `answer` is None as long as none has come."""

    order_id: str
    since: float
    answer: Look | None = None

    def take(self, evidence: Evidence) -> bool:
        """Whether `evidence` is the answer that was missing."""
        if self.answer is not None or evidence.as_of < self.since:
            return False
        match evidence:
            case Seen() if evidence.order.order_id == self.order_id and evidence.route not in PUSHED:
                self.answer = evidence
            case Missing() if evidence.order_id == self.order_id and evidence.route is Route.ORDER:
                self.answer = evidence
            case Unanswered():
                self.answer = evidence
            case _:
                return False
        return True
