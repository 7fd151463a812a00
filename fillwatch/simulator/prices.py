"""What a share costs at any moment: a seeded random walk, or prices replayed from a file.

Prices know no orders. The market asks for the price of a symbol at a moment, in seconds since the world began, and
for the next moment at which it changes, so that nothing has to be computed in between.
"""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Protocol

from fillwatch.core.orders import exact
from fillwatch.simulator.walk import WalkPath

CENT = Decimal("0.01")


class Prices(Protocol):
    """The price of every symbol at every moment; the same question has always the same answer.

    `tick` is the seconds between changes, which `next_change` need not keep to when it is overridden.
    """

    tick: float

    def at(self, symbol: str, t: float) -> Decimal:
        """The price, in the quote currency with two decimals, `t` seconds after the world began."""
        ...

    def next_change(self, symbol: str, t: float) -> float | None:
        """The first moment after `t` at which the price may differ; None when it will not change any more."""
        return (ticks(t, self.tick) + 1) * self.tick

    def next_beyond(self, symbol: str, t: float, low: Decimal | None, high: Decimal | None) -> float | None:
        """A moment after `t` until which the price surely stays above `low` and below `high`; None: for ever.

        Who waits for one of them has nothing to see before; so a long wait costs little.
        """
        return self.next_change(symbol, t)


def ticks(t: float, tick: float) -> int:
    """How many ticks have passed by `t`; one that is due within the rounding of a float has."""
    return math.floor(t / tick + 1e-4)


class RandomWalk(Prices):
    """A walk that begins at the symbol's price in this world and moves every `tick` seconds.

    `volatility` is the standard deviation of the relative change over one hour. The walk is a pure function of the
    seed, the symbol and the number of the tick, computed by halving: between two ends of a block of ticks the middle
    lies at their mean and a draw beside it, and so on. So any moment costs a few draws, however far away it is.
    """

    def __init__(self, seed: int, *, tick: float = 1.0, volatility: float = 0.01) -> None:
        if not tick > 0:
            raise ValueError(f"tick: {tick!r} is not allowed; it must be greater than 0 seconds")
        if not volatility >= 0:
            raise ValueError(f"volatility: {volatility!r} is not allowed; it must be 0 or more")
        self.seed = seed
        self.tick = tick
        self._step = volatility * math.sqrt(tick / 3600.0)
        self._paths: dict[str, WalkPath] = {}

    def at(self, symbol: str, t: float) -> Decimal:
        """The price `t` seconds after the world began, 0.01 at least; before that, the first price."""
        path = self._path(symbol)
        price = path.start * Decimal(math.exp(self._step * path.value(max(ticks(t, self.tick), 0))))
        return max(price.quantize(CENT, ROUND_HALF_EVEN), CENT)

    def next_beyond(self, symbol: str, t: float, low: Decimal | None, high: Decimal | None) -> float | None:
        """As far as the draws of the walk can be told apart from here: less, the nearer a bound is."""
        if not self._step:
            return None
        path = self._path(symbol)
        lowest = -math.inf if low is None else self._steps(path, low + CENT)
        highest = math.inf if high is None else self._steps(path, high - CENT)
        return path.calm_until(max(ticks(t, self.tick), 0), lowest, highest) * self.tick

    def _path(self, symbol: str) -> WalkPath:
        if symbol not in self._paths:
            self._paths[symbol] = WalkPath(self.seed, symbol)
        return self._paths[symbol]

    def _steps(self, path: WalkPath, bound: Decimal) -> float:
        """Where the walk is at a price that lies a cent within a bound: as much goes for rounding."""
        return math.log(bound / path.start) / self._step if bound > 0 else -math.inf


