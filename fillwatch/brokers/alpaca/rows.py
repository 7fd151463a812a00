"""Pages of JSON, row by row: one strange row costs that row, never the page.

A page is decoded in one go; only when that fails is it taken apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec
from loguru import logger

from fillwatch.brokers.alpaca.fields import Unreadable
from fillwatch.core.text import plain

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)
#: What msgspec raises for malformed, mistyped, wrongly encoded and absurdly nested input.
BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_RAW_ROWS = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows(Generic[T]):
    """A page: the rows that could be read in the broker's order, how many came, and how many made no sense."""

    values: tuple[T, ...]
    count: int
    unreadable: int


def read(
    body: bytes, page: msgspec.json.Decoder[list[S]], single: msgspec.json.Decoder[S], make: Callable[[S], T]
) -> Rows[T]:
    """The rows of a page, each made by `make`, which raises `Unreadable` for one that makes no sense."""
    rows: list[S | Unreadable]
    try:
        rows = list(page.decode(body))
    except BAD_JSON:
        rows = [one(each, single) for each in raw(body)]
    values: list[T] = []
    strange: list[str] = []
    for row in rows:
        try:
            if isinstance(row, Unreadable):
                raise row
            values.append(make(row))
        except Unreadable as error:
            strange.append(str(error))
    return told(values, strange)


def told(values: list[T], strange: list[str]) -> Rows[T]:
    """The page of which these rows were read and these are the complaints of the others; they are logged."""
    count = len(values) + len(strange)
    if strange:
        logger.warning(
            "{} of {} rows were unreadable and are left out, first: {}", len(strange), count, plain(strange[0])
        )
    return Rows(values=tuple(values), count=count, unreadable=len(strange))


def one(raw: msgspec.Raw, decoder: msgspec.json.Decoder[S]) -> S | Unreadable:
    """One row; what is wrong with it if it cannot be read."""
    try:
        return decoder.decode(raw)
    except BAD_JSON as error:
        return Unreadable(str(error))


def raw(body: bytes) -> list[msgspec.Raw]:
    """The rows as they came. Raises `Unreadable` if it is no array."""
    try:
        return _RAW_ROWS.decode(body)
    except BAD_JSON as error:
        raise Unreadable(f"not a list ({plain(str(error), 120)})") from None
