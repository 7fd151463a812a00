"""The picture of each benchmark, drawn from the JSON that it left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from benchmarks import plots
from benchmarks.figures import Row, kept_rows


def drawn(name: str) -> str:
    """Make `reports/bench/NAME.png` anew; where it is, or why it is not there."""
    return PICTURES[name](name, kept_rows(name))


def _basket(name: str, rows: Sequence[Row]) -> str:
    told = {row.case: _fact(row, "delays") for row in rows}
    return plots.cumulative(name, "fills of market orders, polling alone", told)


def _burst(name: str, rows: Sequence[Row]) -> str:
    delays = _fact(rows[0], "delays")
    points = [(number / len(delays), delay) for number, delay in enumerate(delays)]
    return plots.scatter(name, rows[0].case, points, "share of the orders", "s late, at most")


def _timeouts(name: str, rows: Sequence[Row]) -> str:
    points = [(float(number), at) for number, at in enumerate(_fact(rows[0], "cancels"))]
    return plots.scatter(name, "cancels of orders that timed out together", points, "cancel", "s after the time-out")


def _hard(name: str, rows: Sequence[Row]) -> str:
    return plots.verdicts(name, _fact(rows[0], "wrong"))


def _peers(name: str, rows: Sequence[Row]) -> str:
    """Of the runs among most orders; a system that was left out, or told of nothing, is not in it."""
    heard = [row for row in rows if row.facts.get("delays")]
    most = f"{max((_fact(row, 'orders') for row in heard), default=0):,} orders"
    told = {_fact(row, "system"): _fact(row, "delays") for row in heard if row.case.startswith(f"{most}: ")}
    return plots.cumulative(name, f"fills among {most}, 200 requests a minute", told)


def _fact(row: Row, name: str) -> Any:  # noqa: ANN401 - as JSON took it
    return row.facts[name]


PICTURES: Mapping[str, Callable[[str, Sequence[Row]], str]] = MappingProxyType(
    {
        "stream": plots.among,
        **dict.fromkeys(("page", "absorb", "watches", "hold", "limiter"), plots.bars),
        **dict.fromkeys(("start", "requests", "crowd", "crowd_http", "journal"), plots.bars),
        "burst": _burst,
        "basket": _basket,
        "timeouts": _timeouts,
        "lateness": plots.lateness,
        "wire": plots.lateness,
        "hard": _hard,
        "peers": _peers,
    }
)
