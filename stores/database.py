"""The truth of a corpus: one SQLite file with sources, chunks and vectors.

Every write is one transaction that raises the *generation*. A chunk's row has a `key` that is never used again, and the
text of a row that is indexed never changes (a changed text gets a new row), so an index that knows its own generation
`g` catches up exactly: drop the keys in `removed` after `g`, add the chunks after `g`. Vectors of another model start a
new *epoch*: an index of an earlier one is made again.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray

from .embedder import Fingerprint
from .errors import CorpusCorruptError, CorpusError
from .rows import PLACEMENT, Placement, document, to_json
from .sqlite import SqliteFile
from .types import Source
from .where import Where, to_sql

SCHEMA_VERSION = "1"

_SCHEMA = (
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
)

_COLUMNS = """SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
    WHERE tables.type = 'table' AND tables.name IN ('meta', 'sources', 'chunks', 'vectors', 'removed')"""

_TEXT = "COALESCE(chunks.text, sources.text)"
_INDEXED_TEXT = f"CASE context WHEN '' THEN {_TEXT} ELSE context || char(10) || {_TEXT} END AS indexed_text"
_CHUNKS = "chunks JOIN sources ON sources.key = chunks.source"
_PLACEMENT = ", ".join(f"chunks.{column}" for column in PLACEMENT.split(", "))
_DOCUMENT = f"chunks.key, chunks.id, {_TEXT} AS text, chunks.metadata"


@dataclass(frozen=True, slots=True)
class State:
    """What has been written: `generation` counts the writes, `epoch` changes when all vectors do.

    `embedder` is the fingerprint of the model that made the vectors, None before the first.
    """

    epoch: str
    generation: int
    embedder: Fingerprint | None


@dataclass(frozen=True, slots=True)
class Stored:
    """A chunk as it is stored: its key, its source's id, the text that is indexed, and the rest of its row."""

    key: int
    source: str
    indexed_text: str
    placement: Placement


