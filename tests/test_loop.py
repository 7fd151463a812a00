"""The virtual-time loop: waiting is free and exact, order is seeded, and a run that cannot go on says why."""

from __future__ import annotations

import asyncio
import math
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from fillwatch.testing import Deadlock, LeftOverTasks, Livelock, VirtualLoop, run_virtual, virtual


def now() -> float:
    return asyncio.get_running_loop().time()


async def arrivals(count: int, wait: Callable[[], Awaitable[object]]) -> list[int]:
    """The order in which `count` tasks come back from `wait`."""
    order: list[int] = []

    async def arrive(number: int) -> None:
        await wait()
        order.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(arrive(number))
    return order


def test_an_hour_takes_no_real_time() -> None:
    began = time.perf_counter()
    run_virtual(lambda: asyncio.sleep(3_600))
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("delay", [0.0, 1e-6, 0.1, 1.0, 60.0, 86_400.0, 900_000.0])
def test_a_timer_goes_off_at_its_exact_time(delay: float) -> None:
    async def main() -> tuple[float, float]:
        due = now() + delay
        await asyncio.sleep(delay)
        return due, now()

    due, woken = run_virtual(main)
    assert woken == due


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("start", [0.0, 1_000.0, 1e9])
def test_timers_a_hair_apart_are_told_apart(start: float, after: int) -> None:
    async def main() -> list[float]:
        loop, seen = asyncio.get_running_loop(), []
        first = start + after
        for when in (math.nextafter(first, math.inf), first):
            loop.call_at(when, lambda: seen.append(now()))
        await asyncio.sleep(2)
        return seen

    assert run_virtual(main, start=start) == [start + after, math.nextafter(start + after, math.inf)]


@virtual
async def test_time_limits_of_asyncio_and_anyio_cost_nothing_and_are_exact() -> None:
    began = now()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            await asyncio.Event().wait()
    assert now() - began == 60
    with anyio.move_on_after(30) as scope:
        await anyio.sleep(31)
    assert scope.cancelled_caught
    assert now() - began == 90
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), 10)
    assert now() - began == 100


@virtual
async def test_anyio_groups_and_futures_work() -> None:
    answer: anyio.Future[int] = anyio.Future()

    async def late() -> None:
        await anyio.sleep(5)
        answer.return_value = 7

    async with anyio.create_task_group() as group:
        group.start_soon(late)
        began = now()
        with anyio.move_on_after(1):
            await answer.wait()
        await answer.wait()
        assert answer.return_value == 7
    assert now() - began == 5


WAITS = pytest.mark.parametrize(
    "wait",
    [lambda: asyncio.sleep(0), lambda: asyncio.sleep(1), lambda: anyio.sleep(1)],
    ids=["first step", "asyncio timer", "anyio timer"],
)


@WAITS
def test_the_same_seed_gives_the_same_order(wait: Callable[[], Awaitable[object]]) -> None:
    orders = [run_virtual(lambda: arrivals(8, wait), seed=5) for _ in range(20)]
    assert all(order == orders[0] for order in orders)


@WAITS
def test_seeds_reach_every_order_of_ready_tasks(wait: Callable[[], Awaitable[object]]) -> None:
    orders = {tuple(run_virtual(lambda: arrivals(3, wait), seed=seed)) for seed in range(100)}
    assert len(orders) == 6


@pytest.mark.parametrize(
    "kind",
    [asyncio.Task, asyncio.tasks._PyTask],  # type: ignore[attr-defined]  # the one debuggers and PyPy use
    ids=["accelerated", "plain"],
)
def test_first_steps_and_wake_ups_change_places(kind: type[asyncio.Task[None]]) -> None:
    async def main() -> tuple[tuple[int, ...], tuple[int, ...]]:
        gate = asyncio.Event()
        started: list[int] = []
        woken: list[int] = []

        async def arrive(number: int) -> None:
            started.append(number)
            await gate.wait()
            woken.append(number)

        tasks = [kind(arrive(number)) for number in range(3)]
        await asyncio.sleep(1)
        gate.set()
        await asyncio.gather(*tasks)
        return tuple(started), tuple(woken)

    runs = [run_virtual(main, seed=seed) for seed in range(100)]
    assert len({started for started, _ in runs}) == 6
    # The gate wakes tasks in the order they came: every other order is the seed's.
    assert len({tuple(started.index(number) for number in woken) for started, woken in runs}) == 6


