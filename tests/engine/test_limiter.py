"""The rate limiter: never above the grant in the broker's log, strict, fair, and quiet when asked."""

from __future__ import annotations

import asyncio
import itertools
import math
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fillwatch.brokers.base import Quota
from fillwatch.core.config import RateLimit
from fillwatch.core.errors import EngineClosed
from fillwatch.engine.limiter import Permit, Priority, RateLimiter
from fillwatch.engine.turns import FIRST, Rank, Turns
from fillwatch.testing.loop import Deadlock, run_virtual, virtual

CANCEL, SUBMIT, FINAL_CHECK, POSITION, POLL = Priority
START = 1_000.0
#: Tokens a second under the default terms: 160 in any minute, 10 of them at once, 0.99 because calls are counted whole.
RATE = (160.99 - 10) / 60


def now() -> float:
    return asyncio.get_running_loop().time() - START


def worst_window(arrivals: Sequence[float], window: float) -> int:
    """The most arrivals in any closed window; one that matters begins with an arrival."""
    times, worst, first = sorted(arrivals), 0, 0
    for last, at in enumerate(times):
        while at - times[first] > window:
            first += 1
        worst = max(worst, last - first + 1)
    return worst


@dataclass(frozen=True, slots=True)
class Call:
    """One request: when it is wanted, its way there and back, when its caller gives up, what is answered."""

    at: float
    priority: Priority
    there: float
    back: float
    gives_up: float | None
    answer: str


