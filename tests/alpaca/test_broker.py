"""The broker's answers: a table from what Alpaca says to what we say."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from fillwatch.brokers.base import (
    Accepted,
    Account,
    AlreadyTerminal,
    Fills,
    Listing,
    MarketClock,
    NotThere,
    Operation,
    Positions,
    Refused,
    Requested,
    Unknown,
)
from fillwatch.core.errors import (
    AmbiguousError,
    BrokerError,
    KeysRefused,
    PermanentError,
    RateLimited,
    TransientError,
)
from fillwatch.core.evidence import Missing, Route, Seen, Unanswered
from fillwatch.core.orders import OrderRequest, OrderStatus, Side
from tests.alpaca.wire import ORDER, OTHER, recorded, row, scripted

pytestmark = pytest.mark.asyncio
NOT_FOUND = {"code": 40410000, "message": f"order not found for {ORDER}"}
PAGE = "<html><body>nginx</body></html>"
ASKED = OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(10), client_order_id="mine-1")


def state(name: str) -> dict[str, object]:
    return {"code": 42210000, "message": f'order is already in "{name}" state'}


def says(status: int, body: object = "", **headers: str) -> httpx.Response:
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return httpx.Response(status, content=text, headers={k.replace("_", "-"): v for k, v in headers.items()})


LOOKS = [
    (200, row(), Seen),
    (200, row(OTHER), AmbiguousError),
    (200, row(status=None), AmbiguousError),
    (200, "", AmbiguousError),
    (200, PAGE, AmbiguousError),
    (200, json.dumps(row())[:-9], AmbiguousError),
    (200, [row()], AmbiguousError),
    (200, "null", AmbiguousError),
    (204, "", AmbiguousError),
    (302, "", AmbiguousError),
    (400, {"code": 40010001, "message": "order_id is malformed"}, PermanentError),
    (400, PAGE, AmbiguousError),
    (401, {"message": "unauthorized."}, KeysRefused),
    (401, PAGE, KeysRefused),
    (403, {"message": "forbidden."}, KeysRefused),
    (403, {"code": 40110000, "message": "request is not authorized"}, KeysRefused),
    (403, {"code": 40310000, "message": "insufficient buying power"}, PermanentError),
    (403, PAGE, AmbiguousError),
    (404, NOT_FOUND, Missing),
    (404, {"message": "order not found"}, Missing),
    (404, PAGE, AmbiguousError),
    (404, "", AmbiguousError),
    (404, {"detail": "Not Found"}, AmbiguousError),
    (404, {"message": "no Route matched with those values"}, AmbiguousError),
    (408, "", TransientError),
    (429, {"code": 42910000, "message": "rate limit exceeded"}, RateLimited),
    (429, PAGE, RateLimited),
    (500, {"code": 50010000, "message": "internal server error"}, TransientError),
    (502, PAGE, TransientError),
    (504, "", TransientError),
    (418, {"message": "I am a teapot"}, PermanentError),
    (999, "", AmbiguousError),
]


@pytest.mark.parametrize(("status", "body", "expected"), LOOKS)
async def test_look(status: int, body: object, expected: type) -> None:
    """Only a whole order with the right id is `Seen`, only Alpaca's own 404 `Missing`; all else is `Unanswered`."""
    broker = scripted(lambda request: says(status, body))
    look = await broker.look(ORDER.upper())
    assert look.route is Route.ORDER
    if issubclass(expected, BrokerError):
        assert isinstance(look, Unanswered)
        assert type(look.error) is expected
    else:
        assert type(look) is expected
    await broker.aclose()


@pytest.mark.parametrize(
    "bad", ["", " ", "../account", "x?y", ORDER + "/", ORDER + "?a=b", ORDER[:-1], "None", f"{{{ORDER}}}"]
)
async def test_an_id_that_is_no_uuid_never_reaches_a_path(bad: str) -> None:
    """`DELETE /v2/orders/` would cancel everything."""
    asked: list[httpx.Request] = []
    broker = recorded(asked, says(200, row()))
    for call in (broker.look, broker.cancel):
        with pytest.raises(ValueError, match="order_id"):
            await call(bad)
    assert not asked
    assert broker.check_order_id(ORDER.replace("-", "").upper()) == ORDER
    await broker.aclose()


