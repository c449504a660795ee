"""Documents in, answers out: every sentence with the place that it comes from, or "I don't know".

python examples/qa_agent.py                                      # three questions about a small handbook
python examples/qa_agent.py --documents notes/ "Who has the key?"
python examples/qa_agent.py --model big.gguf --documents notes/ "Who has the key?"
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory

from ragloom import Corpus, RagGraph, RagloomError, RagState, ingest, load

HANDBOOK = {
    "leave.md": "# Leave\n\nParents get sixteen weeks of leave. Ask two weeks ahead; the team lead approves it.\n",
    "travel.md": "# Travel\n\nTravel is approved by the head of the department. Short trips are made by train.\n",
    "security.md": "# Security\n\nA lost laptop is reported to the security team within an hour.\n",
}
QUESTIONS = (
    "How many weeks of leave do parents get?",
    "Who approves travel?",
    "What does the canteen serve on Fridays?",
)


def written(folder: Path) -> list[str]:
    """The handbook as files in a folder."""
    folder.mkdir()
    for name, text in HANDBOOK.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [str(folder)]


def show(state: RagState) -> None:
    """Print an answer and what it cites."""
    print(f"> {state.question}\n{state.answer}")
    for number, citation in enumerate(state.citations, start=1):
        print(f"  [{number}] {Path(citation.source).name}, characters {citation.start} to {citation.end}")


def main() -> None:
    """Index the documents, and answer each question from them."""
    options = ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("questions", nargs="*", default=QUESTIONS)
    options.add_argument("--documents", action="append", help="a file or folder; may be given several times")
    options.add_argument("--model", default="embedded", help="embedded, a GGUF file, or a server's URL")
    given = options.parse_args()
    with TemporaryDirectory() as folder, load(given.model) as llm, Corpus(Path(folder) / "index") as corpus:
        print(ingest(given.documents or written(Path(folder) / "handbook"), corpus).summary())
        graph = RagGraph("default", corpus=corpus, llm=llm)
        for question in given.questions:
            if question.strip():
                show(graph.invoke(question))


if __name__ == "__main__":
    try:
        main()
    except RagloomError as error:
        raise SystemExit(f"{error}") from None
