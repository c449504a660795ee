"""Speed of ingesting a folder of Markdown, beside plain sentence-transformers with langchain-chroma.

Both read the same files with the same model; the peer splits with LangChain's recursive splitter to the same number of
tokens and embeds in float32, as a user would without thinking. Runs alternate; a second run over unchanged files is
measured too. Stages are shares of ragloom's own time.
"""

from __future__ import annotations

import tempfile
import time
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

ROUNDS = 2


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
    times: dict[str, list[float]] = {"ragloom": [], "sentence-transformers + langchain-chroma": [], "ragloom again": []}
    chunks: dict[str, int] = {}
    stages: dict[str, float] = {}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            corpus = Corpus(Path(folder) / "index", embedder=embedder)
            started = time.perf_counter()
            report = ingest(files, corpus)
            times["ragloom"].append(time.perf_counter() - started)
            chunks["ragloom"], stages = report.chunks, dict(report.seconds)
            started = time.perf_counter()
            again = ingest(files, corpus)
            times["ragloom again"].append(time.perf_counter() - started)
            assert again.embedded == 0
            started = time.perf_counter()
            chunks["sentence-transformers + langchain-chroma"] = _plain(files, peer_model, folder)
            times["sentence-transformers + langchain-chroma"].append(time.perf_counter() - started)
            corpus.close()
    base = float(np.median(times["ragloom"]))
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
