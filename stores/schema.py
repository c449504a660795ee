"""The tables of a corpus' database, and how to tell those of another version."""

from __future__ import annotations

import sqlite3
from contextlib import closing

VERSION = "1"

TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE sources (
        key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, text TEXT NOT NULL,
        metadata TEXT NOT NULL, fingerprint TEXT NOT NULL)""",
    """CREATE TABLE chunks (
        key INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, source INTEGER NOT NULL REFERENCES sources(key),
        context TEXT NOT NULL, span_start INTEGER NOT NULL, span_end INTEGER NOT NULL,
        text TEXT,               -- NULL: the whole source
        metadata TEXT NOT NULL,  -- all that a search shows
        generation INTEGER NOT NULL)""",
    "CREATE INDEX chunks_by_source ON chunks(source, span_start)",
    "CREATE INDEX chunks_by_generation ON chunks(generation)",
    "CREATE TABLE vectors (key INTEGER PRIMARY KEY REFERENCES chunks(key), vector BLOB NOT NULL)",
    "CREATE TABLE removed (key INTEGER PRIMARY KEY, generation INTEGER NOT NULL)",
    "CREATE INDEX removed_by_generation ON removed(generation)",
    "CREATE TABLE files (path TEXT PRIMARY KEY, fingerprint TEXT NOT NULL) WITHOUT ROWID",
)

COLUMNS = """SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
    WHERE tables.type = 'table' AND tables.name IN ('meta', 'sources', 'chunks', 'vectors', 'removed', 'files')"""
"""Asks a database for table and name of every column of ours; the version alone is forgotten when tables change."""


def columns() -> set[tuple[str, str]]:
    """What `COLUMNS` gives in a database of this version."""
    with closing(sqlite3.connect(":memory:")) as database:
        for statement in TABLES:
            database.execute(statement)
        return set(database.execute(COLUMNS).fetchall())
