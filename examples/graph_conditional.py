"""A conditional graph: what comes next depends on what was found.

A search by words takes a millisecond, and is enough where the question has the documents' words. Only where it was not
enough, the graph searches by meaning too.

    python examples/graph_conditional.py
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from ragloom import Corpus
from ragloom.rag.graph import RagGraph

TEXTS = [
    "Travel is approved by the head of the department.",
    "Working from home is possible up to three times a week.",
    "On the last working days of the month the office closes at three.",
    "Expenses are paid back within ten days.",
]


def main() -> None:
    """Ask in the documents' words, then in others."""
    with TemporaryDirectory() as folder, Corpus(folder) as corpus:
        corpus.add(TEXTS)
        graph = RagGraph(Path(__file__).with_suffix(".yaml"), corpus=corpus)
        for question in ("Who approves travel?", "How many days may I work remotely?"):
            state = graph.invoke(question)
            print(f"> {question}\n{state.answer}")
            for step in state.trace:
                print(f"  {step.node:<12}{step.milliseconds:>6.0f} ms  {step.detail}")


if __name__ == "__main__":
    main()