class Database:
    """The corpus' tables; safe to use from several threads."""

    def __init__(self, path: Path, *, language: str = "en") -> None:
        """Open the file at `path`, or create it for texts in `language`.

        Raises:
            CorpusCorruptError: the file is not a corpus, or damaged.
            CorpusError: it was written by another version of ragloom.
        """
        self._file = SqliteFile(path)
        try:
            self._create_or_check(path, language)
        except BaseException:
            self._file.close()
            raise

    def _create_or_check(self, path: Path, language: str) -> None:
        if not self._has_table("meta"):
            with self._file.transaction():
                if not self._has_table("meta"):  # another process may have come first
                    if self._file.one("SELECT 1 FROM sqlite_master"):
                        raise CorpusCorruptError(f"{path} is a database, but not one of ragloom's")
                    self._create(language)
        if {tuple(row) for row in self._file.all(_COLUMNS)} != _columns() or self.meta("schema") != SCHEMA_VERSION:
            raise CorpusError(
                f"{path} was made by another version of ragloom; use that one, or delete {path.parent} and ingest again"
            )

    def _has_table(self, name: str) -> bool:
        return self._file.one("SELECT 1 FROM sqlite_master WHERE name = ?", name) is not None

    def _create(self, language: str) -> None:
        for statement in _SCHEMA:
            self._file.execute(statement)
        self.set_meta("schema", SCHEMA_VERSION)
        self.set_meta("generation", "0")
        self.set_meta("language", language)
        self.start_epoch()

    def check(self) -> None:
        """Read the whole file.

        Raises:
            CorpusCorruptError: it is damaged.
        """
        self._file.check()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # -- reading

    def meta(self, name: str) -> str | None:
        """A named value, or None."""
        row = self._file.one("SELECT value FROM meta WHERE name = ?", name)
        return None if row is None else str(row["value"])

    @property
    def language(self) -> str:
        """The language of the texts."""
        return self.meta("language") or "en"

    def state(self) -> State:
        """What has been written so far."""
        meta = {row["name"]: row["value"] for row in self._file.all("SELECT name, value FROM meta")}
        embedder = meta.get("embedder")
        return State(
            meta["epoch"], int(meta["generation"]), None if embedder is None else Fingerprint(**json.loads(embedder))
        )

    def count(self, table: str) -> int:
        """Rows of `chunks` or `sources`."""
        row = self._file.one(f"SELECT count(*) AS n FROM {table}")
        return 0 if row is None else int(row["n"])

    def fingerprints(self, prefix: str) -> dict[str, str]:
        """Source id to fingerprint, of the sources whose id starts with `prefix`."""
        end = prefix + "\U0010ffff"
        rows = self._file.all("SELECT id, fingerprint FROM sources WHERE id >= ? AND id <= ? ORDER BY id", prefix, end)
        return {row["id"]: row["fingerprint"] for row in rows}

    def source(self, source_id: str) -> Source | None:
        """A source with its text, or None."""
        row = self._file.one("SELECT * FROM sources WHERE id = ?", source_id)
        if row is None:
            return None
        return Source(row["id"], row["text"], row["title"], json.loads(row["metadata"]), row["fingerprint"])

    def documents(self, keys: Sequence[int]) -> dict[int, Document]:
        """The chunks with these keys, as LangChain documents; unknown keys are left out."""
        rows = self._file.among(f"SELECT {_DOCUMENT} FROM {_CHUNKS} WHERE chunks.key IN (%s)", keys)
        return {row["key"]: document(row) for row in rows}

    def stored(self, ids: Sequence[str]) -> dict[str, Stored]:
        """The chunks with these ids, as they are stored; unknown ids are left out."""
        sql = (
            f"SELECT {_PLACEMENT}, chunks.id, chunks.key, sources.id, {_INDEXED_TEXT} "
            f"FROM {_CHUNKS} WHERE chunks.id IN (%s)"
        )
        rows = [tuple(row) for row in self._file.among(sql, ids)]
        return {id_: Stored(key, source, text, tuple(row)) for *row, id_, key, source, text in rows}

    def keys(self, ids: Sequence[str]) -> dict[str, int]:
        """Chunk id to key; unknown ids are left out."""
        return {row["id"]: row["key"] for row in self._file.among("SELECT id, key FROM chunks WHERE id IN (%s)", ids)}

    def keys_of_sources(self, source_ids: Sequence[str]) -> list[int]:
        """Keys of all chunks of these sources."""
        rows = self._file.among(f"SELECT chunks.key AS key FROM {_CHUNKS} WHERE sources.id IN (%s)", source_ids)
        return [row["key"] for row in rows]

    def sources_of_keys(self, keys: Sequence[int]) -> set[str]:
        """Ids of the sources that these chunks are of."""
        rows = self._file.among(f"SELECT DISTINCT sources.id AS id FROM {_CHUNKS} WHERE chunks.key IN (%s)", keys)
        return {row["id"] for row in rows}

    def all_keys(self) -> set[int]:
        """Every chunk's key."""
        return {row["key"] for row in self._file.all("SELECT key FROM chunks")}

    def all_ids(self) -> list[str]:
        """Every chunk's id, oldest first."""
        return [row["id"] for row in self._file.all("SELECT id FROM chunks ORDER BY key")]

    def vectors(self, keys: Sequence[int]) -> tuple[list[int], NDArray[np.float32]]:
        """Those of these keys that are known, and their unit vectors in the same order."""
        rows = self._file.among("SELECT key, vector FROM vectors WHERE key IN (%s)", keys)
        vectors = np.frombuffer(b"".join([row["vector"] for row in rows]), np.float32)
        return [row["key"] for row in rows], vectors.reshape(len(rows), -1) if rows else vectors.reshape(0, 0)

    def matching(self, where: Where) -> list[int]:
        """Keys of the chunks whose metadata meet the conditions."""
        sql, values = to_sql(where, "chunks.metadata")
        return [row["key"] for row in self._file.all(f"SELECT key FROM chunks WHERE {sql}", *values)]

    def removed_since(self, generation: int) -> list[int]:
        """Keys that an index of that generation has to drop."""
        return [row["key"] for row in self._file.all("SELECT key FROM removed WHERE generation > ?", generation)]

    def added_since(self, generation: int, size: int) -> Iterator[list[tuple[int, str, NDArray[np.float32]]]]:
        """Batches of `(key, text to index, vector)` that an index of that generation lacks."""
        last = 0
        while True:
            rows = self._file.all(
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
        with self._file.transaction():
            generation = int(self.meta("generation") or 0) + 1
            yield generation
            self.set_meta("generation", str(generation))

    def set_meta(self, name: str, value: str) -> None:
        """Set a named value."""
        self._file.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", name, value)

    def start_epoch(self) -> None:
        """Tell every index that it has to be made again."""
        self.set_meta("epoch", uuid.uuid4().hex)

    def put_source(self, source: Source) -> int:
        """Insert or update a source; its key."""
        row = self._file.execute(
            "INSERT INTO sources (id, title, text, metadata, fingerprint) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET title = excluded.title, text = excluded.text, "
            "metadata = excluded.metadata, fingerprint = excluded.fingerprint RETURNING key",
            source.id,
            source.title,
            source.text,
            to_json(source.metadata, source.id),
            source.fingerprint,
        ).fetchone()
        return int(row["key"])

    def put_chunk(
        self, chunk_id: str, source_key: int, row: Placement, vector: NDArray[np.float32], generation: int
    ) -> None:
        """Insert a chunk with its vector; the indexes will hear of it."""
        cursor = self._file.execute(
            f"INSERT INTO chunks (id, source, {PLACEMENT}, generation) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            chunk_id,
            source_key,
            *row,
            generation,
        )
        self._file.execute("INSERT INTO vectors VALUES (?, ?)", cursor.lastrowid, _blob(vector))

    def put_vector(self, key: int, vector: NDArray[np.float32]) -> None:
        """Replace the vector of a chunk; the indexes hear of it by a new epoch."""
        self._file.execute("UPDATE vectors SET vector = ? WHERE key = ?", _blob(vector), key)

    def move_chunk(self, key: int, source_key: int, row: Placement) -> None:
        """Give a chunk whose indexed text stays the same its new place and metadata."""
        assignments = ", ".join(f"{column} = ?" for column in PLACEMENT.split(", "))
        self._file.execute(f"UPDATE chunks SET source = ?, {assignments} WHERE key = ?", source_key, *row, key)

    def remove_chunks(self, keys: Iterable[int], generation: int) -> int:
        """Delete chunks and their vectors; the indexes will hear of it. How many there were."""
        removed = 0
        for key in keys:
            self._file.execute("DELETE FROM vectors WHERE key = ?", key)
            removed += self._file.execute("DELETE FROM chunks WHERE key = ?", key).rowcount
            self._file.execute("INSERT OR REPLACE INTO removed VALUES (?, ?)", key, generation)
        return removed

    def remove_empty_sources(self, source_ids: Iterable[str]) -> None:
        """Delete those of these sources that no chunk is of."""
        for source_id in source_ids:
            self._file.execute(
                "DELETE FROM sources WHERE id = ? AND NOT EXISTS (SELECT 1 FROM chunks WHERE source = sources.key)",
                source_id,
            )

    def forget_removed(self, generation: int) -> None:
        """Drop the notes about removals that every index has followed."""
        self._file.execute("DELETE FROM removed WHERE generation <= ?", generation)


def _columns() -> set[tuple[str, str]]:
    """Table and name of every column, as this version makes them."""
    with closing(sqlite3.connect(":memory:")) as database:
        for statement in _SCHEMA:
            database.execute(statement)
        return set(database.execute(_COLUMNS).fetchall())


def _blob(vector: NDArray[np.float32]) -> bytes:
    return np.ascontiguousarray(vector, np.float32).tobytes()
