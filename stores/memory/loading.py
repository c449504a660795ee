"""Bulk loading: many facts, batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from .checks import only, whole_number
from .parts import Parts
from .preparing import Prepared
from .remembering import write_facts
from .resolving import unknown_names
from .types import Fact

BATCH = 20_000
"""Facts in a transaction: some seconds of work, for which another writer waits. In a large memory every commit writes
most pages of the indexes anew, so small ones cost more."""


def _prepared(parts: Parts, group: str, facts: Sequence[Fact]) -> Prepared:
    """Vectors of the facts and of names that are new: made before the transaction, for which other writers wait."""
    with parts.file.reading(group) as reading:
        names = unknown_names(reading, facts)
    return Prepared(parts.embedder.texts([*(fact.statement for fact in facts), *names]))


def load(parts: Parts, group: str, facts: Iterable[Fact], *, batch: int, embed: bool) -> int:
    """Load facts on the caller's word; how many there were."""
    whole_number("batch", batch)
    left = iter(facts)
    loaded = 0
    while given := only(Fact, islice(left, batch)):
        prepared = _prepared(parts, group, given) if embed else Prepared(None)
        with parts.file.writing(group) as writing:
            write_facts(writing, parts, given, None, prepared, exact=True)
        loaded += len(given)
    return loaded
