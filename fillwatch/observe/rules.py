"""What a rule about a journal is, and what breaking one looks like."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """Where a rule is broken: the numbers of the entries that show it, and what they say."""

    numbers: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Generic[T]):
    """`check` finds what breaks it; `means` says what follows for the user when it is broken.

    `needs_beginning`: it cannot be judged of what began in entries that were taken out of the journal.
    """

    check: Callable[[T], Iterator[Breach]]
    means: str
    needs_beginning: bool = False
