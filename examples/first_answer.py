"""Index a folder and answer a question from it, offline: `python examples/first_answer.py FOLDER "QUESTION"`."""

from __future__ import annotations

import sys
from tempfile import TemporaryDirectory

from ragloom import Corpus, RagloomError, ask, ingest, load


def main() -> None:
    """Answer the question of the command line."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    folder, question = sys.argv[1:]
    with TemporaryDirectory() as index, Corpus(index) as corpus:
        print(ingest([folder], corpus).summary())
        reply = ask(question, corpus, llm=load("embedded"))
    print(reply)
    for number, citation in enumerate(reply.answer.citations, start=1):
        print(f"[{number}] {citation.source} [{citation.start}:{citation.end}]")


if __name__ == "__main__":
    try:
        main()
    except RagloomError as error:
        raise SystemExit(f"{error}") from None