@dataclass(slots=True)
class Log:
    """What broker and callers saw: arrivals, `(number, class, granted at)`, and every fault of the accounts."""

    arrivals: list[float] = field(default_factory=list)
    granted: list[tuple[int, Priority, float]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    number: itertools.count[int] = field(default_factory=itertools.count)

    def audit(self, limiter: RateLimiter, burst: float) -> None:
        if limiter.level + limiter.in_flight > burst + 1e-6:
            self.faults.append(f"at {now()}: level {limiter.level} with {limiter.in_flight} in flight")


async def carry_out(call: Call, limiter: RateLimiter, log: Log, burst: float) -> None:
    await asyncio.sleep(call.at)
    number = next(log.number)
    try:
        async with asyncio.timeout(call.gives_up):
            permit = await limiter.acquire(call.priority)
    except TimeoutError:
        return
    log.granted.append((number, call.priority, now()))
    log.audit(limiter, burst)
    await asyncio.sleep(call.there)
    log.arrivals.append(now())
    await asyncio.sleep(call.back)
    if call.answer == "429":
        limiter.stand_still(None)
    elif call.answer == "429, reset":
        limiter.stand_still(5.0)
    elif call.answer == "quota":
        limiter.observe(Quota(limit=200, remaining=3, reset_in=7.0, as_of=now() + START))
    else:
        limiter.succeeded()
    permit.release()
    log.audit(limiter, burst)


LATENCY = st.one_of(st.just(0.0), st.floats(0, 10, allow_nan=False))
CALLS = st.lists(
    st.builds(
        Call,
        at=st.one_of(st.just(0.0), st.floats(0, 30, allow_nan=False)),
        priority=st.sampled_from(Priority),
        there=LATENCY,
        back=LATENCY,
        gives_up=st.one_of(st.none(), st.none(), st.floats(0.001, 20, allow_nan=False)),
        answer=st.sampled_from(["ok"] * 8 + ["429", "429, reset", "quota"]),
    ),
    min_size=1,
    max_size=80,
)
RATES = st.builds(
    RateLimit,
    limit=st.integers(2, 60),
    window_seconds=st.sampled_from([1.0, 5.0, 20.0]),
    share=st.sampled_from([0.5, 0.8, 1.0]),
)


@settings(deadline=None, max_examples=300)
@given(calls=CALLS, rate=RATES, seed=st.integers(0, 2**16))
def test_no_window_of_the_brokers_log_holds_more_than_the_grant(calls: list[Call], rate: RateLimit, seed: int) -> None:
    log = Log()

    async def main() -> None:
        limiter = RateLimiter(rate)
        await asyncio.sleep(0)
        burst = max(1.0, min(2.0, int(rate.granted) / 4), int(rate.granted) / 16)
        await asyncio.gather(*(carry_out(call, limiter, log, burst) for call in calls))
        assert (limiter.in_flight, limiter.waiting, limiter.granted) == (0, 0, len(log.arrivals))

    run_virtual(main, seed=seed)
    assert worst_window(log.arrivals, rate.window_seconds) <= rate.granted + 1e-9
    assert not log.faults
    for priority in Priority:
        times = [at for _, kind, at in sorted(log.granted) if kind is priority]
        assert times == sorted(times), f"{priority.name} was not served first come first served"


@settings(deadline=None, max_examples=25)
@given(
    latencies=st.lists(st.tuples(st.floats(0, 8), st.floats(0, 2)), min_size=1, max_size=20),
    pauses=st.lists(st.floats(0, 90), max_size=4),
    seed=st.integers(0, 2**16),
)
def test_a_greedy_crowd_after_any_pause_stays_within_the_default_grant(
    latencies: list[tuple[float, float]], pauses: list[float], seed: int
) -> None:
    arrivals: list[float] = []

    async def main() -> None:
        limiter = RateLimiter(RateLimit())
        travel = itertools.cycle(latencies)

        async def one() -> None:
            there, back = next(travel)
            async with limiter.permit(POLL):
                await asyncio.sleep(there)
                arrivals.append(now())
                await asyncio.sleep(back)

        for pause in [0.0, *pauses]:
            await asyncio.sleep(pause)
            await asyncio.gather(*(one() for _ in range(60)))

    run_virtual(main, seed=seed)
    assert worst_window(arrivals, 60.0) <= 160


@virtual
async def test_a_busy_limiter_uses_at_least_93_percent_of_its_grant() -> None:
    limiter, sent = RateLimiter(RateLimit(), max_in_flight=8), []

    async def poll() -> None:
        while now() < 660:
            async with limiter.permit(POLL):
                sent.append(now())
                await asyncio.sleep(0.3)

    await asyncio.gather(*(poll() for _ in range(20)))
    assert 0.93 * 160 * 10 <= sum(60 <= at < 660 for at in sent) <= 1600


@pytest.mark.parametrize(("granted", "least"), [(1, 0.95), (2, 0.95), (5, 0.75), (8, 0.8), (20, 0.85), (32, 0.9)])
@virtual
async def test_tiny_grants_are_used_sensibly_and_never_overdrawn(granted: int, least: float) -> None:
    limiter, sent = RateLimiter(RateLimit(limit=granted, share=1.0)), []

    async def poll() -> None:
        while now() < 1260:
            async with limiter.permit(POLL):
                sent.append(now())
                await asyncio.sleep(0.1)

    await asyncio.gather(*(poll() for _ in range(4)))
    assert worst_window(sent, 60.0) <= granted
    assert sum(60 <= at < 1260 for at in sent) >= least * granted * 20


@virtual
async def test_a_restart_adds_one_request_to_a_window_and_not_a_second_burst() -> None:
    sent: list[float] = []
    for _ in range(2):
        limiter = RateLimiter(RateLimit())
        await asyncio.sleep(120 if not sent else 0)
        limiter.level  # noqa: B018  # the first question starts its clock
        while now() < (150 if len(sent) < 60 else 200):
            async with limiter.permit(CANCEL):
                sent.append(now())
    assert worst_window(sent, 60.0) <= 161


async def crowd(limiter: RateLimiter, wanted: Sequence[Priority], hold: float = 0.0) -> list[tuple[float, Priority]]:
    """Everybody asks in the order of `wanted`, at once; who was served when, as offsets in seconds."""
    served: list[tuple[float, Priority]] = []

    async def one(priority: Priority) -> None:
        async with limiter.permit(priority):
            served.append((now(), priority))
            await asyncio.sleep(hold)

    for priority in wanted:
        task = asyncio.ensure_future(one(priority))
        tasks.add(task)
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    tasks.clear()
    return served


tasks: set[asyncio.Future[None]] = set()


def about(*times: float) -> object:
    return pytest.approx(list(times), abs=1e-6)


@virtual
async def test_the_first_request_goes_at_once_and_polls_then_wait_for_the_reserve() -> None:
    served = await crowd(RateLimiter(RateLimit()), [POLL] * 4)
    assert [at for at, _ in served] == about(0, 3 / RATE, 4 / RATE, 5 / RATE)


@virtual
async def test_cancels_need_no_reserve() -> None:
    served = await crowd(RateLimiter(RateLimit()), [CANCEL] * 4)
    assert [at for at, _ in served] == about(0, 1 / RATE, 2 / RATE, 3 / RATE)


@virtual
async def test_higher_classes_go_first_whatever_the_order_of_asking() -> None:
    limiter = RateLimiter(RateLimit())
    assert limiter.try_acquire(POLL) is not None
    served = await crowd(limiter, [POLL, POSITION, FINAL_CHECK, SUBMIT, CANCEL] * 3)
    assert [priority for _, priority in served] == sorted([*Priority] * 3)


@virtual
async def test_every_fourth_turn_is_for_the_next_class_below() -> None:
    """A hundred cancels must not blind us: one look makes dozens of them needless."""
    limiter = RateLimiter(RateLimit())
    assert limiter.try_acquire(POLL) is not None
    served = await crowd(limiter, [CANCEL] * 9 + [POLL] * 2)
    assert [priority for _, priority in served] == [*[CANCEL] * 3, POLL, *[CANCEL] * 3, POLL, *[CANCEL] * 3]


@virtual
async def test_a_crowd_of_cancels_may_have_more_turns_in_a_row() -> None:
    """Only cancels: among the classes below every fourth turn stays with the next."""
    limiter = RateLimiter(RateLimit())
    limiter.turns.cancels_in_a_row = 7
    assert limiter.try_acquire(POLL) is not None
    served = await crowd(limiter, [CANCEL] * 8 + [SUBMIT] * 5 + [POLL] * 2)
    assert [priority for _, priority in served] == [*[CANCEL] * 7, SUBMIT, CANCEL, *[SUBMIT] * 3, POLL, SUBMIT, POLL]


@virtual
async def test_within_a_class_the_smaller_rank_goes_first_and_none_before_any() -> None:
    limiter = RateLimiter(RateLimit())
    await drain(limiter)
    served: list[str] = []

    async def one(name: str, rank: Rank) -> None:
        permit = await limiter.acquire(CANCEL, rank=rank)
        served.append(name)
        permit.release()

    ranks = {
        "b": (5.0, 2.0),
        "c": (5.0, 3.0),
        "a": (5.0, 1.0),
        "later": (6.0, 0.0),
        "c again": (5.0, 3.0),
        "exit": FIRST,
    }
    for name, rank in ranks.items():
        task = asyncio.ensure_future(one(name, rank))
        tasks.add(task)
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    tasks.clear()
    assert served == ["exit", "a", "b", "c", "c again", "later"]


@virtual
async def test_a_standstill_is_not_broken_by_a_turn() -> None:
    limiter = RateLimiter(RateLimit())
    limiter.stand_still(20.0)
    served = await crowd(limiter, [CANCEL] * 6 + [POLL])
    assert [priority for _, priority in served] == [*[CANCEL] * 6, POLL]
    assert served[-1][0] >= 20.0


@virtual
async def test_a_newcomer_does_not_pass_those_who_wait() -> None:
    limiter = RateLimiter(RateLimit())
    await drain(limiter)
    waiter = asyncio.ensure_future(limiter.acquire(POLL))
    await asyncio.sleep(2.99 / RATE)
    assert limiter.try_acquire(FINAL_CHECK) is None
    assert limiter.level > 2.9
    await asyncio.sleep(0.02 / RATE)
    assert waiter.done()


@pytest.mark.parametrize("newcomer", Priority)
@virtual
async def test_a_newcomer_passes_only_lower_classes_even_when_the_timer_is_late(newcomer: Priority) -> None:
    time = START
    limiter = RateLimiter(RateLimit(), clock=lambda: time)
    await drain(limiter)
    waiter = asyncio.ensure_future(limiter.acquire(FINAL_CHECK))
    await asyncio.sleep(0.1)
    time += 60
    assert (limiter.try_acquire(newcomer) is not None) == (newcomer < FINAL_CHECK)
    await waiter


async def drain(limiter: RateLimiter) -> None:
    """Take and end requests until no token is left."""
    while (permit := limiter.try_acquire(CANCEL)) is not None:
        permit.release()


async def filled() -> RateLimiter:
    limiter = RateLimiter(RateLimit())
    assert limiter.level == 1
    await drain(limiter)
    await asyncio.sleep(60)
    return limiter


@virtual
async def test_polls_leave_two_tokens_that_cancels_take_without_waiting() -> None:
    limiter = await filled()
    assert (limiter.level, limiter.seconds_until_ample(), limiter.beyond_reserve, limiter.level) == (10, 0, 8, 10)
    polls = [permit for _ in range(20) if (permit := limiter.try_acquire(POLL))]
    assert (len(polls), limiter.in_flight, limiter.level, limiter.beyond_reserve) == (8, 8, 2, 0)
    cancels = [permit for _ in range(20) if (permit := limiter.try_acquire(CANCEL))]
    assert (len(cancels), limiter.in_flight, limiter.level, limiter.level) == (2, 10, 0, 0)


@virtual
async def test_what_is_in_flight_takes_the_room_of_tokens() -> None:
    limiter = await filled()
    polls = [permit for _ in range(8) if (permit := limiter.try_acquire(POLL))]
    await asyncio.sleep(60)
    assert (limiter.level, limiter.seconds_until_ample()) == (2, 0)
    for permit in polls:
        permit.release()
    assert (limiter.level, limiter.in_flight) == (2, 0)
    await asyncio.sleep(1)
    assert limiter.level == pytest.approx(2 + RATE)


@virtual
async def test_places_in_flight_are_limited_and_two_are_kept_for_cancels() -> None:
    limiter = await filled()
    limiter.max_in_flight = 5
    polls = [permit for _ in range(9) if (permit := limiter.try_acquire(POLL))]
    cancels = [permit for _ in range(9) if (permit := limiter.try_acquire(CANCEL))]
    assert (len(polls), len(cancels)) == (3, 2)
    waiter = asyncio.ensure_future(limiter.acquire(POLL))
    await asyncio.sleep(60)
    polls.pop().release()
    await asyncio.sleep(0)
    assert not waiter.done()
    cancels.pop().release()
    cancels.pop().release()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert waiter.done()


@virtual
async def test_a_waiter_who_gives_up_costs_nothing() -> None:
    limiter = RateLimiter(RateLimit())
    await drain(limiter)
    first, second = (asyncio.ensure_future(limiter.acquire(POLL)) for _ in range(2))
    await asyncio.sleep(0.1)
    first.cancel()
    await asyncio.wait({first})
    assert limiter.waiting == 1
    await second
    assert now() == pytest.approx(3 / RATE)
    assert (limiter.granted, limiter.in_flight, limiter.waiting) == (2, 1, 0)


@virtual
async def test_when_one_gives_up_who_wanted_much_the_next_goes_at_once() -> None:
    limiter = RateLimiter(RateLimit(), largest=5)
    greedy = asyncio.ensure_future(limiter.acquire(CANCEL, 5))
    modest = asyncio.ensure_future(limiter.acquire(CANCEL, 1))
    await asyncio.sleep(0.1)
    greedy.cancel()
    await asyncio.wait({greedy, modest})
    assert now() == pytest.approx(0.1)


@pytest.mark.parametrize("seed", range(10))
def test_a_waiter_cancelled_in_the_tick_of_his_grant_passes_it_on(seed: int) -> None:
    async def main() -> None:
        limiter = await filled()
        limiter.max_in_flight = 1
        holder = await limiter.acquire(CANCEL)
        waiter = asyncio.ensure_future(limiter.acquire(CANCEL))
        await asyncio.sleep(1)
        heir = asyncio.ensure_future(limiter.acquire(CANCEL))
        await asyncio.sleep(1)
        holder.release()
        assert (limiter.in_flight, limiter.granted, limiter.waiting) == (1, 3, 1)
        waiter.cancel()
        await asyncio.wait({waiter, heir})
        assert waiter.cancelled()
        assert (limiter.in_flight, limiter.granted, limiter.level, now()) == (1, 3, 8, 62)

    run_virtual(main, seed=seed)


@virtual
async def test_a_token_that_comes_back_is_passed_on_at_once() -> None:
    """The next one waits for a token that is still to come, and need not any more."""
    limiter = RateLimiter(RateLimit())
    unused = await limiter.acquire(CANCEL)
    waiter = asyncio.ensure_future(limiter.acquire(CANCEL))
    await asyncio.sleep(0.1 / RATE)
    unused.give_back()
    await waiter
    assert now() == pytest.approx(0.1 / RATE)


@virtual
async def test_a_permit_can_be_ended_twice_without_harm() -> None:
    limiter = await filled()
    permits = [await limiter.acquire(CANCEL), await limiter.acquire(CANCEL)]
    for end in (Permit.release, Permit.give_back, Permit.release):
        end(permits[0])
    assert (limiter.in_flight, limiter.level, limiter.granted) == (1, 8, 3)


@virtual
async def test_a_429_silences_all_but_spaced_cancels_until_the_reset() -> None:
    limiter = await filled()
    limiter.stand_still(30.0)
    assert (limiter.level, limiter.beyond_reserve, limiter.standing_still_until) == (1, 0, 1090)
    assert limiter.seconds_until_ample() == 30
    served = await crowd(limiter, [POLL, CANCEL, SUBMIT, CANCEL, CANCEL])
    assert [priority for _, priority in served] == [CANCEL, CANCEL, CANCEL, SUBMIT, POLL]
    assert [at - 60 for at, _ in served] == about(0, 1, 2, 30 + 2 / RATE, 30 + 3 / RATE)
    assert limiter.standing_still_until is None


@virtual
async def test_stand_stills_without_a_reset_double_up_to_a_minute_until_a_success() -> None:
    limiter, waits = RateLimiter(RateLimit()), []
    for _ in range(9):
        limiter.stand_still(None)
        limiter.stand_still(None)
        until = limiter.standing_still_until
        assert until is not None
        limiter.succeeded()
        waits.append(until - START - now())
        await asyncio.sleep(waits[-1])
    assert waits == about(1, 2, 4, 8, 16, 32, 60, 60, 60)
    limiter.succeeded()
    limiter.stand_still(None)
    assert limiter.standing_still_until == pytest.approx(START + now() + 1)


@pytest.mark.parametrize(("reset_in", "seconds"), [(1e9, 60.0), (0.0, 1.0), (-3.0, 1.0), (12.5, 12.5)])
@virtual
async def test_a_strange_reset_neither_silences_for_good_nor_not_at_all(reset_in: float, seconds: float) -> None:
    limiter = RateLimiter(RateLimit())
    limiter.stand_still(reset_in)
    assert limiter.standing_still_until == pytest.approx(START + seconds)


def quota(**said: float | int | None) -> Quota:
    said = {"limit": 200, "remaining": None, "reset_in": None, "as_of": now() + START} | said
    return Quota(**said)  # type: ignore[arg-type]  # a table of partial quotas


@virtual
async def test_a_smaller_limit_makes_a_smaller_grant_and_a_larger_one_none() -> None:
    limiter, times = await filled(), []
    limiter.observe(quota(limit=1000))
    assert limiter.level == 10
    limiter.observe(quota(limit=50))
    while now() < 300:
        async with limiter.permit(POLL):
            times.append(now())
    assert 0.93 * 40 <= worst_window([at for at in times if at > 120], 60.0) <= 40
    limiter.observe(quota(limit=200))
    await asyncio.sleep(60)
    assert limiter.level == 10


@virtual
async def test_a_small_remainder_is_spread_until_the_reset_and_forgotten_after_it() -> None:
    limiter, times = await filled(), []
    limiter.observe(quota(remaining=13, reset_in=40.0))
    assert limiter.level == 3
    while now() < 160:
        async with limiter.permit(POLL):
            times.append(now() - 60)
    assert times[:6] == about(0, 4, 8, 12, 16, 20)
    assert sum(at <= 40 for at in times) == 11
    assert sum(50 <= at < 90 for at in times) >= 40 * RATE - 1


@virtual
async def test_nothing_remaining_means_silence_until_the_reset() -> None:
    limiter = await filled()
    limiter.observe(quota(remaining=0, reset_in=20.0))
    served = await crowd(limiter, [POLL, CANCEL])
    assert [priority for _, priority in served] == [CANCEL, POLL]
    assert [at - 60 for at, _ in served] == about(0, 20 + 2 / RATE)


@virtual
async def test_nothing_remaining_without_a_reset_is_a_429_without_one() -> None:
    limiter = await filled()
    limiter.observe(quota(remaining=0))
    assert limiter.standing_still_until == pytest.approx(START + 61)


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ({"remaining": 1, "reset_in": 30.0, "as_of": 1_040.0}, 10),
        ({"remaining": 1, "reset_in": 5.0, "as_of": 1_054.0}, 10),
        ({"remaining": 170, "reset_in": 60.0}, 10),
        ({"remaining": 150, "reset_in": 60.0}, 3),
        ({"remaining": 2, "reset_in": 60.0}, 2),
    ],
    ids=["older than the last", "its reset is past", "plenty", "less than planned", "hardly any"],
)
@virtual
async def test_only_new_words_of_the_broker_count(said: dict[str, float], level: float) -> None:
    limiter = await filled()
    limiter.observe(quota(as_of=1_050.0))
    limiter.observe(quota(**said))
    assert limiter.level == level


