"""Checks of what callers give: a value that a memory cannot keep is told before anything is written."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import TypeVar

from .errors import MemoryValueError

T = TypeVar("T")


def check_text(name: str, text: object) -> str:
    """Give a text back that a memory can keep.

    Raises:
        MemoryValueError: it is no text, or has a lone surrogate.
    """
    if not isinstance(text, str):
        raise MemoryValueError(f"{name} must be a text, not {type(text).__name__}: {text!r:.80}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        around = text[max(0, error.start - 20) : error.end + 20]
        raise MemoryValueError(
            f"{name} contains a lone surrogate (half a character) and cannot be stored: {around!r}; "
            "decode it with errors='replace'"
        ) from None
    return text


def relation_name(relation: str) -> str:
    """A relation as facts have it: `Lives in` is `lives_in`.

    Raises:
        MemoryValueError: it is no text, or cannot be stored.
    """
    return "_".join(check_text("a relation", relation).replace("_", " ").casefold().split())


def several(name: str, values: Iterable[str]) -> list[str]:
    """Texts that are given as a collection; one text is none of its letters.

    Raises:
        MemoryValueError: they are one text.
    """
    if isinstance(values, str):
        raise MemoryValueError(f"{name} takes several texts; write {name}=[{values!r}]")
    return list(values)


def whole_number(name: str, value: object) -> int:
    """A number of things.

    Raises:
        MemoryValueError: it is no whole number above 0.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # what is none raises
    except TypeError:
        number = 0
    if number < 1 or isinstance(value, bool):
        raise MemoryValueError(f"{name} must be a whole number above 0, not {value!r}")
    return number


def only(kind: type[T], values: Iterable[T]) -> list[T]:
    """Values that are all of a kind.

    Raises:
        MemoryValueError: one is not, or it is one alone.
    """
    if isinstance(values, kind):
        raise MemoryValueError(f"several are expected; write [{kind.__name__}(...)] for one: {values!r:.80}")
    given = list(values)
    for value in given:
        if not isinstance(value, kind):
            raise MemoryValueError(f"{kind.__name__} expected, not {type(value).__name__}: {value!r:.80}")
    return given
