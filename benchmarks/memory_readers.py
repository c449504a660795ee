"""Readers of one memory at once: searches a second by one thread and by eight."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from memory_data import Conversation
from memory_locomo import K, remember
from ragloom import Embedder

SECONDS = 10.0
READERS = (1, 8)


def readers(conversations: Sequence[Conversation], folder: Path, embedder: Embedder) -> list[dict[str, Any]]:
    """A row for each number of threads, which all ask the same questions."""
    conversation = conversations[0]
    with remember(conversation, folder, embedder) as memory:
        group = memory.group(conversation.name)
        questions = [asked.question for asked in conversation.questions]
        group.search(questions[0], K)

        def read(first: int) -> int:
            until, done = time.perf_counter() + SECONDS, 0
            for question in itertools.cycle(questions[first:] + questions[:first]):
                if time.perf_counter() > until:
                    break
                group.search(question, K)
                done += 1
            return done

        rows = []
        for threads in READERS:
            with ThreadPoolExecutor(threads) as pool:
                done = sum(pool.map(read, range(threads)))
            rows.append({"readers": threads, "searches/s": done / SECONDS})
        return rows
