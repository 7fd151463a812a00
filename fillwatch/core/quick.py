"""Frozen values that are made hundreds of thousands of times: the same dataclass, made in a third of the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

_INIT = """
def __init__(self, *, {parameters}):
    thaw(self, "__class__", Draft)
    {stores}
    self.__class__ = Frozen

def make(*, {parameters}):
    self = blank(Draft)
    {stores}
    self.__class__ = Frozen
    return self
"""
_MAKERS: dict[object, Callable[..., object]] = {}


def quick(cls: type[T]) -> type[T]:
    """A frozen, slotted, keyword-only dataclass with an `__init__` that takes the same and does the same.

    The one that `dataclass` writes goes through `object.__setattr__` for each field, which is most of what such a value
    costs. This one lets the new object be, for as long as nobody else has it, of a class of the same slots that is not
    frozen. `TypeError` for a class that this cannot be done with: one with a `__post_init__`, with defaults from a
    factory, or with slots that are not its fields.
    """
    names = [field.name for field in fields(cls)]  # type: ignore[arg-type]  # it is a dataclass, or this raises
    made = [field.name for field in fields(cls) if field.default_factory is not MISSING]  # type: ignore[arg-type]
    if hasattr(cls, "__post_init__") or made or tuple(getattr(cls, "__slots__", ())) != tuple(names):
        raise TypeError(f"{cls.__name__}: only a plain slotted dataclass without factories can be made quickly")
    defaults = {field.name: field.default for field in fields(cls) if field.default is not MISSING}  # type: ignore[arg-type]
    draft = type(f"_{cls.__name__}Draft", (), {"__slots__": tuple(names)})
    known: dict[str, object] = {
        "thaw": object.__setattr__,
        "blank": object.__new__,
        "Draft": draft,
        "Frozen": cls,
        "defaults": defaults,
    }
    parameters = ", ".join(f"{name}=defaults[{name!r}]" if name in defaults else name for name in names)
    stores = "\n    ".join(f"self.{name} = {name}" for name in names)
    exec(_INIT.format(parameters=parameters, stores=stores), known)
    slow, fast = cls.__init__, known["__init__"]
    for name in ("__annotations__", "__doc__", "__module__", "__qualname__"):
        setattr(fast, name, getattr(slow, name))
    cls.__init__ = fast  # type: ignore[assignment]  # the same parameters
    _MAKERS[cls] = known["make"]  # type: ignore[assignment]  # a function
    return cls


def maker(cls: Callable[P, T]) -> Callable[P, T]:
    """A function that makes what calling `cls`, a `quick` class, makes, in two thirds of the time: for inner loops.

    Calling a class passes keywords through a dictionary, and calling a function does not. `KeyError` for other classes.
    """
    return _MAKERS[cls]  # type: ignore[return-value]  # it was made from the fields of the class
