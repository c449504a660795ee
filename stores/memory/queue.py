"""Episodes whose facts are still to be extracted: they are remembered at once, and survive whoever works on them.

An episode leaves the queue in the transaction that writes its facts. So a worker that is killed, or two that take the
same one, change nothing: its facts are written once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ...errors import Unwanted
from .errors import MemoryValueError
from .file import Writing
from .parts import Parts
from .preparing import Prepared, prepare
from .records import episode_record
from .remembering import Remembered, extract, stored_episode, write_episode, write_facts
from .types import Episode

ATTEMPTS = 3
"""How often an extraction is tried before the episode waits for somebody to look at it."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An episode in the queue: its id, how often it was tried, and what went wrong last."""

    episode: int
    attempts: int
    problem: str


def remember_later(parts: Parts, group: str, episode: Episode) -> Remembered:
    """Remember an episode now, and leave its facts to `catch_up`."""
    vectors = parts.embedder.texts([episode.searched])
    with parts.file.writing(group) as writing:
        known = stored_episode(writing.reading, episode)
        if known is not None:
            return Remembered(known, is_new=False)
        key = write_episode(writing, parts, episode, Prepared(vectors))
        writing.file.execute("INSERT INTO queue VALUES (?, 0, '')", key)
        return Remembered(key, is_new=True)


def pending(parts: Parts, group: str) -> list[Pending]:
    """The queue of a group, oldest first."""
    with parts.file.reading(group) as reading:
        rows = reading.file.all(
            "SELECT episode, attempts, problem FROM queue WHERE episode BETWEEN ? AND ? ORDER BY episode",
            reading.low,
            reading.high,
        )
    return [Pending(*tuple(row)) for row in rows]


def catch_up(
    parts: Parts, group: str, on_done: Callable[[Remembered], None] | None, *, again: bool = False
) -> list[Remembered]:
    """Extract the facts of all episodes in the queue that were not tried too often, or `again` of those too.

    Raises:
        MemoryValueError: the memory has no extractor.
    """
    if parts.extractor is None:
        raise MemoryValueError("this memory has no extractor; open it with Memory(path, extractor=...)")
    done: list[Remembered] = []
    for waiting in pending(parts, group):
        if waiting.attempts >= ATTEMPTS and not again:
            continue
        result = _work(parts, group, waiting.episode)
        if result is None:
            continue
        done.append(result)
        if on_done:
            on_done(result)
    return done


def _work(parts: Parts, group: str, key: int) -> Remembered | None:
    """Extract the facts of one episode; None where it failed, or another worker or `forget` came first."""
    with parts.file.reading(group) as reading:
        row = reading.file.one("SELECT * FROM episodes WHERE key = ? AND recorded_to IS NULL", key)
    if row is None:
        return None
    episode = episode_record(row).episode
    try:
        extraction = extract(parts.extractor, episode)
        with parts.file.reading(group) as reading:
            prepared = prepare(reading, parts, extraction.facts, said=episode.content)
    except Unwanted:
        raise
    except Exception as error:  # noqa: BLE001 - an extractor is anybody's; the queue keeps what it raised
        with parts.file.writing(group) as writing:
            sql = "UPDATE queue SET attempts = attempts + 1, problem = ? WHERE episode = ?"
            writing.file.execute(sql, f"{type(error).__name__}: {error}"[:1000], key)
        return None
    with parts.file.writing(group) as writing:
        if not _leave(writing, key):
            return None
        return replace(write_facts(writing, parts, extraction.facts, key, prepared), dropped=extraction.dropped)


def _leave(writing: Writing, key: int) -> bool:
    return writing.file.execute("DELETE FROM queue WHERE episode = ?", key).rowcount == 1