@virtual
async def test_a_word_heard_twice_counts_once() -> None:
    limiter, word = await filled(), quota(remaining=13, reset_in=40.0)
    limiter.observe(word)
    await asyncio.sleep(20)
    before = limiter.level
    limiter.observe(word)
    await asyncio.sleep(4)
    assert limiter.level == pytest.approx(before + 1)


@virtual
async def test_the_newest_word_ends_a_stretch() -> None:
    limiter = await filled()
    limiter.observe(quota(remaining=5, reset_in=60.0, as_of=1_059.0))
    limiter.observe(quota(remaining=199, reset_in=60.0))
    await asyncio.sleep(4)
    assert limiter.level == pytest.approx(10)


@virtual
async def test_a_new_rate_reaches_those_who_wait() -> None:
    limiter = RateLimiter(RateLimit(limit=1, share=1.0))
    await drain(limiter)
    waiter = asyncio.ensure_future(limiter.acquire(CANCEL))
    await asyncio.sleep(10)
    limiter.reconfigure(RateLimit())
    await waiter
    assert now() == pytest.approx(10 + (1 - 10 * 0.99 / 60) / RATE * 1.0, rel=0.2)
    assert limiter.rate == RateLimit()


@virtual
async def test_closing_wakes_everybody_with_engine_closed_and_lets_permits_end() -> None:
    limiter = await filled()
    out = [await limiter.acquire(CANCEL) for _ in range(10)]
    waiters = [asyncio.ensure_future(limiter.acquire(POLL)) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    limiter.close()
    waiters[0].cancel()
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError, EngineClosed, EngineClosed]
    with pytest.raises(EngineClosed):
        await limiter.acquire(CANCEL)
    for permit in out:
        permit.release()
    assert (limiter.in_flight, limiter.waiting, limiter.level) == (0, 0, 0)


