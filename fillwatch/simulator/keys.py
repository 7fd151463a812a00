"""The keys that a served world takes, and what it says to those who show others."""

from __future__ import annotations

import base64
import hmac
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from fillwatch.simulator import answers
from fillwatch.simulator.answers import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """An API key and its secret."""

    key: str
    secret: str = field(repr=False)

    @classmethod
    def drawn(cls, seed: int, key: str | None = None, secret: str | None = None) -> Keys:
        """Those given, and in place of None ones that look like Alpaca's and are the same for the same seed."""
        draw = random.Random(f"{seed}/keys")
        drawn_key = "PK" + "".join(draw.choices("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=18))
        drawn_secret = "".join(draw.choices("abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=40))
        return cls(key=key or drawn_key, secret=secret or drawn_secret)

    def fit(self, key: object, secret: object) -> bool:
        """Whether these are the ones, found out in the same time for all that are not."""
        if not isinstance(key, str) or not isinstance(secret, str):
            return False
        fits = hmac.compare_digest(key.encode(errors="replace"), self.key.encode())
        return hmac.compare_digest(secret.encode(errors="replace"), self.secret.encode()) & fits

    def problem(self, headers: Mapping[str, str]) -> Answer | None:
        """What is wrong with the keys in a request's `headers`: the two APCA headers, or HTTP Basic; None: nothing.

        No keys at all and wrong ones are told apart (facts §6).
        """
        key, secret = headers.get("apca-api-key-id"), headers.get("apca-api-secret-key")
        scheme, _, coded = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                key, _, secret = base64.b64decode(coded, validate=True).decode().partition(":")
            except ValueError:  # no base64, or no text in it
                return answers.UNAUTHORIZED
        if key is None or secret is None:
            return answers.NO_KEYS
        return None if self.fit(key, secret) else answers.UNAUTHORIZED
