"""Faults as a scenario file or a request to the control endpoint words them, and back; strict, and clear about it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, fields
from enum import Enum
from types import MappingProxyType
from typing import Any, TypeVar

from fillwatch.simulator.answers import Op
from fillwatch.simulator.fates import Fate
from fillwatch.simulator.faults import Faults, Kind, Rule
from fillwatch.simulator.stream_faults import Frames, StreamFaults

E = TypeVar("E", Op, Fate, Kind, Frames)
T = TypeVar("T", Faults, Rule, StreamFaults)


def read_faults(data: object, where: str = "faults") -> Faults:
    """The faults that `data` words; `ValueError` names the field (below `where`), the value and what is allowed."""
    return _read(Faults, data, where)


def changed_faults(faults: Faults, data: object, where: str = "faults") -> Faults:
    """The same faults but for what `data` words; inside `stream`, too, what it does not name stays as it is."""
    changes = dict(_table(data, where))
    now = faults_as_data(faults)
    if "stream" in changes:
        changes["stream"] = now["stream"] | dict(_table(changes["stream"], f"{where}.stream"))
    return _read(Faults, now | changes, where)


def faults_as_data(faults: Faults) -> dict[str, Any]:
    """Every field of the faults in values that JSON takes; a time that never comes is null."""
    return {each.name: _plain(getattr(faults, each.name)) for each in fields(faults)}


def word(kind: type[E], value: object, where: str) -> E:
    """The member of an enumeration that `value` names."""
    if isinstance(value, str) and value in set(kind):
        return kind(value)
    raise _refused(where, value, f"one of {', '.join(each.value for each in kind)}")


def number(value: object, where: str, *, least: float = -math.inf) -> float:
    """A finite number, `least` at the least."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value < math.inf:
        raise _refused(where, value, "a number" if least == -math.inf else f"a number, {least:g} or more")
    return float(value)


def whole(value: object, where: str, *, least: int, most: int) -> int:
    """A whole number within limits."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _refused(where, value, f"a whole number from {least} to {most}")
    return value


def text(value: object, where: str) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise _refused(where, value, "a text that is not empty")
    return value


def switch(value: object, where: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise _refused(where, value, "true or false")
    return value


def table(data: object, where: str, allowed: Iterable[str]) -> Mapping[str, Any]:
    """A table that holds no other names than those allowed."""
    found = _table(data, where)
    names = tuple(allowed)
    for name in found:
        if name not in names:
            raise ValueError(f"{where}.{name}: there is no such field; there are: {', '.join(names)}")
    return found


def read_mix(data: object, where: str) -> Mapping[Fate, int]:
    """How often each fate lies in the deck: a table of weights, or one fate's name for all orders."""
    if isinstance(data, str):
        return MappingProxyType({word(Fate, data, where): 1})
    found = _table(data, where)
    mix = {word(Fate, key, where): whole(n, f"{where}.{key}", least=0, most=1_000) for key, n in found.items()}
    if not any(mix.values()):
        raise _refused(where, data, "a table that gives at least one fate a weight above 0")
    return MappingProxyType(mix)


def _read(made: type[T], data: object, where: str) -> T:
    known: dict[str, Field[Any]] = {each.name: each for each in fields(made)}
    found = table(data, where, known)
    values = {name: _VALUES[str(known[name].type)](value, f"{where}.{name}") for name, value in found.items()}
    try:
        return made(**values)
    except ValueError as error:
        # The value says `Faults.stale: ...`; whoever wrote the file looks for `faults.stale`.
        raise ValueError(str(error).replace(f"{made.__name__}.", f"{where}.").replace("Faults:", f"{where}:")) from None


def _rule(data: object, where: str) -> Rule:
    """A rule words its kind as `kind` or, where it is a fate, as `fate`."""
    found = dict(_table(data, where))
    if ("kind" in found) == ("fate" in found):
        raise ValueError(f"{where}: exactly one of kind and fate is needed, got {sorted(found)}")
    if "fate" in found:
        found["kind"] = word(Fate, found.pop("fate"), f"{where}.fate")
    return _read(Rule, found, where)


def _table(data: object, where: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise _refused(where, data, "a table")
    return data


def _list(data: object, where: str) -> list[Any]:
    if not isinstance(data, list):
        raise _refused(where, data, "a list")
    return data


def _endless(value: object, where: str) -> float:
    return math.inf if value is None or value == math.inf else number(value, where)


def _window(value: object, where: str) -> tuple[float, float]:
    pair = _list(value, where)
    if len(pair) != 2:
        raise _refused(where, value, "a pair [start, end] in seconds")
    return number(pair[0], where), _endless(pair[1], where)


def _kind(value: object, where: str) -> Kind | Fate:
    return value if isinstance(value, Fate) else word(Kind, value, where)


def _each(read: Callable[[Any, str], Any], gather: Callable[[Iterable[Any]], Any]) -> Callable[[Any, str], Any]:
    return lambda value, where: gather(read(one, f"{where}[{at}]") for at, one in enumerate(_list(value, where)))


def _or_none(read: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    return lambda value, where: None if value is None else read(value, where)


def _lags(value: object, where: str) -> Mapping[Op, float]:
    lags = {word(Op, op, where): number(lag, f"{where}.{op}", least=0.0) for op, lag in _table(value, where).items()}
    return MappingProxyType(lags)


#: How a field is read, by the type it is declared with: total over the fields of what is read here.
_VALUES: Mapping[str, Callable[[Any, str], Any]] = MappingProxyType(
    {
        "float": _endless,
        "float | None": _or_none(number),
        "int | None": _or_none(lambda value, where: whole(value, where, least=1, most=1_000_000)),
        "bool": switch,
        "Kind | Fate": _kind,
        "Frames": lambda value, where: word(Frames, value, where),
        "Windows": _each(_window, tuple),
        "tuple[tuple[float, float], ...]": _each(_window, tuple),
        "tuple[float, ...]": _each(number, tuple),
        "tuple[Rule, ...]": _each(_rule, tuple),
        "StreamFaults": lambda value, where: _read(StreamFaults, value, where),
        "frozenset[str]": _each(text, frozenset),
        "frozenset[Op] | None": _or_none(_each(lambda value, where: word(Op, value, where), frozenset)),
        "Mapping[Op, float]": _lags,
    }
)


def _plain(value: Any) -> Any:  # noqa: ANN401 - what a field holds, and what JSON takes
    if isinstance(value, (Rule, StreamFaults)):
        plain = {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
        if isinstance(value, Rule) and isinstance(value.kind, Fate):
            plain["fate"] = plain.pop("kind")
        return plain
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {_plain(key): _plain(one) for key, one in value.items()}
    if isinstance(value, frozenset):
        return sorted(_plain(one) for one in value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return None if value == math.inf else value


def _refused(where: str, value: object, allowed: str) -> ValueError:
    shown = repr(value)
    return ValueError(f"{where}: {shown if len(shown) < 80 else shown[:77] + '...'} is not allowed; give {allowed}")
