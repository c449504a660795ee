"""A memory of up to a million facts: loading, bytes, and how long reads take as it grows.

The facts are made up, from a seed: names and words by Zipf's law, so that a few entities are hubs and a few words are
everywhere. Some have vectors, of an embedder that draws them at random: what embedding costs is no part of this. The
graph is read around entities that are drawn evenly, and around the subjects of facts that are: those are mostly hubs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ragloom.stores.embedder import Fingerprint
from ragloom.stores.memory import Fact, Group, Memory
from ragloom.stores.memory.errors import NotInGroupError
from ragloom.stores.memory.reading.neighbourhood import find_entity

SIZES = (10_000, 100_000, 1_000_000)
WITH_VECTORS = 100_000
ASKED = 200
BLOCK = 1000
WORDS = 50_000
BEGAN = datetime(2000, 1, 1, tzinfo=UTC)


class RandomEmbedder:
    """Vectors that say nothing, as fast as they can be made."""

    model = ""
    max_tokens = 256
    tokenizer = None
    fingerprint = Fingerprint("random", 384, "random")

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = self._rng.standard_normal((len(texts), 384), np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self.encode([text])[0]
        return vector


def scale(folder: Path, sizes: Sequence[int] = SIZES) -> list[dict[str, Any]]:
    """A row for each size; a memory grows from one to the next."""
    path = folder / "scale.sqlite3"
    rows = []
    with Memory(path, embedder=RandomEmbedder(), single_valued=()) as memory:
        group = memory.group("scale")
        loaded = 0
        for size in sizes:
            started, load_from = time.perf_counter(), loaded
            for until, embed in ((min(size, WITH_VECTORS), True), (size, False)):
                if until > loaded:
                    group.load(facts(loaded, until), embed=embed)
                    loaded = until
            seconds = time.perf_counter() - started
            bytes_each = sum(file.stat().st_size for file in folder.glob("scale.sqlite3*")) / size
            row: dict[str, Any] = {"facts": size, "with vectors": min(size, WITH_VECTORS)}
            row |= {"facts/s": round((size - load_from) / seconds), "bytes/fact": round(bytes_each)}
            rows.append(row | _reads(group, size))
            print(rows[-1], flush=True)
    return rows


def _reads(group: Group, size: int) -> dict[str, float]:
    """Milliseconds of a search and of a graph around an entity, at the median and at the 95th percentile."""
    asked = list(facts(size // 2, size // 2 + ASKED))
    ways: dict[str, tuple[Callable[[str], Any], list[str]]] = {
        "search": (group.search, [f"Where did {fact.subject} {fact.statement}?" for fact in asked]),
        "as_of": (partial(_around, group), _entities(group)),
        "as_of hub": (partial(_around, group), [fact.subject for fact in asked]),
    }
    row: dict[str, float] = {}
    for name, (read, about) in ways.items():
        read(about[0])  # the vectors are read into memory once
        times, found = zip(*(_timed(read, each) for each in about), strict=True)
        row |= {f"{name} p{at} ms": float(np.percentile(times, at)) for at in (50, 95)}
        if name != "search":
            row[f"{name} p50 facts"] = float(np.median([graph.number_of_edges() for graph in found]))
    return row


def _around(group: Group, entity: str) -> Any:
    return group.as_of(BEGAN + timedelta(days=4000), around=entity)


def _entities(group: Group) -> list[str]:
    """Names that the group knows, drawn evenly."""
    rng = np.random.default_rng(0)
    found: list[str] = []
    while len(found) < ASKED:
        name = f"Entity {rng.integers(1, WORDS)}"
        with suppress(NotInGroupError), group.reading() as reading:
            find_entity(reading, name, reading.recorded)
            found.append(name)
    return found


def _timed(read: Callable[[str], Any], about: str) -> tuple[float, Any]:
    started = time.perf_counter()
    found = read(about)
    return (time.perf_counter() - started) * 1000, found


def facts(first: int, last: int) -> Iterator[Fact]:
    """The facts with these numbers: always the same ones."""
    for block in range(first // BLOCK, -(-last // BLOCK)):
        rng = np.random.default_rng(block)
        # The inverse of the cumulative distribution of Zipf's law, near enough.
        drawn = (WORDS ** rng.random((BLOCK, 10))).astype(int)
        days = rng.integers(0, 8000, BLOCK)
        lengths = rng.integers(30, 6000, BLOCK)
        for place in range(max(first - block * BLOCK, 0), min(last - block * BLOCK, BLOCK)):
            subject, target = (f"Entity {number}" for number in drawn[place, :2])
            words = " ".join(f"w{number}" for number in drawn[place, 2:])
            start = BEGAN + timedelta(days=int(days[place]))
            end = start + timedelta(days=int(lengths[place])) if lengths[place] < 3000 else None
            yield Fact(subject, f"r{days[place] % 50}", target, f"{subject} {words} {target}", start, end)
