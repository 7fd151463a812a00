"""Records every exchange of a served world, from in front of it: an ASGI application around the server's own."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and what was answered. `headers` are the answer's, their names in lower case."""

    method: str
    path: str
    query: str = ""
    agent: str = ""
    sent: bytes = b""
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def is_json(self) -> bool:
        """Whether the answer says that it is JSON."""
        return self.headers.get("content-type", "").partition(";")[0] == "application/json"

    def json(self) -> Any:  # noqa: ANN401 - what json.loads gives
        """The answer's body; `ValueError` when it is not JSON, NaN and infinities included."""
        return json.loads(self.body, parse_constant=_no_number)

    def __str__(self) -> str:
        query = f"?{self.query}" if self.query else ""
        return f"{self.method} {self.path}{query} {self.sent[:200]!r} -> {self.status} {self.body[:300]!r}"


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is not JSON")


class Witness:
    """The exchanges of any number of applications. One that was cut off or reset is none.

    Statuses that a test provokes are `pardoned`: their exchanges are not kept.
    """

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.pardoned: set[int] = set()

    def before(self, application: ASGIApp) -> ASGIApp:
        """An application that does what `application` does, while the witness looks on."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await application(scope, receive, send)
                return
            sent, parts, start, gone = bytearray(), bytearray(), dict[str, Any](), False

            async def receiving() -> Message:
                nonlocal gone
                message = await receive()
                gone |= message["type"] == "http.disconnect" and not start
                sent.extend(message.get("body", b""))
                return message

            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    start.update(message)
                else:
                    parts.extend(message.get("body", b""))
                    if not message.get("more_body") and not gone and start["status"] not in self.pardoned:
                        self.exchanges.append(_exchange(scope, bytes(sent), start, bytes(parts)))
                await send(message)

            await application(scope, receiving, sending)

        return watched

    @contextmanager
    def watching(self) -> Iterator[Witness]:
        """Every exchange inside the block is witnessed, whoever made the application and whatever serves it."""
        answer = Starlette.__call__

        async def watched(application: Starlette, scope: Scope, receive: Receive, send: Send) -> None:
            await self.before(functools.partial(answer, application))(scope, receive, send)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Starlette, "__call__", watched)
            yield self


def _exchange(scope: Scope, sent: bytes, start: Mapping[str, Any], body: bytes) -> Exchange:
    asked = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    answered = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]}
    return Exchange(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        agent=asked.get("user-agent", ""),
        sent=sent,
        status=start["status"],
        headers=answered,
        body=body,
    )
