"""Conditions: `answered`, `not answered`, `best_verdict < 0`, `how == quoted`.

A condition is a predicate's name, `not` before it if wanted, and where it gives a number or a word, what it is compared
with. It is read, never evaluated as Python: a YAML file from elsewhere must not run code.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..._explain import unknown
from .errors import ConditionError
from .predicates import Predicate
from .state import RagState

_FORM = re.compile(r"(?P<negated>not\s+)?(?P<name>[A-Za-z_]\w*)\s*((?P<sign><=|>=|<|>|==|!=)\s*(?P<value>\S+))?")
_SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_EQUALITY = ("==", "!=")


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that has been read.

    Attributes:
        predicate: what is asked of the state.
        negated: whether `not` stands before it.
        sign: how it is compared; empty for one that is true or false by itself.
        value: what it is compared with.
    """

    predicate: Predicate
    negated: bool = False
    sign: str = ""
    value: float | str | None = None

    def ask(self, state: RagState) -> tuple[bool, str]:
        """Whether the state meets it, and what was found: `not answered`, `confidence 0.38 < 0.5`, `how quoted`."""
        found, name = self.predicate(state), self.predicate.name
        if not self.sign:
            return bool(found) != self.negated, name if found else f"not {name}"
        met = _SIGNS[self.sign](found, self.value)
        compared = "" if self.sign == "==" and met else f"{'' if met else ', not'} {self.sign} {_short(self.value)}"
        return met != self.negated, f"{name} {_short(found)}{compared}"

    def __str__(self) -> str:
        compared = f" {self.sign} {self.value}" if self.sign else ""
        return f"{'not ' if self.negated else ''}{self.predicate.name}{compared}"


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def read_condition(text: str, predicates: Mapping[str, Predicate]) -> Condition:
    """Read a condition.

    Args:
        text: what stands after `when:`.
        predicates: those that there are, by name.

    Raises:
        ConditionError: it is none, its predicate is unknown, or it is compared with what that cannot be compared with.
    """
    match = _FORM.fullmatch(text.strip())
    if not match:
        raise ConditionError(
            f"cannot read {text!r}; write a condition such as answered, not answered, or documents < 3"
        )
    name, sign, value = match["name"], match["sign"] or "", match["value"] or ""
    if name not in predicates:
        raise ConditionError(unknown("predicate", name, predicates))
    asked, negated = predicates[name], bool(match["negated"])
    if asked.kind == "yes or no":
        if sign:
            raise ConditionError(f"{name!r} is true or false; write {name}, or not {name}")
        return Condition(asked, negated)
    if asked.kind == "number":
        return Condition(asked, negated, sign, _number(asked, sign, value))
    return Condition(asked, negated, sign, _word(asked, sign, value))


def _number(asked: Predicate, sign: str, value: str) -> float:
    name, (least, most) = asked.name, asked.within
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not sign or not math.isfinite(number):
        raise ConditionError(f"{name!r} is a number; compare it with one, such as {name} {sign or '<'} 3")
    if not least <= number <= most:
        raise ConditionError(f"{name!r} is between {least:g} and {most:g}, never {value}")
    return number


def _word(asked: Predicate, sign: str, value: str) -> str:
    word = value.strip("'\"")
    if sign not in _EQUALITY:
        example = asked.words[0] if asked.words else "word"
        raise ConditionError(f"{asked.name!r} is a word; write {asked.name} == {example}")
    if asked.words and word not in asked.words:
        raise ConditionError(unknown(asked.name, word, asked.words))
    return word
