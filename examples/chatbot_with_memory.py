"""A chatbot that remembers over several days: what was true when, and what it was told to forget.

No LLM is needed: facts are told by the program, as a form or another system would tell them. A chatbot that lets an LLM
find them gives `Memory(..., extractor=FactExtractor(llm))`.

    python examples/chatbot_with_memory.py
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from ragloom.stores.memory import Episode, Fact, Group, Memory

CONVERSATION = [
    (datetime(2024, 1, 8, 9, tzinfo=UTC), "I live in Lyon and work for Acme.", "lives_in", "Lyon"),
    (datetime(2024, 3, 4, 18, tzinfo=UTC), "My sister Zoe is visiting me.", "has_sister", "Zoe"),
    (datetime(2024, 6, 3, 8, tzinfo=UTC), "I moved to Berlin last Friday!", "lives_in", "Berlin"),
    (datetime(2024, 6, 4, 22, tzinfo=UTC), "My PIN is 4711, but forget that.", "has_pin", "4711"),
]
MOVED = datetime(2024, 5, 31, tzinfo=UTC)


def main() -> None:
    """Hold the conversation, ask, forget, and show the timeline."""
    with tempfile.TemporaryDirectory() as folder, Memory(Path(folder) / "memory.sqlite3") as memory:
        user = memory.group("ann")
        for said_at, text, relation, value in CONVERSATION:
            print(f"[{said_at:%Y-%m-%d}] Ann: {text}")
            since = MOVED if value == "Berlin" else said_at
            fact = Fact("Ann", relation, value, valid_from=since)
            user.remember_facts([fact], episode=Episode(text, said_at, "Ann"))

        print("\nThe bot is asked:")
        for question in ("Where does Ann live?", "Where did Ann live before?", "Where did Ann live in February 2024?"):
            print(f"- {question}  {answer(user, question)}")

        print("\nForget the PIN, for good:")
        (pin,) = [hit.episode for hit in user.search("PIN", kinds=["episode"]) if hit.episode and "PIN" in hit.text]
        user.erase(pin.id)
        print(f"- What is Ann's PIN?  {answer(user, 'PIN', 'has_pin')}")

        print("\nThe timeline of Ann:")
        for record in user.timeline("Ann"):
            fact = record.fact
            until = f"{fact.valid_to:%Y-%m-%d}" if fact.valid_to else "now"
            print(f"- {fact.valid_from:%Y-%m-%d} to {until}: {fact.statement}")

        print("\nWhat an LLM would be given for the next question:")
        print(user.context("Who lives where?", budget_tokens=80))


def answer(user: Group, question: str, relation: str = "lives_in") -> str:
    """The object of the best fact, and what was made of a time in the question."""
    hits = user.search(question, 1, relations=[relation])
    said = "; ".join(hits.notes)
    found = hits[0].fact.fact.object if hits and hits[0].fact else "I don't know."
    return f"{found}  ({said})" if said else found


if __name__ == "__main__":
    main()
