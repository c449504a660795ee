"""The vectors of a memory: made by one embedder, kept as unit vectors in float16.

Half the bytes of float32 for a difference in cosine of about 1e-4.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from ...settings import read_settings
from ..embedder import Embedder, Fingerprint, TextEmbedder, as_embedder, encode_checked
from .errors import MemoryEmbedderError
from .file import MemoryFile, Writing

EPISODE, FACT, ENTITY = "episode", "fact", "entity"

AT_ONCE = 8
"""Searches whose questions are embedded at the same time; more wait."""

_NOTE = "embedder"
_CHARACTERS_PER_TOKEN = 32
"""More than any token has: what is behind, the embedder does not read."""


def to_blob(vector: NDArray[np.float32]) -> bytes:
    """A vector as it is stored."""
    return vector.astype("<f2").tobytes()


class MemoryEmbedder:
    """The embedder of one memory, loaded when it is first needed."""

    def __init__(self, given: TextEmbedder | Embeddings | str | Path, file: MemoryFile) -> None:
        """Embed with what was `given` for the memory in `file`."""
        self._given = given
        self._file = file
        self._is_accepted = False

    @cached_property
    def embedder(self) -> TextEmbedder:
        """The embedder, not necessarily loaded yet.

        Raises:
            EmbedderError: what was given is none.
        """
        return as_embedder(self._given)

    @cached_property
    def turns(self) -> threading.Semaphore:
        """What a search holds while it looks: where embedding takes this machine's CPUs, more at once are slower."""
        return threading.Semaphore(read_settings().threads if isinstance(self.embedder, Embedder) else AT_ONCE)

    def query(self, text: str) -> NDArray[np.float32]:
        """Embed a query: shape (dimension,).

        Raises:
            MemoryEmbedderError: the memory holds vectors of another embedder.
        """
        self._accept()
        return self.embedder.encode_query(self._readable(text))

    def texts(self, texts: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """Embed texts, each once: text to unit vector.

        Raises:
            EmbedderError: the embedder gave something else than a vector.
            MemoryEmbedderError: the memory holds vectors of another embedder.
        """
        distinct = list(dict.fromkeys(texts))
        if not distinct:
            return {}
        self._accept()
        return dict(
            zip(distinct, encode_checked(self.embedder, [self._readable(each) for each in distinct]), strict=True)
        )

    def store(
        self, writing: Writing, kind: str, items: Sequence[tuple[int, str]], known: dict[str, NDArray[np.float32]]
    ) -> None:
        """Store the vectors of things, each by key and text; those that are not `known` are embedded now.

        Raises:
            MemoryEmbedderError: the memory holds vectors of another embedder.
        """
        if not items:
            return
        known |= self.texts(text for _, text in items if text not in known)
        row = writing.file.one("SELECT value FROM meta WHERE name = ?", _NOTE)
        if row is None:
            note = json.dumps(self.embedder.fingerprint.as_dict())
            writing.file.execute("INSERT INTO meta VALUES (?, ?)", _NOTE, note)
        else:  # another process may have begun with another embedder since the texts were embedded
            self._compare(row["value"])
        rows = ((key, kind, to_blob(known[text])) for key, text in items)
        writing.file.many("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)

    def _accept(self) -> None:
        """Check that the embedder is the one that made the vectors that are stored."""
        if self._is_accepted:
            return
        note = self._file.meta(_NOTE)
        if note is None:
            return
        self._compare(note)
        self._is_accepted = True

    def _compare(self, note: str) -> None:
        recorded = Fingerprint(**json.loads(note))
        given = self.embedder.fingerprint
        if not given.matches(recorded):
            raise MemoryEmbedderError(
                f"{self._file.path} holds vectors of {recorded.describe()}, but the embedder is {given.describe()}; "
                f"open it with {recorded.name}"
            )

    def _readable(self, text: str) -> str:
        return text[: self.embedder.max_tokens * _CHARACTERS_PER_TOKEN]
