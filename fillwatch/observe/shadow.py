"""Sums up what two ways of detecting fills told differently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from fillwatch.execution.migration import Disagreement
from fillwatch.journal import FactKind
from fillwatch.observe.lines import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One disagreement, when it was found (UTC) and by how much the prices differ (percent; None: one has none)."""

    number: int
    at: datetime
    sort: str
    difference: Decimal | None
    what: Disagreement


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`results`: orders of this journal that have a result at all; `cases`: the worst first."""

    results: int
    disagreements: int
    sorts: Mapping[str, int]
    first: datetime | None
    last: datetime | None
    cases: tuple[Case, ...]


def summed_up(found: Iterable[Line]) -> Report:
    """What the disagreements among `found` come to."""
    results, cases = set(), []
    for each in found:
        if each.kind is FactKind.RESULT and each.order_id:
            results.add(each.order_id)
        if each.shadow is not None:
            cases.append(
                Case(
                    number=each.number,
                    at=each.at,
                    sort=each.shadow.sort,
                    difference=_difference(each.shadow),
                    what=each.shadow,
                )
            )
    times = [case.at for case in cases]
    return Report(
        results=len(results),
        disagreements=len(cases),
        sorts=dict(Counter(case.sort for case in cases).most_common()),
        first=min(times, default=None),
        last=max(times, default=None),
        cases=tuple(sorted(cases, key=_badness)),
    )


def _difference(what: Disagreement) -> Decimal | None:
    if what.price is None or what.legacy_price is None or not what.price:
        return None
    return 100 * (what.legacy_price - what.price) / what.price


def _badness(case: Case) -> tuple[int, Decimal, int]:
    """A fill that was missed leaves shares without exits; one that was invented, exits without shares."""
    if case.what.legacy_price is None:
        return 0, Decimal(0), case.number
    return (1, Decimal(0), case.number) if case.difference is None else (2, -abs(case.difference), case.number)
