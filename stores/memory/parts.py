"""What the groups of one memory share."""

from __future__ import annotations

from dataclasses import dataclass

from .extracting import Extractor
from .file import MemoryFile
from .judging import Judge, Summarizer
from .vectors import MemoryEmbedder
from .words import Words


@dataclass(frozen=True, slots=True)
class Parts:
    """The file, what makes its indexes, and what understands texts.

    Attributes:
        file: gives connections.
        words: makes terms of texts.
        embedder: makes vectors of texts.
        single_valued: relations of which a subject has one object at a time.
        extractor: makes facts of episodes, or None: they are kept and found, and no more.
        judge: decides what rules cannot, or None.
        summarizer: writes about entities, or None: their facts speak.
    """

    file: MemoryFile
    words: Words
    embedder: MemoryEmbedder
    single_valued: frozenset[str]
    extractor: Extractor | None = None
    judge: Judge | None = None
    summarizer: Summarizer | None = None
