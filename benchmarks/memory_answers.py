"""Answers of the LLM to questions about a long conversation: with what is recalled, with all of it, with nothing."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from memory_data import Asked, Conversation
from memory_locomo import remember
from ragloom import Embedder
from ragloom.rag.llm.base import ChatModel

QUESTIONS = 100
BUDGET = 400
ROOM = 64
"""Tokens of an answer."""

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def answers(
    conversations: Sequence[Conversation], folder: Path, embedder: Embedder, llm: ChatModel, limit: int | None
) -> list[dict[str, Any]]:
    """A row for each way and category: token F1, and the tokens of what was read."""
    every = [(conversation, asked) for conversation in conversations for asked in conversation.questions]
    chosen = random.Random(0).sample(every, min(QUESTIONS, len(every)))[:limit]
    found: dict[tuple[str, int], list[tuple[float, int]]] = {}
    for conversation in conversations:
        session = _cut(_whole(conversation), llm)
        with remember(conversation, folder, embedder) as memory:
            group = memory.group(conversation.name)
            for of, asked in chosen:
                if of is not conversation:
                    continue
                recalled = str(group.context(asked.question, BUDGET, kinds=["episode"], count_tokens=llm.count_tokens))
                for way, text in (("recall", recalled), ("full session", session), ("no memory", "")):
                    reply = _ask(llm, asked, text)
                    found.setdefault((way, asked.category), []).append(
                        (f1(reply, asked.answer), llm.count_tokens(text))
                    )
    return [
        {
            "memory": way,
            "category": category,
            "questions": len(of),
            "token F1": float(np.mean([score for score, _ in of])),
            "tokens": float(np.mean([size for _, size in of])),
        }
        for (way, category), of in sorted(found.items())
    ]


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