async def test_a_client_id_goes_as_a_parameter_whatever_is_in_it() -> None:
    """Slashes and ampersands in it change nothing; an answer about another order is none."""
    asked: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return says(200, row(client_order_id="a/b&c=d?"))

    broker = scripted(answer)
    look = await broker.look_by_client_id("a/b&c=d?")
    assert isinstance(look, Seen)
    assert look.route is Route.CLIENT_ID
    assert asked[0].path == "/v2/orders:by_client_order_id"
    assert dict(asked[0].params) == {"client_order_id": "a/b&c=d?"}
    assert isinstance(await broker.look_by_client_id("another"), Unanswered)
    for bad in ("", "x" * 129):
        with pytest.raises(ValueError, match="client_order_id"):
            await broker.look_by_client_id(bad)
    await broker.aclose()


CANCELS = [
    (204, "", Requested()),
    (200, {}, Requested()),
    (207, "<html>", Requested()),
    (422, state("filled"), OrderStatus.FILLED),
    (422, state("canceled"), OrderStatus.CANCELED),
    (422, state("expired"), OrderStatus.EXPIRED),
    (422, state("rejected"), OrderStatus.REJECTED),
    (422, state("replaced"), OrderStatus.REPLACED),
    (422, {"code": 42210000, "message": "leg order is already in filled state"}, OrderStatus.FILLED),
    (422, state("pending_cancel"), (Refused, AmbiguousError)),
    (422, state("pending_replace"), (Refused, AmbiguousError)),
    (422, state("bewitched"), (Refused, AmbiguousError)),
    (422, {"code": 42210000, "message": "sub-penny increment"}, (Refused, PermanentError)),
    (422, PAGE, (Unknown, AmbiguousError)),
    (404, NOT_FOUND, NotThere),
    (404, PAGE, (Unknown, AmbiguousError)),
    (403, {"code": 40310000, "message": "account is restricted"}, (Refused, PermanentError)),
    (403, PAGE, (Unknown, AmbiguousError)),
    (401, {"message": "unauthorized."}, (Refused, KeysRefused)),
    (429, "", (Unknown, RateLimited)),
    (500, "", (Unknown, TransientError)),
    (504, PAGE, (Unknown, TransientError)),
    (302, "", (Unknown, AmbiguousError)),
]


@pytest.mark.parametrize(("status", "body", "expected"), CANCELS)
async def test_cancel(status: int, body: object, expected: object) -> None:
    """A 2xx is a request taken; a 422 is parsed for its state; what is not understood is `Unknown`."""
    asked: list[httpx.Request] = []
    broker = recorded(asked, says(status, body))
    answer = await broker.cancel(ORDER)
    assert [(request.method, request.url.path) for request in asked] == [("DELETE", f"/v2/orders/{ORDER}")]
    match expected:
        case OrderStatus():
            assert isinstance(answer, AlreadyTerminal)
            assert answer.status is expected
        case (kind, error):
            assert isinstance(answer, Refused | Unknown)
            assert (type(answer), type(answer.error)) == (kind, error)
        case type():
            assert type(answer) is expected
        case _:
            assert answer == expected
    await broker.aclose()


SUBMITS = [
    (200, row(status="accepted"), Accepted),
    (201, row(client_order_id=""), Accepted),
    (200, row(client_order_id="theirs"), (Unknown, AmbiguousError)),
    (200, "", (Unknown, AmbiguousError)),
    (200, json.dumps(row())[:-5], (Unknown, AmbiguousError)),
    (403, {"code": 40310000, "message": "insufficient buying power"}, (Refused, PermanentError)),
    (422, {"code": 42210000, "message": "asset not found"}, (Refused, PermanentError)),
    (401, {"message": "unauthorized."}, (Refused, KeysRefused)),
    (400, PAGE, (Unknown, AmbiguousError)),
    (404, PAGE, (Unknown, AmbiguousError)),
    (429, {"message": "too many requests."}, (Unknown, RateLimited)),
    (500, "", (Unknown, TransientError)),
    (504, PAGE, (Unknown, TransientError)),
]


