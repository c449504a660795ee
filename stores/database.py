"""The truth of a corpus: one SQLite file with sources, chunks and vectors.

Every write is one transaction that raises the *generation*. A chunk's row has a `key` that is never used again, and the
text of a row that is indexed never changes (a changed text gets a new row), so an index that knows its own generation
`g` catches up exactly: drop the keys in `removed` after `g`, add the chunks after `g`.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray

from .errors import CorpusCorruptError, CorpusError, CorpusFullError, CorpusLockedError
from .types import Chunk, Source
from .where import Where, to_sql

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sources (
    key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, text TEXT NOT NULL,
    metadata TEXT NOT NULL, fingerprint TEXT NOT NULL);
CREATE TABLE chunks (
    key INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, source INTEGER NOT NULL REFERENCES sources(key),
    context TEXT NOT NULL, heading TEXT NOT NULL, span_start INTEGER NOT NULL, span_end INTEGER NOT NULL,
    section_start INTEGER NOT NULL, section_end INTEGER NOT NULL,
    text TEXT,               -- NULL: the whole source
    metadata TEXT NOT NULL,  -- the source's and the chunk's own
    generation INTEGER NOT NULL);
CREATE INDEX chunks_by_source ON chunks(source, span_start);
CREATE INDEX chunks_by_generation ON chunks(generation);
CREATE TABLE vectors (key INTEGER PRIMARY KEY REFERENCES chunks(key), vector BLOB NOT NULL);
CREATE TABLE removed (key INTEGER PRIMARY KEY, generation INTEGER NOT NULL);
CREATE INDEX removed_by_generation ON removed(generation);
INSERT INTO meta VALUES ('schema', '1'), ('generation', '0');
"""

_TEXT = "COALESCE(chunks.text, sources.text)"
_INDEXED_TEXT = f"CASE context WHEN '' THEN {_TEXT} ELSE context || char(10) || {_TEXT} END AS indexed_text"
_DOCUMENT = f"""
    chunks.key, chunks.id, {_TEXT} AS text, chunks.metadata, chunks.heading,
    span_start, span_end, section_start, section_end, sources.id AS source, sources.title AS title
"""
_CHUNKS = "chunks JOIN sources ON sources.key = chunks.source"