@pytest.mark.parametrize("seed", range(20))
def test_callbacks_keep_their_order(seed: int) -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        order: list[int] = []
        for number in range(20):
            loop.call_soon(order.append, number)
        await asyncio.sleep(1)
        return order

    assert run_virtual(main, seed=seed) == [*range(20)]


def test_a_task_may_be_late_but_never_overtakes_a_callback() -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        order: list[str] = []

        async def step(name: str) -> None:
            order.append(name)

        first = loop.create_task(step("first"))
        loop.call_soon(order.append, "callback")
        second = loop.create_task(step("second"))
        await asyncio.gather(first, second)
        return order

    seen = {tuple(run_virtual(main, seed=seed)) for seed in range(200)}
    assert seen == {
        ("first", "callback", "second"),
        ("callback", "first", "second"),
        ("callback", "second", "first"),
    }


@pytest.mark.parametrize("wait", [lambda: asyncio.Event().wait(), anyio.sleep_forever], ids=["event", "forever"])
def test_a_deadlock_is_told_at_once_with_who_waits_where(wait: Callable[[], Awaitable[object]]) -> None:
    async def waits_for_nothing() -> None:
        await wait()

    async def main() -> None:
        await asyncio.sleep(7)
        await asyncio.create_task(waits_for_nothing(), name="the-stuck-one")

    began = time.perf_counter()
    with pytest.raises(Deadlock, match=r"at 1007\.0 s.*\n  Task-\d+: .*main.*\n  the-stuck-one: .*waits_for_nothing"):
        run_virtual(main)
    assert time.perf_counter() - began < 1


def test_a_cancelled_timer_does_not_hide_a_deadlock() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_later(5, print).cancel()
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match=r"at 1000\.0 s"):
        run_virtual(main)


def test_a_task_left_running_is_named_and_cancelled() -> None:
    ended: list[str] = []

    async def straggler() -> None:
        try:
            await asyncio.sleep(99)
        finally:
            ended.append("straggler")

    async def main() -> None:
        left = asyncio.create_task(straggler(), name="left-behind")
        await asyncio.sleep(1)
        assert not left.done()

    with pytest.raises(LeftOverTasks, match=r"left-behind: .*straggler"):
        run_virtual(main)
    assert ended == ["straggler"]


def test_an_error_in_a_callback_fails_the_run() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(int, "not a number")
        asyncio.get_running_loop().call_soon(int, "neither this")
        await asyncio.sleep(1)

    with pytest.raises(ValueError, match="not a number"):
        run_virtual(main)


@pytest.mark.parametrize("in_a_cycle", [False, True])
def test_an_error_that_no_one_awaited_fails_the_run(in_a_cycle: bool) -> None:
    async def fails() -> None:
        # The traceback keeps this frame, the frame this task, and the task its error with the traceback.
        held = asyncio.current_task() if in_a_cycle else None
        raise LookupError(f"nobody looked at {held and held.get_name()}")

    async def main() -> None:
        _ = asyncio.create_task(fails())
        await asyncio.sleep(1)
        del _

    with pytest.raises(LookupError, match="nobody looked"):
        run_virtual(main)


