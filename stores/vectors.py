"""The dense index: embedded Chroma (HNSW, cosine) over the vectors that the database holds.

Embedded Chroma is not process-safe: a client opened earlier misses what another process adds, and files that change
under a reader can crash it. So its files are read under a shared and changed under an exclusive lock, and
`DerivedIndex.refresh` opens them anew after a write. Each handle has a Chroma `System` of its own: the one that Chroma
shares by path would stay stale for as long as anybody in the process holds it. Malkov and Yashunin, "Efficient and
robust approximate nearest neighbor search using Hierarchical Navigable Small World graphs", 2016.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .derived import DerivedIndex, Entry
from .locks import ReadersWriterLock

if TYPE_CHECKING:
    from chromadb.api.collection_configuration import CreateHNSWConfiguration
    from chromadb.api.models.Collection import Collection
    from chromadb.config import System

_HNSW: CreateHNSWConfiguration = {"space": "cosine", "ef_construction": 200, "ef_search": 200, "max_neighbors": 16}
_BATCH = 1000


class DenseIndex(DerivedIndex):
    """Nearest neighbours by cosine over the vectors of the chunks."""

    name = "dense"

    def __init__(self, root: Path) -> None:
        """Index the corpus at `root`."""
        super().__init__(root)
        self._lock = ReadersWriterLock(root / "dense.lock")
        self._system: System | None = None
        self._collection: Collection | None = None

    def search(self, vector: NDArray[np.float32], k: int, keys: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """The nearest `k` chunks as `(key, cosine)`, best first; only among `keys`, if given."""
        if self._collection is None or (keys is not None and not keys):
            return []
        ids = None if keys is None else [str(key) for key in keys]
        with self.explained(), self._lock.shared():
            found = self._collection.query(query_embeddings=vector[None], n_results=k, ids=ids, include=["distances"])
        distances = found["distances"] or [[]]
        return [(int(key), 1.0 - distance) for key, distance in zip(found["ids"][0], distances[0], strict=True)]

    def keys(self) -> set[int]:
        """Every key in the index."""
        if self._collection is None:
            return set()
        with self.explained(), self._lock.shared():
            return {int(key) for key in self._collection.get(include=[])["ids"]}

    def _open(self, folder: Path) -> None:
        from chromadb.api import ServerAPI
        from chromadb.api.models.Collection import Collection
        from chromadb.config import Settings, System

        self._release()
        settings = Settings(
            chroma_api_impl="chromadb.api.rust.RustBindingsAPI",
            is_persistent=True,
            persist_directory=str(folder),
            anonymized_telemetry=False,
        )
        with self._lock.exclusive() if not any(folder.iterdir()) else self._lock.shared():
            self._system = System(settings)
            api = self._system.instance(ServerAPI)  # type: ignore[type-abstract]  # Chroma resolves it by its settings
            self._system.start()
            model = api.get_or_create_collection("chunks", configuration={"hnsw": _HNSW})
            self._collection = Collection(client=api, model=model, embedding_function=None)
            self._load()

    def _load(self) -> None:
        """Ask something: Chroma loads its graph, and writes pending vectors into it, when it is first queried."""
        if self._collection is not None and (sample := self._collection.get(limit=1, include=["embeddings"]))["ids"]:
            self._collection.query(query_embeddings=sample["embeddings"], n_results=1, include=[])

    def _apply(self, removed: Sequence[int], batches: Iterable[Sequence[Entry]]) -> None:
        assert self._collection is not None
        for start in range(0, len(removed), _BATCH):
            with self._lock.exclusive():
                self._collection.delete(ids=[str(key) for key in removed[start : start + _BATCH]])
        for batch in batches:
            for start in range(0, len(batch), _BATCH):
                part = batch[start : start + _BATCH]
                with self._lock.exclusive():
                    self._collection.upsert(
                        ids=[str(key) for key, _, _ in part], embeddings=np.stack([vector for _, _, vector in part])
                    )
                    self._load()
        with self._lock.exclusive():
            self._load()

    def _release(self) -> None:
        if self._system is not None:
            self._collection = None
            self._system.stop()
            self._system = None
