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
from .derived import DerivedIndex
from .engine import Engine, Entry

_WRITER_MEMORY = 30_000_000


class Tantivy(Engine[tantivy.Index]):
    """Keeps the words of the chunks."""

    name = "lexical"
    catalogue = "meta.json"

    def __init__(self, language: str) -> None:
        """Index texts in `language` (a key of `STEMMERS`, or `other`)."""
        self.analyzer = analyzer(language)
        builder = tantivy.SchemaBuilder()
        builder.add_integer_field("key", indexed=True, fast=True)
        builder.add_text_field("text", tokenizer_name="ragloom", index_option="freq")
        self.schema = builder.build()

    def open(self, folder: Path) -> tantivy.Index:
        """Open the index in `folder`, or create it there."""
        # Where its catalogue is missing, tantivy would begin a new index among the files of the old one.
        is_new = not any(folder.iterdir())
        index = tantivy.Index(self.schema, path=str(folder)) if is_new else tantivy.Index.open(str(folder))
        index.register_tokenizer("ragloom", self.analyzer)
        index.reload()
        return index

    def apply(self, handle: tantivy.Index, removed: Sequence[int], batches: Iterable[Sequence[Entry]]) -> None:
        """Drop keys, then add entries (dropping their keys first), and commit."""
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

    def size(self, handle: tantivy.Index) -> int:
        """How many chunks the index holds."""
        return int(handle.searcher().num_docs)

    def guarded(self, folder: Path) -> Iterable[str]:
        """All but the catalogue, which every commit replaces."""
        return [file.name for file in folder.iterdir() if not file.name.startswith(".") and file.name != "meta.json"]

    def release(self, handle: tantivy.Index) -> None:
        """Nothing to do: tantivy's files are mapped, and close with the last searcher."""


class LexicalIndex(DerivedIndex[tantivy.Index]):
    """BM25 over the text of the chunks."""

    def __init__(self, root: Path, language: str) -> None:
        """Index the corpus at `root`, whose texts are in `language` (a key of `STEMMERS`, or `other`)."""
        self._tantivy = Tantivy(language)
        super().__init__(root, self._tantivy)

    def search(self, query: str, k: int, keys: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """The best `k` chunks as `(key, BM25 score)`, best first; only among `keys`, if given."""
        return self.read(lambda index: bm25(self._tantivy, index, query, k, keys), [])

    def keys(self) -> set[int]:
        """Every key in the index."""

        def all_of(index: tantivy.Index) -> set[int]:
            searcher = index.searcher()
            return {key for key, _ in _best(searcher, tantivy.Query.all_query(), searcher.num_docs)}

        return self.read(all_of, set())


def bm25(
    engine: Tantivy, index: tantivy.Index, query: str, k: int, keys: Sequence[int] | None = None
) -> list[tuple[int, float]]:
    """The best `k` entries as `(key, BM25 score)`, best first; only among `keys`, if given."""
    schema = engine.schema
    terms = engine.analyzer.analyze(normal(query))
    clauses = [
        (tantivy.Occur.Should, tantivy.Query.term_query(schema, "text", term, index_option="freq")) for term in terms
    ]
    if not clauses:
        return []
    parsed = tantivy.Query.boolean_query(clauses)
    if keys is not None:
        wanted = tantivy.Query.term_set_query(schema, "key", list(keys))
        among = tantivy.Query.const_score_query(wanted, 0.0)
        parsed = tantivy.Query.boolean_query([(tantivy.Occur.Must, parsed), (tantivy.Occur.Must, among)])
    return _best(index.searcher(), parsed, k)


def _best(searcher: tantivy.Searcher, query: tantivy.Query, k: int) -> list[tuple[int, float]]:
    limit = min(k, searcher.num_docs)
    if limit == 0:
        return []
    hits = searcher.search(query, limit=limit, count=False).hits
    found = searcher.fast_field_values("key", [address for _, address in hits])
    return [(cast("int", key), cast("float", score)) for key, (score, _) in zip(found, hits, strict=True)]
