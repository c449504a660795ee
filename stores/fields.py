"""Which metadata a corpus has: the fields that a person could name in a question, and what stands in them."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "date", "number", "boolean"]

OWN = ("source_id", "heading", "start", "end", "section")
"""What every chunk has because ragloom needs it; it means nothing to whoever asks a question."""

MOST_VALUES = 10_000
"""At most so many different values of a field are kept, the most frequent ones."""

LONGEST = 100
"""Characters of a value; longer ones are prose, which nobody names in a question."""

_FILLED_IN = ("source", "title")
"""What a search shows of every chunk; where nobody has set them, the source's id and an empty text."""

_KINDS: Mapping[type, Kind] = {str: "text", int: "number", float: "number", bool: "boolean"}
_Key = tuple[str, Kind, bool]
"""Name, kind, and whether it is a list."""

_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ].*)?)?)?")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the metadata.

    Attributes:
        name: what `where` calls it.
        kind: of its values; a `date` is a text in ISO's form, from a year alone to a time of day. Where chunks differ,
            the kind that most of them have; the others are not counted.
        is_list: whether a chunk has a list of them.
        chunks: how many chunks have the field.
        distinct: how many different values there are.
        values: the values, the most frequent ones first; at most `MOST_VALUES`, none longer than `LONGEST`.
        least: the smallest number or first date.
        most: the largest number or last date.
    """

    name: str
    kind: Kind
    is_list: bool
    chunks: int
    distinct: int
    values: tuple[str | float, ...]
    least: str | float | None = None
    most: str | float | None = None


def fields_of(metadata: Iterable[tuple[str, int]]) -> tuple[Field, ...]:
    """The fields of chunks' metadata, given as JSON and how many chunks have the same; those that most have first."""
    chunks: Counter[_Key] = Counter()
    values: defaultdict[_Key, Counter[str | float]] = defaultdict(Counter)
    for text, count in metadata:
        whole: dict[str, Any] = json.loads(text)
        for name, value in whole.items():
            listed = value if type(value) is list else [value]
            kind = next((_KINDS[type(item)] for item in listed if type(item) in _KINDS), None)
            if kind is None or name in OWN or (name in _FILLED_IN and value in ("", whole["source_id"])):
                continue
            key = (name, kind, type(value) is list)
            chunks[key] += count
            among = values[key]
            for item in dict.fromkeys(item for item in listed if _KINDS.get(type(item)) == kind):
                among[item] += count
    commonest: dict[str, _Key] = {}
    for key, _ in chunks.most_common():
        commonest.setdefault(key[0], key)
    return tuple(_field(key, chunks[key], values[key]) for key in commonest.values())


def _field(key: _Key, chunks: int, values: Counter[str | float]) -> Field:
    name, kind, is_list = key
    if kind == "text" and all(_DATE.fullmatch(str(value)) for value in values):
        kind = "date"
    frequent = [value for value, _ in values.most_common() if not (isinstance(value, str) and len(value) > LONGEST)]
    is_ordered = kind in {"number", "date"}
    least, most = (min(values), max(values)) if is_ordered else (None, None)
    return Field(name, kind, is_list, chunks, len(values), tuple(frequent[:MOST_VALUES]), least, most)
