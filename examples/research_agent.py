"""A research agent: it divides a question, searches for the parts and for what it found out, and cites its answer.

    python examples/research_agent.py
    python examples/research_agent.py --model big.gguf --documents papers/ "Which method needs fewer labels, A or B?"

What it does is the graph in `research_agent.yaml`; this program runs it and shows the steps. The embedded LLM is small:
it shows how the graph runs, and a larger one divides and answers better.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory

from ragloom import Corpus, RagGraph, RagloomError, ingest, load
from ragloom.rag.graph import NodeEnded, RagState

RIVERS = [
    "The Danube rises in the Black Forest and flows into the Black Sea. It is 2,850 kilometres long.",
    "The Rhine rises in the Swiss Alps and flows into the North Sea. It is 1,230 kilometres long.",
    "The Black Forest is a mountain range in the south-west of Germany.",
    "The Elbe rises in the Giant Mountains and flows through Dresden and Hamburg.",
    "Ten countries share the Danube, more than any other river in the world.",
    "Trout live in cold, clear streams.",
]
QUESTION = "Is the Danube longer than the Rhine?"


def research(graph: RagGraph, question: str) -> RagState:
    """Answer a question, and print each step when it is done."""
    print(f"> {question}")
    for event in graph.stream(question):
        if isinstance(event, NodeEnded):
            print(f"  {event.node:<9}{event.trace.milliseconds:>7.0f} ms  {event.trace.detail}")
        if isinstance(event, RagState):
            return event
    raise AssertionError("a run ends with its state")


def main() -> None:
    """Index the documents, and research the question."""
    options = ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("question", nargs="?", default=QUESTION)
    options.add_argument("--documents", action="append", help="a file or folder; by default six notes on rivers")
    options.add_argument("--model", default="embedded", help="embedded, a GGUF file, or a server's URL")
    given = options.parse_args()
    with TemporaryDirectory() as folder, load(given.model) as llm, Corpus(folder) as corpus:
        if given.documents:
            ingest(given.documents, corpus)
        else:
            corpus.add(RIVERS)
        state = research(RagGraph(Path(__file__).with_suffix(".yaml"), corpus=corpus, llm=llm), given.question)
        print(state.answer)
        for number, citation in enumerate(state.citations, start=1):
            print(f"  [{number}] {citation.text}")


if __name__ == "__main__":
    try:
        main()
    except RagloomError as error:
        raise SystemExit(f"{error}") from None
