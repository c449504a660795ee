"""Speed of hybrid search beside LangChain's EnsembleRetriever (BM25Retriever and Chroma) on the same vectors.

Both answer the same questions in one alternating run, k = 10 from 100 candidates a side; each embeds each question with
the same model object. Then the corpus grows to 100,000 chunks (vectors: means of two real ones plus noise; texts: real
sentences, shuffled; embedding excluded) to see how the time grows.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import data
import numpy as np
from langchain_chroma import Chroma
from langchain_classic.retrievers import EnsembleRetriever
from langchain_community.retrievers import BM25Retriever
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray
from ragloom import Corpus, Embedder
from ragloom.stores.embedder import Fingerprint
from ragloom.stores.types import Chunk
from report import write

LARGE = 100_000
DEPTH = 100


class Prepared(Embeddings):
    """Gives prepared document vectors in order, and real or prepared query vectors."""

    model = ""
    max_tokens = 256
    tokenizer = None

    def __init__(self, texts: Sequence[str], vectors: NDArray[np.float32], query: Callable[[str], NDArray[np.float32]]):
        self._rows = {text: i for i, text in enumerate(texts)}
        self._vectors = vectors
        self._query = query
        self.fingerprint = Fingerprint("prepared", vectors.shape[1], "")

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._vectors[[self._rows[text] for text in texts]]

    def encode_query(self, text: str) -> NDArray[np.float32]:
        return self._query(text)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.encode(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self._query(text).tolist()


def main() -> None:
    parser = data.parser(__doc__)
    parser.add_argument("--queries", type=int, default=150)
    parser.add_argument("--large", type=int, default=LARGE)
    options = parser.parse_args()
    by_id, questions, _ = data.scifact(options.data, "test")
    texts = list(dict.fromkeys(by_id.values()))
    queries = list(questions.values())[: options.queries]
    model = Embedder()
    vectors = _vectors(model, texts)
    with tempfile.TemporaryDirectory() as folder:
        encoder = Prepared(texts, vectors, model.encode_query)
        rows = [*_beside_langchain(Path(folder), texts, encoder, queries, model)]
        rows += _growth(Path(folder), texts, vectors, queries, model, options.large)
    write("retrieval", rows)


def _vectors(model: Embedder, texts: Sequence[str]) -> NDArray[np.float32]:
    """The vectors of SciFact, embedded once a machine."""
    file = Path(tempfile.gettempdir()) / f"ragloom-scifact-{model.fingerprint.sha256[:8]}.npy"
    if file.exists():
        loaded: NDArray[np.float32] = np.load(file)
        if len(loaded) == len(texts):
            return loaded
    made = model.encode(texts)
    np.save(file, made)
    return made


def _beside_langchain(
    folder: Path, texts: Sequence[str], encoder: Prepared, queries: Sequence[str], model: Embedder
) -> Iterable[dict[str, object]]:
    corpus = Corpus(folder / "small", embedder=encoder)
    corpus.add([Chunk.from_text(text) for text in texts])
    documents = [Document(page_content=text) for text in texts]
    bm25 = BM25Retriever.from_documents(documents, k=DEPTH)
    chroma = Chroma.from_documents(documents, encoder, persist_directory=str(folder / "chroma"))
    ensemble = EnsembleRetriever(
        retrievers=[bm25, chroma.as_retriever(search_kwargs={"k": DEPTH})], weights=[0.5, 0.5], c=60
    )
    contestants: dict[str, Callable[[str], object]] = {
        "ragloom hybrid": lambda query: corpus.search(query, k=10),
        "LangChain ensemble": lambda query: ensemble.invoke(query)[:10],
        "the question's embedding alone": model.encode_query,
        "ragloom lexical": lambda query: corpus.search(query, k=10, mode="lexical"),
        "ragloom dense": lambda query: corpus.search(query, k=10, mode="dense"),
    }
    times = _alternate(contestants, queries)
    slow = np.median(times["LangChain ensemble"])
    for name, values in times.items():
        yield _row(name, len(texts), values, LangChain_is_x_slower=float(slow / np.median(values)))
    corpus.close()


def _growth(
    folder: Path, texts: Sequence[str], vectors: NDArray[np.float32], queries: Sequence[str], model: Embedder, size: int
) -> Iterable[dict[str, object]]:
    """Hybrid search at two sizes, embedding excluded: both get the questions' vectors from a table."""
    table = dict(zip(queries, model.encode(list(queries)), strict=True))
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, len(vectors), (size, 2))
    large = vectors[pairs].mean(axis=1) + rng.normal(scale=0.02, size=(size, vectors.shape[1])).astype(np.float32)
    large /= np.linalg.norm(large, axis=1, keepdims=True)
    shuffled = _shuffled(texts, size)
    corpora = {}
    for name, some, rows in (("small", list(texts), vectors), ("large", shuffled, large)):
        corpora[name] = Corpus(folder / f"growth-{name}", embedder=Prepared(some, rows, table.__getitem__))
        corpora[name].add([Chunk.from_text(text) for text in some])
    times = _alternate({name: (lambda query, c=c: c.search(query, k=10)) for name, c in corpora.items()}, queries)
    small = np.median(times["small"])
    for name, values in times.items():
        label = "ragloom hybrid, embedding excluded"
        yield _row(label, len(corpora[name]), values, x_of_small=float(np.median(values) / small))
        corpora[name].close()


def _shuffled(texts: Sequence[str], size: int) -> list[str]:
    """Texts of real sentences in a new order; each is unique by its number."""
    rng = random.Random(0)
    sentences = [sentence for text in texts for sentence in text.split(". ") if sentence]
    return [f"{'. '.join(rng.sample(sentences, 8))} ({number})" for number in range(size)]


def _alternate(contestants: dict[str, Callable[[str], object]], queries: Sequence[str]) -> dict[str, list[float]]:
    """Milliseconds of each contestant on each query, turn by turn, after a round of warming up."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for number, query in enumerate([*queries[:10], *queries]):
        for name, search in contestants.items():
            started = time.perf_counter()
            search(query)
            if number >= 10:
                times[name].append((time.perf_counter() - started) * 1000)
    return times


def _row(name: str, chunks: int, values: Sequence[float], **more: float) -> dict[str, object]:
    p50, p95 = np.percentile(values, [50, 95])
    return {"search": name, "chunks": chunks, "ms p50": float(p50), "ms p95": float(p95)} | more


if __name__ == "__main__":
    main()
