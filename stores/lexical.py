"""The lexical index: BM25 over tantivy.

Its terms are those of `analysis`. Scores are Okapi BM25 (Robertson and Zaragoza, "The Probabilistic Relevance
Framework: BM25 and Beyond", 2009) with k1 = 1.2, b = 0.75.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import tantivy

from .analysis import analyzer, normal
from .derived import DerivedIndex, Entry

_WRITER_MEMORY = 30_000_000


class LexicalIndex(DerivedIndex[tantivy.Index]):
    """BM25 over the text of the chunks."""

    name = "lexical"
    catalogue = "meta.json"

    def __init__(self, root: Path, language: str) -> None:
        """Index the corpus at `root`, whose texts are in `language` (a key of `STEMMERS`, or `other`)."""
        super().__init__(root)
        self._analyzer = analyzer(language)
        builder = tantivy.SchemaBuilder()
        builder.add_integer_field("key", indexed=True, fast=True)
        builder.add_text_field("text", tokenizer_name="ragloom", index_option="freq")
        self._schema = builder.build()

    def search(self, query: str, k: int, keys: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """The best `k` chunks as `(key, BM25 score)`, best first; only among `keys`, if given."""
        terms = self._analyzer.analyze(normal(query))
        clauses = [(tantivy.Occur.Should, self._term(term)) for term in terms]
        if not clauses:
            return []
        parsed = tantivy.Query.boolean_query(clauses)
        if keys is not None:
            among = tantivy.Query.const_score_query(tantivy.Query.term_set_query(self._schema, "key", list(keys)), 0.0)
            parsed = tantivy.Query.boolean_query([(tantivy.Occur.Must, parsed), (tantivy.Occur.Must, among)])
        return self.read(lambda index: _best(index.searcher(), parsed, k), [])

    def keys(self) -> set[int]:
        """Every key in the index."""

        def all_of(index: tantivy.Index) -> set[int]:
            searcher = index.searcher()
            return {key for key, _ in _best(searcher, tantivy.Query.all_query(), searcher.num_docs)}

        return self.read(all_of, set())

    def _term(self, term: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, "text", term, index_option="freq")

    def _open(self, folder: Path) -> tantivy.Index:
        # Where its catalogue is missing, tantivy would begin a new index among the files of the old one.
        is_new = not any(folder.iterdir())
        index = tantivy.Index(self._schema, path=str(folder)) if is_new else tantivy.Index.open(str(folder))
        index.register_tokenizer("ragloom", self._analyzer)
        index.reload()
        return index

    def _apply(self, handle: tantivy.Index, removed: Sequence[int], batches: Iterable[Sequence[Entry]]) -> None:
        writer = handle.writer(heap_size=_WRITER_MEMORY, num_threads=1)
        try:
            writer.garbage_collect_files()  # what a killed writer left would be in the way of files of the same name
            for key in removed:
                writer.delete_documents_by_term("key", key)
            for batch in batches:
                for key, text, _ in batch:
                    writer.delete_documents_by_term("key", key)
                    writer.add_document(tantivy.Document(key=key, text=normal(text)))
            writer.commit()
            writer.wait_merging_threads()
        finally:
            del writer  # an error's traceback would keep it, and with it tantivy's lock, alive
        handle.reload()

    def _size(self, handle: tantivy.Index) -> int:
        return int(handle.searcher().num_docs)

    def _guarded(self, folder: Path) -> Iterable[str]:
        return [file.name for file in folder.iterdir() if not file.name.startswith(".") and file.name != "meta.json"]

    def _release(self, handle: tantivy.Index) -> None:
        """Nothing to do: tantivy's files are mapped, and close with the last searcher."""


def _best(searcher: tantivy.Searcher, query: tantivy.Query, k: int) -> list[tuple[int, float]]:
    limit = min(k, searcher.num_docs)
    if limit == 0:
        return []
    hits = searcher.search(query, limit=limit, count=False).hits
    found = searcher.fast_field_values("key", [address for _, address in hits])
    return [(cast("int", key), cast("float", score)) for key, (score, _) in zip(found, hits, strict=True)]
