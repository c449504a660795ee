"""Finding by the graph: the entities that a question names, and the facts around them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice

from ..entities import by_name
from ..errors import NotInGroupError
from ..file import Reading
from ..names import normal
from ..records import known as believed
from .standing import AMONG, Standing, as_list

LONGEST_NAME = 6
"""How many words of a question are tried as one name."""

MOST_WORDS = 256
"""In a longer question no names are looked for behind them."""

MOST = 500
"""How many facts around an entity are looked at: a hub has too many for each to say something."""

_WORD = re.compile(r"\w[\w.&'’-]*\w|\w")


def named(reading: Reading, question: str, known: int) -> dict[int, str]:
    """The entities that a question names, each with the words that do; of names within names the longest."""
    words = list(islice(_WORD.finditer(question), MOST_WORDS))
    spans = {
        (first, first + length): question[words[first].start() : words[first + length - 1].end()]
        for length in range(1, LONGEST_NAME + 1)
        for first in range(len(words) - length + 1)
    }
    forms = {span: _forms(text) for span, text in spans.items()}
    found = by_name(reading, {form for each in forms.values() for form in each}, known)
    taken: set[int] = set()
    entities: dict[int, str] = {}
    for span in sorted(spans, key=lambda span: span[0] - span[1]):
        entity = next((found[form] for form in forms[span] if form in found), None)
        if entity is not None and taken.isdisjoint(range(*span)):
            taken |= set(range(*span))
            entities[entity] = spans[span]
    roots = canonical(reading, entities, known)
    return {roots[entity]: name for entity, name in entities.items()}


def _forms(text: str) -> list[str]:
    """What a name may be in a question: as it stands, or without a possessive's ending."""
    return [normal(text), *([normal(text[:-2])] if text.endswith(("'s", "’s")) else [])]


def canonical(reading: Reading, entities: Iterable[int], known: int) -> dict[int, int]:
    """Each entity to the one that it was taken for at a record time."""
    sql = f"""WITH RECURSIVE into_root(entity, root) AS (
            SELECT value, value FROM json_each(?)
            UNION SELECT i.entity, m.into_entity FROM into_root AS i JOIN merges AS m ON m.entity = i.root
            WHERE {believed(known, "m.")})
        SELECT i.entity, i.root FROM into_root AS i
        WHERE NOT EXISTS (SELECT 1 FROM merges AS m WHERE m.entity = i.root AND {believed(known, "m.")})"""
    return {row["entity"]: row["root"] for row in reading.file.all(sql, as_list(entities))}


def find_entity(reading: Reading, entity: str | int, known: int) -> int:
    """The entity that had this name or id at a record time, or the one that it was taken for.

    Raises:
        NotInGroupError: there was none in the group.
    """
    key = by_name(reading, [normal(entity)], known).get(normal(entity)) if isinstance(entity, str) else entity
    root = canonical(reading, [key], known).get(key) if key is not None and reading.has_key(key) else None
    begun = "SELECT 1 FROM entity_versions WHERE entity = ? AND recorded_from <= ?"
    if root is None or not reading.file.one(begun, root, known):
        raise NotInGroupError(f"the group has no entity {entity!r}; search for its name among the kind entity")
    return root


def facts_of(
    reading: Reading, entities: Iterable[int], standing: Standing, *, most: int | None = MOST
) -> dict[int, tuple[int, int]]:
    """Facts that have one of these entities as an end, each with both its ends; at most so many of each side."""
    condition, values = standing.condition
    limit = "" if most is None else f" LIMIT {most}"
    sides = " UNION ".join(
        f"SELECT * FROM (SELECT fact, subject, object FROM fact_versions AS v WHERE v.{side} {AMONG}"
        f" AND v.same_as IS NULL AND {condition}{limit})"
        for side in ("subject", "object")
    )
    keys = as_list(entities)
    rows = reading.file.all(sides, keys, *values, keys, *values)
    return {row["fact"]: (row["subject"], row["object"]) for row in rows}


def distances(reading: Reading, entity: int, standing: Standing, *, hops: int = 2) -> dict[int, int]:
    """How many facts lie between an entity and those around it; itself is at 0."""
    found = {entity: 0}
    edge: Sequence[int] = [entity]
    for hop in range(1, hops + 1):
        ends = {end for pair in facts_of(reading, edge, standing).values() for end in pair}
        edge = sorted(ends - found.keys())
        found |= dict.fromkeys(edge, hop)
    return found
