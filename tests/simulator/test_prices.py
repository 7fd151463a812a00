"""Prices: the same question has always the same answer; recorded ones hold from their time on, set ones over them."""

from __future__ import annotations

import itertools
import statistics
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fillwatch.simulator.draws import symbol_price
from fillwatch.simulator.prices import CENT, Quotes, RandomWalk, Replay
from fillwatch.simulator.walk import WalkPath
from tests.simulator.at import Scene

D = Decimal


class TestRandomWalk:
    def test_it_begins_at_the_symbols_price_and_moves_by_the_tick(self) -> None:
        walk = RandomWalk(3, tick=2.0)
        assert walk.at("AAPL", 0.0) == walk.at("AAPL", 1.999) == walk.at("AAPL", -5.0) == symbol_price(3, "AAPL")
        assert len({walk.at("AAPL", t) for t in (0.0, 2.0, 4.0, 6.0, 8.0, 10.0)}) > 3

    @given(st.integers(0, 50), st.lists(st.floats(0, 3e7), min_size=1, max_size=8))
    def test_the_order_of_the_questions_does_not_matter(self, seed: int, times: list[float]) -> None:
        walk = RandomWalk(seed)
        asked = [walk.at("TSLA", t) for t in times]
        assert asked == [RandomWalk(seed).at("TSLA", t) for t in times]
        assert asked[::-1] == [walk.at("TSLA", t) for t in reversed(times)]

    def test_symbols_and_seeds_go_their_own_ways(self) -> None:
        def steps(seed: int, symbol: str) -> list[bool]:
            walk = RandomWalk(seed)
            return [walk.at(symbol, t + 1.0) > walk.at(symbol, t) for t in range(200)]

        ways = [steps(1, "SPY"), steps(1, "QQQ"), steps(2, "SPY")]
        assert all(60 < sum(one == other for one, other in zip(a, b, strict=True)) < 140 for a, b in _pairs(ways))

    @pytest.mark.parametrize(("seconds", "count"), [(60, 2_000), (3_600, 1_000)])
    def test_the_deviation_over_an_hour_is_the_volatility(self, seconds: int, count: int) -> None:
        walk = RandomWalk(5, volatility=0.02)
        prices = [float(walk.at("NVDA", t * seconds)) for t in range(count)]
        moved = statistics.pstdev(later / sooner - 1 for sooner, later in itertools.pairwise(prices))
        assert moved == pytest.approx(0.02 * (seconds / 3_600) ** 0.5, rel=0.1)

    def test_a_jump_of_the_walk_is_never_at_the_end_of_a_block(self) -> None:
        walk = RandomWalk(5)
        prices = [float(walk.at("AMZN", 16_384 * 3 + t)) for t in range(-50, 50)]
        assert max(abs(b / a - 1) for a, b in itertools.pairwise(prices)) < 0.01 / 60 * 5

    def test_prices_have_two_decimals_and_never_reach_zero(self) -> None:
        walk = RandomWalk(1, volatility=5.0)
        prices = [walk.at("F", t * 3_600.0) for t in range(2_000)]
        assert min(prices) == CENT
        assert all(price.as_tuple().exponent == -2 for price in prices)

    def test_a_year_ahead_costs_no_more_than_the_next_second(self) -> None:
        walk = RandomWalk(1)
        asked = [walk.at("F", 366 * 86_400.0 * year) for year in range(30)]
        assert len(set(asked)) > 20

    @settings(max_examples=60, deadline=None)
    @given(
        st.integers(0, 30),
        st.floats(0, 2e5),
        st.one_of(st.none(), st.floats(0.0, 0.3)),
        st.one_of(st.none(), st.floats(0.0, 0.3)),
    )
    def test_nothing_is_missed_by_looking_only_when_a_bound_may_be_reached(
        self, seed: int, t: float, below: float | None, above: float | None
    ) -> None:
        walk = RandomWalk(seed)
        price = walk.at("F", t)
        low = None if below is None else (price * D(1 - below)).quantize(CENT) - CENT
        high = None if above is None else (price * D(1 + above)).quantize(CENT) + CENT
        until = walk.next_beyond("F", t, low, high)
        assert until is not None
        assert t < until == int(until)
        between = [walk.at("F", float(second)) for second in range(int(t) + 1, int(until))]
        assert low is None or min(between, default=price) > low
        assert high is None or max(between, default=price) < high

    @pytest.mark.parametrize("draw", [8.0, -8.0])
    @pytest.mark.parametrize("beside", [3, 30, 300, 1_000, 3_000])
    def test_not_even_the_wildest_draws_reach_a_bound_unseen(self, draw: float, beside: int) -> None:
        class Wild(WalkPath):
            def _draw(self, number: int, level: int) -> float:
                return draw

        path = Wild(1, "F")
        values = [path.value(number) for number in range(16_384)]
        for number in range(0, 16_000, 97):
            lowest, highest = values[number] - beside, values[number] + beside
            until = path.calm_until(number, lowest, highest)
            assert until > number
            assert all(lowest < value < highest for value in values[number + 1 : until])

    def test_a_far_bound_is_not_looked_at_for_hours_and_a_near_one_often(self) -> None:
        walk = RandomWalk(1)
        price = walk.at("F", 100.0)
        waits = []
        for share in ("0.005", "0.02", "0.1", "0.6"):
            until = walk.next_beyond("F", 100.0, price * (1 - D(share)), price * (1 + D(share)))
            assert until is not None
            waits.append(until - 100.0)
        assert waits == sorted(waits)
        assert waits[0] < 30
        assert waits[-1] > 10_000
        assert RandomWalk(1, volatility=0.0).next_beyond("F", 0.0, price, price) is None

    def test_a_bound_that_is_reached_is_looked_at_with_the_next_tick(self) -> None:
        walk = RandomWalk(1)
        assert walk.next_beyond("F", 100.5, None, CENT) == 101.0
        assert walk.next_beyond("F", 100.5, D(10_000), None) == 101.0
        assert walk.next_beyond("F", -7.0, D(10_000), None) == 1.0

    @pytest.mark.parametrize("wrong", [{"tick": 0.0}, {"tick": float("nan")}, {"volatility": -0.1}])
    def test_senseless_settings_are_refused(self, wrong: dict[str, float]) -> None:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            RandomWalk(1, **wrong)

    @given(st.floats(0, 1e7), st.sampled_from([0.1, 0.25, 1.0, 7.0]))
    def test_the_next_change_lies_ahead_by_a_tick_at_most(self, t: float, tick: float) -> None:
        following = RandomWalk(1, tick=tick).next_change("F", t)
        assert following is not None
        assert t < following <= t + 1.001 * tick


