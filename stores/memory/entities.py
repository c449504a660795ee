"""Entities in the database: their names, the merges that make several of them one, and new ones."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from sqlite3 import Row

from .file import Reading, Writing
from .labels import as_types, labels_of
from .names import acronyms, folded, normal
from .words import Words


def by_name(reading: Reading, names: Iterable[str], known: int | None = None) -> dict[str, int]:
    """Normalised name to the entity that has it, exactly; names that nobody has are left out.

    Where several entities have a name, it is that of the one that had it first.

    Args:
        reading: the group.
        names: normalised.
        known: names that were given by this record time, in microseconds; None: by now.
    """
    sql = f"SELECT normal, min(entity) AS entity FROM aliases WHERE key BETWEEN {reading.low} AND {reading.high}"
    if known is not None:
        sql += f" AND recorded_from <= {known}"
    rows = reading.file.among(f"{sql} AND normal IN (%s) GROUP BY normal", sorted(set(names)))
    return {row["normal"]: row["entity"] for row in rows}


def roots(reading: Reading, entities: Iterable[int]) -> dict[int, int]:
    """Each entity to the one that it is taken for now; to itself where it is merged into none."""
    wanted = set(entities)
    step = wanted
    merged: dict[int, int] = {}
    while step:
        sql = "SELECT entity, into_entity FROM merges WHERE recorded_to IS NULL AND entity IN (%s)"
        found = {row["entity"]: row["into_entity"] for row in reading.file.among(sql, sorted(step))}
        merged |= found
        step = set(found.values()) - merged.keys()
    return {entity: _last(entity, merged) for entity in wanted}


def _last(entity: int, merged: Mapping[int, int]) -> int:
    while entity in merged:
        entity = merged[entity]
    return entity


def members(reading: Reading, root: int) -> set[int]:
    """An entity and all that are taken for it now."""
    found = {root}
    step = found
    while step:
        sql = "SELECT entity FROM merges WHERE recorded_to IS NULL AND into_entity IN (%s)"
        step = {row["entity"] for row in reading.file.among(sql, sorted(step))} - found
        found |= step
    return found


class EntityWriter:
    """Adds entities and names within one write."""

    def __init__(self, writing: Writing, words: Words) -> None:
        """Add to the group of `writing`; `words` makes the terms by which names are found."""
        self._writing = writing
        self._file = writing.file
        self._words = words

    def add(self, names: Sequence[str], types: Mapping[str, Collection[str]]) -> dict[str, int]:
        """New entities with these names, and `types` by name; name to entity."""
        keys = dict(zip(names, self._writing.keys(len(names)), strict=True))
        versions = self._writing.keys(len(names))
        recorded = self._writing.recorded
        self._file.many(
            "INSERT INTO entity_versions VALUES (?, ?, ?, ?, '{}', '', 0, ?, NULL)",
            (
                (version, keys[name], name, as_types(types.get(name, ())), recorded)
                for version, name in zip(versions, names, strict=True)
            ),
        )
        self.name([(keys[name], name) for name in names])
        return keys

    def revive(self, entities: Iterable[int], types: Mapping[int, Collection[str]]) -> None:
        """Believe again in entities that were forgotten, and in those that stand for them; give them these types."""
        wanted = set(entities)
        wanted |= set(roots(self._writing.reading, wanted).values())
        sql = "SELECT *, max(key) AS latest FROM entity_versions WHERE entity IN (%s) GROUP BY entity"
        rows = self._file.among(sql, sorted(wanted))
        told = labels_of(self._writing.reading, [row["entity"] for row in rows if row["recorded_to"] is not None])
        for row in rows:
            had = set(json.loads(row["types"])) if row["recorded_to"] is None else told[row["entity"]]
            labels = had | set(types.get(row["entity"], ()))
            if row["recorded_to"] is not None or labels != had:
                self.replace(row, types=as_types(labels))

    def retype(self, entities: Iterable[int]) -> None:
        """Give entities that are believed in the types that are still told of them, and no other."""
        wanted = sorted(set(entities))
        told = labels_of(self._writing.reading, wanted)
        sql = "SELECT * FROM entity_versions WHERE recorded_to IS NULL AND entity IN (%s)"
        for row in self._file.among(sql, wanted):
            if (types := as_types(told[row["entity"]])) != row["types"]:
                self.replace(row, types=types)

    def replace(self, row: Row, **changed: object) -> None:
        """Follow a version of an entity by one in which some columns are others."""
        self._writing.close("entity_versions", [row["key"]])
        columns = ("entity", "name", "types", "attributes", "summary", "described")
        values = {column: row[column] for column in columns} | changed
        (key,) = self._writing.keys(1)
        self._file.execute(
            "INSERT INTO entity_versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            key,
            *(values[column] for column in columns),
            self._writing.recorded,
        )

    def retire(self, entities: Iterable[int]) -> None:
        """Believe no longer in those of the entities, and of those taken for them, that no fact names any more.

        One that somebody has described is believed in, and one for which another that is believed in is taken.
        """
        reading = self._writing.reading
        for root in set(roots(reading, entities).values()):
            same = sorted(members(reading, root))
            held = "SELECT key, entity, described FROM entity_versions WHERE recorded_to IS NULL AND entity IN (%s)"
            versions = self._file.among(held, same)
            named = self._named(same)
            kept = {row["entity"] for row in versions if row["described"] or row["entity"] in named}
            kept |= {root} if kept else set()
            self._writing.close("entity_versions", [row["key"] for row in versions if row["entity"] not in kept])

    def _named(self, entities: Iterable[int]) -> set[int]:
        """Those of the entities that a fact which is believed names."""
        believed = "SELECT 1 FROM facts AS f JOIN fact_versions AS v ON v.fact = f.key WHERE v.recorded_to IS NULL"
        sql = " OR ".join(f"EXISTS ({believed} AND f.{end} = e.value)" for end in ("subject", "object"))
        rows = self._file.all(f"SELECT e.value FROM json_each(?) AS e WHERE {sql}", json.dumps(list(entities)))
        return {row["value"] for row in rows}

    def name(self, pairs: Sequence[tuple[int, str]]) -> None:
        """Give entities names that they do not have yet."""
        rows = [(key, *pair) for key, pair in zip(self._writing.keys(len(pairs)), pairs, strict=True)]
        recorded = self._writing.recorded
        self._file.many(
            "INSERT INTO aliases VALUES (?, ?, ?, ?, ?)",
            ((key, entity, name, normal(name), recorded) for key, entity, name in rows),
        )
        self._file.many(
            "INSERT OR IGNORE INTO acronyms VALUES (?, ?)",
            ((letters, key) for key, _, name in rows for letters in acronyms(name)),
        )
        self._file.many(
            "INSERT INTO entity_words (rowid, terms) VALUES (?, ?)",
            ((key, self._words.indexed(name)) for key, _, name in rows),
        )
        self._file.many(
            "INSERT INTO name_grams (rowid, folded) VALUES (?, ?)", ((key, folded(name)) for key, _, name in rows)
        )
