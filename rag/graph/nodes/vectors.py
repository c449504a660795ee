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
    """Unit vectors, shape (hits, dimension): those that the corpus has, or, of what it lacks, made anew."""
    try:
        return corpus.vectors([hit.document.id or "" for hit in hits])
    except CorpusError:  # not of this corpus, or deleted since
        return corpus.embedder.encode([hit.document.page_content for hit in hits])
