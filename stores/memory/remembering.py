"""Writing what was said: an episode and all that follows from it, in one transaction.

The steps, each in a module of its own: extract facts (`extracting`), date them (`dating`), resolve their names to
entities (`resolving`), store what is stated (`statements`), settle what is believed, which ends what is over
(`settling`), and link it to words and vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .contradicting import write_rulings
from .dating import dated
from .extracting import Dropped, Extraction, Extractor
from .file import Reading, Writing
from .instants import to_micros
from .labels import Label, write_labels
from .parts import Parts
from .preparing import Prepared, prepare
from .resolving import Resolver
from .settling import Settling
from .statements import StatementWriter, Written
from .types import Episode, Fact
from .vectors import ENTITY, EPISODE, FACT


@dataclass(frozen=True, slots=True)
class Remembered:
    """What remembering did.

    Attributes:
        episode: id of the episode, or None where facts were given as they are.
        is_new: whether it was not known before.
        facts: ids of the facts, in the order in which they were given or extracted.
        ended: ids of the facts that are believed no longer, or to have held for a shorter time, because of these.
        merges: ids of the merges that were made.
        dropped: what an extractor gave that was not kept, and why.
    """

    episode: int | None
    is_new: bool
    facts: tuple[int, ...] = ()
    ended: tuple[int, ...] = ()
    merges: tuple[int, ...] = ()
    dropped: tuple[Dropped, ...] = ()


def extract(extractor: Extractor | None, episode: Episode) -> Extraction:
    """The facts of an episode, dated; none without an extractor."""
    if extractor is None:
        return Extraction()
    extraction = extractor.extract(episode)
    return replace(extraction, facts=tuple(dated(fact, episode) for fact in extraction.facts))


def remember(parts: Parts, group: str, episode: Episode, extractor: Extractor | None) -> Remembered:
    """Remember an episode and its facts; one that is known changes nothing."""
    with parts.file.reading(group) as reading:
        known = stored_episode(reading, episode)
    if known is not None:
        return Remembered(known, is_new=False)
    extraction = extract(extractor, episode)
    with parts.file.reading(group) as reading:
        prepared = prepare(reading, parts, extraction.facts, texts=[episode.searched], said=episode.content)
    with parts.file.writing(group) as writing:
        known = stored_episode(writing.reading, episode)  # another process may have come first
        if known is not None:
            return Remembered(known, is_new=False)
        key = write_episode(writing, parts, episode, prepared)
        return replace(write_facts(writing, parts, extraction.facts, key, prepared), dropped=extraction.dropped)


def remember_facts(
    parts: Parts, group: str, facts: Sequence[Fact], episode: Episode | None, *, embed: bool
) -> Remembered:
    """Remember facts that are known, and the episode that they are from."""
    searched = [] if episode is None else [episode.searched]
    said = "" if episode is None else episode.content
    with parts.file.reading(group) as reading:
        prepared = prepare(reading, parts, facts, texts=searched, said=said, embed=embed)
    with parts.file.writing(group) as writing:
        known = None if episode is None else stored_episode(writing.reading, episode)
        key = write_episode(writing, parts, episode, prepared) if episode is not None and known is None else known
        return replace(write_facts(writing, parts, facts, key, prepared), is_new=known is None)


def stored_episode(reading: Reading, episode: Episode) -> int | None:
    """The key of an episode that is remembered now."""
    row = reading.file.one(
        "SELECT key FROM episodes WHERE digest = ? AND recorded_to IS NULL AND key BETWEEN ? AND ?",
        episode.digest,
        reading.low,
        reading.high,
    )
    return None if row is None else int(row["key"])


def write_episode(writing: Writing, parts: Parts, episode: Episode, prepared: Prepared) -> int:
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
    terms = parts.words.indexed(episode.searched)
    writing.file.execute("INSERT INTO episode_words (rowid, terms) VALUES (?, ?)", key, terms)
    if prepared.vectors is not None:
        parts.embedder.store(writing, EPISODE, [(key, episode.searched)], prepared.vectors)
    return key


def write_facts(
    writing: Writing,
    parts: Parts,
    facts: Sequence[Fact],
    episode: int | None,
    prepared: Prepared,
    *,
    exact: bool = False,
) -> Remembered:
    """Write facts that rest on an episode, or on the caller's word, and settle what they concern.

    Args:
        writing: the transaction.
        parts: of the memory.
        facts: what is stated.
        episode: its key, or None.
        prepared: what was done before.
        exact: whether names are compared exactly and no further.
    """
    resolved = Resolver(writing, parts.words, exact=exact, verdicts=prepared.same).resolve(facts)
    written = StatementWriter(writing, parts.words).write(facts, resolved.entities, episode)
    write_labels(writing, _labels(facts, resolved.entities, written))
    ruled = write_rulings(writing, prepared.ended, facts, written.facts)
    settled = Settling(writing, parts.single_valued).settle(written.stated, touched={*written.repeated, *ruled})
    if prepared.vectors is not None:
        statements = dict(zip(written.facts, facts, strict=True))
        new = [(key, fact.statement) for key, fact in statements.items() if key in written.new]
        parts.embedder.store(writing, FACT, new, prepared.vectors)
        parts.embedder.store(writing, ENTITY, list(resolved.new.items()), prepared.vectors)
    ended = {row["fact"] for row in settled.closed} - set(written.facts)
    return Remembered(episode, True, written.facts, tuple(sorted(ended)), resolved.merges)


def _labels(facts: Sequence[Fact], entities: Mapping[str, int], written: Written) -> Iterator[Label]:
    """What the facts say of the types of their ends."""
    for key, fact in zip(written.facts, facts, strict=True):
        for name, label in ((fact.subject, fact.subject_type), (fact.object, fact.object_type)):
            yield Label(entities[name], label, written.support[key])
