"""A small dataset with a corpus that answers it, for tests of evaluation."""

from __future__ import annotations

from typing import Any

from ragloom.rag.evaluate import Dataset, Question, Relevant
from ragloom.stores import Corpus
from ragloom.stores.types import Chunk

TEXTS = {
    "toad.md": "Toad steals a motor-car and drives it into a pond.",
    "mole.md": "Mole paints his little house in spring.",
    "rat.md": "Rat rows his boat down the river.",
}

DATASET = Dataset(
    "willows",
    (
        Question("toad", "What does Toad steal?", ("a motor-car",), (Relevant("toad.md"),)),
        Question("mole", "What does Mole paint?", ("his little house", "a house"), (Relevant("mole.md"),)),
        Question("badger", "Where is Badger's grandmother buried?", answerable=False),
    ),
)


def fill(corpus: Corpus) -> Corpus:
    corpus.add([Chunk.from_text(text, id=name) for name, text in TEXTS.items()])
    return corpus


def quick(**settings: dict[str, Any]) -> dict[str, Any]:
    """The preset of that name, with its retriever by words, and other settings of its nodes."""
    nodes: dict[str, dict[str, Any]] = {
        "retrieve": {"use": "lexical", "k": 3},
        "evidence": {"use": "gather"},
        "quote": {"use": "quote", "min_confidence": 0.0, "max_sentences": 1},
    }
    nodes = {name: {**node, **settings.get(name, {})} for name, node in nodes.items()}
    return {"nodes": nodes, "flow": ["start -> retrieve -> evidence -> quote -> end"]}