def _pairs(ways: list[list[bool]]) -> list[tuple[list[bool], list[bool]]]:
    return [(a, b) for n, a in enumerate(ways) for b in ways[n + 1 :]]


class TestReplay:
    def test_a_price_holds_from_its_time_on_and_the_first_also_before(self) -> None:
        replay = Replay([(5.0, "AAPL", D("101.00")), (2.0, "AAPL", D("100.00"))])
        assert [replay.at("AAPL", t) for t in (0.0, 2.0, 4.999, 5.0, 1e9)] == [100, 100, 100, 101, 101]
        assert [replay.next_change("AAPL", t) for t in (0.0, 2.0, 5.0)] == [2.0, 5.0, None]

    def test_what_was_not_recorded_goes_by_the_others(self) -> None:
        walk = RandomWalk(9)
        replay = Replay([(0.0, "AAPL", D(1))], others=walk)
        assert replay.at("MSFT", 77.0) == walk.at("MSFT", 77.0)
        assert replay.next_change("MSFT", 77.5) == 78.0
        assert Replay([]).at("MSFT", 0.0) == symbol_price(0, "MSFT")

    def test_a_file_in_seconds(self, tmp_path: Path) -> None:
        path = tmp_path / "prices.csv"
        path.write_text("time_seconds,symbol,price\n0,AAPL,100.1\n2.5,AAPL,99.505\n0,F,12\n", "utf-8")
        replay = Replay.from_csv(path)
        assert [replay.at("AAPL", 2.4), replay.at("AAPL", 2.5), replay.at("F", 9)] == [D("100.10"), D("99.50"), D("12")]

    def test_a_file_of_times_begins_at_its_earliest(self, tmp_path: Path) -> None:
        path = tmp_path / "prices.csv"
        path.write_text(
            "symbol,timestamp,price,volume\nF,2026-06-15T10:30:02-04:00,13,9\nF,2026-06-15T14:30:00,12,9\n", "utf-8"
        )
        replay = Replay.from_csv(path)
        assert [replay.at("F", t) for t in (0.0, 1.9, 2.0)] == [12, 12, 13]

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("", "columns none; needed are symbol, price"),
            ("symbol,price\nF,1\n", "columns price, symbol; needed"),
            ("time_seconds,symbol,price\n", "no prices in it"),
            ("time_seconds,symbol,price\n0,F,1\n1,F,dear\n", "line 3: price: 'dear' is not a number"),
            ("time_seconds,symbol,price\n0,F,-1\n", "line 2: price: '-1' is not allowed"),
            ("time_seconds,symbol,price\nnan,F,1\n", "line 2: time_seconds: 'nan' is not a finite number"),
            ("time_seconds,symbol,price\n0,,1\n", "line 2: symbol: '' is empty"),
            ("time_seconds,symbol,price\n0,F\n", "line 2: price: '' is not a number"),
            ("timestamp,symbol,price\nnoon,F,1\n", "line 2: timestamp: 'noon' is not an ISO 8601 time"),
        ],
    )
    def test_a_bad_file_is_named_with_its_line(self, tmp_path: Path, text: str, complaint: str) -> None:
        path = tmp_path / "prices.csv"
        path.write_text(text, "utf-8")
        with pytest.raises(ValueError, match=r"prices\.csv") as caught:
            Replay.from_csv(path)
        assert complaint in str(caught.value)


