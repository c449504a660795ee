"""A chatbot over your documents: it knows what was said before, and goes on after a restart where it was left.

    python examples/chatbot.py DOCUMENTS...                   # files or folders; the index is kept in ./chatbot
    python examples/chatbot.py --thread monday --model big.gguf DOCUMENTS...

What the LLM writes is shown as it writes it; then comes the answer as it stands after each sentence was checked against
the documents. Ctrl-C ends an answer, and at the prompt the chat, as Ctrl-D does.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path

from ragloom import Corpus, RagGraph, RagloomError, RagState, ingest, load
from ragloom.rag.chat import Conversation

FOLDER = Path("chatbot")


def answer(chat: Conversation, question: str) -> None:
    """Ask, print the draft as it is written, and then the checked answer with its sources."""
    drafted = ""
    with closing(chat.stream(question)) as events:
        for event in events:
            if piece := chat.drafted(event):
                print(piece if drafted else f"draft: {piece}", end="", flush=True)
                drafted += piece
            if isinstance(event, RagState):
                print("\n=" if drafted else "=", event.answer)
                for number, citation in enumerate(event.citations, start=1):
                    print(f"  [{number}] {citation.source} [{citation.start}:{citation.end}]")


def talk(chat: Conversation) -> None:
    """Answer what is typed until nothing more is."""
    for turn in chat.turns:
        print(f"{'>' if turn.role == 'user' else '='} {turn.text}")
    if chat.unanswered:
        print(f"(not answered: {chat.unanswered})")
    while True:
        try:
            question = input("> " if sys.stdin.isatty() else "").strip()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            if question:
                answer(chat, question)
        except KeyboardInterrupt:
            print("\n(interrupted)")
        except RagloomError as error:
            print(f"({error})")


def main() -> None:
    """Index the documents, where they have changed, and talk."""
    options = ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("documents", nargs="*", help="files or folders; what was indexed before stays")
    options.add_argument("--thread", default="chat", help="name of the conversation")
    options.add_argument("--model", default="embedded", help="embedded, a GGUF file, or a server's URL")
    given = options.parse_args()
    with load(given.model) as llm, Corpus(FOLDER / "index") as corpus:
        if given.documents:
            print(ingest(given.documents, corpus).summary())
        with RagGraph("chat", corpus=corpus, llm=llm, checkpoints=FOLDER / "chats.sqlite") as graph:
            talk(Conversation(graph, thread=given.thread))


if __name__ == "__main__":
    try:
        main()
    except RagloomError as error:
        raise SystemExit(f"{error}") from None
