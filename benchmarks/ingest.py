"""Speed of ingesting a folder of Markdown, beside plain sentence-transformers with langchain-chroma.

Both read the same files with the same model; the peer splits with LangChain's recursive splitter to the same number of
tokens and embeds in float32, as a user would without thinking. ragloom embeds in bfloat16 where the CPU has it; in
float32 it is measured beside that. They take turns, each as often first; a second run over unchanged files is measured
too. Stages are shares of ragloom's own time.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import data
import numpy as np
from langchain_chroma import Chroma
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter
from ragloom import Corpus, Embedder
from ragloom.rag.ingest import ingest
from report import need, write
from sentence_transformers import SentenceTransformer

ROUNDS = 3
OURS, AGAIN, EXACT = "ragloom", "ragloom again", "ragloom, float32"
PEER = "sentence-transformers + langchain-chroma"


class Plain(Embeddings):
    """sentence-transformers as its own README uses it."""

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._model.encode(texts, show_progress_bar=False).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self._model.encode(text, show_progress_bar=False).tolist()


def main() -> None:
    parser = data.parser(__doc__)
    parser.add_argument("--limit", type=int, default=0, help="only the first files; 0: all")
    options = parser.parse_args()
    pages = need(options.data / "handbook" / "pages")
    files = sorted(pages.rglob("*.md"))[: options.limit or None]
    embedder = Embedder()
    embedder.load()
    peer_model = Embedder(dtype="float32").load()
    exact = Embedder(dtype="float32")
    exact.load()
    times: dict[str, list[float]] = {OURS: [], PEER: [], EXACT: [], AGAIN: []}
    chunks: dict[str, int] = {}
    stages: dict[str, float] = {}

    def ours(name: str, embedder: Embedder) -> None:
        with tempfile.TemporaryDirectory() as folder, Corpus(Path(folder) / "index", embedder=embedder) as corpus:
            started = time.perf_counter()
            report = ingest(files, corpus)
            times[name].append(time.perf_counter() - started)
            chunks[name] = report.chunks
            if name == OURS:
                stages.update(report.seconds)
                started = time.perf_counter()
                again = ingest(files, corpus)
                times[AGAIN].append(time.perf_counter() - started)
                assert again.embedded == 0

    def peer() -> None:
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            chunks[PEER] = _plain(files, peer_model, folder)
            times[PEER].append(time.perf_counter() - started)

    turns: list[Callable[[], None]] = [lambda: ours(OURS, embedder), peer, lambda: ours(EXACT, exact)]
    for number in range(ROUNDS):
        for turn in [*turns[number % 3 :], *turns[: number % 3]]:
            turn()
    base = float(np.median(times[OURS]))
    rows = [
        {
            "run": name,
            "files": len(files),
            "chunks": chunks.get(name, 0),
            "s": float(np.median(values)),
            "files/s": len(files) / float(np.median(values)),
            "x of ragloom": float(np.median(values)) / base,
        }
        for name, values in times.items()
    ]
    total = sum(stages.values())
    write("ingest", rows, stage_shares={name: round(value / total, 4) for name, value in stages.items()})
    print("share of time:", ", ".join(f"{name} {value / total:.1%}" for name, value in stages.items()))


def _plain(files: list[Path], model: SentenceTransformer, folder: str) -> int:
    splitter = RecursiveCharacterTextSplitter.from_huggingface_tokenizer(
        model.tokenizer, chunk_size=254, chunk_overlap=0
    )
    documents = [
        Document(page_content=file.read_text(encoding="utf-8"), metadata={"source": str(file)}) for file in files
    ]
    pieces = splitter.split_documents(documents)
    Chroma.from_documents(pieces, Plain(model), persist_directory=f"{folder}/chroma")
    return len(pieces)


if __name__ == "__main__":
    main()
