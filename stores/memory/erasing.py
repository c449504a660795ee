"""Removing content for good: the one exception to "nothing is overwritten".

Rows and their terms in the full-text indexes are deleted; the indexes are merged into one piece, since FTS5 keeps the
words of what is deleted until then; the file is rewritten without its free pages; and the write-ahead log is emptied.
Each erasure keeps a note of its own from the first step to the last, so that one that was interrupted is finished by
whoever opens the memory next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from sqlite3 import Row

from .entities import EntityWriter, roots
from .errors import MemoryLockedError
from .file import MemoryFile, Writing
from .forgetting import Forgotten, find_episode, report, withdraw
from .labels import delete_labels
from .merging import reground
from .names import folded
from .parts import Parts
from .reading.neighbourhood import canonical
from .records import episode_record
from .rewriting import rewrite_past
from .types import Episode

_NOTE = "erasing:"
_ERASED = "the name that told is erased"
"""The reason of a merge that quoted one."""

_FULL_TEXT = ("episode_words", "fact_words", "entity_words", "name_grams")
_TABLES = (
    "queue", "episodes", "entity_versions", "labels", "aliases", "merges", "facts", "support", "fact_versions",
    "rulings", "vectors",
)  # fmt: skip


def erase_episode(parts: Parts, group: str, episode: Episode | int) -> Forgotten:
    """Remove an episode and all that rests, or ever rested, on it alone.

    Raises:
        NotInGroupError: the group does not hold it, not even forgotten.
        MemoryLockedError: a reader keeps the write-ahead log; what it holds goes with the next erasure or opening.
    """
    with parts.file.writing(group) as writing:
        _note(writing)
        row = find_episode(writing.reading, episode, forgotten=True)
        keys = _copies(writing, row)
        support = writing.file.among("SELECT * FROM support WHERE episode IN (%s)", keys)
        settled = withdraw(writing, parts, [each for each in support if each["recorded_to"] is None])
        delete_labels(writing, [each["key"] for each in support])
        facts = _alone(writing, {each["fact"] for each in support}, keys)
        entities = _only_in(writing, facts)
        about = _about(writing, {each["fact"] for each in support})
        _delete_facts(writing, parts, facts)
        _separate(writing, parts, entities)
        _delete_entities(writing, parts, entities)
        EntityWriter(writing, parts.words).retire(about - set(entities))
        _delete_episodes(writing, parts, keys)
        writing.erased()
    scrub(parts.file)
    return report(tuple(keys), settled)


def erase_group(parts: Parts, group: str) -> None:
    """Remove a group with all that it holds.

    Raises:
        MemoryLockedError: a reader keeps the write-ahead log; what it holds goes with the next erasure or opening.
    """
    with parts.file.writing(group) as writing:
        _note(writing)
        between = f"BETWEEN {writing.reading.low} AND {writing.reading.high}"
        _unindex_episodes(writing, parts, writing.file.all(f"SELECT * FROM episodes WHERE key {between}"))
        _unindex_facts(writing, parts, writing.file.all(f"SELECT key, statement FROM facts WHERE key {between}"))
        _unindex_names(writing, parts, writing.file.all(f"SELECT key, name FROM aliases WHERE key {between}"))
        writing.file.execute(f"DELETE FROM acronyms WHERE alias {between}")
        for table in _TABLES:
            column = "episode" if table == "queue" else "key"
            writing.file.execute(f"DELETE FROM {table} WHERE {column} {between}")
        writing.file.execute("DELETE FROM groups WHERE name = ?", group)
    scrub(parts.file)


def scrub(file: MemoryFile) -> None:
    """Rewrite the file and its log without what was deleted, where an erasure has begun.

    Only the notes that were there at the start are taken away: what another erasure deletes meanwhile is its own to
    scrub, or that of whoever opens the memory next.
    """
    notes = file.writer.all("SELECT name FROM meta WHERE name GLOB ?", f"{_NOTE}*")
    if not notes:
        return
    with file.writer.transaction():
        for table in _FULL_TEXT:
            file.writer.execute(f"INSERT INTO {table}({table}) VALUES ('optimize')")
    file.writer.execute("VACUUM")
    busy = file.writer.one("PRAGMA wal_checkpoint(TRUNCATE)")
    if busy is None or busy[0]:
        raise MemoryLockedError(
            f"it is deleted, but a reader of {file.path} keeps the write-ahead log, which still holds it; "
            "close the readers and open the memory again"
        )
    with file.writer.transaction():
        file.writer.many("DELETE FROM meta WHERE name = ?", [tuple(note) for note in notes])


def _note(writing: Writing) -> None:
    (key,) = writing.keys(1)
    writing.file.execute("INSERT INTO meta VALUES (?, '')", f"{_NOTE}{key}")


def _copies(writing: Writing, row: Row) -> list[int]:
    """An episode and all rows of the same content: those of earlier times, when it was forgotten again."""
    low, high = writing.reading.low, writing.reading.high
    rows = writing.file.all(
        "SELECT key FROM episodes WHERE digest = ? AND key BETWEEN ? AND ?", row["digest"], low, high
    )
    return [each["key"] for each in rows]


def _alone(writing: Writing, facts: Iterable[int], episodes: Sequence[int]) -> list[int]:
    """Those of the facts that nothing but these episodes has ever supported."""
    rows = writing.file.among("SELECT fact, episode FROM support WHERE fact IN (%s)", sorted(facts))
    others = {row["fact"] for row in rows if row["episode"] not in episodes}
    return sorted(set(facts) - others)


def _about(writing: Writing, facts: Iterable[int]) -> set[int]:
    """The entities that the facts name, and those that they are taken for now."""
    rows = writing.file.among("SELECT subject, object FROM facts WHERE key IN (%s)", sorted(facts))
    ends = {end for row in rows for end in (row["subject"], row["object"])}
    return ends | set(roots(writing.reading, ends).values())


def _only_in(writing: Writing, facts: Sequence[int]) -> list[int]:
    """Entities that only these facts have ever named, and nobody has described."""
    rows = writing.file.among("SELECT subject, object FROM facts WHERE key IN (%s)", facts)
    found = sorted({end for row in rows for end in (row["subject"], row["object"])})
    low, high = writing.reading.low, writing.reading.high
    these = set(facts)
    elsewhere = {
        row[end]
        for end in ("subject", "object")
        for row in writing.file.among(
            f"SELECT key, {end} FROM facts WHERE key BETWEEN {low} AND {high} AND {end} IN (%s)", found
        )
        if row["key"] not in these
    }
    rows = writing.file.among("SELECT entity FROM entity_versions WHERE described AND entity IN (%s)", found)
    return sorted(set(found) - elsewhere - {row["entity"] for row in rows})


def _delete_facts(writing: Writing, parts: Parts, facts: Sequence[int]) -> None:
    """Delete facts; versions of others that came of them are as if these had never been stated."""
    rows = writing.file.among("SELECT key, subject, object, statement FROM facts WHERE key IN (%s)", facts)
    ends = {end for row in rows for end in (row["subject"], row["object"])}
    believed = writing.file.among("SELECT subject, object FROM fact_versions WHERE fact IN (%s)", facts)
    ends |= {end for row in believed for end in (row["subject"], row["object"])}
    _each(writing, "UPDATE entity_versions SET summary = '' WHERE entity = ?", ends)  # it may tell the facts
    _unindex_facts(writing, parts, rows)
    rewrite_past(writing, parts.single_valued, facts)
    stated = "SELECT valid_from, valid_to FROM facts WHERE key = fact_versions.fact"
    for column in ("same_as", "ended_by"):
        _each(writing, f"UPDATE fact_versions SET (valid_from, valid_to) = ({stated}) WHERE {column} = ?", facts)
        _each(writing, f"UPDATE fact_versions SET {column} = NULL WHERE {column} = ?", facts)
    for table, column in (
        ("fact_versions", "fact"),
        ("support", "fact"),
        ("rulings", "ended"),
        ("rulings", "by_fact"),
        ("vectors", "key"),
        ("facts", "key"),
    ):
        _each(writing, f"DELETE FROM {table} WHERE {column} = ?", facts)


def _separate(writing: Writing, parts: Parts, entities: Sequence[int]) -> None:
    """Undo merges with entities that are to be deleted, now and in all that was believed before."""
    taken = _taken_for(writing, entities)
    stood = {*entities, *roots(writing.reading, entities).values()}
    for column in ("entity", "into_entity"):
        _each(writing, f"DELETE FROM merges WHERE {column} = ?", entities)
    reground(writing, stood, parts.single_valued)
    for end in ("subject", "object"):
        sql = (
            f"SELECT v.key, v.recorded_from, f.{end} AS stated FROM fact_versions AS v "
            f"JOIN facts AS f ON f.key = v.fact WHERE v.recorded_to IS NOT NULL AND f.{end} IN (%s)"
        )
        for row in writing.file.among(sql, sorted(taken)):
            own = canonical(writing.reading, [row["stated"]], row["recorded_from"])[row["stated"]]
            writing.file.execute(f"UPDATE fact_versions SET {end} = ? WHERE key = ?", own, row["key"])


def _taken_for(writing: Writing, entities: Iterable[int]) -> set[int]:
    """The entities that were ever taken for these, by way of others, too; without these."""
    found: set[int] = set()
    step = set(entities)
    while step:
        rows = writing.file.among("SELECT entity FROM merges WHERE into_entity IN (%s)", sorted(step))
        step = {row["entity"] for row in rows} - found
        found |= step
    return found - set(entities)


def _delete_entities(writing: Writing, parts: Parts, entities: Sequence[int]) -> None:
    names = writing.file.among("SELECT key, name FROM aliases WHERE entity IN (%s)", entities)
    _unindex_names(writing, parts, names)
    sql = "UPDATE merges SET reason = ? WHERE key BETWEEN ? AND ? AND instr(reason, ?)"
    low, high = writing.reading.low, writing.reading.high
    writing.file.many(sql, ((_ERASED, low, high, repr(row["name"])) for row in names))
    _each(writing, "DELETE FROM acronyms WHERE alias = ?", [row["key"] for row in names])
    for table, column in (
        ("aliases", "entity"),
        ("entity_versions", "entity"),
        ("labels", "entity"),
        ("vectors", "key"),
    ):
        _each(writing, f"DELETE FROM {table} WHERE {column} = ?", entities)


def _delete_episodes(writing: Writing, parts: Parts, keys: Sequence[int]) -> None:
    _unindex_episodes(writing, parts, writing.file.among("SELECT * FROM episodes WHERE key IN (%s)", keys))
    for table, column in (("queue", "episode"), ("support", "episode"), ("vectors", "key"), ("episodes", "key")):
        _each(writing, f"DELETE FROM {table} WHERE {column} = ?", keys)


def _unindex_episodes(writing: Writing, parts: Parts, rows: Iterable[Row]) -> None:
    searched = ((row["key"], episode_record(row).episode.searched) for row in rows)
    _unindex(writing, "episode_words", "terms", ((key, parts.words.indexed(text)) for key, text in searched))


def _unindex_facts(writing: Writing, parts: Parts, rows: Iterable[Row]) -> None:
    _unindex(writing, "fact_words", "terms", ((row["key"], parts.words.indexed(row["statement"])) for row in rows))


def _unindex_names(writing: Writing, parts: Parts, names: Iterable[Row]) -> None:
    rows = list(names)
    _unindex(writing, "entity_words", "terms", ((row["key"], parts.words.indexed(row["name"])) for row in rows))
    _unindex(writing, "name_grams", "folded", ((row["key"], folded(row["name"])) for row in rows))


def _unindex(writing: Writing, table: str, column: str, rows: Iterable[tuple[int, str]]) -> None:
    """Take rows out of a full-text table, which has to be told what they held."""
    writing.file.many(f"INSERT INTO {table}({table}, rowid, {column}) VALUES ('delete', ?, ?)", rows)


def _each(writing: Writing, sql: str, keys: Iterable[int]) -> None:
    writing.file.many(sql, ((key,) for key in keys))
