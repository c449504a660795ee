"""The terms by which FTS5 finds a text: those of `stores.analysis`, the same that a corpus has.

FTS5 is given terms instead of text, so that stemming and Chinese characters are the same here as there, and so that
nothing that a user writes is ever read as its query language.
"""

from __future__ import annotations

import tantivy

from ..analysis import analyzer, normal


class Words:
    """Cuts the texts of one language into terms."""

    def __init__(self, language: str) -> None:
        """Analyse `language`: a key of `STEMMERS`, or `other`.

        Raises:
            QueryError: there is no such language.
        """
        self._analyzer: tantivy.TextAnalyzer = analyzer(language)
        self._without_stop_words: tantivy.TextAnalyzer = analyzer(language, stop_words=False)

    def terms(self, text: str) -> list[str]:
        """The terms of a text, in order; neither spaces nor quotes are in any."""
        return self._analyzer.analyze(normal(text))

    def content(self, text: str) -> list[str]:
        """The terms of a text without the words that carry no meaning by themselves."""
        return self._without_stop_words.analyze(normal(text))

    def indexed(self, text: str) -> str:
        """The terms as a full-text table holds them."""
        return " ".join(self.terms(text))