class Database:
    """The SQLite file of a corpus; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Open the file at `path`, or create it.

        Raises:
            CorpusCorruptError: the file is not a corpus, or damaged.
            CorpusError: it was written by a newer ragloom.
        """
        self.path = path
        self._mutex = threading.RLock()
        with self._explained():
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=5)
            self._connection.row_factory = sqlite3.Row
            self._connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;")
            self._create_or_check()

    def _create_or_check(self) -> None:
        if not self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
            if self._connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                raise CorpusCorruptError(f"{self.path} is a database, but not one of ragloom's")
            self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        version = int(self.meta("schema") or 0)
        if version != SCHEMA_VERSION:
            raise CorpusError(
                f"{self.path} has schema version {version}, this ragloom reads {SCHEMA_VERSION}; "
                "upgrade ragloom, or ingest again into a new index"
            )

    def check(self) -> None:
        """Read the whole file.

        Raises:
            CorpusCorruptError: it is damaged.
        """
        row = self._one("PRAGMA integrity_check(1)")
        if row is None or row[0] != "ok":
            raise CorpusCorruptError(
                f"{self.path} is damaged ({row[0] if row else 'unreadable'}); "
                "restore it from a backup, or ingest again into a new index"
            )

    def close(self) -> None:
        """Close the file."""
        with self._mutex:
            self._connection.close()

    # -- reading

    def meta(self, name: str) -> str | None:
        """A named value, or None."""
        row = self._one("SELECT value FROM meta WHERE name = ?", name)
        return None if row is None else str(row["value"])

    @property
    def generation(self) -> int:
        """How many writes there have been."""
        return int(self.meta("generation") or 0)

    def count(self, table: str) -> int:
        """Rows of `chunks` or `sources`."""
        row = self._one(f"SELECT count(*) AS n FROM {table}")
        return 0 if row is None else int(row["n"])

    def fingerprints(self, prefix: str) -> dict[str, str]:
        """Source id to fingerprint, of the sources whose id starts with `prefix`."""
        end = prefix + "\U0010ffff"
        rows = self._all("SELECT id, fingerprint FROM sources WHERE id >= ? AND id <= ? ORDER BY id", prefix, end)
        return {row["id"]: row["fingerprint"] for row in rows}

    def source(self, source_id: str) -> Source | None:
        """A source with its text, or None."""
        row = self._one("SELECT * FROM sources WHERE id = ?", source_id)
        if row is None:
            return None
        return Source(row["id"], row["text"], row["title"], json.loads(row["metadata"]), row["fingerprint"])

    def documents(self, keys: Sequence[int]) -> dict[int, Document]:
        """The chunks with these keys, as LangChain documents; unknown keys are left out."""
        rows = self._in(f"SELECT {_DOCUMENT} FROM {_CHUNKS} WHERE chunks.key IN (%s)", keys)
        return {row["key"]: _document(row) for row in rows}

    def indexed_texts(self, ids: Sequence[str]) -> dict[str, tuple[int, str]]:
        """Chunk id to `(key, text that is indexed)`; unknown ids are left out."""
        rows = self._in(f"SELECT chunks.id, chunks.key, {_INDEXED_TEXT} FROM {_CHUNKS} WHERE chunks.id IN (%s)", ids)
        return {row["id"]: (row["key"], row["indexed_text"]) for row in rows}

    def keys(self, ids: Sequence[str]) -> dict[str, int]:
        """Chunk id to key; unknown ids are left out."""
        return {row["id"]: row["key"] for row in self._in("SELECT id, key FROM chunks WHERE id IN (%s)", ids)}

    def all_keys(self) -> set[int]:
        """Every chunk's key."""
        return {row["key"] for row in self._all("SELECT key FROM chunks")}

    def all_ids(self) -> list[str]:
        """Every chunk's id, oldest first."""
        return [row["id"] for row in self._all("SELECT id FROM chunks ORDER BY key")]

    def vectors(self, keys: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """Key to unit vector; unknown keys are left out."""
        rows = self._in("SELECT key, vector FROM vectors WHERE key IN (%s)", keys)
        return {row["key"]: np.frombuffer(row["vector"], np.float32) for row in rows}

    def neighbours(self, source_id: str, start: int, end: int) -> list[Document]:
        """The chunks of a source that overlap the span `[start:end]`, in order."""
        rows = self._all(
            f"SELECT {_DOCUMENT} FROM {_CHUNKS} WHERE sources.id = ? AND span_end > ? AND span_start < ? "
            "ORDER BY span_start",
            source_id,
            start,
            end,
        )
        return [_document(row) for row in rows]

    def matching(self, where: Where) -> list[int]:
        """Keys of the chunks whose metadata meet the conditions."""
        sql, values = to_sql(where, "chunks.metadata")
        return [row["key"] for row in self._all(f"SELECT key FROM chunks WHERE {sql}", *values)]

    def removed_since(self, generation: int) -> list[int]:
        """Keys that an index of that generation has to drop."""
        return [row["key"] for row in self._all("SELECT key FROM removed WHERE generation > ?", generation)]

    def added_since(self, generation: int, size: int) -> Iterator[list[tuple[int, str, NDArray[np.float32]]]]:
        """Batches of `(key, text to index, vector)` that an index of that generation lacks."""
        last = 0
        while True:
            rows = self._all(
                f"SELECT chunks.key, {_INDEXED_TEXT}, vector FROM {_CHUNKS} JOIN vectors ON vectors.key = chunks.key "
                "WHERE generation > ? AND chunks.key > ? ORDER BY chunks.key LIMIT ?",
                generation,
                last,
                size,
            )
            if not rows:
                return
            last = rows[-1]["key"]
            yield [(row["key"], row["indexed_text"], np.frombuffer(row["vector"], np.float32)) for row in rows]

    # -- writing, inside `transaction`

    @contextmanager
    def transaction(self) -> Iterator[int]:
        """One write: yields the new generation, commits at the end, rolls back on an error."""
        with self._mutex, self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                generation = self.generation + 1
                yield generation
                self.set_meta("generation", str(generation))
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def set_meta(self, name: str, value: str) -> None:
        """Set a named value."""
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def put_source(self, source: Source) -> int:
        """Insert or update a source; its key."""
        row = self._connection.execute(
            "INSERT INTO sources (id, title, text, metadata, fingerprint) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET title = excluded.title, text = excluded.text, "
            "metadata = excluded.metadata, fingerprint = excluded.fingerprint RETURNING key",
            (source.id, source.title, source.text, to_json(source.metadata, source.id), source.fingerprint),
        ).fetchone()
        return int(row["key"])

    def put_chunk(self, chunk: Chunk, source_key: int, generation: int, vector: NDArray[np.float32]) -> None:
        """Insert a chunk with its vector; the indexes will hear of it."""
        cursor = self._connection.execute(
            "INSERT INTO chunks (id, source, context, heading, span_start, span_end, section_start, section_end, text,"
            " metadata, generation) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (chunk.id, source_key, *_placement(chunk), generation),
        )
        blob = np.ascontiguousarray(vector, np.float32).tobytes()
        self._connection.execute("INSERT INTO vectors VALUES (?, ?)", (cursor.lastrowid, blob))

    def put_vector(self, key: int, vector: NDArray[np.float32], generation: int) -> None:
        """Replace the vector of a chunk; the indexes will hear of it."""
        blob = np.ascontiguousarray(vector, np.float32).tobytes()
        self._connection.execute("UPDATE chunks SET generation = ? WHERE key = ?", (generation, key))
        self._connection.execute("UPDATE vectors SET vector = ? WHERE key = ?", (blob, key))

    def move_chunk(self, key: int, chunk: Chunk, source_key: int) -> None:
        """Give a chunk whose indexed text stays the same its new place and metadata."""
        self._connection.execute(
            "UPDATE chunks SET source = ?, context = ?, heading = ?, span_start = ?, span_end = ?, section_start = ?,"
            " section_end = ?, text = ?, metadata = ? WHERE key = ?",
            (source_key, *_placement(chunk), key),
        )

    def remove_chunks(self, keys: Iterable[int], generation: int) -> int:
        """Delete chunks and their vectors; the indexes will hear of it. How many there were."""
        removed = 0
        for key in keys:
            self._connection.execute("DELETE FROM vectors WHERE key = ?", (key,))
            removed += self._connection.execute("DELETE FROM chunks WHERE key = ?", (key,)).rowcount
            self._connection.execute("INSERT OR REPLACE INTO removed VALUES (?, ?)", (key, generation))
        return removed

    def chunk_keys(self, source_ids: Sequence[str]) -> list[int]:
        """Keys of all chunks of these sources."""
        rows = self._in(f"SELECT chunks.key AS key FROM {_CHUNKS} WHERE sources.id IN (%s)", source_ids)
        return [row["key"] for row in rows]

    def remove_sources(self, source_ids: Iterable[str]) -> None:
        """Delete those of these sources that no chunk refers to."""
        self._connection.executemany(
            "DELETE FROM sources WHERE id = ? AND NOT EXISTS (SELECT 1 FROM chunks WHERE source = sources.key)",
            [(source_id,) for source_id in source_ids],
        )

    def forget_removed(self, generation: int) -> None:
        """Drop the notes about removals that every index has followed."""
        self._connection.execute("DELETE FROM removed WHERE generation <= ?", (generation,))

    # -- plumbing

    def _one(self, sql: str, *values: Any) -> sqlite3.Row | None:
        with self._mutex, self._explained():
            row: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
            return row

    def _all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self._mutex, self._explained():
            return self._connection.execute(sql, values).fetchall()

    def _in(self, sql: str, values: Sequence[Any]) -> list[sqlite3.Row]:
        """Run a query with one `IN (%s)`, however many values there are."""
        rows: list[sqlite3.Row] = []
        for start in range(0, len(values), 500):
            part = values[start : start + 500]
            rows += self._all(sql % ",".join("?" * len(part)), *part)
        return rows

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise self._explain(error) from error
        except sqlite3.DatabaseError as error:
            raise CorpusCorruptError(
                f"{self.path} is damaged ({error}); restore it from a backup, or ingest again into a new index"
            ) from error

    def _explain(self, error: sqlite3.OperationalError) -> CorpusError:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name in {"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_SHMSIZE"}:
            return CorpusFullError(
                f"no room to write to {self.path} ({error}); free some space and run the same again: "
                "what was acknowledged before is safe"
            )
        if name.startswith("SQLITE_BUSY"):
            return CorpusLockedError(f"{self.path} is being written by another process; wait for it and try again")
        return CorpusError(f"cannot use {self.path}: {error}")


def to_json(metadata: Mapping[str, Any], owner: str) -> str:
    """Serialise metadata.

    Raises:
        CorpusError: a value has no JSON form; the message names it.
    """
    try:
        return json.dumps(dict(metadata), ensure_ascii=False)
    except (TypeError, ValueError):
        for name, value in metadata.items():
            try:
                json.dumps(value)
            except (TypeError, ValueError):
                kind = type(value).__name__
                raise CorpusError(
                    f"{owner}: metadata {name!r} holds a {kind}, which has no JSON form; store a text, number or list"
                ) from None
        raise


def _placement(chunk: Chunk) -> tuple[Any, ...]:
    section = chunk.section or (0, len(chunk.source.text))
    whole = (chunk.start, chunk.end) == (0, len(chunk.source.text))
    metadata = to_json({**chunk.source.metadata, **chunk.metadata}, chunk.source.id)
    heading = json.dumps(chunk.heading, ensure_ascii=False)
    return (chunk.context, heading, chunk.start, chunk.end, *section, None if whole else chunk.text, metadata)


def _document(row: sqlite3.Row) -> Document:
    metadata = {
        "source": row["source"],
        "title": row["title"],
        **json.loads(row["metadata"]),
        "source_id": row["source"],
        "heading": json.loads(row["heading"]),
        "start": row["span_start"],
        "end": row["span_end"],
        "section": [row["section_start"], row["section_end"]],
    }
    return Document(id=row["id"], page_content=row["text"], metadata=metadata)