class TestQuotes:
    def test_a_price_set_by_hand_holds_until_another_or_none_is_set(self) -> None:
        quotes = Quotes(Replay([(0.0, "F", D(10)), (50.0, "F", D(11))]), start=100.0)
        quotes.set("F", D("20.005"), 110.0)
        quotes.set("F", None, 120.0)
        assert [quotes.at("F", t) for t in (100.0, 109.9, 110.0, 119.9, 120.0, 150.0)] == [10, 10, 20, 20, 10, 11]
        assert [quotes.next_beyond("F", t) for t in (100.0, 115.0, 125.0)] == [150.0, None, 150.0]

    @pytest.mark.parametrize("start", [0.1, 1_000.3, 123_456.789_123_4])
    def test_no_tick_is_missed_by_a_rounding(self, start: float) -> None:
        quotes, walk = Quotes(RandomWalk(1, tick=0.1), start=start), RandomWalk(1, tick=0.1)
        t: float | None = start
        for number in range(2_000):
            assert t is not None
            price = quotes.at("F", t)
            assert price == walk.at("F", round(number * 0.1, 9))
            t = quotes.next_beyond("F", t, price, price)

    @pytest.mark.parametrize("start", [0.1, 1_000.3, 123_456.789_123_4])
    def test_no_recorded_price_is_missed_by_a_rounding(self, start: float) -> None:
        rows = [(number / 7, "F", D(1 + number)) for number in range(500)]
        quotes = Quotes(Replay(rows), start=start)
        t: float | None = start
        for _, _, price in rows:
            assert t is not None
            assert quotes.at("F", t) == price
            t = quotes.next_beyond("F", t)
        assert t is None

    def test_prices_that_change_without_end_still_let_time_pass(self) -> None:
        class Restless(Replay):
            def next_change(self, symbol: str, t: float) -> float | None:
                return t

        assert Quotes(Restless([]), start=5.0).next_beyond("F", 7.0) == 7.000_001

    @pytest.mark.parametrize("price", ["0", "-1"])
    def test_a_price_is_positive(self, price: str) -> None:
        with pytest.raises(ValueError, match="must be greater than 0"):
            Scene().world.set_price("F", price)

    def test_the_world_tells_the_price_of_now(self) -> None:
        scene = Scene(4)
        assert scene.world.price("F") == symbol_price(4, "F")
        scene.world.set_price("F", 12.5)
        assert scene.after(1_000.0).world.price("F") == D("12.50")
        scene.world.set_price("F", None)
        assert scene.world.price("F") == RandomWalk(4).at("F", 1_000.0)
