"""What the groups of one memory share."""

from __future__ import annotations

from dataclasses import dataclass, field

from .file import MemoryFile, Now
from .reading.meaning import KeptVectors
from .vectors import MemoryEmbedder
from .words import Words


@dataclass(frozen=True, slots=True)
class Parts:
    """The file and what makes its indexes.

    Attributes:
        file: gives connections.
        words: makes terms of texts.
        embedder: makes vectors of texts.
        single_valued: relations of which a subject has one object at a time.
        now: the clock.
        kept: the groups' vectors, kept from one search to the next.
    """

    file: MemoryFile
    words: Words
    embedder: MemoryEmbedder
    single_valued: frozenset[str]
    now: Now
    kept: KeptVectors = field(default_factory=KeptVectors)
