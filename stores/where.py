"""Metadata conditions, in Chroma's `where` language, compiled to SQL over a JSON column.

    {"year": 2020}                                     equality
    {"year": {"$gte": 2000, "$lt": 2010}}              $eq $ne $gt $gte $lt $lte
    {"lang": {"$in": ["en", "de"]}}                    $in $nin
    {"tags": {"$contains": "rag"}}                     a list that holds the value, or a text that holds the words
    {"$or": [{"year": 2020}, {"draft": True}]}         $and $or

A chunk without the field fails every condition on it but `$ne` and `$nin`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import QueryError

Where = Mapping[str, Any]

_COMPARISONS = {"$eq": "=", "$ne": "IS NOT", "$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_OPERATORS = [*_COMPARISONS, "$in", "$nin", "$contains"]


def to_sql(where: Where, column: str = "metadata") -> tuple[str, list[Any]]:
    """Compile `where` into an SQL condition on the JSON `column` and its parameters.

    Raises:
        QueryError: an operator is unknown or a value has a type that it cannot compare.
    """
    if not isinstance(where, Mapping):
        raise QueryError(f"where must be a mapping such as {{'year': 2020}}, not {where!r}")
    parts: list[str] = []
    values: list[Any] = []
    for key, condition in where.items():
        sql, more = _logical(key, condition, column) if key in {"$and", "$or"} else _field(key, condition, column)
        parts.append(sql)
        values.extend(more)
    return " AND ".join(parts) or "1", values


def _logical(operator: str, conditions: Any, column: str) -> tuple[str, list[Any]]:
    if not isinstance(conditions, Sequence) or isinstance(conditions, str) or not conditions:
        raise QueryError(f"where: {operator} takes a list of conditions, not {conditions!r}")
    compiled = [to_sql(condition, column) for condition in conditions]
    joiner = " AND " if operator == "$and" else " OR "
    return "(" + joiner.join(f"({sql})" for sql, _ in compiled) + ")", [v for _, values in compiled for v in values]


def _field(field: str, condition: Any, column: str) -> tuple[str, list[Any]]:
    if field.startswith("$"):
        raise _unknown(field, ["$and", "$or"])
    operators = condition if isinstance(condition, Mapping) else {"$eq": condition}
    value_sql = f"json_extract({column}, ?)"
    path = '$."' + field.replace('"', '\\"') + '"'
    parts: list[str] = []
    values: list[Any] = []
    for operator, operand in operators.items():
        if operator in _COMPARISONS:
            parts.append(f"{value_sql} {_COMPARISONS[operator]} ?")
            values += [path, _scalar(operator, operand)]
        elif operator in {"$in", "$nin"}:
            marks = ",".join("?" * len(_list(operator, operand)))
            test = f"{value_sql} IN ({marks})"
            parts.append(test if operator == "$in" else f"COALESCE(NOT ({test}), 1)")
            values += [path, *(_scalar(operator, item) for item in operand)]
        elif operator == "$contains":
            parts.append(
                f"CASE json_type({column}, ?) "
                f"WHEN 'array' THEN EXISTS (SELECT 1 FROM json_each({column}, ?) WHERE value = ?) "
                f"WHEN 'text' THEN instr({value_sql}, ?) > 0 ELSE 0 END"
            )
            values += [path, path, _scalar(operator, operand), path, str(operand)]
        else:
            raise _unknown(operator, _OPERATORS)
    return "(" + " AND ".join(parts or ["1"]) + ")", values


def _scalar(operator: str, value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str | int | float) or (value is None and operator in {"$eq", "$ne"}):
        return value
    raise QueryError(f"where: {operator} compares texts, numbers and booleans, not {value!r}")


def _list(operator: str, value: Any) -> Sequence[Any]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return value
    raise QueryError(f"where: {operator} takes a list, not {value!r}")


def _unknown(name: str, known: Sequence[str]) -> QueryError:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
    return QueryError(f"where: unknown operator {name!r}; {hint}")