class Replay(Prices):
    """Prices as they were recorded: each holds from its time on, the first also before it, the last for ever.

    Symbols that were not recorded go by `others` (default: a random walk of seed 0).
    """

    def __init__(self, rows: Iterable[tuple[float, str, Decimal]], *, others: Prices | None = None) -> None:
        self._rows: dict[str, tuple[list[float], list[Decimal]]] = {}
        for t, symbol, price in sorted(rows, key=lambda row: row[0]):
            times, known = self._rows.setdefault(symbol, ([], []))
            times.append(round(t, 6))
            known.append(price)
        self._others = RandomWalk(0) if others is None else others
        self.tick = self._others.tick

    @classmethod
    def from_csv(cls, path: str | Path, *, others: Prices | None = None) -> Replay:
        """Prices from a file with the columns `symbol`, `price` and either `time_seconds` or `timestamp`.

        `time_seconds` counts from the world's beginning; of `timestamp` (ISO 8601, UTC when it names no zone) the
        earliest in the file is the world's beginning. `ValueError` names the file, the line and what is wrong.
        """
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = set(reader.fieldnames or ())
            column = next((name for name in ("time_seconds", "timestamp") if name in columns), None)
            if column is None or not {"symbol", "price"} <= columns:
                raise ValueError(
                    f"{path}: columns {', '.join(sorted(columns)) or 'none'}; "
                    "needed are symbol, price, and time_seconds or timestamp"
                )
            rows = [_row(path, reader.line_num, column, row) for row in reader]
        if not rows:
            raise ValueError(f"{path}: no prices in it; give at least one row")
        first = min(t for t, _, _ in rows) if column == "timestamp" else 0.0
        return cls(((t - first, symbol, price) for t, symbol, price in rows), others=others)

    def at(self, symbol: str, t: float) -> Decimal:
        """The newest recorded price `t` seconds after the world began."""
        if symbol not in self._rows:
            return self._others.at(symbol, t)
        times, known = self._rows[symbol]
        return known[max(bisect_right(times, t) - 1, 0)]

    def next_change(self, symbol: str, t: float) -> float | None:
        """The time of the next recorded price."""
        if symbol not in self._rows:
            return self._others.next_change(symbol, t)
        times, _ = self._rows[symbol]
        index = bisect_right(times, t)
        return times[index] if index < len(times) else None


def _row(path: str | Path, line: int, column: str, row: Mapping[str, str | None]) -> tuple[float, str, Decimal]:
    try:
        symbol = (row["symbol"] or "").strip()
        if not symbol:
            raise ValueError("symbol: '' is empty")
        price = exact((row["price"] or "").strip(), "price")
        if price <= 0:
            raise ValueError(f"price: {row['price']!r} is not allowed; it must be greater than 0")
        text = (row[column] or "").strip()
        t = float(exact(text, column)) if column == "time_seconds" else _seconds(text)
    except ValueError as error:
        raise ValueError(f"{path}, line {line}: {error}") from None
    return t, symbol, max(price.quantize(CENT, ROUND_HALF_EVEN), CENT)


def _seconds(text: str) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"timestamp: {text!r} is not an ISO 8601 time such as 2026-06-15T14:30:00Z") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


class Quotes:
    """The prices as the market sees them, in clock seconds: those of `prices`, and over them the ones set by hand.

    `start` is the clock second at which the world began.
    """

    def __init__(self, prices: Prices, start: float) -> None:
        self.prices = prices
        self.start = start
        self._set: dict[str, tuple[list[float], list[Decimal | None]]] = {}

    def at(self, symbol: str, t: float) -> Decimal:
        """The price of a symbol at clock second `t`."""
        by_hand = self._by_hand(symbol, t)
        return self.prices.at(symbol, self._since(t)) if by_hand is None else by_hand

    def set(self, symbol: str, price: Decimal | None, t: float) -> None:
        """From `t` on the symbol costs `price`, until another is set; None: what it would cost otherwise."""
        if price is not None and not price > 0:
            raise ValueError(f"price: {price} of {symbol} is not allowed; it must be greater than 0")
        times, known = self._set.setdefault(symbol, ([], []))
        times.append(t)
        known.append(None if price is None else max(price.quantize(CENT, ROUND_HALF_EVEN), CENT))

    def next_beyond(
        self, symbol: str, t: float, low: Decimal | None = None, high: Decimal | None = None
    ) -> float | None:
        """A clock second after `t` until which the price, of itself, surely stays above `low` and below `high`."""
        if self._by_hand(symbol, t) is not None:
            return None
        at = self.prices.next_beyond(symbol, self._since(t), low, high)
        return None if at is None else max(at + self.start, t + 1e-6)

    def _since(self, t: float) -> float:
        """Seconds since the world began; whole microseconds, so that no change is missed by a rounding."""
        return round(t - self.start, 6)

    def _by_hand(self, symbol: str, t: float) -> Decimal | None:
        times, known = self._set.get(symbol, ((), ()))
        index = bisect_right(times, t)
        return known[index - 1] if index else None
