"""Text that came from outside, made fit for a log line or a terminal."""

from __future__ import annotations

import re
import unicodedata

#: Terminal escape sequences go as a whole: the escape alone removed would leave its parameters in the text.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_TAGS = re.compile(r"<[^<>]*>")
#: Most of what is logged: words of ordinary characters, one space apart.
_HARMLESS = re.compile(r"[\w.,:;/+-]+(?: [\w.,:;/+-]+)*", re.ASCII)
_BRACKETS = str.maketrans("[]", "()")


def plain(text: str, limit: int = 300) -> str:
    """`text` on one line, without control characters, escape sequences or markup, at most `limit` characters.

    Tags in angle brackets go; square brackets, which some terminals' libraries read as markup, become round ones;
    every run of white space and of invisible characters becomes one space. A cut is shown by a final `…`.
    """
    if len(text) <= limit and _HARMLESS.fullmatch(text):
        return text
    text = text[: 8 * limit + 64]
    text = _TAGS.sub(" ", _ESCAPES.sub("", text)).translate(_BRACKETS)
    text = " ".join("".join(char if _is_visible(char) else " " for char in text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _is_visible(char: str) -> bool:
    return (char.isascii() and char.isprintable()) or unicodedata.category(char)[0] not in "CZ"
