"""Metadata conditions, in Chroma's `where` language, compiled to SQL over a JSON column.

    {"year": 2020}                                     equality
    {"year": {"$gte": 2000, "$lt": 2010}}              $eq $ne $gt $gte $lt $lte
    {"lang": {"$in": ["en", "de"]}}                    $in $nin
    {"tags": {"$contains": "rag"}}                     a list that holds the value, or a text that holds the text
    {"$or": [{"year": 2020}, {"draft": True}]}         $and $or

A chunk without the field fails every condition on it but `$ne` and `$nin`. Texts compare with texts by code point,
numbers and booleans with numbers and booleans; a value of another kind is unequal, and neither greater nor less.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._explain import short, unknown
from .errors import QueryError

Where = Mapping[str, Any]
Sql = tuple[str, list[Any]]
"""A condition and the values of its parameters, in order."""

_ORDER = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_OPERATORS = ["$eq", "$ne", *_ORDER, "$in", "$nin", "$contains"]
_NUMBERS = "('integer', 'real', 'true', 'false')"
_ESCAPED_IN_JSON = {'"', "\\", *map(chr, range(32))}


def check_where(where: Where) -> None:
    """Check a condition before it is needed.

    Raises:
        QueryError: an operator is unknown or a value has a type that it cannot compare.
    """
    to_sql(where)


def joined(conditions: Sequence[Where]) -> dict[str, Any]:
    """The condition that holds where all of these do; empty ones always hold."""
    given = [dict(condition) for condition in conditions if condition]
    return {"$and": given} if len(given) > 1 else given[0] if given else {}


def to_sql(where: Where, column: str = "metadata") -> Sql:
    """Compile `where` into an SQL condition on the JSON `column` and its parameters.

    Raises:
        QueryError: an operator is unknown or a value has a type that it cannot compare.
    """
    if not isinstance(where, Mapping):
        raise QueryError(f"where must be a mapping such as {{'year': 2020}}, not {where!r}")
    return _join(
        " AND ",
        [
            _logical(key, condition, column) if key in {"$and", "$or"} else _conditions(key, condition, column)
            for key, condition in where.items()
        ],
    )


def _join(joiner: str, conditions: Sequence[Sql]) -> Sql:
    """Join conditions as a balanced tree: SQLite takes no tree deeper than 1,000."""
    if not conditions:
        return "1", []
    if len(conditions) == 1:
        return conditions[0]
    half = len(conditions) // 2
    (left, left_values), (right, right_values) = _join(joiner, conditions[:half]), _join(joiner, conditions[half:])
    return f"({left}{joiner}{right})", left_values + right_values


def _logical(operator: str, conditions: Any, column: str) -> Sql:
    if not isinstance(conditions, Sequence) or isinstance(conditions, str) or not conditions:
        raise QueryError(f"where: {operator} takes a list of conditions, not {conditions!r}")
    if not all(conditions):
        raise QueryError(f"where: {operator} has an empty condition, which everything meets; leave it out")
    return _join(" AND " if operator == "$and" else " OR ", [to_sql(condition, column) for condition in conditions])


def _conditions(name: Any, condition: Any, column: str) -> Sql:
    if not isinstance(name, str):
        raise QueryError(f"where: a field's name is a text, not {name!r}")
    if name.startswith("$"):
        raise _unknown(name, ["$and", "$or"])
    operators = condition if isinstance(condition, Mapping) else {"$eq": condition}
    if not operators:
        raise QueryError(f"where: {name!r} has no operator, such as {{'$gte': 2020}}; leave it out to find any")
    field = _Field.of(name, column)
    return _join(" AND ", [_condition(field, operator, operand) for operator, operand in operators.items()])


def _condition(field: _Field, operator: str, operand: Any) -> Sql:
    if operator == "$eq":
        return field.equals(operator, [operand])
    if operator == "$ne":
        return _not(field.equals(operator, [operand]))
    if operator == "$in":
        return field.equals(operator, _list(operator, operand))
    if operator == "$nin":
        return _not(field.equals(operator, _list(operator, operand)))
    if operator in _ORDER:
        return field.compares(operator, operand)
    if operator == "$contains":
        return field.contains(operand)
    raise _unknown(operator, _OPERATORS)


@dataclass(frozen=True, slots=True)
class _Field:
    """SQL for a field's value and JSON type, each with one parameter: `key`."""

    value: str
    type: str
    key: str

    @classmethod
    def of(cls, name: str, column: str) -> _Field:
        if _ESCAPED_IN_JSON.isdisjoint(name):
            return cls(f"json_extract({column}, ?)", f"json_type({column}, ?)", f'$."{name}"')
        # A JSON path cannot spell a name that JSON escapes.
        named = f"FROM json_each({column}) WHERE key = ?"
        return cls(f"(SELECT value {named})", f"(SELECT type {named})", name)

    def equals(self, operator: str, operands: Sequence[Any]) -> Sql:
        texts, numbers = _sorted_by_kind(operator, operands)
        # The operands go through JSON like the values that they meet: SQLite reads both alike, to the last bit.
        among = json.dumps([*texts, *numbers], ensure_ascii=False)
        equal: Sql = (f"{self.value} IN (SELECT value FROM json_each(?))", [self.key, among])
        if any(text.startswith(("[", "{")) for text in texts):  # a list's or mapping's value is its JSON, a text
            equal = (f"({self.type} NOT IN ('array', 'object') AND {equal[0]})", [self.key, *equal[1]])
        conditions = [equal] if texts or numbers else []
        if any(operand is None for operand in operands):
            conditions.append((f"{self.type} = 'null'", [self.key]))
        return _join(" OR ", conditions) if conditions else ("0", [])

    def compares(self, operator: str, operand: Any) -> Sql:
        texts, numbers = _sorted_by_kind(operator, [operand])
        kind = "= 'text'" if texts else f"IN {_NUMBERS}"
        value = texts[0] if texts else json.dumps(numbers[0])
        parsed = "?" if texts else "json_extract(?, '$')"
        return f"({self.type} {kind} AND {self.value} {_ORDER[operator]} {parsed})", [self.key, self.key, value]

    def contains(self, operand: Any) -> Sql:
        texts, numbers = _sorted_by_kind("$contains", [operand])
        kind = "= 'text'" if texts else f"IN {_NUMBERS}"
        value = texts[0] if texts else json.dumps(numbers[0])
        parsed = "?" if texts else "json_extract(?, '$')"
        item = f"SELECT 1 FROM json_each({self.value}) AS item WHERE item.type {kind} AND item.value = {parsed}"
        inside = f"WHEN 'text' THEN instr({self.value}, ?) > 0" if texts else ""
        values = [self.key, self.key, value, *([self.key, value] if texts else [])]
        return f"CASE {self.type} WHEN 'array' THEN EXISTS ({item}) {inside} ELSE 0 END", values


def _sorted_by_kind(operator: str, operands: Sequence[Any]) -> tuple[list[str], list[int | float]]:
    texts: list[str] = []
    numbers: list[int | float] = []
    for operand in operands:
        if isinstance(operand, str):
            texts.append(operand)
        elif isinstance(operand, int) or (isinstance(operand, float) and math.isfinite(operand)):
            numbers.append(operand)
        elif operand is not None or operator not in {"$eq", "$ne", "$in", "$nin"}:
            raise QueryError(f"where: {operator} compares texts, finite numbers and booleans, not {short(operand)}")
    return texts, numbers


def _not(condition: Sql) -> Sql:
    sql, values = condition
    return f"NOT COALESCE({sql}, 0)", values


def _list(operator: str, value: Any) -> Sequence[Any]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return value
    raise QueryError(f"where: {operator} takes a list, not {value!r}")


def _unknown(name: Any, known: Sequence[str]) -> QueryError:
    return QueryError(f"where: {unknown('operator', name, known)}")
