"""What the caller of `watch()` asked for, and what follows from it by the configuration of the moment."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from fillwatch.core.config import AtTimeout, FillDetectionConfig, PartialFills
from fillwatch.core.course import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The parameters of `watch()`, as they were given."""

    timeout_seconds: float | None = None
    expected_price: Decimal | None = None
    at_timeout: AtTimeout = AtTimeout.CANCEL

    def terms(self, config: FillDetectionConfig, order_type: str, *, started: float, hurried_at: float) -> Terms:
        """For a watch that began at `started`, of an order of a type that is "" before it is known; a timeout that
        was brought forward is at `hurried_at`, else infinite.
        """
        seconds = config.timeout_for(order_type) if self.timeout_seconds is None else self.timeout_seconds
        leave = self.at_timeout is AtTimeout.LEAVE or not config.enable_final_verification
        return Terms(
            deadline=min(started + seconds, hurried_at),
            at_timeout=AtTimeout.LEAVE if leave else AtTimeout.CANCEL,
            partial_fills=PartialFills(config.partial_fills),
            partial_patience=config.partial_patience_seconds,
            resolution=config.resolution_seconds,
        )
