"""What a check finds, and what was agreed for the run it checks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken promise: which invariant, when, about which order ("" for none), and what was found."""

    invariant: int
    t: float
    order: str
    what: str

    def __str__(self) -> str:
        return f"invariant {self.invariant} at {self.t:.6f} {self.order}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a run is held to; all times in seconds.

    * `granted` requests in any `window`, counted where they arrive (None: no limit).
    * `settled`: the run went on until everything could be known, so unresolved orders must have been resolved.
    * `audit`: how long before the end of the run an order must have ended to be known to have.
    * `seen_within`: an open watched order is seen at least this often (None: not checked; faults make it longer).
    * `close_within`: leaving the engine takes no longer.
    * `look_before_cancel`: the look before a cancel was asked for no earlier than this before it.
    """

    granted: float | None = 160.0
    window: float = 60.0
    settled: bool = True
    audit: float = 300.0
    seen_within: float | None = None
    close_within: float = 25.0
    look_before_cancel: float = 30.0
