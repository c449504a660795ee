"""Taking back what was remembered: believed no longer from now on, and still there for whoever reads as of before.

What rests on an episode alone is believed no longer; what it had ended holds on again, since what is believed is a
function of what is still stated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from sqlite3 import Row

from .entities import EntityWriter
from .errors import NotInGroupError
from .file import Reading, Writing
from .labels import withdraw_labels
from .parts import Parts
from .settling import Settled, Settling
from .types import Episode


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What forgetting did.

    Attributes:
        episodes: ids of the episodes.
        facts: ids of the facts that nothing else supports.
        restored: ids of facts that it had ended, wholly or from some time on.
    """

    episodes: tuple[int, ...]
    facts: tuple[int, ...]
    restored: tuple[int, ...]


def find_episode(reading: Reading, episode: Episode | int, *, forgotten: bool = False) -> Row:
    """The row of an episode, by its id or its content; with `forgotten` one that is forgotten will do.

    Raises:
        NotInGroupError: the group does not remember it.
    """
    column, value = ("digest", episode.digest) if isinstance(episode, Episode) else ("key", episode)
    row = reading.file.one(
        f"SELECT * FROM episodes WHERE {column} = ? AND key BETWEEN ? AND ? AND (recorded_to IS NULL OR ?) "
        "ORDER BY recorded_to IS NOT NULL, key DESC LIMIT 1",
        value if column == "digest" or reading.has_key(value) else None,
        reading.low,
        reading.high,
        forgotten,
    )
    if row is None:
        shown = f"{episode.content!r:.80}" if isinstance(episode, Episode) else episode
        raise NotInGroupError(f"this group does not remember the episode {shown}")
    return row


def forget(writing: Writing, parts: Parts, episode: Episode | int) -> Forgotten:
    """Take back an episode and what rests on it alone.

    Raises:
        NotInGroupError: the group does not remember it.
    """
    return _forget(writing, parts, [find_episode(writing.reading, episode)["key"]])


def forget_all(writing: Writing, parts: Parts, kind: str) -> Forgotten:
    """Take back all episodes of a kind, and what rests on them alone."""
    sql = "SELECT key FROM episodes WHERE key BETWEEN ? AND ? AND kind = ? AND recorded_to IS NULL"
    rows = writing.file.all(sql, writing.reading.low, writing.reading.high, kind)
    return _forget(writing, parts, [row["key"] for row in rows])


def _forget(writing: Writing, parts: Parts, keys: Sequence[int]) -> Forgotten:
    writing.close("episodes", keys)
    writing.file.many("DELETE FROM queue WHERE episode = ?", ((key,) for key in keys))
    rows = writing.file.among("SELECT key, fact FROM support WHERE recorded_to IS NULL AND episode IN (%s)", keys)
    settled = withdraw(writing, parts, rows)
    retire(writing, parts, {row["fact"] for row in rows})
    return report(tuple(keys), settled)


def retract(writing: Writing, parts: Parts, fact: int) -> Forgotten:
    """Take back a fact, whatever it rests on; the episodes stay.

    Raises:
        NotInGroupError: the group does not believe it.
    """
    standing = "SELECT fact FROM fact_versions WHERE (fact = ? OR same_as = ?) AND recorded_to IS NULL"
    same = writing.file.all(standing, fact, fact) if writing.reading.has_key(fact) else []
    if not same:
        raise NotInGroupError(f"this group does not believe the fact {fact!r}")
    facts = [row["fact"] for row in same]
    sql = "SELECT key, fact FROM support WHERE recorded_to IS NULL AND fact IN (%s)"
    settled = withdraw(writing, parts, writing.file.among(sql, facts))
    retire(writing, parts, facts)
    return report((), settled)


def withdraw(writing: Writing, parts: Parts, support: Iterable[Row]) -> Settled:
    """End rows of support, and settle what rested on them: facts, and types of their ends."""
    rows = list(support)
    keys = [row["key"] for row in rows]
    writing.close("support", keys)
    EntityWriter(writing, parts.words).retype(withdraw_labels(writing, keys))
    return Settling(writing, parts.single_valued).settle(touched={row["fact"] for row in rows})


def retire(writing: Writing, parts: Parts, facts: Iterable[int]) -> None:
    """Believe no longer in entities that these facts alone were about."""
    rows = writing.file.among("SELECT subject, object FROM facts WHERE key IN (%s)", sorted(set(facts)))
    EntityWriter(writing, parts.words).retire(end for row in rows for end in (row["subject"], row["object"]))


def report(episodes: tuple[int, ...], settled: Settled) -> Forgotten:
    """What settling means to whoever forgets."""
    believed = {belief.stated.fact for belief in settled.opened}
    chiefs = {belief.stated.fact for belief in settled.opened if belief.same_as is None}
    gone = {row["fact"] for row in settled.closed if row["same_as"] is None} - believed
    restored = {row["fact"] for row in settled.closed if row["ended_by"] is not None} & chiefs
    return Forgotten(episodes, tuple(sorted(gone)), tuple(sorted(restored)))
