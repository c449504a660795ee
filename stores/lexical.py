"""The lexical index: BM25 over tantivy.

Texts are split at everything that is neither letter nor digit, lower-cased, and stemmed where the corpus' language has
a stemmer. Chinese and Japanese, which write without spaces, are indexed character by character. Scores are Okapi BM25
(Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009) with k1 = 1.2, b = 0.75.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import tantivy

from .derived import DerivedIndex, Entry
from .errors import QueryError

STEMMERS = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish", "fi": "finnish",
    "fr": "french", "hu": "hungarian", "it": "italian", "nl": "dutch", "no": "norwegian", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip
"""Language code to tantivy's stemmer."""

UNSTEMMED = "other"
"""The language code for every language without a stemmer."""

_TOKEN = r"[\p{Han}\p{Hiragana}\p{Katakana}]|[[\p{L}\p{M}\p{N}]--[\p{Han}\p{Hiragana}\p{Katakana}]]+"
_LONGEST_TOKEN = 60
_WRITER_MEMORY = 30_000_000


def analyzer(language: str) -> tantivy.TextAnalyzer:
    """Make the analyser of a language.

    Raises:
        QueryError: the language is neither `other` nor one with a stemmer.
    """
    if language != UNSTEMMED and language not in STEMMERS:
        raise QueryError(f"unknown language {language!r}; use {UNSTEMMED!r} or one of {', '.join(sorted(STEMMERS))}")
    tokenizer = tantivy.Tokenizer.regex(_TOKEN) if language == UNSTEMMED else tantivy.Tokenizer.simple()
    builder = tantivy.TextAnalyzerBuilder(tokenizer)
    builder = builder.filter(tantivy.Filter.remove_long(_LONGEST_TOKEN)).filter(tantivy.Filter.lowercase())
    if language != UNSTEMMED:
        builder = builder.filter(tantivy.Filter.stemmer(STEMMERS[language]))
    return builder.build()


class LexicalIndex(DerivedIndex):
    """BM25 over the text of the chunks."""

    name = "lexical"

    def __init__(self, root: Path, language: str) -> None:
        """Index the corpus at `root`, whose texts are in `language` (a key of `STEMMERS`, or `other`)."""
        super().__init__(root)
        self._analyzer = analyzer(language)
        builder = tantivy.SchemaBuilder()
        builder.add_integer_field("key", stored=True, indexed=True, fast=True)
        builder.add_text_field("text", tokenizer_name="ragloom", index_option="freq")
        self._schema = builder.build()
        self._index: tantivy.Index | None = None

    def terms(self, text: str) -> list[str]:
        """The terms of a text as they are indexed, in order."""
        return list(self._analyzer.analyze(text))

    def search(self, query: str, k: int, keys: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """The best `k` chunks as `(key, BM25 score)`, best first; only among `keys`, if given."""
        if self._index is None:
            return []
        terms = Counter(self.terms(query))
        clauses = [
            (tantivy.Occur.Should, tantivy.Query.boost_query(self._term(term), float(count)))
            for term, count in terms.items()
        ]
        if not clauses:
            return []
        parsed = tantivy.Query.boolean_query(clauses)
        if keys is not None:
            allowed = tantivy.Query.const_score_query(
                tantivy.Query.term_set_query(self._schema, "key", list(keys)), 0.0
            )
            parsed = tantivy.Query.boolean_query([(tantivy.Occur.Must, parsed), (tantivy.Occur.Must, allowed)])
        with self.explained():
            searcher = self._index.searcher()
            hits = searcher.search(parsed, limit=k, count=False).hits
            found = searcher.fast_field_values("key", [address for _, address in hits])
        return [(cast("int", key), cast("float", score)) for key, (score, _) in zip(found, hits, strict=True)]

    def document_frequency(self, term: str) -> int:
        """In how many chunks a term (as `terms` gives it) occurs."""
        return 0 if self._index is None else int(self._index.searcher().doc_freq("text", term))

    def keys(self) -> set[int]:
        """Every key in the index."""
        if self._index is None:
            return set()
        searcher = self._index.searcher()
        hits = searcher.search(tantivy.Query.all_query(), limit=max(1, searcher.num_docs), count=False).hits
        return set(cast("list[int]", searcher.fast_field_values("key", [address for _, address in hits])))

    def _term(self, term: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, "text", term, index_option="freq")

    def _open(self, folder: Path) -> None:
        if self._index is None or self._opened is None or folder.name != self._opened.folder:
            self._index = tantivy.Index(self._schema, path=str(folder))
            self._index.register_tokenizer("ragloom", self._analyzer)
        self._index.reload()

    def _apply(self, removed: Sequence[int], batches: Iterable[Sequence[Entry]]) -> None:
        assert self._index is not None
        writer = self._index.writer(heap_size=_WRITER_MEMORY, num_threads=1)
        for key in removed:
            writer.delete_documents_by_term("key", key)
        for batch in batches:
            for key, text, _ in batch:
                writer.delete_documents_by_term("key", key)
                writer.add_document(tantivy.Document(key=key, text=text))
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()

    def _release(self) -> None:
        self._index = None
