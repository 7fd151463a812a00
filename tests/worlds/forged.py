"""A true world and a history written by hand: the history starts out honest, and a test bends one thing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from fillwatch.core.evidence import Route, Seen
from fillwatch.core.orders import OrderStatus
from fillwatch.core.results import Amendment, AmendmentKind, FillOutcome, FillResult, Transition
from fillwatch.simulator import Call, Fate, Op
from fillwatch.testing.checker import check
from fillwatch.testing.history import History, Phase
from fillwatch.testing.recorder import WatchTerms
from fillwatch.testing.violations import Terms, Violation
from tests.simulator.at import Scene


class Forgery:
    """A scene with a world's truth, and short words to write what an engine might have said of it."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.ledger = self.scene.ledger
        self.history = History(self.scene.clock)

    def place(self, fate: Fate, *, foreign: bool = False, watched: bool = True, may_cancel: bool = True) -> str:
        """An order of ten, watched from now on."""
        order = self.scene.place(fate, foreign=foreign)
        if watched:
            self.write(f"watch-{order}", "watch", Phase.INVOKE, WatchTerms(may_cancel=may_cancel), order=order)
        return order

    def after(self, seconds: float) -> Forgery:
        """Let time pass."""
        self.scene.after(seconds)
        return self

    def write(self, actor: str, op: str, phase: Phase, value: object = None, *, order: str = "") -> None:
        """A line at the present time."""
        self.history.write(actor, op, phase, value, order=order)

    def honest(self, order: str) -> FillResult:
        """The result that the ledger bears out now."""
        truth = self.ledger.truth(self.ledger.chain(order)[-1])
        quantity = self.ledger.executed_in_chain(order)
        outcome = FillOutcome.UNRESOLVED
        if truth.status.is_terminal:
            outcome = FillOutcome.PARTIALLY_FILLED if quantity else FillOutcome(truth.status.value)
            outcome = FillOutcome.FILLED if truth.status is OrderStatus.FILLED else outcome
        return FillResult(
            order_id=order,
            final_order_id=truth.order_id,
            outcome=outcome,
            filled=outcome is FillOutcome.FILLED,
            fill_quantity=quantity,
            fill_price=self.ledger.average_in_chain(order, exact=False),
        )

    def result(self, order: str, **bent: Any) -> FillResult:  # noqa: ANN401 - fields of FillResult
        """The honest result with some fields bent, written as the watch's."""
        result = replace(self.honest(order), **bent)
        self.write(f"watch-{order}", "result", Phase.OK, result, order=order)
        return result

    def amend(self, order: str, before: FillResult, **bent: Any) -> None:  # noqa: ANN401 - fields of FillResult
        """An amendment of `before` to what is true now, bent."""
        amended = replace(self.honest(order), **bent)
        at = self.scene.clock.t
        amendment = Amendment(
            order_id=order, kind=AmendmentKind.RESOLVED, result=before, amended=amended, at=at, reason=""
        )
        self.write("engine", "amendment", Phase.INFO, amendment, order=order)

    def transition(self, order: str, quantity: str) -> None:
        """The order is said to have executed `quantity`."""
        transition = Transition(
            order_id=order,
            before=None,
            status=OrderStatus.PARTIALLY_FILLED,
            filled_quantity=Decimal(quantity),
            requested_quantity=Decimal(10),
            route=Route.ORDER,
            at=self.scene.clock.t,
        )
        self.write(f"watch-{order}", "transition", Phase.INFO, transition, order=order)

    def look(self, order: str) -> None:
        """A look at the order and its true answer."""
        actor = self.history.actor("call")
        self.write(actor, "look", Phase.INVOKE, order=order)
        answer = self.scene.ask(Op.LOOK, order).answer
        seen = Seen(order=answer.versions[0].order, route=Route.ORDER, as_of=self.scene.clock.t)
        self.write(actor, "look", Phase.OK, seen, order=order)

    def cancel(self, order: str) -> None:
        """A cancel that reaches the broker."""
        actor = self.history.actor("call")
        self.write(actor, "cancel", Phase.INVOKE, order=order)
        self.scene.world.receive(Call(op=Op.CANCEL, target=order, method="DELETE"))
        self.write(actor, "cancel", Phase.OK, order=order)

    def violations(self, **terms: Any) -> list[Violation]:  # noqa: ANN401 - fields of Terms
        """What the checker finds."""
        return check(self.history, self.ledger, Terms(**terms))

    def broken(self, **terms: Any) -> set[int]:  # noqa: ANN401 - fields of Terms
        """The numbers of the invariants it finds broken."""
        return {violation.invariant for violation in self.violations(**terms)}
