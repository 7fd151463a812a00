"""Which fault strikes which request: what was ordered first, then the rules in their turn, then the menu."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from fillwatch.simulator.answers import Op
from fillwatch.simulator.book import Record
from fillwatch.simulator.fates import Fate
from fillwatch.simulator.faults import STRIKES_ONLY, Faults, Kind, Rule
from fillwatch.simulator.plans import plan_for

#: How an order takes a cancel that is struck: as one with this fate would.
_CANCELLED_AS = {
    Kind.CANCEL_RACE: Fate.FILLED_IN_CANCEL_RACE,
    Kind.CANCEL_THEN_FILL: Fate.FILLED_AFTER_CANCEL,
    Kind.CANCEL_STUCK: Fate.CANCEL_STUCK,
    Kind.CANCEL_SLOW: Fate.CANCEL_SLOW,
    Kind.CANCEL_REFUSED: Fate.CANCEL_REFUSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """What strikes one request: a fault, with its own `seconds` or None, and the fate that its new order gets."""

    kind: Kind | None = None
    seconds: float | None = None
    fate: Fate | None = None


NO_HIT = Hit()
_EVERYTHING = frozenset(Op)


class Striking:
    """The faults in force, how often each rule has struck, and the faults that were ordered for the next requests."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._shares = {op: faults.shares(op) for op in Op}
        self._ordered: list[tuple[Kind, Op | None]] = []
        self._struck: Counter[int] = Counter()

    def change(self, faults: Faults) -> None:
        """Other faults from now on; rules that stay keep their counts."""
        kept = {rule: self._struck[number] for number, rule in enumerate(self.faults.rules)}
        self.faults = faults
        self._shares = {op: faults.shares(op) for op in Op}
        self._struck = Counter({number: kept.get(rule, 0) for number, rule in enumerate(faults.rules)})

    def order(self, kind: Kind, op: Op | None, times: int) -> None:
        """Let the next `times` requests (of that operation) be struck, whatever rules and menu say."""
        self._ordered += [(kind, op)] * times

    def standing(self) -> dict[str, Any]:
        """What has been struck and what is still to be, in values that JSON takes."""
        ordered = [[kind.value, None if op is None else op.value] for kind, op in self._ordered]
        return {"struck": {str(number): n for number, n in self._struck.items() if n}, "ordered": ordered}

    def resume(self, standing: Mapping[str, Any]) -> None:
        """Go on from what `standing` said, with the same faults."""
        self._struck = Counter({int(number): n for number, n in standing["struck"].items()})
        self._ordered = [(Kind(kind), None if op is None else Op(op)) for kind, op in standing["ordered"]]

    def at_the_door(self, op: Op, t: float, stream: Random, names: Callable[[], frozenset[str]]) -> Hit:
        """What strikes a request that arrives at `t` (seconds since the world began) about the orders of `names`."""
        fate = self._fate(op, t, stream, names)
        if (ordered := self._pop(op, slow=False)) is not None:
            return Hit(kind=ordered, fate=fate)
        for number, rule in self._concerned(op, t, names):
            if isinstance(rule.kind, Kind) and rule.kind is not Kind.SLOW and self._strikes(number, rule, stream):
                return Hit(kind=rule.kind, seconds=rule.seconds, fate=fate)
        kind = self._from_the_menu(op, t, stream)
        return NO_HIT if kind is None and fate is None else Hit(kind=kind, fate=fate)

    def _from_the_menu(self, op: Op, t: float, stream: Random) -> Kind | None:
        point = stream.random()
        if t < self.faults.heal_at:
            for kind, share in self._shares[op]:
                point -= share
                if point < 0.0:
                    return kind if op in STRIKES_ONLY.get(kind, _EVERYTHING) else None
        return None

    @property
    def lets_all_hurry(self) -> bool:
        """Whether no request can be slowed down on its way, so that nobody need draw for it."""
        return not (self.faults.slow or self.faults.rules or self._ordered)

    def on_the_way(self, op: Op, t: float, stream: Random, names: Callable[[], frozenset[str]]) -> float | None:
        """Seconds that a request slowed down takes longer, at least; None: it is as fast as any."""
        menu_says = stream.random() < self.faults.slow and t < self.faults.heal_at
        if self._pop(op, slow=True) is not None:
            return self.faults.slow_seconds
        for number, rule in self._concerned(op, t, names):
            if rule.kind is Kind.SLOW and self._strikes(number, rule, stream):
                return self.faults.slow_seconds if rule.seconds is None else rule.seconds
        return self.faults.slow_seconds if menu_says else None

    def _fate(self, op: Op, t: float, stream: Random, names: Callable[[], frozenset[str]]) -> Fate | None:
        if op is Op.SUBMIT:
            for number, rule in self._concerned(op, t, names):
                if isinstance(rule.kind, Fate) and self._strikes(number, rule, stream):
                    return rule.kind
        return None

    def _concerned(self, op: Op, t: float, names: Callable[[], frozenset[str]]) -> Iterator[tuple[int, Rule]]:
        if t < self.faults.heal_at:
            for number, rule in enumerate(self.faults.rules):
                if rule.concerns(op, t) and (not rule.orders or rule.orders & names()):
                    yield number, rule

    def _strikes(self, number: int, rule: Rule, stream: Random) -> bool:
        if rule.times is not None and self._struck[number] >= rule.times:
            return False
        if stream.random() >= rule.probability:
            return False
        self._struck[number] += 1
        return True

    def _pop(self, op: Op, *, slow: bool) -> Kind | None:
        for index, (kind, wanted) in enumerate(self._ordered):
            if (wanted is None or wanted is op) and (kind is Kind.SLOW) is slow:
                del self._ordered[index]
                return kind
        return None


def bend_plan(record: Record, kind: Kind | None, stream: Random) -> None:
    """Let an order take the cancel that is coming as `kind` says; other kinds leave its plan as it is."""
    fate = None if kind is None else _CANCELLED_AS.get(kind)
    if fate is not None:
        rule = plan_for(fate, stream).on_cancel
        if fate is Fate.CANCEL_REFUSED:
            rule = replace(rule, refusals=len(record.cancels) + 1)
        record.plan = replace(record.plan, on_cancel=rule)
