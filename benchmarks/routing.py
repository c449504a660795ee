"""Semantic routing: how often the corpus that a question is about is the one that is chosen, by number of centroids.

Four corpora of a few hundred chunks: abstracts of SciFact, passages of CLAP NQ, every third page of 18F's handbook, and
Python's reference. The questions about the first two were asked of other abstracts and passages; those about the
handbook and about Python were written for the whole of each, before anything was measured. The number of centroids was
chosen by `--split dev`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import data
import numpy as np
from numpy.typing import NDArray
from ragloom import Corpus
from ragloom.rag.demo import open_reference
from ragloom.rag.ingest import ingest
from ragloom.rag.retrieve.routing import CENTROIDS, nearest
from ragloom.stores.types import Chunk
from report import interval, need, write

COUNTS = (1, 2, 4, 8, 16, 32)
CHUNKS = 300
ASKED = 100
"""At most so many questions of each corpus."""

QUESTIONS = Path(__file__).parent / "questions"


def main() -> None:
    parser = data.parser(__doc__)
    parser.add_argument("--split", default="test", choices=("dev", "test"))
    parser.add_argument("--index", type=Path, default=Path(tempfile.gettempdir()) / "ragloom-routing")
    options = parser.parse_args()
    corpora = _corpora(options.data, options.index)
    embedder = corpora["scifact"].embedder
    asked = {
        name: [embedder.encode_query(question) for question in questions[:ASKED]]
        for name, questions in _questions(options.data, options.split).items()
    }
    rows = [_row(corpora, asked, count) for count in COUNTS]
    chunks = {name: len(corpus) for name, corpus in corpora.items()}
    suffix = "" if options.split == "test" else "_dev"
    write(f"routing{suffix}", rows, options={"split": options.split, "default": CENTROIDS, "chunks": chunks})


def _row(corpora: dict[str, Corpus], asked: dict[str, list[NDArray[np.float32]]], count: int) -> dict[str, Any]:
    right = {
        name: [nearest(vector, corpora, count=count)[0].name == name for vector in vectors]
        for name, vectors in asked.items()
    }
    all_right = [found for each in right.values() for found in each]
    low, high = interval(all_right)
    return {
        "centroids": count,
        "right": float(np.mean(all_right)),
        "low": low,
        "high": high,
        **{f"{name} ({len(each)})": float(np.mean(each)) for name, each in right.items()},
    }


def _corpora(folder: Path, index: Path) -> dict[str, Corpus]:
    abstracts = list(data.scifact(folder, "test")[0].values())
    chosen = sorted(np.random.default_rng(0).choice(len(abstracts), CHUNKS, replace=False))
    passages = [row["passages"][0] for row in data.clapnq(folder, "unanswerable")][:CHUNKS]
    pages = sorted(need(folder / "handbook" / "pages").rglob("*.md"))
    corpora = {name: Corpus(index / name) for name in ("scifact", "clapnq", "handbook")}
    corpora["scifact"].add([Chunk.from_text(abstracts[place]) for place in chosen])
    corpora["clapnq"].add([Chunk.from_text(each["text"], title=each["title"]) for each in passages])
    ingest(pages[::3], corpora["handbook"])
    return {**corpora, "python": open_reference()}


def _questions(folder: Path, split: str) -> dict[str, list[str]]:
    _, claims, _ = data.scifact(folder, "train" if split == "dev" else "test")
    wiki = [row["input"] for row in data.clapnq(folder, "answerable")]
    handbook = data.jsonl(QUESTIONS / "handbook.jsonl")
    python = data.jsonl(QUESTIONS / f"python_reference{'.dev' if split == 'dev' else ''}.jsonl")
    return {
        "scifact": list(claims.values()),
        "clapnq": wiki[:100] if split == "dev" else wiki[100:],
        "handbook": [row["question"] for row in handbook if row["split"] == split],
        "python": [row["question"] for row in python],
    }


if __name__ == "__main__":
    main()
