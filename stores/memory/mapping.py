"""JSON records as facts, by a mapping that says which field is what; no LLM has a part in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from ..._explain import short
from .errors import MemoryValueError
from .extracting import Dropped, Extraction
from .types import Episode, Fact

_FIELD = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class FactTemplate:
    """How one fact is made of a record: texts in which `{field}` or `{field.part}` is a value of the record.

    Attributes:
        subject: of the fact.
        relation: of the fact.
        object: of the fact.
        statement: its sentence; empty: the three put together.
        valid_from: an ISO date, or a datetime with a zone; where it is empty, or the record has no such field, the fact
            holds from when the record was received.
        valid_to: the same; where there is none, it still holds.
    """

    subject: str
    relation: str
    object: str
    statement: str = ""
    valid_from: str = ""
    valid_to: str = ""


class RecordMapping:
    """An extractor for episodes of kind `json`: an object, or a list of them.

    ```python
    from datetime import datetime, timezone
    from ragloom.stores.memory import Episode, FactTemplate, RecordMapping

    mapping = RecordMapping([FactTemplate("{name}", "works_for", "{job.company}", valid_from="{job.since}")])
    record = '{"name": "Ann", "job": {"company": "Acme", "since": "2021-03-01"}}'
    (fact,) = mapping.extract(Episode(record, datetime(2024, 1, 1, tzinfo=timezone.utc), "hr", "json")).facts
    print(fact.statement, fact.valid_from.date())  # -> Ann works for Acme 2021-03-01
    ```
    """

    def __init__(self, templates: Sequence[FactTemplate]) -> None:
        """Make a fact of each template for each record."""
        self.templates = tuple(templates)

    def extract(self, episode: Episode) -> Extraction:
        """The facts of the records; where a name is missing or a date is none, its fact is dropped and reported.

        Raises:
            MemoryValueError: the episode is not of kind `json`, or is not JSON.
        """
        facts: list[Fact] = []
        dropped: list[Dropped] = []
        for record in _records(episode):
            for template in self.templates:
                try:
                    facts.append(_filled(template, record))
                except MemoryValueError as error:
                    dropped.append(Dropped(short(record), str(error)))
        return Extraction(tuple(facts), tuple(dropped))


def _records(episode: Episode) -> list[Any]:
    if episode.kind != "json":
        raise MemoryValueError(f"a mapping is for episodes of kind 'json', not {episode.kind!r}")
    try:
        content = json.loads(episode.content)
    except ValueError as error:
        raise MemoryValueError(f"the episode is not JSON ({error}): {episode.content!r:.80}") from None
    return content if isinstance(content, list) else [content]


def _filled(template: FactTemplate, record: Any) -> Fact:
    def fill(text: str, absent: str | None = None) -> str:
        return _FIELD.sub(lambda field: _value(record, field[1], absent), text)

    return Fact(
        fill(template.subject),
        fill(template.relation),
        fill(template.object),
        fill(template.statement),
        _instant(fill(template.valid_from, "")),
        _instant(fill(template.valid_to, "")),
    )


def _value(record: Any, path: str, absent: str | None) -> str:
    value = record
    for name in path.split("."):
        if not isinstance(value, Mapping) or value.get(name) is None:
            if absent is not None:
                return absent
            raise MemoryValueError(f"the record has no {path!r}")
        value = value[name]
    if isinstance(value, Mapping | list):
        raise MemoryValueError(f"{path!r} is no single value: {short(value)}")
    return str(value)


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        if len(text) == len("2021-03-01"):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        return datetime.fromisoformat(text)
    except ValueError:
        raise MemoryValueError(f"{text!r:.80} is no ISO date") from None
