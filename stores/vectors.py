"""The dense index: embedded Chroma (HNSW, cosine) over the vectors that the database holds.

Embedded Chroma is not process-safe: a client opened earlier misses what another process adds, and files that change
under a reader can crash it. So its files are opened and read under a shared and changed under an exclusive lock, and
`DerivedIndex.refresh` opens them anew after a write. Each handle has a Chroma `System` of its own: the one that Chroma
shares by path would stay stale for as long as anybody in the process holds it. Chroma saves its graph in place and
reads it back unchecked (garbage is a segmentation fault), hence the marks. Malkov and Yashunin, "Efficient and robust
approximate nearest neighbor search using Hierarchical Navigable Small World graphs", 2016.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .derived import DerivedIndex
from .engine import Engine, Entry
from .errors import CorpusFullError
from .locks import ReadersWriterLock

if TYPE_CHECKING:
    from chromadb.api.collection_configuration import CreateHNSWConfiguration
    from chromadb.api.models.Collection import Collection
    from chromadb.config import System

HNSW: CreateHNSWConfiguration = {
    "space": "cosine",
    "ef_construction": 200,
    "ef_search": 200,
    "max_neighbors": 32,
    "sync_threshold": 256,
}
"""With 16 neighbours recall@100 was .93 at 100,000 chunks (means of real vectors, with noise), with 32 it is .97.

Chroma saves its graph every `sync_threshold` vectors and inserts those that came later at every opening: 1,000 of them,
its default, took most of the seconds that a reader of 100,000 chunks needs to open them.
"""
_BATCH = 1000
_SAVED = "index_metadata.pickle"
"""Chroma writes it last of all when it saves its graph; without it no other file of the graph is read."""


@dataclass(frozen=True, slots=True)
class ChromaHandle:
    """An open Chroma: the system that runs it and the one collection in it."""

    system: System
    collection: Collection

    def load(self) -> None:
        """Ask something: Chroma loads its graph, and adds to it what is only logged, when it is first asked."""
        sample = self.collection.get(limit=1, include=["embeddings"])
        if sample["ids"]:
            self.collection.query(query_embeddings=sample["embeddings"], n_results=1, include=[])


class Chroma(Engine[ChromaHandle]):
    """Keeps the vectors of the chunks."""

    name = "dense"
    catalogue = "chroma.sqlite3"
    in_place = True

    def __init__(self, lock: Path) -> None:
        """Let readers and writers of the files take turns by the file `lock`."""
        self._lock = ReadersWriterLock(lock)

    def shared(self) -> AbstractContextManager[None]:
        """Readers share the files."""
        return self._lock.shared()

    def exclusive(self) -> AbstractContextManager[None]:
        """A writer has the files for itself."""
        return self._lock.exclusive()

    def open(self, folder: Path) -> ChromaHandle:
        """Start Chroma in `folder`, and let it load its graph."""
        from chromadb.api import ServerAPI
        from chromadb.api.models.Collection import Collection
        from chromadb.config import Settings, System

        settings = Settings(
            chroma_api_impl="chromadb.api.rust.RustBindingsAPI",
            is_persistent=True,
            persist_directory=str(folder),
            anonymized_telemetry=False,
        )
        system = System(settings)
        api = system.instance(ServerAPI)  # type: ignore[type-abstract]  # Chroma resolves it by its settings
        system.start()
        model = api.get_or_create_collection("chunks", configuration={"hnsw": HNSW})
        handle = ChromaHandle(system, Collection(client=api, model=model, embedding_function=None))
        handle.load()
        return handle

    def apply(self, handle: ChromaHandle, removed: Sequence[int], batches: Iterable[Sequence[Entry]]) -> None:
        """Drop keys, then add entries."""
        for start in range(0, len(removed), _BATCH):
            handle.collection.delete(ids=[str(key) for key in removed[start : start + _BATCH]])
        for batch in batches:
            for start in range(0, len(batch), _BATCH):
                part = batch[start : start + _BATCH]
                handle.collection.upsert(
                    ids=[str(key) for key, _, _ in part], embeddings=np.stack([vector for _, _, vector in part])
                )
        handle.load()

    def size(self, handle: ChromaHandle) -> int:
        """How many chunks the index holds."""
        return handle.collection.count()

    def guarded(self, folder: Path) -> Iterable[str]:
        """The files of every graph that Chroma has saved."""
        saved = [file.parent for file in folder.glob(f"*/{_SAVED}")]
        return [str(file.relative_to(folder)) for graph in saved for file in sorted(graph.iterdir())]

    def check_written(self, folder: Path) -> None:
        """Raise CorpusFullError where a graph is shorter than its header says."""
        for file in folder.glob(f"*/{_SAVED}"):
            header = (file.parent / "header.bin").read_bytes()
            _, _, _, elements, size, *_ = struct.unpack_from("<IQQQQ", header)
            if (file.parent / "data_level0.bin").stat().st_size < elements * size:
                raise CorpusFullError(folder, "the graph was not written whole")

    def release(self, handle: ChromaHandle) -> None:
        """Stop Chroma."""
        handle.system.stop()


class DenseIndex(DerivedIndex[ChromaHandle]):
    """Nearest neighbours by cosine over the vectors of the chunks."""

    def __init__(self, root: Path) -> None:
        """Index the corpus at `root`."""
        super().__init__(root, Chroma(root / "dense.lock"))

    def search(self, vector: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
        """The nearest `k` chunks as `(key, cosine)`, best first."""
        k = min(k, self.chunks)
        if k == 0:
            return []

        def ask(handle: ChromaHandle) -> list[tuple[int, float]]:
            found = handle.collection.query(query_embeddings=vector[None], n_results=k, include=["distances"])
            distances = found["distances"] or [[]]
            return [(int(key), 1.0 - distance) for key, distance in zip(found["ids"][0], distances[0], strict=True)]

        return self.read(ask, [])

    def keys(self) -> set[int]:
        """Every key in the index."""
        return self.read(lambda handle: {int(key) for key in handle.collection.get(include=[])["ids"]}, set())
