"""ragloom: retrieval-augmented generation on one laptop with one GGUF file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._lazy import lazy
from .errors import RagloomError

if TYPE_CHECKING:
    from .rag.ask import ask as ask
    from .rag.graph.rag_graph import RagGraph as RagGraph
    from .rag.graph.state import RagState as RagState
    from .rag.ingest.pipeline import ingest as ingest
    from .rag.llm.loading import load as load
    from .stores.corpus import Corpus as Corpus
    from .stores.embedder import Embedder as Embedder
    from .stores.types import Chunk as Chunk
    from .stores.types import Hit as Hit
    from .stores.types import Source as Source

__version__ = "0.1.0"
__all__ = [
    "Chunk",
    "Corpus",
    "Embedder",
    "Hit",
    "RagGraph",
    "RagState",
    "RagloomError",
    "Source",
    "__version__",
    "ask",
    "ingest",
    "load",
]

_HOMES = {
    "Chunk": ".stores.types",
    "Corpus": ".stores.corpus",
    "Embedder": ".stores.embedder",
    "Hit": ".stores.types",
    "RagGraph": ".rag.graph.rag_graph",
    "RagState": ".rag.graph.state",
    "Source": ".stores.types",
    "ask": ".rag.ask",
    "ingest": ".rag.ingest.pipeline",
    "load": ".rag.llm.loading",
}
__getattr__ = lazy(__name__, _HOMES)
