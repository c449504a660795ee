"""The vectors of documents that a graph has found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ....stores.errors import CorpusError
from ....stores.types import Hit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ....stores.corpus import Corpus


def vectors_of(hits: Sequence[Hit], corpus: Corpus) -> NDArray[np.float32]:
    """Unit vectors, shape (hits, dimension): those that the corpus has, or, if it lacks one, all made anew."""
    stored = stored_vectors(hits, corpus)
    return corpus.embedder.encode([hit.document.page_content for hit in hits]) if stored is None else stored


def stored_vectors(hits: Sequence[Hit], corpus: Corpus) -> NDArray[np.float32] | None:
    """The vectors that the corpus has of these documents; None: one is not of this corpus, or was deleted since.

    A document of another corpus may have the same id, but not the same text.
    """
    ids = [hit.document.id or "" for hit in hits]
    texts = {document.id: document.page_content for document in corpus.get(ids)}
    if any(texts.get(name) != hit.document.page_content for name, hit in zip(ids, hits, strict=True)):
        return None
    try:
        return corpus.vectors(ids)
    except CorpusError:  # deleted meanwhile
        return None
