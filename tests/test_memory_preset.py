"""Where the preset `memory` says "I don't know": its bound, on questions to a small memory, with the real embedder."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.language_models import FakeListChatModel
from memories import day
from ragloom.rag.graph import RagGraph
from ragloom.stores.memory import Episode, Fact, Memory

SAID = (
    "I moved to Berlin.", "My sister Zoe plays the violin.", "I work for Acme, as a baker.", "I am allergic to nuts.",
    "We had dinner at Luigi's last night and the pizza was great.", "My dog Rex is three years old.",
    "I prefer tea to coffee.", "Next week I fly to Lisbon for a conference.", "My mother was born in Kraków.",
    "The car broke down again, so I take the bus to work.",
)  # fmt: skip
FACTS = (
    Fact("Ann", "lives_in", "Berlin", valid_from=day(2024, 6, 3)),
    Fact("Ann", "lives_in", "Lyon", valid_from=day(2020, 6, 3)),
    Fact("Ann", "works_for", "Acme", valid_from=day(2022)),
)
ANSWERED = (
    "Where do I live?", "Where does Ann live?", "What does Zoe play?", "Who do I work for?", "What am I allergic to?",
    "What is my dog's name?", "How old is Rex?", "What do I like to drink?", "Where do I fly next week?",
    "Where was my mother born?", "How do I get to work?", "Where did we eat?", "Where did Ann live before?",
    "What is my job?", "Which instrument does my sister play?", "What is my sister called?",
)  # fmt: skip
OPEN = (
    "What is my favourite colour?", "When is my birthday?", "Who is my boss?", "What is the capital of France?",
    "Does my brother play football?", "What is my cat's name?", "How much do I earn?", "What did I study?",
    "Which phone do I have?", "Where was my father born?", "What is my PIN?", "Who won the match?",
)  # fmt: skip


@pytest.mark.model
def test_most_questions_that_it_was_told_the_answer_to_are_answered_and_few_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Memory(tmp_path / "ragloom-memory.sqlite3") as memory:
        group = memory.group("default")
        for place, text in enumerate(SAID):
            group.remember(Episode(text, day(2024, 6, 1 + place), "Ann"))
        group.remember_facts(FACTS)
    with RagGraph("memory", llm=FakeListChatModel(responses=["Nothing of this was said."])) as graph:
        answered, others = ([q for q in asked if graph.invoke(q).answer.known] for asked in (ANSWERED, OPEN))
    assert len(answered) >= 12
    assert others == ["Where was my father born?"]  # it quotes where the mother was born