def test_the_mains_own_error_comes_first_and_names_the_seed() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(int, "not a number")
        await asyncio.sleep(1)
        raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        run_virtual(main, seed=41)
    assert any("seed=41" in note and "1001.0" in note for note in caught.value.__notes__)
    assert any("not a number" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("pause", [0.0, 1e-12, 1e-9])
def test_a_run_that_lets_no_time_pass_is_stopped(pause: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fillwatch.testing.loop.MAX_TURNS", 1_000)
    ended: list[str] = []

    async def main() -> None:
        try:
            while True:
                await asyncio.sleep(pause)
        finally:
            await asyncio.sleep(1)
            ended.append("main")

    with pytest.raises(Livelock, match="1000 turns"):
        run_virtual(main)
    assert ended == ["main"]


def test_a_run_of_many_turns_goes_on_while_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fillwatch.testing.loop.MAX_TURNS", 1_000)

    async def main() -> None:
        for _ in range(5_000):
            await asyncio.sleep(0.01)

    run_virtual(main)


def test_virtual_seconds_have_a_limit() -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(1)

    with pytest.raises(Livelock, match=r"at 1100\.0 s"):
        run_virtual(main, limit=100)


def test_a_stubborn_task_does_not_hang_the_end() -> None:
    async def stubborn() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    async def main() -> None:
        asyncio.create_task(stubborn(), name="stubborn")  # noqa: RUF006  # left behind on purpose
        await asyncio.sleep(0)

    with pytest.raises(Deadlock, match="stubborn"):
        run_virtual(main)


def test_generators_left_open_are_closed() -> None:
    closed: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(9):
                yield number
        finally:
            await asyncio.sleep(1)
            closed.append("numbers")

    generator = numbers()

    async def main() -> None:
        await anext(generator)

    run_virtual(main)
    assert closed == ["numbers"]


@virtual
async def test_the_clock_stands_still_for_work_in_a_thread() -> None:
    began, real = now(), time.perf_counter()
    async with asyncio.timeout(0.01):
        await asyncio.to_thread(time.sleep, 0.1)
    assert now() == began
    assert time.perf_counter() - real >= 0.09


def test_a_thread_that_nobody_waits_for_any_more_is_seen_to_its_end() -> None:
    async def main() -> None:
        asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.1).cancel()
        await asyncio.sleep(1)

    began = time.perf_counter()
    run_virtual(main)
    assert time.perf_counter() - began >= 0.09


@virtual
async def test_the_clock_stands_still_outside() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    answer: asyncio.Future[int] = loop.create_future()
    thread = threading.Timer(0.05, lambda: loop.call_soon_threadsafe(answer.set_result, 5))
    began = now()
    thread.start()
    async with asyncio.timeout(10):
        with loop.outside():
            assert await answer == 5
    assert now() == began
    thread.join()


@virtual
async def test_bytes_between_two_sockets_of_the_loop_arrive_before_the_clock_jumps() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    began = now()
    for number in range(200):
        async with asyncio.timeout(1):
            writer.write(b"%d\n" % number)
            assert await reader.readline() == b"%d\n" % number
    assert now() == began
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.1)


class _Announced(uvicorn.Server):
    """A server that takes no signal handlers and can be waited for."""

    async def listening(self) -> int:
        while not self.started:
            await asyncio.sleep(0.1)
        return int(self.servers[0].sockets[0].getsockname()[1])


async def _slow(request: Request) -> PlainTextResponse:
    await asyncio.sleep(float(request.query_params["for"]))
    return PlainTextResponse("done")


async def _real_http(requests: int) -> list[tuple[int, float, str]]:
    server = _Announced(uvicorn.Config(Starlette(routes=[Route("/slow", _slow)]), port=0, log_level="error"))
    answers: list[tuple[int, float, str]] = []
    began = now()

    async def ask(client: httpx.AsyncClient, number: int) -> None:
        answer = await client.get("/slow", params={"for": 20 + number % 7})
        answers.append((number, now() - began, answer.text))

    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve())
        port = await server.listening()
        began = now()
        base_url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base_url, timeout=60, trust_env=False) as client:
            async with asyncio.TaskGroup() as asking:
                for number in range(requests):
                    asking.create_task(ask(client, number))
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/slow", params={"for": 50}, timeout=5)
        server.should_exit = True
    return answers


def test_a_real_http_server_and_client_run_inside() -> None:
    real = time.perf_counter()
    answers = run_virtual(lambda: _real_http(20), seed=1)
    assert time.perf_counter() - real < 10
    assert {(number, text) for number, _, text in answers} == {(number, "done") for number in range(20)}
    assert all(took == pytest.approx(20 + number % 7) for number, took, _ in answers)
    assert run_virtual(lambda: _real_http(20), seed=1) == answers


def test_an_outside_client_is_waited_for() -> None:
    async def main() -> bytes:
        got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            got.set_result(await reader.read())
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()

        def call() -> None:
            with socket.create_connection(address) as connection:
                connection.sendall(b"hello")

        thread = threading.Timer(0.05, call)
        thread.start()
        async with server:
            data = await got
        thread.join()
        await asyncio.sleep(1)
        return data

    assert run_virtual(main) == b"hello"


@pytest.fixture
def seven() -> int:
    return 7


@pytest.mark.parametrize("factor", [1, 2])
@virtual(seed=3, start=50.0)
async def test_the_decorator_keeps_fixtures_and_parameters(seven: int, factor: int) -> None:
    """This docstring stays as well."""
    await asyncio.sleep(seven * factor)
    assert now() == 50.0 + seven * factor
