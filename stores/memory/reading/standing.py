"""Which facts a reader asks for, by both times and by their ends, as a condition on `fact_versions`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..instants import to_micros
from ..interval import Interval
from ..records import known

AMONG = "IN (SELECT value FROM json_each(?))"
"""One of the numbers or texts of a JSON list: there may be any number of them."""

LASTED = "(recorded_to IS NULL OR recorded_to > recorded_from)"
"""Rows that were believed for a while: one that is written and replaced in one write never was."""


def as_list(keys: Iterable[int]) -> str:
    """Keys as the value for `AMONG`."""
    return json.dumps(list(keys))


@dataclass(frozen=True, slots=True)
class Standing:
    """Which facts are asked for.

    Attributes:
        known: record time at which they were believed, in microseconds.
        valid: they held at some instant of it.
        over: they had ended by the end of `valid`, which need not hold them.
        relations: their relation is one of these; empty: any.
        entities: one of their ends is one of these; None: any.
    """

    known: int
    valid: Interval = field(default_factory=Interval)
    over: bool = False
    relations: frozenset[str] = frozenset()
    entities: frozenset[int] | None = None

    @property
    def condition(self) -> tuple[str, list[Any]]:
        """A condition on `fact_versions AS v`, and its values."""
        parts, values = [known(self.known, "v.")], list[Any]()
        if self.valid.end is not None:
            end = to_micros(self.valid.end)
            starts = f"(v.valid_from IS NULL OR v.valid_from < {end})"
            parts.append(f"v.valid_to <= {end}" if self.over else starts)
        if self.valid.start is not None:
            parts.append(f"(v.valid_to IS NULL OR v.valid_to > {to_micros(self.valid.start)})")
        if self.relations:
            parts.append(f"v.relation {AMONG}")
            values.append(json.dumps(sorted(self.relations)))
        if self.entities is not None:
            parts.append(f"(v.subject {AMONG} OR v.object {AMONG})")
            values += [as_list(sorted(self.entities))] * 2
        return " AND ".join(parts), values
