"""The control endpoint: what only whoever runs the simulator may see and do. No fault and no quota touches it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from fillwatch.simulator import scenarios
from fillwatch.simulator.clocks import Clock
from fillwatch.simulator.commands import perform
from fillwatch.simulator.keys import Keys
from fillwatch.simulator.wording import faults_as_data, number, table
from fillwatch.simulator.world import World

LONGEST_BODY = 1_000_000
#: Seconds by which a manual clock is moved at most in one request: every price tick on the way is looked at.
LONGEST_MOVE = 7 * 86_400.0

Asked = Callable[[World, Any], object]


def routes(world: World, keys: Keys) -> list[Route]:
    """The routes below `/sim`, for callers that show the same keys as to the API."""
    methods: dict[str, dict[str, Asked]] = {}
    for method, path, does in _ROUTES:
        methods.setdefault(path, {})[method] = does
    return [Route(path, _endpoint(world, keys, asked), methods=list(asked)) for path, asked in methods.items()]


def _endpoint(world: World, keys: Keys, methods: Mapping[str, Asked]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        if keys.problem(request.headers) is not None:
            return _said({"message": "unauthorized."}, 401)
        asked = methods.get(request.method, methods.get("GET"))  # a HEAD is a GET without the body
        assert asked is not None
        try:
            data = None if request.method in ("GET", "HEAD") else await _body(request)
            return _said(asked(world, data))
        except ClientDisconnect:
            return Response(status_code=400)
        except ValueError as error:
            return _said({"message": str(error)}, 422)

    return answer


async def _body(request: Request) -> object:
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LONGEST_BODY:
            raise ValueError(f"body: more than {LONGEST_BODY} bytes are not allowed")
    try:
        return json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"body: it is not JSON: {error}") from None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _said(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def _overview(world: World, _: object) -> object:
    now = world.advance()
    clock = world.clock
    due = world.next_due()
    return {
        "seed": world.seed,
        "seconds": now - world.start,
        "time": world.wall(now).isoformat(),
        "clock_rate": clock.rate if isinstance(clock, Clock) else 1.0,
        "next_due_in": None if due is None else max(due - now, 0.0),
        "orders": len(world.ledger.order_ids),
        "requests": len(world.ledger.arrivals),
        "reached": dict(sorted(world.reached.items())),
        "scenarios": list(scenarios.names()),
    }


def _clock(world: World, data: object) -> object:
    """Move a clock that is moved by hand: `advance` by seconds, or `to` seconds since the world began."""
    found = table(data, "clock", ("advance", "to"))
    if len(found) != 1:
        raise ValueError("clock: exactly one of advance and to is needed")
    clock = world.clock
    if not isinstance(clock, Clock) or not clock.is_manual:
        raise ValueError("clock: it goes by itself; start the simulator with --clock manual to move it")
    now = world.advance()
    there = (
        now + number(found["advance"], "clock.advance", least=0.0)
        if "advance" in found
        else world.start + number(found["to"], "clock.to")
    )
    if there > now + LONGEST_MOVE:
        raise ValueError(f"clock: at most {LONGEST_MOVE:g} s in one request are allowed, not {there - now:g}")
    clock.move_to(there)
    world.advance()
    world.wake()
    return {"seconds": there - world.start, "time": world.wall(there).isoformat()}


def _command(name: str) -> Asked:
    return lambda world, data: perform(world, name, data)


_ROUTES: tuple[tuple[str, str, Asked], ...] = (
    ("GET", "/sim", _overview),
    ("GET", "/sim/ledger", lambda world, _: world.ledger.as_dict()),
    ("GET", "/sim/faults", lambda world, _: faults_as_data(world.faults)),
    ("PUT", "/sim/faults", _command("faults")),
    ("PATCH", "/sim/faults", _command("change_faults")),
    ("POST", "/sim/scenario", _command("scenario")),
    ("POST", "/sim/prices", _command("prices")),
    ("POST", "/sim/orders", _command("orders")),
    ("POST", "/sim/strike", _command("strike")),
    ("POST", "/sim/clock", _clock),
)
