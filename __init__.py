"""ragloom: retrieval-augmented generation on one laptop with one GGUF file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._lazy import lazy
from .errors import RagloomError

if TYPE_CHECKING:
    from .stores.corpus import Corpus as Corpus
    from .stores.embedder import Embedder as Embedder

__version__ = "0.1.0"
__all__ = ["Corpus", "Embedder", "RagloomError", "__version__"]

__getattr__ = lazy(__name__, {"Corpus": ".stores.corpus", "Embedder": ".stores.embedder"})
