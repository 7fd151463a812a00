"""Keys are never shown, addresses are checked, and nothing is imported before its time."""

from __future__ import annotations

import asyncio
import io
import logging
import pickle
import subprocess
import sys
import traceback
from collections.abc import Iterator

import httpx
import pytest
from alpaca.trading.client import TradingClient
from loguru import logger

from fillwatch.brokers import adapt
from fillwatch.brokers.alpaca import AlpacaBroker
from fillwatch.brokers.alpaca.client import Caps, Client
from fillwatch.brokers.alpaca.keys import Credentials, Endpoint, Secret
from fillwatch.brokers.alpaca.transport import Transport
from fillwatch.brokers.base import Broker
from fillwatch.core.evidence import Unanswered
from tests.alpaca.wire import KEY, ORDER, QUICK, SECRET, Request, http, serving, transport

LIVE = "https://api.alpaca.markets"


def test_paper_is_the_default() -> None:
    """Construction needs no loop; the repr shows the address and the start of the key id."""
    broker = AlpacaBroker(KEY, SECRET)
    assert repr(broker) == "AlpacaBroker(base_url='https://paper-api.alpaca.markets', api_key='PKCA…', live=False)"
    assert broker.stream_url == "wss://paper-api.alpaca.markets/stream"
    assert isinstance(broker, Broker)


@pytest.mark.parametrize(
    ("url", "base", "stream"),
    [
        (
            "https://paper-api.alpaca.markets/",
            "https://paper-api.alpaca.markets",
            "wss://paper-api.alpaca.markets/stream",
        ),
        (
            "https://paper-api.alpaca.markets/v2",
            "https://paper-api.alpaca.markets",
            "wss://paper-api.alpaca.markets/stream",
        ),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "ws://127.0.0.1:8000/stream"),
        ("http://localhost:8000/v2/", "http://localhost:8000", "ws://localhost:8000/stream"),
        ("http://[::1]:8000", "http://[::1]:8000", "ws://[::1]:8000/stream"),
        ("https://proxy.example/alpaca", "https://proxy.example/alpaca", "wss://proxy.example/alpaca/stream"),
    ],
)
def test_addresses_that_are_taken(url: str, base: str, stream: str) -> None:
    """Trailing slashes and `/v2` are forgiven."""
    broker = AlpacaBroker(KEY, SECRET, url)
    assert f"base_url={base!r}" in repr(broker)
    assert broker.stream_url == stream


@pytest.mark.parametrize(
    ("url", "live", "word"),
    [
        (LIVE, False, "live"),
        ("https://API.alpaca.markets./v2", False, "live"),
        ("https://paper-api.alpaca.markets", True, "live"),
        ("http://127.0.0.1:8000", True, "live"),
        ("http://paper-api.alpaca.markets", False, "this machine only"),
        ("http://127.0.0.1.example.org", False, "this machine only"),
        ("http://192.168.0.4", False, "this machine only"),
        ("ftp://127.0.0.1", False, "begin with"),
        ("paper-api.alpaca.markets", False, "begin with"),
        ("", False, "begin with"),
        ("https://", False, "begin with"),
        (f"https://user:{SECRET}@paper-api.alpaca.markets", False, "password"),
        ("https://paper-api.alpaca.markets?x=y", False, "query"),
        ("https://paper-api.alpaca.markets:99999", False, "port"),
        ("https://[paper", False, "no address"),
        ("https://paper api.alpaca.markets", False, "must be an address"),
        (None, False, "must be an address"),
    ],
)
def test_addresses_that_are_refused(url: str, live: bool, word: str) -> None:
    """Said which is wrong, without repeating what may hold a password."""
    with pytest.raises(ValueError, match=word) as caught:
        AlpacaBroker(KEY, SECRET, url, live=live)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_the_live_host_with_live_and_a_stream_of_ones_own() -> None:
    """Both together are taken; a live stream beside a paper account is not."""
    assert "live=True" in repr(AlpacaBroker(KEY, SECRET, LIVE, live=True))
    assert AlpacaBroker(KEY, SECRET, stream_url="ws://127.0.0.1:1/s").stream_url == "ws://127.0.0.1:1/s"
    for bad in ("wss://api.alpaca.markets/stream", "ws://example.org", "https://paper-api.alpaca.markets"):
        with pytest.raises(ValueError, match="stream_url"):
            AlpacaBroker(KEY, SECRET, stream_url=bad)


