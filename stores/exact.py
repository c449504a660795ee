"""The vectors of a corpus that is not large, in memory: the nearest of them, exactly.

A graph of neighbours (HNSW) may lose its way to the few texts that are unlike all others, such as sentences beside the
rows of a table, however wide it looks. Up to `MOST` chunks, looking at each takes no longer than the graph does.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .database import Database, State

MOST = 50_000
"""Chunks that are looked at one by one; of 384 numbers each, these take 77 MB."""


Scored = list[tuple[int, float]]
"""Keys of chunks with their scores, best first."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """The unit vectors of chunks.

    Attributes:
        keys: `[n]`.
        rows: `[n, dimension]`.
    """

    keys: NDArray[np.int64]
    rows: NDArray[np.float32]

    def nearest(self, vector: NDArray[np.float32], k: int, among: Collection[int] | None = None) -> Scored:
        """The `k` keys whose vectors are nearest to `vector`, with the cosines; of equal ones the older first."""
        keys, rows = self.keys, self.rows
        if among is not None:
            wanted = np.isin(keys, np.fromiter(among, np.int64, len(among)))
            keys, rows = keys[wanted], rows[wanted]
        if not len(keys):
            return []
        scores = np.vecdot(rows, vector / (np.linalg.norm(vector) or 1.0))  # BLAS would leave threads spinning
        least = np.partition(scores, -k)[-k] if k < len(scores) else -np.inf
        (best,) = np.nonzero(scores >= least)
        best = best[np.argsort(-scores[best], kind="stable")][:k]
        return [(int(keys[row]), float(scores[row])) for row in best]


@dataclass(frozen=True, slots=True)
class _Held:
    """Vectors as of a state of the database; None: they are too many."""

    state: State
    vectors: Vectors | None


class ExactVectors:
    """Follows a database, as long as it has no more than `MOST` chunks; safe to use from several threads."""

    def __init__(self, database: Database) -> None:
        """Nothing is read yet."""
        self._database = database
        self._held: _Held | None = None
        self._following = threading.Lock()

    def at(self, state: State) -> Vectors | None:
        """The vectors as of that state of the database, or later; None: they are too many to be held."""
        held = self._held
        if held is not None and held.state == state:
            return held.vectors
        with self._following:
            if self._held is None or self._held.state != state:
                few = self._database.count("chunks") <= MOST
                self._held = _Held(state, self._followed(state) if few else None)
            return self._held.vectors

    def _followed(self, state: State) -> Vectors:
        """What is held, without what is gone, and with what was written since."""
        held = self._held
        if held is None or held.vectors is None or held.state.epoch != state.epoch:
            return Vectors(*self._database.vectors_since(0))
        known = held.vectors
        left = np.fromiter(self._database.all_keys(), np.int64)
        keys, rows = self._database.vectors_since(held.state.generation)
        stay = np.isin(known.keys, left) & ~np.isin(known.keys, keys)
        if not len(keys):
            return Vectors(known.keys[stay], known.rows[stay])
        return Vectors(np.concatenate([known.keys[stay], keys]), np.concatenate([known.rows[stay], rows]))
