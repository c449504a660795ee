"""What the mentions of values can mean as a condition: the readings that an LLM then chooses from.

The words around a number say how it compares (`since 2020`, `older than 40`, `between 1990 and 1999`), those around a
text whether it is wanted. Where the words leave no doubt there is one reading; in a language other than English, whose
words are not known here, every comparison is possible.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ...stores.fields import Field
from .dates import following
from .mentions import Mention, Value

Readings = Mapping[str, Mapping[str, Any]]
"""A condition in words, to the condition in the language of `where`."""

_FILLERS = r"(\s+(in|of|on|the|year|years|about|around))*\s+$"
_AHEAD: Sequence[tuple[re.Pattern[str], tuple[str, ...]]] = tuple(
    (re.compile(rf"\b({words}){_FILLERS}", re.IGNORECASE), signs)
    for words, signs in (
        ("not|except|excluding|other than", ("$ne",)),
        (
            "(no|not) (later|more|longer|higher|larger) than|not (after|over|above)|at most|until|till|up to|through",
            ("$lte",),
        ),
        ("(no|not) (earlier|less|fewer|shorter|lower|smaller) than|not (before|under|below)|at least|since", ("$gte",)),
        ("(later|newer|more|longer|higher|larger|greater) than|after|over|above", ("$gt",)),
        ("(earlier|less|fewer|shorter|lower|smaller) than|before|under|below", ("$lt",)),
        ("older than", ("$lt", "$gt")),
        ("younger than", ("$gt", "$lt")),
        ("from", ("$eq", "$gte")),
        ("by", ("$eq", "$lte")),
    )
)
"""English words ahead of a value, and how it can then compare; the first that fits."""

_MONTH = r"(jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec)[a-z]*"
_ALONE = rf"(?!\s+((in|of|on|the|year)\s+)*({_MONTH}\s+)?\d)"
"""No other value follows."""

_BEHIND: Sequence[tuple[re.Pattern[str], tuple[str, ...]]] = tuple(
    (re.compile(rf"\s+({words})", re.IGNORECASE), signs)
    for words, signs in (
        (r"onwards?\b", ("$gte",)),
        (r"(or|and) (later|newer|more|longer|higher|larger)\b(?!\s+than\b)", ("$gte",)),
        (rf"(or|and) (up\b(?!\s+to\b)|(above|after)\b{_ALONE})", ("$gte",)),
        (r"(or|and) (earlier|older|less|fewer|shorter|lower|smaller)\b(?!\s+than\b)", ("$lte",)),
        (rf"(or|and) (below|before)\b{_ALONE}", ("$lte",)),
    )
)
"""English words behind a value, and how it can then compare, unless they are ahead of another one."""

_AND_ALSO = re.compile(r",?\s*(and|but)\b", re.IGNORECASE)
_LEAST, _MOST = {"$gt", "$gte"}, {"$lt", "$lte"}
_FROM_TO = re.compile(r"\s*(to|until|till|through|-|–|—)\s*", re.IGNORECASE)
_AND = re.compile(r"\s*(and|or|&|/|,|,\s*and|,\s*or)\s*", re.IGNORECASE)
_BETWEEN = re.compile(rf"\bbetween{_FILLERS}", re.IGNORECASE)
_NOT = re.compile(r"(\b(not|except|excluding|without|other than)|n't)(\s+\w+){0,2}\s+$", re.IGNORECASE)

_OF_NUMBERS = {"$eq": "{}", "$gte": "at least {}", "$gt": "more than {}", "$lt": "less than {}", "$lte": "at most {}"}
_OF_DATES = {"$eq": "{}", "$gte": "since {}", "$gt": "after {}", "$lt": "before {}", "$lte": "until {}"}


def readings(question: str, field: Field, mentioned: Sequence[Mention], *, language: str = "en") -> Readings:
    """What the mentions of a field's values can mean, likeliest first.

    ```python
    from ragloom.rag.retrieve.mentions import Mention
    from ragloom.rag.retrieve.readings import readings
    from ragloom.stores.fields import Field

    year = Field("year", "number", False, 2, 2, (2019, 2021), 2019, 2021)
    print(readings("Trains since 2020", year, [Mention(2020, 13, 17)]))
    # -> {'at least 2020': {'year': {'$gte': 2020}}}
    ```

    Args:
        question: what was asked.
        field: a field of the metadata.
        mentioned: where the question mentions values of it, in order.
        language: of the question.
    """
    if field.kind == "boolean":
        return {"yes": {field.name: True}, "no": {field.name: False}}
    in_english = language == "en"
    if field.kind == "text":
        return dict(_of_texts(question, field, mentioned, in_english))
    return dict(_of_ordered(question, field, mentioned, in_english))


def _of_texts(
    question: str, field: Field, mentioned: Sequence[Mention], in_english: bool
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    sign = "$contains" if field.is_list else "$eq"
    wanted = []
    for each in mentioned:
        is_negated = bool(_NOT.search(question[: each.start]))
        if (is_negated or not in_english) and not field.is_list:
            yield f"not {each.value}", {field.name: {"$ne": each.value}}
        if not is_negated:
            wanted.append(each)
    values = list(dict.fromkeys(each.value for each in wanted))
    if len(values) > 1:
        one_of: list[Mapping[str, Any]] = [{field.name: {sign: value}} for value in values]
        yield " or ".join(map(str, values)), {"$or": one_of} if field.is_list else {field.name: {"$in": values}}
        if all(_AND.fullmatch(question[one.end : other.start]) for one, other in pairwise(wanted)):
            return
    for value in values:
        yield str(value), {field.name: {sign: value}}


def _of_ordered(
    question: str, field: Field, mentioned: Sequence[Mention], in_english: bool
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    rest = list(mentioned)
    while rest:
        here = rest.pop(0)
        ahead = question[: here.start]
        if rest and not field.is_list:
            if _is_range(ahead, question[here.end : rest[0].start]):
                there = rest.pop(0)
                bounds = {**_compare(field, "$gte", here.value), **_compare(field, "$lte", there.value)}
                yield f"{here.value} to {there.value}", {field.name: bounds}
                continue
            if in_english and (both := _two_bounds(question, field, here, rest[0])):
                rest.pop(0)
                yield both
                continue
            if in_english and len(together := _alternatives(question, [here, *rest])) > 1:
                del rest[: len(together) - 1]
                yield _one_of(field, [each.value for each in together])
                continue
        signs = _signs(ahead, question[here.end :]) if in_english else tuple(_OF_NUMBERS)
        for sign in signs:
            yield _condition(field, sign, here.value)


def _two_bounds(question: str, field: Field, here: Mention, there: Mention) -> tuple[str, Mapping[str, Any]] | None:
    """`after 1990 and before 1995`: one condition, if one is the least and the other, which is above it, the most."""
    if not _AND_ALSO.match(question[here.end : there.start]):
        return None
    signs = [_signs(question[: each.start], question[each.end :]) for each in (here, there)]
    if {len(each) for each in signs} != {1}:
        return None
    (one,), (other,) = signs
    least, most = (here, there) if one in _LEAST else (there, here)
    if {one in _LEAST, other in _LEAST} != {True, False} or not {one, other} <= _LEAST | _MOST:
        return None
    if not least.value < most.value:  # type: ignore[operator]  # both are numbers, or both dates
        return None
    (its_words, its), (other_words, others) = (
        _condition(field, sign, each.value) for sign, each in ((one, here), (other, there))
    )
    return f"{its_words} and {other_words}", {field.name: {**its[field.name], **others[field.name]}}


def _alternatives(question: str, mentioned: Sequence[Mention]) -> list[Mention]:
    """The first mentions, as far as they are joined by `and` or `or`: `2019 or 2021`, none of them compared."""
    together: list[Mention] = []
    for each in mentioned:
        joined = not together or _AND.fullmatch(question[together[-1].end : each.start])
        if not joined or "$eq" not in _signs(question[: each.start], question[each.end :]):
            break
        together.append(each)
    return together


def _one_of(field: Field, values: Sequence[Value]) -> tuple[str, Mapping[str, Any]]:
    words = " or ".join(map(str, values))
    if field.kind == "number":
        return words, {field.name: {"$in": [*values]}}
    return words, {"$or": [{field.name: _compare(field, "$eq", value)} for value in values]}


def _is_range(ahead: str, between: str) -> bool:
    return bool(_FROM_TO.fullmatch(between) or (between.strip().lower() == "and" and _BETWEEN.search(ahead)))


def _signs(ahead: str, behind: str) -> tuple[str, ...]:
    for pattern, signs in _BEHIND:
        if pattern.match(behind):
            return signs
    return next((signs for pattern, signs in _AHEAD if pattern.search(ahead)), ("$eq",))


def _condition(field: Field, sign: str, value: Value) -> tuple[str, Mapping[str, Any]]:
    if field.is_list:
        return str(value), {field.name: {"$contains": value}}
    words = (_OF_DATES if field.kind == "date" else _OF_NUMBERS).get(sign, "not {}").format(value)
    if sign == "$ne" and field.kind == "date":
        return words, {
            "$or": [{field.name: _compare(field, "$lt", value)}, {field.name: _compare(field, "$gt", value)}]
        }
    return words, {field.name: _compare(field, sign, value)}


def _compare(field: Field, sign: str, value: Value) -> dict[str, Value]:
    """A comparison; a date stands for all that it covers: what is after 2024 begins with 2025."""
    if field.kind == "number":
        return {sign: value}
    over = following(str(value))
    bounds: Mapping[str, dict[str, Value]] = {
        "$eq": {"$gte": value, "$lt": over},
        "$gte": {"$gte": value},
        "$gt": {"$gte": over},
        "$lt": {"$lt": value},
        "$lte": {"$lt": over},
    }
    return bounds[sign]
