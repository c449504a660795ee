"""What survives a restart: the corpus of documents and its indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy

if TYPE_CHECKING:
    from .corpus import Corpus as Corpus
    from .embedder import Embedder as Embedder
    from .fusion import rrf as rrf
    from .retriever import CorpusRetriever as CorpusRetriever
    from .types import AddProgress as AddProgress
    from .types import AddReport as AddReport
    from .types import Chunk as Chunk
    from .types import Hit as Hit
    from .types import Source as Source

__all__ = ["AddProgress", "AddReport", "Chunk", "Corpus", "CorpusRetriever", "Embedder", "Hit", "Source", "rrf"]

_WHERE = {
    "AddProgress": ".types",
    "AddReport": ".types",
    "Chunk": ".types",
    "Corpus": ".corpus",
    "CorpusRetriever": ".retriever",
    "Embedder": ".embedder",
    "Hit": ".types",
    "Source": ".types",
    "rrf": ".fusion",
}
__getattr__ = lazy(__name__, _WHERE)
