"""A looping graph: while the answer is unsure, it searches the minutes of the year before.

What was decided last holds, so the newest minutes are asked first; `at_most` bounds the way back. The search is a node
type of our own: a function of the state, declared by `@node`.

    python examples/graph_looping.py
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from langchain_core.documents import Document
from ragloom import Corpus
from ragloom.rag.graph import Context, RagGraph, RagState, Update, node

MINUTES = [
    (2024, "The board elects Ines Duarte as its chair."),
    (2024, "The fee for members stays at forty euros."),
    (2023, "The board elects Tom Hale as its chair."),
    (2023, "The summer party moves to the harbour."),
    (2022, "The roof of the library is repaired for 9,000 euros."),
    (2021, "The board buys a boat for the youth group."),
]


@node("minutes-of-a-year", reads={"query"}, writes={"documents", "extra.year"}, needs={"corpus"})
def minutes_of_a_year(state: RagState, context: Context, *, newest: int, k: int = 2) -> Update:
    """Search one year's minutes, those of the year before each time.

    Args:
        newest: the year to begin with.
        k: how many to find.
    """
    year = state.extra.get("year", newest + 1) - 1
    context.note(f"minutes of {year}")
    return {"documents": context.corpus.search(state.query, k=k, where={"year": year}), "extra": {"year": year}}


def main() -> None:
    """Ask for what stands in the newest minutes, in old ones, and in some that are too old."""
    with TemporaryDirectory() as folder, Corpus(folder) as corpus:
        corpus.add([Document(text, metadata={"year": year}) for year, text in MINUTES])
        graph = RagGraph(Path(__file__).with_suffix(".yaml"), corpus=corpus, types=[minutes_of_a_year])
        for question in ("Who is the chair of the board?", "Was the roof of the library repaired?", "Who buys a boat?"):
            state = graph.invoke(question)
            print(f"> {question}\n{state.answer}")
            for step in state.trace:
                print(f"  {step.node:<8}{step.milliseconds:>6.0f} ms  {step.detail}")


if __name__ == "__main__":
    main()
