"""What a transaction can change in a corpus' database."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .rows import PLACEMENT, Placement, to_json
from .sqlite import SqliteFile
from .types import INCOMPLETE, Source


class Writer:
    """One write: what `Database.transaction` gives, good until it ends."""

    def __init__(self, file: SqliteFile, generation: int) -> None:
        """Write to `file`, inside a transaction, as this `generation`."""
        self.generation = generation
        self._file = file

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

    def put_chunk(self, chunk_id: str, source_key: int, row: Placement, vector: NDArray[np.float32]) -> None:
        """Insert a chunk with its vector; the indexes will hear of it."""
        cursor = self._file.execute(
            f"INSERT INTO chunks (id, source, {PLACEMENT}, generation) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            chunk_id,
            source_key,
            *row,
            self.generation,
        )
        self._file.execute("INSERT INTO vectors VALUES (?, ?)", cursor.lastrowid, _blob(vector))

    def put_vector(self, key: int, vector: NDArray[np.float32]) -> None:
        """Replace the vector of a chunk; the indexes hear of it by a new epoch."""
        self._file.execute("UPDATE vectors SET vector = ? WHERE key = ?", _blob(vector), key)

    def move_chunk(self, key: int, source_key: int, row: Placement) -> None:
        """Give a chunk whose indexed text stays the same its new place and metadata."""
        assignments = ", ".join(f"{column} = ?" for column in PLACEMENT.split(", "))
        self._file.execute(f"UPDATE chunks SET source = ?, {assignments} WHERE key = ?", source_key, *row, key)

    def remove_chunks(self, keys: Iterable[int]) -> int:
        """Delete chunks and their vectors; the indexes will hear of it. How many there were."""
        removed = 0
        for key in keys:
            self._file.execute("DELETE FROM vectors WHERE key = ?", key)
            removed += self._file.execute("DELETE FROM chunks WHERE key = ?", key).rowcount
            self._file.execute("INSERT OR REPLACE INTO removed VALUES (?, ?)", key, self.generation)
        return removed

    def settle_shrunk(self, source_ids: Iterable[str]) -> None:
        """See to sources that have lost chunks: those without any go, the others are no longer what was ingested."""
        for source_id in source_ids:
            self._file.execute(
                "DELETE FROM sources WHERE id = ? AND NOT EXISTS (SELECT 1 FROM chunks WHERE source = sources.key)",
                source_id,
            )
            self._file.execute(
                "UPDATE sources SET fingerprint = ? WHERE id = ? AND fingerprint <> ''", INCOMPLETE, source_id
            )

    def mark_incomplete(self, keys: Iterable[int]) -> None:
        """Say of the sources of chunks that they are not what was ingested, so that they are ingested again."""
        for key in keys:
            self._file.execute(
                "UPDATE sources SET fingerprint = ? WHERE key = (SELECT source FROM chunks WHERE key = ?) "
                "AND fingerprint <> ''",
                INCOMPLETE,
                key,
            )

    def forget_removed(self, generation: int) -> None:
        """Drop the notes about removals that every index has followed."""
        self._file.execute("DELETE FROM removed WHERE generation <= ?", generation)


def _blob(vector: NDArray[np.float32]) -> bytes:
    return np.ascontiguousarray(vector, np.float32).tobytes()
