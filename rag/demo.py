"""The demo: questions about Python, answered from the language reference inside every CPython (`pydoc_data.topics`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .cache import demo_index, open_index
from .ingest import IngestProgress, ingest

if TYPE_CHECKING:
    from ..stores.corpus import Corpus

QUESTIONS = [
    "What does the continue statement do?",
    "What does str.strip do?",
    "How do I install a package from the internet?",
]
"""The last one is not answered by the reference: the demo shows what happens then."""


def open_reference(on_progress: Callable[[IngestProgress], None] | None = None) -> Corpus:
    """Open the index of this Python's reference; it is made on first use, and only then `on_progress` is told."""
    corpus = open_index(demo_index())
    ingest(["pydoc:"], corpus, on_progress=None if len(corpus) else on_progress)
    return corpus
