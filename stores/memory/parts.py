"""What the groups of one memory share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from .extracting import Extractor
from .file import MemoryFile, Now
from .judging import Judge, Summarizer
from .reading.meaning import KeptVectors
from .vectors import AT_ONCE, MemoryEmbedder
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
        now: the clock.
        kept: vectors that stay in memory from one search to the next.
        beside: threads for what a search can do while it looks into the file.
    """

    file: MemoryFile
    words: Words
    embedder: MemoryEmbedder
    single_valued: frozenset[str]
    extractor: Extractor | None
    judge: Judge | None
    summarizer: Summarizer | None
    now: Now
    kept: KeptVectors = field(default_factory=KeptVectors)
    beside: ThreadPoolExecutor = field(
        default_factory=partial(ThreadPoolExecutor, AT_ONCE, thread_name_prefix="ragloom-memory")
    )
