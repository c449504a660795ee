"""A branching graph: two corpora are searched in parallel, and what they have is fused.

The graph is a mapping here, as it would stand in a YAML file; `GraphSpec` takes the same.

    python examples/graph_branching.py
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from ragloom import Corpus
from ragloom.rag.graph import RagGraph

HANDBOOK = [
    "Invoices above 5,000 euros need two signatures.",
    "Travel is approved by the head of the department.",
]
TICKETS = [
    "The second signature on invoices is missing because the form hides it on small screens; scroll down.",
    "The printer on the third floor is out of toner.",
]


def main() -> None:
    """Answer a question from both corpora."""
    with TemporaryDirectory() as folder:
        handbook, tickets = Path(folder, "handbook"), Path(folder, "tickets")
        for path, texts in ((handbook, HANDBOOK), (tickets, TICKETS)):
            with Corpus(path) as corpus:
                corpus.add(texts)
        spec = {
            "corpus": str(handbook),
            "nodes": {
                "handbook": {"use": "hybrid", "k": 2},
                "tickets": {"use": "hybrid", "k": 2, "corpus": str(tickets)},
                "fuse": {"use": "rrf", "keep": 3},
                "weigh": "gather",
                "quote": {"use": "quote", "max_sentences": 2, "spread": 0.4},
            },
            "flow": ["start -> [handbook, tickets] -> fuse -> weigh -> quote -> end"],
        }
        with RagGraph(spec) as graph:
            state = graph.invoke("Do invoices need a second signature?")
        print(state.answer)
        for node, hits in sorted(state.candidates.items()):
            print(f"{node} found: {hits[0].document.page_content}")
        for step in state.trace:
            print(f"{step.node:<10}{step.milliseconds:>6.0f} ms  {step.documents_out} documents")


if __name__ == "__main__":
    main()
