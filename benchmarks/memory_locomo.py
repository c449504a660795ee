"""LoCoMo: which turns of a long conversation prove an answer, found without an LLM."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from memory_data import Conversation
from ragloom import Embedder
from ragloom.stores.memory import Episode, Memory
from ragloom.stores.memory.reading import recipes
from ragloom.stores.memory.reading.hits import Item
from ragloom.stores.memory.reading.pool import Pool
from ragloom.stores.memory.reading.recipes import Recipe, Scored

K = 10
CONTEXT_TOKENS = 1000


@dataclass(frozen=True, slots=True)
class Only:
    """One way of looking alone."""

    way: str

    def order(self, pool: Pool, k: int) -> Scored:  # noqa: ARG002 - they come at no cost
        return [
            (Item(each.kind, key), 1 / place)
            for each in pool.rankings
            if each.way == self.way
            for place, (key, _) in enumerate(each.items, start=1)
        ]


RECIPES: dict[str, Recipe] = {
    "BM25": Only("words"),
    "dense": Only("meaning"),
    "RRF": recipes.rrf,
    "conversation": recipes.conversation,
}


def remember(conversation: Conversation, folder: Path, embedder: Embedder) -> Memory:
    """The conversation as episodes, a turn each; what is there already costs nothing. It is asked the day after."""
    after = conversation.turns[-1].said_at + timedelta(days=1)
    memory = Memory(folder / f"{conversation.name}.sqlite3", embedder=embedder, now=lambda: after)
    group = memory.group(conversation.name)
    for turn in conversation.turns:
        group.remember(Episode(turn.text, turn.said_at, turn.speaker))
    return memory


def locomo(conversations: Sequence[Conversation], folder: Path, embedder: Embedder) -> list[dict[str, Any]]:
    """A row for each recipe: recall@10 over all evidence turns and by category, time of a search, size of a context."""
    found: dict[str, list[tuple[int, bool]]] = defaultdict(list)
    milliseconds: dict[str, list[float]] = defaultdict(list)
    tokens: dict[str, list[int]] = defaultdict(list)
    for conversation in conversations:
        with remember(conversation, folder, embedder) as memory:
            group = memory.group(conversation.name)
            turns = {(turn.said_at, turn.speaker): turn.id for turn in conversation.turns}
            for asked in conversation.questions:
                for name, recipe in RECIPES.items():
                    started = time.perf_counter()
                    hits = group.search(asked.question, K, kinds=["episode"], recipe=recipe)
                    milliseconds[name].append((time.perf_counter() - started) * 1000)
                    said = [hit.episode.episode for hit in hits if hit.episode]
                    ids = {turns[each.occurred_at, each.source] for each in said}
                    found[name] += [(asked.category, turn in ids) for turn in asked.evidence]
                tokens["conversation"].append(group.context(asked.question, CONTEXT_TOKENS, k=K).tokens)
    return [_row(name, found[name], milliseconds[name], tokens[name]) for name in RECIPES]


def _row(name: str, found: list[tuple[int, bool]], milliseconds: list[float], tokens: list[int]) -> dict[str, Any]:
    row: dict[str, Any] = {"recipe": name, "turns": len(found), "recall@10": float(np.mean([hit for _, hit in found]))}
    for category, label in ((1, "multi-hop"), (2, "temporal"), (3, "open"), (4, "single-hop")):
        row[label] = float(np.mean([hit for of, hit in found if of == category]))
    row["p50 ms"], row["p95 ms"] = (float(np.percentile(milliseconds, at)) for at in (50, 95))
    return row | ({"context tokens": float(np.mean(tokens))} if tokens else {})
