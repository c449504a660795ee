"""One question to a corpus: checked once, then ranked by words, by meaning, or by both."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from .database import Database, State
from .errors import QueryError
from .exact import ExactVectors, Scored, Vectors
from .fusion import rrf
from .indexes import Indexes

Mode = Literal["hybrid", "dense", "lexical"]

CANDIDATES = 100
"""How deep each retriever looks before fusion."""

FEW = 2000
"""Up to so many chunks that meet a condition are looked at one by one."""

DEEPEST = 10_000
"""How deep an index is searched for chunks that meet a condition, before each of those is looked at."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked.

    Attributes:
        text: the question; empty where only a vector was given.
        vector: what the dense side looks for instead of the question's own vector.
        k: how many chunks.
        mode: who looks.
    """

    text: str
    vector: NDArray[np.float32] | None
    k: int
    mode: Mode

    @classmethod
    def checked(cls, text: str | None, vector: Sequence[float] | NDArray[np.float32] | None, k: int, mode: str) -> Self:
        """Check what a caller gave.

        Raises:
            QueryError: no or empty query, k below 1, unknown mode, a vector of anything but finite numbers.
        """
        if mode not in get_args(Mode):
            raise QueryError(f"unknown mode {mode!r}; use one of {', '.join(get_args(Mode))}")
        if text is not None and not isinstance(text, str):
            raise QueryError(f"the query must be a text, not {type(text).__name__}")
        if (text is None and vector is None) or (text is not None and not text.strip()):
            raise QueryError("the query is empty; ask something")
        try:
            (text or "").encode()
        except UnicodeEncodeError as error:
            raise QueryError(f"the query contains a lone surrogate (half a character) at {error.start}") from error
        if text is None and mode == "lexical":
            raise QueryError("a lexical search needs words; give a query, or use mode='dense'")
        chosen: Mode = "dense" if text is None else mode  # type: ignore[assignment]  # checked above
        return cls(text or "", None if vector is None else _as_vector(vector), _as_count(k), chosen)

    def check_dimension(self, dimension: int) -> None:
        """Check the vector against the corpus'.

        Raises:
            QueryError: it has another length.
        """
        if self.vector is not None and self.vector.shape != (dimension,):
            raise QueryError(f"the vector has shape {self.vector.shape}, the corpus' vectors have ({dimension},)")


class Ranker:
    """Ranks chunks by an index each, or by both at once."""

    def __init__(self, database: Database, indexes: Indexes) -> None:
        """Rank the chunks of `database` by its `indexes`."""
        self._database = database
        self._indexes = indexes
        self._exact = ExactVectors(database)
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="ragloom-lexical")

    def rank(
        self, asked: Query, state: State, among: frozenset[int] | None, encode: Callable[[str], NDArray[np.float32]]
    ) -> Scored:
        """Rank the chunks of that state of the database, all of them or `among` those keys.

        `encode` makes the question's vector if it is needed.
        """
        if asked.mode == "lexical":
            return self._by_words(asked.text, asked.k, among)
        if asked.mode == "dense":
            return self._by_meaning(asked, asked.k, state, among, encode)
        depth = max(asked.k, CANDIDATES)
        words = self._pool.submit(self._by_words, asked.text, depth, among)
        meaning = self._by_meaning(asked, depth, state, among, encode)
        return rrf([[key for key, _ in words.result()], [key for key, _ in meaning]])[: asked.k]

    def _by_words(self, text: str, k: int, among: frozenset[int] | None) -> Scored:
        index = self._indexes.lexical
        if among is None:
            return index.search(text, k)
        found = _filtered(lambda depth: index.search(text, depth), k, among, index.chunks)
        return index.search(text, k, list(among)) if found is None else found

    def _by_meaning(
        self,
        asked: Query,
        k: int,
        state: State,
        among: frozenset[int] | None,
        encode: Callable[[str], NDArray[np.float32]],
    ) -> Scored:
        vector = encode(asked.text) if asked.vector is None else asked.vector
        if (exact := self._exact.at(state)) is not None:
            return exact.nearest(vector, k, among)
        index = self._indexes.dense_at(state)
        if among is None:
            return index.search(vector, k)
        found = _filtered(lambda depth: index.search(vector, depth), k, among, index.chunks)
        if found is not None:
            return found
        keys, vectors = self._database.vectors(list(among))
        return Vectors(np.array(keys, np.int64), vectors).nearest(vector, k)

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown()


def _filtered(search: Callable[[int], Scored], k: int, among: frozenset[int], chunks: int) -> Scored | None:
    """Search deeper and keep what is `among` those keys; None where looking at each of them is cheaper."""
    if len(among) <= FEW:
        return None
    depth = 2 * k * chunks // len(among) + k
    while depth < DEEPEST:
        hits = search(depth)
        kept = [hit for hit in hits if hit[0] in among]
        if len(kept) >= k or len(hits) < depth:
            return kept[:k]
        depth *= 4
    return None


def _as_vector(vector: Sequence[float] | NDArray[np.float32]) -> NDArray[np.float32]:
    try:
        array = np.asarray(vector, np.float32)
    except (TypeError, ValueError) as error:
        raise QueryError(f"the vector must hold numbers: {error}") from error
    if not np.isfinite(array).all():
        raise QueryError("the vector holds NaN or infinity")
    return array


def _as_count(k: int) -> int:
    try:
        count = operator.index(k)
    except TypeError:
        count = 0
    if count < 1 or isinstance(k, bool):
        raise QueryError(f"k must be a whole number above 0, not {k!r}")
    return count
