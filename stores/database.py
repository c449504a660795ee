"""The truth of a corpus: one SQLite file with sources, chunks and vectors.

Every write is one transaction that raises the *generation*. A chunk's row has a `key` that is never used again, and the
text of a row that is indexed never changes (a changed text gets a new row), so an index that knows its own generation
`g` catches up exactly: drop the keys in `removed` after `g`, add the chunks after `g`. Vectors of another model start a
new *epoch*: an index of an earlier one is made again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray

from . import schema
from .embedder import Fingerprint
from .errors import CorpusCorruptError, CorpusVersionError
from .fields import Field, fields_of
from .files import Files
from .rows import PLACEMENT, Placement, document
from .sqlite import SqliteFile
from .types import Source
from .where import Where, to_sql
from .writer import Writer

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
    """The corpus' tables; safe to use from several threads. What changes them is a `Writer`, inside `transaction`.

    Attributes:
        files: which files have been ingested whole.
    """

    def __init__(self, path: Path, *, language: str = "en") -> None:
        """Open the file at `path`, or create it for texts in `language`.

        Raises:
            CorpusCorruptError: the file is not a corpus, or damaged.
            CorpusVersionError: it was written by another version of ragloom.
        """
        self._file = SqliteFile(path)
        self.files = Files(self._file)
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
        found = {tuple(row) for row in self._file.all(schema.COLUMNS)}
        if found != schema.columns() or self.meta("schema") != schema.VERSION:
            raise CorpusVersionError(
                f"{path} was made by another version of ragloom; use that one, or delete {path.parent} and ingest again"
            )

    def _has_table(self, name: str) -> bool:
        return self._file.one("SELECT 1 FROM sqlite_master WHERE name = ?", name) is not None

    def _create(self, language: str) -> None:
        for statement in schema.TABLES:
            self._file.execute(statement)
        writer = Writer(self._file, 0)
        writer.set_meta("schema", schema.VERSION)
        writer.set_meta("generation", "0")
        writer.set_meta("language", language)
        writer.start_epoch()

    def check(self) -> None:
        """Read the whole file.

        Raises:
            CorpusCorruptError: it is damaged.
        """
        self._file.check()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

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

    def vectors_since(self, generation: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The keys of all chunks written after that generation, oldest first, and their unit vectors."""
        rows = self._file.all(
            "SELECT key, vector FROM chunks JOIN vectors USING (key) WHERE generation > ? ORDER BY key", generation
        )
        vectors = np.frombuffer(b"".join([row["vector"] for row in rows]), np.float32)
        keys = np.fromiter((row["key"] for row in rows), np.int64, len(rows))
        return keys, vectors.reshape(len(rows), -1) if rows else vectors.reshape(0, 0)

    def matching(self, where: Where) -> list[int]:
        """Keys of the chunks whose metadata meet the conditions."""
        sql, values = to_sql(where, "chunks.metadata")
        return [row["key"] for row in self._file.all(f"SELECT key FROM chunks WHERE {sql}", *values)]

    def fields(self) -> tuple[Field, ...]:
        """The fields of all metadata. Chunks differ in their spans if in nothing else, so those are left out first."""
        spans = "'$.heading', '$.start', '$.end', '$.section'"
        rows = self._file.all(f"SELECT json_remove(metadata, {spans}) AS same, count(*) AS n FROM chunks GROUP BY same")
        return fields_of((row["same"], row["n"]) for row in rows)

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

    @contextmanager
    def transaction(self) -> Iterator[Writer]:
        """One write, as a new generation; commits at the end, rolls back on an error."""
        with self._file.transaction():
            writer = Writer(self._file, int(self.meta("generation") or 0) + 1)
            yield writer
            writer.set_meta("generation", str(writer.generation))
