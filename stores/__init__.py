"""What survives a restart: the corpus of documents and its indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy

if TYPE_CHECKING:
    from .corpus import Corpus as Corpus
    from .embedder import Embedder as Embedder
    from .errors import CorpusCorruptError as CorpusCorruptError
    from .errors import CorpusError as CorpusError
    from .errors import CorpusFullError as CorpusFullError
    from .errors import CorpusLockedError as CorpusLockedError
    from .errors import CorpusNotFoundError as CorpusNotFoundError
    from .errors import CorpusVersionError as CorpusVersionError
    from .errors import EmbedderError as EmbedderError
    from .errors import EmbedderMismatchError as EmbedderMismatchError
    from .errors import QueryError as QueryError
    from .fusion import rrf as rrf
    from .retriever import CorpusRetriever as CorpusRetriever
    from .types import AddProgress as AddProgress
    from .types import AddReport as AddReport
    from .types import Chunk as Chunk
    from .types import Hit as Hit
    from .types import Source as Source

__all__ = [
    "AddProgress",
    "AddReport",
    "Chunk",
    "Corpus",
    "CorpusCorruptError",
    "CorpusError",
    "CorpusFullError",
    "CorpusLockedError",
    "CorpusNotFoundError",
    "CorpusRetriever",
    "CorpusVersionError",
    "Embedder",
    "EmbedderError",
    "EmbedderMismatchError",
    "Hit",
    "QueryError",
    "Source",
    "rrf",
]

_HOMES = {
    "AddProgress": ".types",
    "AddReport": ".types",
    "Chunk": ".types",
    "Corpus": ".corpus",
    "CorpusCorruptError": ".errors",
    "CorpusError": ".errors",
    "CorpusFullError": ".errors",
    "CorpusLockedError": ".errors",
    "CorpusNotFoundError": ".errors",
    "CorpusVersionError": ".errors",
    "CorpusRetriever": ".retriever",
    "Embedder": ".embedder",
    "EmbedderError": ".errors",
    "EmbedderMismatchError": ".errors",
    "Hit": ".types",
    "QueryError": ".errors",
    "Source": ".types",
    "rrf": ".fusion",
}
__getattr__ = lazy(__name__, _HOMES)
