"""Metadata conditions on values in Python, with the meaning that `where` has in the database.

What SQLite knows of numbers holds here too: beyond 64 bits, whole numbers are rounded like any other large number. Only
of a text with a NUL character the two may think differently: SQLite ends a text there when it takes it out of JSON.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from .where import Where, check_where

_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_ABSENT = object()
_WHOLE = range(-(2**63), 2**63)
"""Whole numbers as SQLite has them."""


def matcher(where: Where) -> Callable[[Mapping[str, Any]], bool]:
    """Tell metadata that meet the conditions from others; `ragloom.stores.where` has the language.

    ```python
    from ragloom.stores.matching import matcher

    is_recent = matcher({"year": {"$gte": 2020}})
    print(is_recent({"year": 2021}), is_recent({"year": "2021"}), is_recent({}))  # -> True False False
    ```

    Raises:
        QueryError: an operator is unknown or a value has a type that it cannot compare.
    """
    check_where(where)
    return lambda metadata: _meets(metadata, where)


def _meets(metadata: Mapping[str, Any], where: Where) -> bool:
    return all(_meets_one(metadata, name, condition) for name, condition in where.items())


def _meets_one(metadata: Mapping[str, Any], name: str, condition: Any) -> bool:
    if name == "$and":
        return all(_meets(metadata, part) for part in condition)
    if name == "$or":
        return any(_meets(metadata, part) for part in condition)
    operators = condition if isinstance(condition, Mapping) else {"$eq": condition}
    value = metadata.get(name, _ABSENT)
    return all(_holds(value, sign, operand) for sign, operand in operators.items())


def _holds(value: Any, sign: str, operand: Any) -> bool:
    if sign in {"$eq", "$ne"}:
        return _equal(value, operand) == (sign == "$eq")
    if sign in {"$in", "$nin"}:
        return any(_equal(value, item) for item in operand) == (sign == "$in")
    if sign == "$contains" and isinstance(value, list | tuple):
        return any(_equal(item, operand) for item in value)
    if sign == "$contains":
        return isinstance(value, str) and isinstance(operand, str) and operand in value
    return _alike(value, operand) and _ORDER[sign](_comparable(value), _comparable(operand))


def _equal(value: Any, operand: Any) -> bool:
    if value is None or operand is None:
        return value is operand
    return _alike(value, operand) and bool(_comparable(value) == _comparable(operand))


def _alike(value: Any, operand: Any) -> bool:
    kind = str if isinstance(operand, str) else int | float
    return isinstance(value, kind)


def _comparable(value: Any) -> Any:
    if not isinstance(value, int) or value in _WHOLE:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
