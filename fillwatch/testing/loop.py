"""An asyncio event loop whose clock is virtual: waiting costs nothing, and the order of ready tasks has a seed.

`time()` stands still while anything is ready to run. When everything waits, it jumps to the next timer; when there is
no timer either, and nobody outside who could wake a task, the run ends at once with `Deadlock`. So a 60-second timeout
takes microseconds, and times can be asserted to the last digit.

Tasks that are ready at the same moment run in an order drawn from the seed: the same seed gives the same run, other
seeds find the races that asyncio's fixed order hides. A task may run later than asyncio would have let it, but never
before a callback that was scheduled ahead of it, and callbacks keep their order, which asyncio promises to transports.

Sockets work as long as both ends are in this loop. Work of `asyncio.to_thread` and `run_in_executor` is waited for
while the virtual clock stands still; for other threads there is `VirtualLoop.outside()`. Whatever reads the clock of
the machine (`time.monotonic`, `anyio.to_thread`, another process) does not know of virtual time.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import heapq
import math
import random
import selectors
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, TypeVarTuple, overload

from fillwatch.testing.shuffle import shuffled
from fillwatch.testing.stuck import Deadlock, LeftOverTasks, Livelock, told

if TYPE_CHECKING:
    from collections import deque

__all__ = [
    "Deadlock",
    "LeftOverTasks",
    "Livelock",
    "VirtualLoop",
    "VirtualRunner",
    "run_virtual",
    "virtual",
    "virtual_runner",
]

T = TypeVar("T")
P = ParamSpec("P")
Args = TypeVarTuple("Args")

#: Real seconds given to bytes on their way between two sockets of this loop before the clock may jump.
SOCKET_PATIENCE = 0.001
#: Real seconds given to threads and other processes while no timer could go off instead.
OUTSIDE_PATIENCE = 30.0
#: Turns of the loop within one virtual millisecond, after which a run is taken for one that will never end.
MAX_TURNS = 1_000_000


class VirtualLoop(asyncio.SelectorEventLoop):
    """A selector event loop on virtual time; `run_virtual` is the usual way to use it.

    `seed` orders ready tasks, `start` is the first reading of the clock and `limit` the virtual seconds a run may
    take. `failures` collects what the loop's exception handler is given: errors that no task's awaiter has seen.
    """

    # Kept by asyncio in private places; there is no public way to reorder ready tasks.
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _selector: selectors.BaseSelector
    _stopping: bool
    _timer_cancelled_count: int
    _clock_resolution: float

    def __init__(self, *, seed: int = 0, start: float = 1_000.0, limit: float = 1e6) -> None:
        self._now = start
        self._end = start + limit
        self._random = random.Random(seed)
        self._outside = 0
        self._turns = 0
        self._counted_since = start
        self.failures: list[BaseException] = []
        super().__init__()
        self._own_sockets = len(self._selector.get_map())
        self._clock_resolution = math.ulp(start)
        self.set_exception_handler(_record_failure)

    def time(self) -> float:
        """The virtual clock, in seconds."""
        return self._now

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Keep the clock still inside the block: a thread or another process is at work and will wake a task."""
        self._outside += 1
        try:
            yield
        finally:
            self._outside -= 1

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Args], T], *args: *Args) -> asyncio.Future[T]:
        """As in asyncio; the virtual clock stands still until the work is done."""
        future = super().run_in_executor(executor, func, *args)
        self._outside += 1
        future.add_done_callback(self._came_back)
        return future

    def _came_back(self, _: asyncio.Future[Any]) -> None:
        self._outside -= 1

    async def shutdown_default_executor(self, *_: float | None) -> None:
        """As in asyncio; the virtual clock stands still until the threads have ended."""
        with self.outside():
            await super().shutdown_default_executor()

    def _run_once(self) -> None:
        if not self._ready and not self._stopping:
            self._pass_time()
        self._count_turn()
        if len(self._ready) > 1:
            handles = list(self._ready)
            # A thread may append a handle meanwhile; it stays where it is, at the end.
            for _ in handles:
                self._ready.popleft()
            self._ready.extendleft(reversed(shuffled(handles, self._random)))
        super()._run_once()  # type: ignore[misc]  # private to asyncio, and the one place where a turn can be prepared

    def _pass_time(self) -> None:
        """Nothing is ready: look outside, and if nothing comes from there jump to the next timer."""
        # Events found here are not taken: the selector is level-triggered, the turn that follows sees them again.
        due = self._next_due()
        has_sockets = len(self._selector.get_map()) > self._own_sockets
        if self._outside or (has_sockets and due is None):
            if not self._selector.select(OUTSIDE_PATIENCE):
                raise Deadlock(f"nothing came from outside in {OUTSIDE_PATIENCE:g} s, {self._state()}")
        elif due is None:
            raise Deadlock(f"every task waits and no timer is set, {self._state()}")
        elif not (has_sockets and self._selector.select(SOCKET_PATIENCE)):
            self._jump_to(due)

    def _next_due(self) -> float | None:
        """When the next timer goes off; None when none ever will (some libraries wait for ever by waiting `inf`)."""
        while self._scheduled and self._scheduled[0].cancelled():
            handle = heapq.heappop(self._scheduled)
            handle._scheduled = False  # type: ignore[attr-defined]  # as asyncio does when it drops a cancelled timer
            self._timer_cancelled_count -= 1
        when = self._scheduled[0].when() if self._scheduled else math.inf
        return None if math.isinf(when) else when

    def _jump_to(self, when: float) -> None:
        if when > self._end:
            raise Livelock(f"the next timer is due past the limit of virtual seconds, {self._state()}")
        self._now = max(self._now, when)
        # With the next greater float as the bound, timers due now are run and those due a hair later are not.
        self._clock_resolution = math.ulp(self._now)

    def _count_turn(self) -> None:
        self._turns += 1
        if self._now - self._counted_since >= 0.001:
            self._counted_since, self._turns = self._now, 0
        elif self._turns > MAX_TURNS:
            self._turns = 0  # the cleaning up that follows has turns of its own
            raise Livelock(f"{MAX_TURNS} turns of the loop without time passing, {self._state()}")

    def _state(self) -> str:
        return f"at {self._now!r} s of the virtual clock;{told(asyncio.all_tasks(self))}"


