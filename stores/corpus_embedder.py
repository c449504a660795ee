"""The embedder of one corpus: found when it is first needed, and held against the vectors that are stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from .database import Database
from .embedder import Fingerprint, TextEmbedder, as_embedder, encode_checked
from .errors import EmbedderError, EmbedderMismatchError, QueryError

AT_ONCE = 256
"""How many texts are held in memory with all their tokens."""

_MAX_TOKENS = "embedder_max_tokens"


class CorpusEmbedder:
    """Which embedder a corpus has, and embedding with it."""

    def __init__(self, given: TextEmbedder | Embeddings | str | Path | None, database: Database, path: Path) -> None:
        """Use the embedder that was `given` for the corpus at `path`, or the one that its database names."""
        self._given = given
        self._database = database
        self._path = path
        self._accepted: Fingerprint | None = None

    @cached_property
    def embedder(self) -> TextEmbedder:
        """The embedder, not necessarily loaded yet.

        Raises:
            EmbedderError: none was given, and the one that made the vectors cannot be loaded by name.
        """
        if self._given is not None:
            return as_embedder(self._given)
        model = self._database.meta("embedder_model")
        recorded = self._database.state().embedder
        if not model and recorded is not None:
            raise EmbedderError(
                f"{self._path} was embedded by {recorded.name}, which cannot be loaded by name; "
                f"open it with that embedder: Corpus({str(self._path)!r}, embedder=...)"
            )
        return as_embedder(model or "embedded")

    def check(self, recorded: Fingerprint | None) -> None:
        """Check that the embedder is the one that made the vectors; `recorded` is None before the first.

        Raises:
            EmbedderMismatchError: it is another one; the message names both.
        """
        if recorded is None or recorded == self._accepted:
            return
        given = self.embedder.fingerprint
        if not given.matches(recorded):
            raise EmbedderMismatchError(
                f"{self._path} holds vectors of {recorded.describe()}, but the embedder is {given.describe()}; open it"
                f" with {recorded.name}, or embed everything again: ragloom corpus repair {self._path} --reembed"
            )
        self._accepted = recorded

    def notes(self) -> dict[str, str]:
        """What the database is to remember of the embedder."""
        return {
            "embedder": json.dumps(self.embedder.fingerprint.as_dict()),
            "embedder_model": self.embedder.model,
            _MAX_TOKENS: str(self.embedder.max_tokens),
        }

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that the embedder reads, as noted when it embedded last; before that, as it says itself."""
        noted = self._database.meta(_MAX_TOKENS)
        return self.embedder.max_tokens if noted is None else int(noted)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts: shape (texts, dimension).

        Raises:
            EmbedderError: the embedder gave something else than one finite vector for each text.
        """
        return encode_checked(self.embedder, texts)

    def embed_all(self) -> tuple[dict[int, NDArray[np.float32]], list[int]]:
        """Embed every chunk that is stored: vectors by the chunks' keys, and the keys of those that were cut off."""
        vectors: dict[int, NDArray[np.float32]] = {}
        cut: list[int] = []
        for batch in self._database.added_since(0, AT_ONCE):
            texts = [text for _, text, _ in batch]
            vectors.update(zip([key for key, _, _ in batch], self.embed(texts), strict=True))
            cut += [batch[place][0] for place in self.cut_off(texts)]
        return vectors, cut

    def embed_query(self, query: str) -> NDArray[np.float32]:
        """Embed a query: shape (dimension,).

        Raises:
            QueryError: it is longer than what the embedder reads.
        """
        tokens = sum(self._tokens([query]))
        if tokens > self.embedder.max_tokens:
            raise QueryError(
                f"the query has {tokens} tokens, but the embedder reads {self.embedder.max_tokens} of a text; "
                "shorten it, or search by words alone (mode lexical)"
            )
        return self.embedder.encode_query(query)

    def cut_off(self, texts: Sequence[str]) -> list[int]:
        """Places of the texts of which the embedder reads only the beginning; none where it has no tokenizer."""
        return [place for place, tokens in enumerate(self._tokens(texts)) if tokens > self.embedder.max_tokens]

    def _tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has; nothing where the embedder has no tokenizer to tell."""
        tokenizer = self.embedder.tokenizer if texts else None
        if tokenizer is None:
            return []
        parts = (texts[start : start + AT_ONCE] for start in range(0, len(texts), AT_ONCE))
        return [len(encoding) for part in parts for encoding in tokenizer.encode_batch_fast(part)]
