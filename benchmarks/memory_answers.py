"""Answers of the LLM to questions about a long conversation: with what is recalled, with all of it, with nothing."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from memory_data import Asked, Conversation
from memory_locomo import remember
from ragloom import Embedder
from ragloom.rag.llm.base import ChatModel
from report import interval

QUESTIONS = 100
BUDGET = 400
ROOM = 64
"""Tokens of an answer."""

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


class Answered(NamedTuple):
    """What became of a question."""

    category: int
    f1: float
    tokens: int


def answers(
    conversations: Sequence[Conversation], folder: Path, embedder: Embedder, llm: ChatModel, limit: int | None
) -> list[dict[str, Any]]:
    """A row for each way and category, and one for all: token F1, and the tokens of what was read."""
    every = [(conversation, asked) for conversation in conversations for asked in conversation.questions]
    chosen = random.Random(0).sample(every, min(QUESTIONS, len(every)))[:limit]
    found: dict[str, list[Answered]] = {}
    for conversation in conversations:
        session = _cut(_whole(conversation), llm)
        with remember(conversation, folder, embedder) as memory:
            group = memory.group(conversation.name)
            own = [asked for of, asked in chosen if of is conversation]
            recalled = [
                str(group.context(asked.question, BUDGET, kinds=["episode"], count_tokens=llm.count_tokens))
                for asked in own
            ]
        ways = {"recall": recalled, "full session": [session] * len(own), "no memory": [""] * len(own)}
        for way, texts in ways.items():  # one after the other, so that the session is read once
            for asked, text in zip(own, texts, strict=True):
                reply = _ask(llm, asked, text)
                size = llm.count_tokens(text)
                found.setdefault(way, []).append(Answered(asked.category, f1(reply, asked.answer), size))
    return [row for way in sorted(found) for row in _rows(way, found)]


def _rows(way: str, found: Mapping[str, Sequence[Answered]]) -> Iterator[dict[str, Any]]:
    own = found[way]
    for category in sorted({each.category for each in own}):
        yield _row(way, category, [each for each in own if each.category == category])
    more = [each.f1 - other.f1 for each, other in zip(own, found["no memory"], strict=True)]
    low, high = interval(more)
    yield _row(way, "all", own) | {"more than no memory": float(np.mean(more)), "low": low, "high": high}


def _row(way: str, category: int | str, of: Sequence[Answered]) -> dict[str, Any]:
    row: dict[str, Any] = {"memory": way, "category": category, "questions": len(of)}
    return row | {
        "token F1": float(np.mean([each.f1 for each in of])),
        "tokens": float(np.mean([each.tokens for each in of])),
    }


def _whole(conversation: Conversation) -> str:
    return "\n".join(f"- {turn.speaker}, {turn.said_at:%Y-%m-%d}: {turn.text}" for turn in conversation.turns)


def _cut(text: str, llm: ChatModel) -> str:
    """The end of a text, as much as the context has room for."""
    lines = text.splitlines()
    room = llm.context_size - 4 * ROOM
    sizes = [llm.count_tokens(f"{line}\n") for line in lines]
    while sum(sizes) > room:
        lines.pop(0)
        sizes.pop(0)
    return "\n".join(lines)


def _ask(llm: ChatModel, asked: Asked, text: str) -> str:
    prompt = f"{text}\n\nAnswer in a few words: {asked.question}"
    return str(llm.invoke(prompt, max_tokens=ROOM).text)


def f1(answer: str, gold: str) -> float:
    """F1 of the words that answer and gold answer have in common, without articles (SQuAD's)."""
    one, other = (Counter(re.findall(r"\w+", _ARTICLES.sub("", text.lower()))) for text in (answer, gold))
    shared = (one & other).total()
    return 2 * shared / (one.total() + other.total()) if shared else 0.0
