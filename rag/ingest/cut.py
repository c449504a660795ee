"""How the documents of one run are cut: in which size, and for which embedder."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING

from ...stores.clock import Stopwatch
from ...stores.types import Chunk
from .errors import IngestError, LoadError
from .split import SPLITTER_VERSION, Splitter
from .types import Loaded

if TYPE_CHECKING:
    from ...stores.corpus import Corpus

_log = logging.getLogger(__name__)

MAX_TOKENS = 256
"""The default size of a chunk: long enough for a thought, short enough to be found by it."""


class Cutter:
    """Cuts documents for a corpus, whose embedder is loaded when there is something to cut."""

    def __init__(self, corpus: Corpus, max_tokens: int | None, watch: Stopwatch) -> None:
        """Cut into chunks of `max_tokens` (None: the default, or what the embedder reads if that is less)."""
        self._corpus = corpus
        self._max_tokens = max_tokens
        self._watch = watch

    def settings(self, loader: str) -> str:
        """What the fingerprints hold of who reads and cuts a document; what the embedder reads only where it limits."""
        wanted = self._max_tokens or MAX_TOKENS
        return "\0".join([loader, SPLITTER_VERSION, str(wanted), str(min(wanted, self._reads))])

    def cut(self, loaded: Loaded) -> list[Chunk]:
        """The chunks of a document.

        Raises:
            LoadError: this document trips the splitter.
            IngestError: the size that was asked for is more than the embedder reads.
        """
        splitter = self._splitter
        try:
            with self._watch.stage("split"):
                return splitter.split(loaded)
        except Exception as error:
            _log.info("splitting %s failed", loaded.source.id, exc_info=True)
            raise LoadError(f"cannot be split ({type(error).__name__}: {error})") from error

    @cached_property
    def _reads(self) -> int:
        """Tokens that the embedder reads of a text; asked for late, since a new corpus has to load it to tell."""
        with self._watch.stage("embed"):
            return self._corpus.max_tokens

    @cached_property
    def _splitter(self) -> Splitter:
        with self._watch.stage("embed"):
            reads, tokenizer = self._corpus.embedder.max_tokens, self._corpus.embedder.tokenizer
        if self._max_tokens and self._max_tokens > reads:
            raise IngestError(f"max_tokens is {self._max_tokens}, but the embedder reads only {reads}; ask for less")
        return Splitter(tokenizer, self._max_tokens or min(MAX_TOKENS, reads), self._corpus.language)
