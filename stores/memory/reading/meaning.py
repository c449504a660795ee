"""Finding by meaning: the cosine of the query with every vector of a group.

The vectors stand in the database as float16 BLOBs. A process keeps those of a group as one matrix, adds what has been
written since it last looked, and multiplies: exact, and at 100,000 vectors as fast as an index would be.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..file import Reading
from .hits import Kind
from .words import Ranked

_KINDS: tuple[Kind, ...] = ("episode", "fact", "entity")
_ROOM = 16
MOST_BYTES = 512 * 2**20
"""How much the vectors of all groups that are kept may have: 350,000 of 384 dimensions."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """The vectors of a group at one generation, in the order of their keys.

    Attributes:
        keys: of episodes, facts and entities, shape (vectors,).
        kinds: the place of each one's kind in `episode`, `fact`, `entity`.
        matrix: unit vectors, shape (vectors, dimension).
        erasures: how many writes had removed rows by then.
    """

    keys: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    kinds: NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    matrix: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    erasures: int = 0

    @property
    def bytes(self) -> int:
        """What they take, with the room for more."""
        room = self.matrix.base if isinstance(self.matrix.base, np.ndarray) else self.matrix
        return room.nbytes + self.keys.nbytes + self.kinds.nbytes

    def cosines(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """The cosine of the query with each vector."""
        return self.matrix @ query if len(self.keys) else np.zeros(0, np.float32)

    def best(self, cosines: NDArray[np.float32], kind: Kind, depth: int) -> Ranked:
        """The nearest `depth` of a kind."""
        return self._nearest(cosines, np.flatnonzero(self.kinds == _KINDS.index(kind)), depth)

    def best_of(self, cosines: NDArray[np.float32], keys: Collection[int], depth: int) -> Ranked:
        """The nearest `depth` of those with these keys."""
        wanted = np.fromiter(keys, np.int64, len(keys))
        places = np.searchsorted(self.keys, wanted)
        inside = places < len(self.keys)
        places, wanted = places[inside], wanted[inside]
        return self._nearest(cosines, places[self.keys[places] == wanted], depth)

    def _nearest(self, cosines: NDArray[np.float32], rows: NDArray[np.int64], depth: int) -> Ranked:
        own = cosines[rows]
        if len(rows) > depth:
            nearest = np.argpartition(-own, depth)[:depth]
            rows, own = rows[nearest], own[nearest]
        order = np.argsort(-own, kind="stable")
        return [(int(self.keys[rows[place]]), float(own[place])) for place in order]

    def of(self, keys: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """The vectors with these keys; those that have none are left out."""
        places = np.searchsorted(self.keys, keys)
        found = zip(keys, places, strict=True)
        return {key: self.matrix[at] for key, at in found if at < len(self.keys) and self.keys[at] == key}


@dataclass(slots=True)
class _Kept:
    """The vectors of one group, and the generation that they are of."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    generation: int = -1
    vectors: Vectors = field(default_factory=Vectors)


class KeptVectors:
    """The vectors of groups, kept from one search to the next; safe to use from several threads.

    A group waits for nobody else's vectors to be read. Those of groups that were not searched for longest go first,
    when all have together more bytes than `most`.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        """Keep none yet, and never more than so many bytes but of one group."""
        self._most = most
        self._lock = threading.Lock()
        self._groups: OrderedDict[int, _Kept] = OrderedDict()

    def of(self, reading: Reading) -> Vectors:
        """The vectors of a group as a reader sees it, and perhaps newer ones."""
        with self._lock:
            kept = self._groups.setdefault(reading.group, _Kept())
            self._groups.move_to_end(reading.group)
        with kept.lock:
            if reading.generation > kept.generation:
                known = kept.vectors if kept.vectors.erasures == reading.erasures else Vectors()
                kept.vectors = _with_newer(known, reading)
                kept.generation = reading.generation
            vectors = kept.vectors
        self._make_room()
        return vectors

    def drop(self, group: int) -> None:
        """Keep nothing of a group, by its key: what is erased must not live on here."""
        with self._lock:
            self._groups.pop(group, None)

    @property
    def bytes(self) -> int:
        """How many bytes are kept."""
        with self._lock:
            return self._held()

    def _held(self) -> int:
        return sum(each.vectors.bytes for each in self._groups.values())

    def _make_room(self) -> None:
        with self._lock:
            while len(self._groups) > 1 and self._held() > self._most:
                self._groups.popitem(last=False)


def _with_newer(known: Vectors, reading: Reading) -> Vectors:
    """What is known and what has been written since; the matrix has room for more, so a few cost no copy."""
    last = int(known.keys[-1]) if len(known.keys) else reading.low - 1
    rows = reading.file.all(
        "SELECT key, kind, vector FROM vectors WHERE key > ? AND key <= ? ORDER BY key", last, reading.high
    )
    if not rows:
        return Vectors(known.keys, known.kinds, known.matrix, reading.erasures)
    fresh = np.frombuffer(b"".join([row["vector"] for row in rows]), "<f2").reshape(len(rows), -1)
    keys = np.fromiter((row["key"] for row in rows), np.int64, len(rows))
    kinds = np.fromiter((_KINDS.index(row["kind"]) for row in rows), np.int8, len(rows))
    return Vectors(
        np.concatenate([known.keys, keys]),
        np.concatenate([known.kinds, kinds]),
        _extended(known.matrix, fresh),
        reading.erasures,
    )


def _extended(matrix: NDArray[np.float32], fresh: NDArray[np.float16]) -> NDArray[np.float32]:
    """The rows of both, in the room behind `matrix` where there is enough: nobody else looks there."""
    room = matrix.base if isinstance(matrix.base, np.ndarray) else np.zeros((0, fresh.shape[1]), np.float32)
    size = len(matrix) + len(fresh)
    if size > len(room):
        room = np.empty((max(_ROOM, size + size // 4), fresh.shape[1]), np.float32)
        room[: len(matrix)] = matrix if len(matrix) else 0
    room[len(matrix) : size] = fresh
    extended: NDArray[np.float32] = room[:size]
    return extended