def run_virtual(
    main: Callable[[], Coroutine[Any, Any, T]], *, seed: int = 0, start: float = 1_000.0, limit: float = 1e6
) -> T:
    """Run `main()` on a virtual loop of its own and return what it returns.

    The clock starts at `start` (not 0, so that a time mistaken for a duration shows). Raises what `main` raises;
    `Deadlock` or `Livelock` when it cannot end; `LeftOverTasks` when it returns with tasks still running; and the
    first error that reached the loop's exception handler, when there was one. Every error carries a note naming the
    seed. Whatever happens, tasks are cancelled, asynchronous generators, executor and loop are closed.
    """
    with virtual_runner(seed=seed, start=start, limit=limit) as run:
        return run(main)


class VirtualRunner:
    """Runs one coroutine after another on the same virtual loop, as `run_virtual` does; `virtual_runner` makes one."""

    def __init__(self, loop: VirtualLoop, runner: asyncio.Runner, seed: int) -> None:
        self.loop = loop
        self._runner = runner
        self._seed = seed

    def __call__(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `main()` to its end and return what it returns; time goes on where it stood."""
        with ExitStack() as stack:
            stack.push(self.explain)
            return self._runner.run(_alone(main))

    def explain(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        """Add to an error, if there is one, what is needed to replay it."""
        if error is not None:
            error.add_note(f"virtual loop: seed={self._seed}, at {self.loop.time()!r} s of the virtual clock")
            for failure in self.loop.failures:
                if failure is not error:
                    error.add_note(f"the loop's exception handler saw: {failure!r}")


@contextmanager
def virtual_runner(*, seed: int = 0, start: float = 1_000.0, limit: float = 1e6) -> Iterator[VirtualRunner]:
    """A virtual loop that is there before anything runs on it, for what is to be made ahead of `run_virtual`."""
    loop = VirtualLoop(seed=seed, start=start, limit=limit)
    with ExitStack() as stack:
        # What was there before needs no second look by the collector, whose full run then costs little: tasks that
        # failed unseen inside a reference cycle are reported when they are collected, not before.
        gc.freeze()
        stack.callback(gc.unfreeze)
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.get_loop()
            run = VirtualRunner(loop, runner, seed)
            yield run
        gc.collect()
        if loop.failures:
            run.explain(None, loop.failures[0], None)
            raise loop.failures[0]


@overload
def virtual(test: Callable[P, Coroutine[Any, Any, T]], /) -> Callable[P, T]: ...
@overload
def virtual(
    *, seed: int = 0, start: float = 1_000.0, limit: float = 1e6
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, T]]: ...
def virtual(
    test: Callable[P, Coroutine[Any, Any, T]] | None = None,
    /,
    *,
    seed: int = 0,
    start: float = 1_000.0,
    limit: float = 1e6,
) -> Callable[P, T] | Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, T]]:
    """Make an asynchronous test an ordinary one that runs under `run_virtual`: `@virtual` or `@virtual(seed=3)`.

    Arguments pass through, so that fixtures, parametrisation and Hypothesis (`@given` above `@virtual`) work as usual.
    """

    def wrap(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
        @functools.wraps(test)
        def in_virtual_time(*args: P.args, **kwargs: P.kwargs) -> T:
            return run_virtual(lambda: test(*args, **kwargs), seed=seed, start=start, limit=limit)

        return in_virtual_time

    return wrap if test is None else wrap(test)


async def _alone(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    result = await main()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    if others:
        raise LeftOverTasks(f"{len(others)} tasks were left running:{told(others)}")
    return result


def _record_failure(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    assert isinstance(loop, VirtualLoop)
    loop.failures.append(context.get("exception") or RuntimeError(str(context["message"])))
