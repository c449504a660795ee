"""A linear graph: one node after the other.

Handbooks say the same in many places, and the best hits are then copies of each other. `mmr` keeps hits that are near
the question and far from each other, so that an answer of three sentences tells three things.

    python examples/graph_linear.py
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from ragloom import Corpus
from ragloom.rag.graph import RagGraph

TEXTS = [
    "Every employee has thirty days of annual leave.",
    "Annual leave is thirty days for every employee.",
    "Thirty days of annual leave are due to each employee.",
    "Annual leave that is not taken by March is lost.",
    "Annual leave is requested from your lead two weeks ahead.",
    "Laptops are encrypted, and a lost one is reported within an hour.",
]


def main() -> None:
    """Answer a question, and show what each node did."""
    with TemporaryDirectory() as folder, Corpus(folder) as corpus:
        corpus.add(TEXTS)
        graph = RagGraph(Path(__file__).with_suffix(".yaml"), corpus=corpus)
        state = graph.invoke("How does annual leave work?")
        print(state.answer)
        for step in state.trace:
            print(f"{step.node:<8}{step.milliseconds:>6.0f} ms  {step.documents_in} -> {step.documents_out} documents")


if __name__ == "__main__":
    main()