@pytest.mark.parametrize(("status", "body", "expected"), SUBMITS)
async def test_submit(status: int, body: object, expected: object) -> None:
    """Sent once; `Refused` only when Alpaca itself said no; an answer nobody can read is `Unknown`."""
    asked: list[httpx.Request] = []
    broker = recorded(asked, says(status, body))
    answer = await broker.submit(ASKED)
    assert [(request.method, request.url.path) for request in asked] == [("POST", "/v2/orders")]
    if isinstance(answer, Accepted):
        assert expected is Accepted
        assert answer.order.client_order_id == "mine-1"
    else:
        assert (type(answer), type(answer.error)) == expected
    await broker.aclose()


@pytest.mark.parametrize("code", [40010001, 42210000])
@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (says(200, row(status="filled")), Accepted),
        (says(200, row(symbol="TSLA")), Refused),
        (says(200, row(side="sell")), Refused),
        (says(200, row(qty="11")), Refused),
        (says(200, row(qty="10.000")), Accepted),
        (says(404, NOT_FOUND), Unknown),
        (says(500), Unknown),
    ],
)
async def test_a_client_id_that_is_taken_is_looked_up(code: int, found: httpx.Response, expected: type) -> None:
    """It arrived before: ours if symbol, side and quantity agree. Nothing is posted again."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        return (
            says(422, {"code": code, "message": "client_order_id must be unique"})
            if request.method == "POST"
            else found
        )

    broker = scripted(answer)
    assert type(await broker.submit(ASKED)) is expected
    assert asked == ["POST", "GET"]
    await broker.aclose()


START = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)


def page(count: int, start: datetime = START, step: timedelta = timedelta(seconds=-1)) -> list[dict[str, object]]:
    times = [(start + n * step).strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z" for n in range(count)]
    return [row(f"00000000-0000-4000-8000-{n:012x}", submitted_at=at) for n, at in enumerate(times)]


async def listed(rows: object, **bounds: datetime) -> Listing:
    broker = scripted(lambda request: says(200, rows))
    listing = await broker.list(**bounds)
    await broker.aclose()
    assert isinstance(listing, Listing)
    return listing


async def test_a_page_that_is_not_full_is_complete() -> None:
    """Fewer rows than asked for: nothing older exists."""
    listing = await listed(page(499))
    assert (len(listing.orders), listing.complete, listing.until) == (499, True, None)


async def test_a_full_page_says_where_to_go_on() -> None:
    """The cursor lies one microsecond after the oldest row, whose nanoseconds were cut."""
    listing = await listed(page(500))
    assert not listing.complete
    assert listing.until == START - timedelta(seconds=499) + timedelta(microseconds=1)


async def test_unreadable_rows_count_towards_a_full_page() -> None:
    """A page of 499 orders and one row of nonsense is full, and proves no absence."""
    listing = await listed([*page(499), {"id": 5}])
    assert (listing.complete, listing.unreadable, len(listing.orders)) == (False, 1, 499)


async def test_a_cursor_that_cannot_move_is_no_cursor() -> None:
    """All rows of one time, an ignored `until`, the wrong direction, no times at all: not provable, and no loop."""
    same = page(500, step=timedelta(0))
    first = await listed(same)
    assert first.until is not None
    for rows, until in (
        (same, first.until),
        (page(500), START - timedelta(hours=1)),
        (page(500, step=timedelta(seconds=1)), None),
        ([row(f"00000000-0000-4000-8000-{n:012x}", submitted_at=None, created_at=None) for n in range(500)], None),
    ):
        listing = await listed(rows, **({} if until is None else {"until": until}))
        assert (listing.complete, listing.until) == (False, None)


async def test_paging_through_ties_terminates_and_misses_nothing() -> None:
    """1,200 orders, many sharing a time at the seams, from a broker that honours `until`: each is seen."""
    rows = [
        row(f"00000000-0000-4000-8000-{n:012x}", submitted_at=(START - timedelta(seconds=n // 40)).isoformat())
        for n in range(1200)
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        until = request.url.params.get("until", "9999")
        assert request.url.params["direction"] == "desc"
        older = [r for r in rows if datetime.fromisoformat(str(r["submitted_at"])) < datetime.fromisoformat(until)]
        return says(200, older[:500])

    rows.sort(key=lambda r: str(r["submitted_at"]), reverse=True)
    broker = scripted(lambda request: answer(request) if "until" in request.url.params else says(200, rows[:500]))
    seen: set[str] = set()
    until: datetime | None = None
    for _ in range(4):
        listing = await broker.list(until=until)
        assert isinstance(listing, Listing)
        seen |= {order.order_id for order in listing.orders}
        if listing.complete:
            break
        until = listing.until
    assert len(seen) == 1200
    await broker.aclose()


async def test_a_row_that_comes_twice_is_given_once() -> None:
    """Pages that shift while they are read repeat rows."""
    listing = await listed([row(), row(OTHER), row(ORDER.upper())])
    assert [order.order_id for order in listing.orders] == [ORDER, OTHER]


async def test_what_the_list_is_asked_with() -> None:
    """Every status, the largest page, newest first, bounds in RFC 3339 with microseconds."""
    asked: list[httpx.Request] = []
    broker = recorded(asked, says(200, []))
    await broker.list(after=START, until=START + timedelta(hours=1))
    assert dict(asked[0].url.params) == {
        "status": "all",
        "limit": "500",
        "direction": "desc",
        "nested": "false",
        "after": "2026-03-02T14:30:00.000000Z",
        "until": "2026-03-02T15:30:00.000000Z",
    }
    await broker.aclose()


def executed(n: int) -> dict[str, object]:
    return {"id": f"20260302093000{n:03d}::e{n}", "type": "fill", "qty": "1", "price": "2", "order_id": ORDER}


async def test_the_tape_is_paged_by_the_raw_id_of_a_row() -> None:
    """A full page goes on before its last row; a short one ends it; a token that stands still is no token."""
    asked: list[httpx.URL] = []
    rows = [executed(n) for n in range(150)]

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        token = request.url.params.get("page_token")
        start = 0 if token is None else 1 + [r["id"] for r in rows].index(token)
        return says(200, rows[start : start + 100])

    broker = scripted(answer)
    first = await broker.fills(after=START)
    assert isinstance(first, Fills)
    assert (first.complete, first.page_token) == (False, rows[98]["id"])
    second = await broker.fills(after=START, page_token=first.page_token)
    assert isinstance(second, Fills)
    assert (second.complete, second.page_token, len(second.executions)) == (True, None, 51)
    assert asked[0].path == "/v2/account/activities/FILL"
    assert dict(asked[0].params) == {"direction": "asc", "page_size": "100", "after": "2026-03-02T14:30:00.000000Z"}
    await broker.aclose()

    deaf = scripted(lambda request: says(200, rows[:100]))
    again = await deaf.fills(page_token=str(rows[98]["id"]))
    assert isinstance(again, Fills)
    assert (again.complete, again.page_token) == (False, None)
    await deaf.aclose()


@pytest.mark.parametrize("at_once", [1, 7, 150, 250])
async def test_no_row_is_lost_on_the_seam_of_pages_whose_rows_come_in_any_order(at_once: int) -> None:
    """Rows of one millisecond have no order, so each answer gives them another (alpacahq/Alpaca-API issue 170); only
    where they fill whole pages there is nothing that could be done about it."""
    draw = random.Random(4)
    rows = [executed(n) | {"id": f"20260302093000{n // at_once:03d}::e{n}"} for n in range(250)]

    def answer(request: httpx.Request) -> httpx.Response:
        token = request.url.params.get("page_token")
        ordered = rows if at_once >= 100 else sorted(rows, key=lambda row: (str(row["id"])[:17], draw.random()))
        start = 0 if token is None else 1 + [row["id"] for row in ordered].index(token)
        return says(200, ordered[start : start + 100])

    broker = scripted(answer)
    pages = [await broker.fills(after=START)]
    while isinstance(page := pages[-1], Fills) and not page.complete and len(pages) < 5:
        pages.append(await broker.fills(after=START, page_token=page.page_token))
    assert len(pages) == (4 if at_once == 150 else 3)
    told = {row.execution_id for page in pages if isinstance(page, Fills) for row in page.executions}
    assert told == {f"e{n}" for n in range(250)}
    await broker.aclose()


async def test_a_tape_that_is_not_there_is_given_up_after_two_404s_in_a_row() -> None:
    """One may be an accident, and an answer in between starts the count anew."""
    statuses = iter([404, 200, 404, 500, 404, 404])
    broker = scripted(lambda request: says(next(statuses), "[]"))
    for _ in range(5):
        await broker.fills()
        assert broker.caps.fills_page_size == 100
    await broker.fills()
    assert broker.caps.fills_page_size == 0
    await broker.aclose()


async def test_the_other_routes() -> None:
    """Positions with the broker's time, the account, the clock; nonsense instead is `Unanswered`."""
    bodies = {
        "/v2/positions": [{"symbol": "AAPL", "qty": "-2"}],
        "/v2/account": {"id": "a", "status": "ACTIVE", "currency": "USD", "buying_power": "5"},
        "/v2/clock": {
            "timestamp": "2026-03-02T09:30:00-05:00",
            "is_open": True,
            "next_open": "2026-03-03T09:30:00-05:00",
            "next_close": "2026-03-02T16:00:00-05:00",
        },
    }
    broker = scripted(
        lambda request: says(200, bodies[request.url.path], date="Mon, 02 Mar 2026 14:30:07 GMT"),
    )
    positions, account, clock = await broker.positions(), await broker.account(), await broker.clock()
    assert isinstance(positions, Positions)
    assert positions.quantities == {"AAPL": Decimal(-2)}
    assert positions.at == datetime(2026, 3, 2, 14, 30, 7, tzinfo=UTC)
    assert isinstance(account, Account)
    assert account.can_trade
    assert isinstance(clock, MarketClock)
    assert clock.at == START
    assert all(broker.cost(operation) == 1 for operation in Operation)
    await broker.aclose()

    broker = scripted(lambda request: says(200, PAGE))
    for answer in (await broker.positions(), await broker.account(), await broker.clock(), await broker.list()):
        assert isinstance(answer, Unanswered)
    await broker.aclose()