@pytest.mark.parametrize("bad", ["", " ", f"{SECRET}\n", f"{SECRET} {SECRET}", f"{SECRET}é", None, 7])
@pytest.mark.parametrize("which", ["api_key", "secret_key"])
def test_keys_that_cannot_be_right_are_refused_without_being_shown(bad: object, which: str) -> None:
    """The message names the argument and holds nothing of its value."""
    keys = {"api_key": KEY, "secret_key": SECRET} | {which: bad}
    with pytest.raises(ValueError, match=which) as caught:
        AlpacaBroker(**keys)  # type: ignore[arg-type]  # the wrong types are the point
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_secret_shows_itself_to_nobody() -> None:
    """Not by str, repr, format, dataclass repr or pickle."""
    secret = Secret("secret_key", SECRET)
    credentials = Credentials.keys(KEY, SECRET)
    for shown in (str(secret), repr(secret), f"{secret}", f"{secret!r:>50}", repr(credentials), str([secret])):
        assert "CANARY" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert Secret("api_key", "short").mask() == "…"


def test_from_env(monkeypatch: pytest.MonkeyPatch) -> None:
    """The missing variable is named; the live address still needs `live=True`."""
    for name in ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "APCA_API_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="APCA_API_KEY_ID"):
        AlpacaBroker.from_env()
    monkeypatch.setenv("APCA_API_KEY_ID", KEY)
    with pytest.raises(ValueError, match="APCA_API_SECRET_KEY"):
        AlpacaBroker.from_env()
    monkeypatch.setenv("APCA_API_SECRET_KEY", SECRET)
    assert "paper-api" in repr(AlpacaBroker.from_env())
    monkeypatch.setenv("APCA_API_BASE_URL", LIVE)
    with pytest.raises(ValueError, match="live"):
        AlpacaBroker.from_env()
    assert "live=True" in repr(AlpacaBroker.from_env(live=True))


class Subclassed(TradingClient):
    """What users make of it."""


def test_from_client_and_adapt() -> None:
    """A TradingClient, or a subclass of it, hands over its keys and address; `paper=False` is live."""
    paper = adapt(TradingClient(KEY, SECRET, paper=True))
    assert repr(paper) == "AlpacaBroker(base_url='https://paper-api.alpaca.markets', api_key='PKCA…', live=False)"
    assert "live=True" in repr(AlpacaBroker.from_client(TradingClient(KEY, SECRET, paper=False)))
    assert "127.0.0.1:8000" in repr(adapt(Subclassed(KEY, SECRET, url_override="http://127.0.0.1:8000")))
    assert "OAuth" in repr(adapt(TradingClient(oauth_token="token-CANARY-token")))
    assert adapt(paper) is paper
    for wrong in (None, "AlpacaBroker", object(), AlpacaBroker):
        with pytest.raises(TypeError, match="TradingClient"):
            adapt(wrong)
    with pytest.raises(TypeError, match="TradingClient"):
        AlpacaBroker.from_client(object())


def test_an_oauth_token_goes_as_a_bearer() -> None:
    """And no key headers with it."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(500)

    async def ask() -> None:
        endpoint = Endpoint.check("http://127.0.0.1:1", None, live=False)
        sender = Transport(endpoint, Credentials.token("token-CANARY"), wire=httpx.MockTransport(answer))
        broker = AlpacaBroker.over(sender)
        await broker.clock()
        await broker.aclose()

    asyncio.run(ask())
    assert asked[0].headers["authorization"] == "Bearer token-CANARY"
    assert "apca-api-key-id" not in asked[0].headers


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """loguru and logging at DEBUG, with local variables in tracebacks, into one text."""
    text = io.StringIO()
    logger.enable("fillwatch")
    sink = logger.add(text, level="DEBUG", diagnose=True, backtrace=True)
    handler = logging.StreamHandler(text)
    root = logging.getLogger()
    before = {name: logging.getLogger(name).level for name in ("", "httpx", "httpcore")}
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)
    logger.remove(sink)


async def echo(request: Request, writer: asyncio.StreamWriter) -> None:
    """Say the request's headers back, as an error."""
    writer.write(http(403, {"message": f"no: {request.headers}"}, x_echo=request.headers["apca-api-secret-key"]))
    await writer.drain()


