"""What is told once, to however many wait for it; a future is made when the first of them asks."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class Promise(Generic[T]):
    """A value or an error to come. It is less than half as large as a future, and few watches have theirs waited for.

    An error that nobody waits for is not reported as forgotten.
    """

    __slots__ = ("_error", "_future", "_loop", "_value")

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self._value: T | None = None
        self._error: BaseException | None = None
        self._future: asyncio.Future[T] | None = None

    def done(self) -> bool:
        """Whether it has been kept, broken, or cancelled by somebody who held its future."""
        if self._future is not None:
            return self._future.done()
        return self._value is not None or self._error is not None

    def set_result(self, value: T) -> None:
        """Keep it; `asyncio.InvalidStateError` if it is done."""
        if self.done():
            raise asyncio.InvalidStateError("the promise was kept or broken before")
        self._value = value
        if self._future is not None:
            self._future.set_result(value)

    def set_exception(self, error: BaseException) -> None:
        """Break it; `asyncio.InvalidStateError` if it is done."""
        if self.done():
            raise asyncio.InvalidStateError("the promise was kept or broken before")
        self._error = error
        if self._future is not None:
            self._break(self._future, error)

    @property
    def future(self) -> asyncio.Future[T]:
        """The same future for all: shield it, for one who cancels it cancels it for everybody."""
        if self._future is None:
            self._future = self._loop.create_future()
            if self._error is not None:
                self._break(self._future, self._error)
            elif self._value is not None:
                self._future.set_result(self._value)
        return self._future

    def _break(self, future: asyncio.Future[T], error: BaseException) -> None:
        future.set_exception(error)
        future.exception()
