"""Which files have been ingested whole, so that the next run need not even parse them.

What is noted of a file is one fingerprint, of its bytes, the settings, and the fingerprints of all documents that it
gave. Whoever asks compares it with one made of what is stored of the file now: where a document has gone, was replaced
or has lost chunks, the two differ. So a note never has to be taken back, nor be written together with the documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .sqlite import SqliteFile


class Files:
    """The notes of a corpus about files; whoever writes holds the corpus' writer lock."""

    def __init__(self, file: SqliteFile) -> None:
        """Keep them in the database `file`."""
        self._file = file

    def fingerprint(self, path: str) -> str | None:
        """What is noted of a file, or None."""
        row = self._file.one("SELECT fingerprint FROM files WHERE path = ?", path)
        return None if row is None else str(row["fingerprint"])

    def note(self, fingerprints: Mapping[str, str]) -> None:
        """Note files, path to fingerprint; the indexes have no need to hear of it."""
        with self._file.transaction():
            for path, fingerprint in fingerprints.items():
                self._file.execute("INSERT OR REPLACE INTO files VALUES (?, ?)", path, fingerprint)

    def forget(self, paths: Iterable[str]) -> None:
        """Forget files that are gone."""
        with self._file.transaction():
            for path in paths:
                self._file.execute("DELETE FROM files WHERE path = ?", path)