async def echo_in_list(request: Request, writer: asyncio.StreamWriter) -> None:
    """Say them back where a list is expected."""
    writer.write(http(200, [str(request.headers), {"id": str(request.headers)}]))
    await writer.drain()


async def vanish(request: Request, writer: asyncio.StreamWriter) -> None:
    """Reset."""
    writer.transport.abort()


async def babble(request: Request, writer: asyncio.StreamWriter) -> None:
    """Speak no HTTP, and say the key back."""
    writer.write(f"HELO {request.headers['apca-api-secret-key']}\r\n\r\n".encode())
    await writer.drain()


def test_the_canary_sings_nowhere(everything_logged: io.StringIO) -> None:
    """Whatever fails: no repr, message, cause, traceback with locals, or log line holds a key."""
    shown: list[str] = []

    async def run() -> None:
        for handler in (echo, echo_in_list, vanish, babble):
            async with serving(handler) as server:
                broker = AlpacaBroker.over(transport(server.url))
                for call in (broker.look(ORDER), broker.list(), broker.fills(), broker.cancel(ORDER), broker.account()):
                    answer = await call
                    shown.append(repr(answer))
                    error = getattr(answer, "error", None)
                    if error is not None:
                        assert error.__cause__ is None
                        assert error.__context__ is None
                        assert error.__traceback__ is None
                        lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
                        shown.extend([str(error), *lines])
                        logger.opt(exception=error).error("shown")
                shown.extend([repr(broker), str(vars(broker)), repr(broker.quota)])
                await broker.aclose()

    asyncio.run(run())
    logging.getLogger("httpcore.http11").debug("a debug line that must not pass")
    text = everything_logged.getvalue() + "\n".join(shown)
    assert "HTTP Request" in text, "the libraries' INFO lines were captured, so the search is not vacuous"
    assert SECRET not in text
    assert KEY not in text
    assert "must not pass" not in text


def test_the_libraries_stay_at_info() -> None:
    """Even when the root logger is at DEBUG."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    try:
        sender = transport()
        asyncio.run(_once(sender))
        for name in ("httpx", "httpcore", "httpcore.http11"):
            assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)
    finally:
        root.setLevel(before)


async def _once(sender: Transport) -> None:
    broker = AlpacaBroker.over(sender)
    assert isinstance(await broker.look(ORDER), Unanswered)
    await broker.aclose()


def test_the_translation_of_an_error_names_its_type_and_no_key() -> None:
    """The library's message is kept, our keys are cut out of it, the object is not referred to."""
    sender = transport()
    client = Client(sender.endpoint, sender.credentials, QUICK, Caps(), lambda heard: None, None)
    request = httpx.Request("GET", "https://x", headers={"apca-api-secret-key": SECRET})
    error = client.translate(httpx.ConnectError(f"refused {SECRET}", request=request))
    assert str(error) == "ConnectError: refused ***"
    assert not [value for value in vars(error).values() if isinstance(value, httpx.Request | BaseException)]
    asyncio.run(client.aclose())


@pytest.mark.parametrize("module", ["fillwatch.brokers", "fillwatch.brokers.alpaca"])
def test_importing_loads_no_http_library_and_no_vendor(module: str) -> None:
    """Both are slow; they come with the first broker, or not at all."""
    code = f"import sys, {module}; print([m for m in ('httpx', 'alpaca', 'pandas', 'requests') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