def test_an_idle_limiter_keeps_no_timer() -> None:
    async def main() -> None:
        limiter = RateLimiter(RateLimit())
        gone = asyncio.ensure_future(crowd(limiter, [POLL] * 5))
        await gone
        waiter = asyncio.ensure_future(limiter.acquire(POLL))
        await asyncio.sleep(0.1)
        waiter.cancel()
        await asyncio.wait({waiter})
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match=f"at {int((START + 6 / RATE + 0.1) * 1000) / 1000}"):
        run_virtual(main)


@virtual
async def test_ten_thousand_waiters_are_served_in_order_and_their_traces_vanish() -> None:
    limiter = RateLimiter(RateLimit(limit=100_000, share=1.0))
    await drain(limiter)
    served: list[int] = []

    async def one(number: int) -> None:
        async with limiter.permit(POLL):
            served.append(number)

    all_tasks = []
    for number in range(10_000):
        all_tasks.append(asyncio.ensure_future(one(number)))
        if number % 100 == 0:
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    for number in range(0, 10_000, 2):
        all_tasks[number].cancel()
    await asyncio.wait(all_tasks)
    assert len(served) + sum(task.cancelled() for task in all_tasks) == 10_000
    assert math.isclose(now(), len(served) / (100_000 / 60), rel_tol=0.05)
    assert (limiter.waiting, limiter.in_flight) == (0, 0)


def test_those_who_gave_up_are_not_kept_behind_one_who_waits() -> None:
    loop = asyncio.new_event_loop()
    turns = Turns()
    turns.append(POLL, 1, loop.create_future())
    futures = [turns.append(POLL, 1, loop.create_future()) for _ in range(1_000)]
    traces = [weakref.ref(future) for future in futures]
    for future in futures:
        future.cancel()
        turns.forget()
    del future, futures
    assert sum(trace() is not None for trace in traces) <= 100
    assert turns.waiting == 1
    loop.close()


@virtual
async def test_the_clock_can_be_given() -> None:
    time = 5.0
    limiter = RateLimiter(RateLimit(), clock=lambda: time)
    assert limiter.try_acquire(CANCEL) is not None
    assert limiter.try_acquire(CANCEL) is None
    time += 1 / RATE
    assert limiter.try_acquire(CANCEL) is not None