DATE = "Mon, 02 Mar 2026 14:30:00 GMT"
RESET = str(int(START.timestamp()) + 25)


@pytest.mark.parametrize(
    ("headers", "reset_in"),
    [
        ({}, None),
        ({"date": DATE, "X_Ratelimit_Reset": RESET}, 25.0),
        ({"date": DATE, "x_ratelimit_reset": RESET, "retry_after": "3"}, 25.0),
        ({"retry_after": "3"}, 3.0),
        ({"date": DATE, "retry_after": "Mon, 02 Mar 2026 14:30:09 GMT"}, 9.0),
        ({"x_ratelimit_reset": RESET}, None),
        ({"date": DATE, "x_ratelimit_reset": RESET + "000"}, None),
        ({"date": DATE, "x_ratelimit_reset": "1"}, 0.0),
        ({"date": "never", "x_ratelimit_reset": "soon", "retry_after": "-1"}, None),
    ],
)
async def test_how_long_a_429_lasts(headers: dict[str, str], reset_in: float | None) -> None:
    """Read against the answer's own date, so that our clock's error does not count; unreadable is None."""
    broker = scripted(lambda request: says(429, "", **headers))
    look = await broker.look(ORDER)
    assert isinstance(look, Unanswered)
    assert isinstance(look.error, RateLimited)
    assert look.error.reset_in == reset_in
    await broker.aclose()


async def test_the_quota_is_what_the_headers_last_said() -> None:
    """In any case of letters; an answer without them leaves it alone."""
    answers = iter(
        [
            says(500, "", X_RATELIMIT_LIMIT="200", X_RateLimit_Remaining="41", x_ratelimit_reset=RESET, Date=DATE),
            says(200, row()),
        ]
    )
    broker = scripted(lambda request: next(answers))
    before = broker.quota
    assert before is None
    for _ in range(2):
        await broker.look(ORDER)
        quota = broker.quota
        assert quota is not None
        assert (quota.limit, quota.remaining, quota.reset_in) == (200, 41, 25.0)
    await broker.aclose()


async def test_what_a_broker_says_is_made_plain_before_it_is_shown() -> None:
    """Escape sequences, line breaks and markup in a message reach nobody's terminal."""
    body = {"code": 40310000, "message": "no\x1b[2J\r\nFILLED [red]all[/red] <b>well</b>\u202e"}
    broker = scripted(lambda request: says(403, body))
    look = await broker.look(ORDER)
    assert isinstance(look, Unanswered)
    assert look.error.message == "HTTP 403: no FILLED (red)all(/red) well"
    await broker.aclose()
