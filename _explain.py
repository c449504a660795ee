"""Wording that several errors share: a name that is not known, a value that cannot be used."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from reprlib import Repr
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """Say that there is no such name, with the one that is spelt like it, else with all that are known.

    ```python
    from ragloom._explain import unknown

    print(unknown("mode", "lexcal", ["dense", "lexical"]))  # -> unknown mode 'lexcal'; did you mean 'lexical'?
    print(unknown("mode", "both", ["dense", "lexical"]))  # -> unknown mode 'both'; expected one of: dense, lexical
    ```
    """
    names = list(known)
    close = get_close_matches(str(name), names, n=1)
    others = f"expected one of: {', '.join(names)}" if names else "there are none to choose from"
    return f"unknown {kind} {name!r}; " + (f"did you mean {close[0]!r}?" if close else others)


def count(number: int, thing: str) -> str:
    """A number of things in words.

    ```python
    from ragloom._explain import count

    print(count(1, "place"), count(1200, "place"))  # -> 1 place 1,200 places
    ```
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def first_problem(error: ValidationError, kind: str, known: Iterable[str] = ()) -> str:
    """The first of pydantic's complaints on one line: the name, the rule and the value.

    Unknown names go before everything else: a misspelt one is often also the one that is missing.

    Args:
        error: what pydantic raised.
        kind: what a name stands for: `option`, `key`.
        known: the names that there are.
    """
    problem = min(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    name = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return unknown(kind, name, known)
    if problem["type"] == "missing":
        return f"the {kind} {name!r} is missing"
    return f"{name} {broken_rule(problem)}"


def broken_rule(problem: ErrorDetails) -> str:
    """One of pydantic's complaints without the name: the rule and the value."""
    if problem["type"] == "value_error":  # raised by a validator of ours, in words of ours
        return str(problem["ctx"]["error"])
    if problem["type"] == "too_short" and not problem["input"]:
        return "is empty"
    rule = _RULES.get(problem["type"]) or problem["msg"].removeprefix("Input ").removeprefix("String ")
    return f"{rule}, not {short(problem['input'])}"


_RULES = {
    "list_type": "should be a list",
    "tuple_type": "should be a list",
    "dict_type": "should be a mapping",
    "model_type": "should be a mapping",
}
"""Rules in words that say nothing of Python, by pydantic's type of problem."""


_LONGEST = 160


def short(value: object) -> str:
    """A value on part of a line, however large it is."""
    shortener = Repr()
    shortener.maxstring = shortener.maxother = 80
    shortener.maxlevel = 3
    told = shortener.repr(value)
    return told if len(told) <= _LONGEST else f"{told[: _LONGEST - 3]}..."
