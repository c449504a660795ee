"""Writing what was said: one transaction for an episode and all that follows from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .entities import EntityWriter, by_name
from .file import Reading, Writing
from .instants import to_micros
from .names import normal
from .parts import Parts
from .settling import Settled, Settling
from .statements import StatementWriter, Written
from .types import Episode, Fact
from .vectors import ENTITY, EPISODE, FACT

Vectors = dict[str, NDArray[np.float32]]
"""Text to vector, of what was embedded before the transaction."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What remembering did.

    Attributes:
        episode: id of the episode, or None where facts were given as they are.
        is_new: whether it was not known before.
        facts: ids of the facts, in the order in which they were given.
        ended: ids of the facts that hold no longer, or not as long, because of these.
    """

    episode: int | None
    is_new: bool
    facts: tuple[int, ...] = ()
    ended: tuple[int, ...] = ()


def stored_episode(reading: Reading, episode: Episode) -> int | None:
    """The key of an episode that is remembered now."""
    row = reading.file.one(
        "SELECT key FROM episodes WHERE digest = ? AND recorded_to IS NULL AND key BETWEEN ? AND ?",
        episode.digest,
        reading.low,
        reading.high,
    )
    return None if row is None else int(row["key"])


def write_episode(writing: Writing, parts: Parts, episode: Episode, vectors: Vectors) -> int:
    """Store an episode, and index its words and its vector; its key."""
    (key,) = writing.keys(1)
    writing.file.execute(
        "INSERT INTO episodes VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
        key,
        episode.source,
        episode.kind,
        episode.content,
        to_micros(episode.occurred_at),
        episode.digest,
        writing.recorded,
    )
    terms = parts.words.indexed(episode.content)
    writing.file.execute("INSERT INTO episode_words (rowid, terms) VALUES (?, ?)", key, terms)
    parts.embedder.store(writing, EPISODE, [(key, episode.content)], vectors)
    return key


def write_facts(
    writing: Writing, parts: Parts, facts: Sequence[Fact], episode: int | None, vectors: Vectors | None
) -> tuple[Written, Settled]:
    """Write facts that rest on an episode, or on the caller's word, and settle what they concern.

    Args:
        writing: the transaction.
        parts: of the memory.
        facts: what is stated.
        episode: its key, or None.
        vectors: of texts that are embedded already; None: store no vectors.
    """
    entities = _resolve(writing, parts, facts, vectors)
    written = StatementWriter(writing, parts.words).write(facts, entities, episode)
    settled = Settling(writing, parts.single_valued).settle(written.stated, touched=set(written.facts))
    if vectors is not None:
        statements = dict(zip(written.facts, facts, strict=True))
        new = [(key, fact.statement) for key, fact in statements.items() if key in written.new]
        parts.embedder.store(writing, FACT, new, vectors)
    return written, settled


def _resolve(writing: Writing, parts: Parts, facts: Sequence[Fact], vectors: Vectors | None) -> Mapping[str, int]:
    """The entity of each name."""
    types: dict[str, set[str]] = defaultdict(set)
    first: dict[str, str] = {}
    for fact in facts:
        for name, label in ((fact.subject, fact.subject_type), (fact.object, fact.object_type)):
            types[first.setdefault(normal(name), name)] |= {label} - {""}
    known = by_name(writing.reading, first)
    new = [name for form, name in first.items() if form not in known]
    added = EntityWriter(writing, parts.words).add(new, types)
    if vectors is not None:
        parts.embedder.store(writing, ENTITY, [(key, name) for name, key in added.items()], vectors)
    keys = known | {normal(name): key for name, key in added.items()}
    return {name: keys[normal(name)] for fact in facts for name in (fact.subject, fact.object)}
