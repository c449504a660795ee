"""What makes facts of an episode: anything with `extract`, and what every such thing can use."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from .names import folded
from .types import Episode, Fact

_FIRST_PERSON = frozenset(("i", "me", "my", "mine", "myself", "im", "ive"))


@dataclass(frozen=True, slots=True)
class Dropped:
    """A fact that was not kept: what was given, and why not."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Extraction:
    """The facts of an episode, and what was dropped."""

    facts: tuple[Fact, ...] = ()
    dropped: tuple[Dropped, ...] = ()


class Extractor(Protocol):
    """Makes facts of an episode; `agents.FactExtractor` does it with an LLM, `RecordMapping` for JSON records."""

    def extract(self, episode: Episode) -> Extraction:
        """The facts that an episode tells."""


@dataclass(frozen=True, slots=True)
class StatedFacts:
    """An `Extractor` of facts that the caller knows an episode to tell."""

    facts: tuple[Fact, ...]

    def extract(self, episode: Episode) -> Extraction:  # noqa: ARG002 - it tells them, whatever its words are
        """The facts."""
        return Extraction(self.facts)


def occurs(name: str, text: str) -> bool:
    """Whether the words of a name stand in a text, one after another, whatever the case and the accents.

    ```python
    from ragloom.stores.memory.extracting import occurs

    text = "José lives in New York."
    print(occurs("jose", text), occurs("New York", text), occurs("York City", text), occurs("Yor", text))
    # -> True True False False
    ```
    """
    words = folded(name.replace(",", " "))
    return bool(words) and re.search(rf"(?<!\w){re.escape(words)}(?!\w)", folded(text.replace(",", " "))) is not None


def only_said(episode: Episode, facts: Iterable[Fact]) -> Extraction:
    """Keep the facts whose subject and object occur in the episode; "I" in a message is who sent it."""
    kept: list[Fact] = []
    dropped: list[Dropped] = []
    said = f"{episode.source}: {episode.content}" if episode.kind == "message" else episode.content
    for fact in facts:
        missing = [name for name in (fact.subject, fact.object) if not occurs(name, said)]
        spoken = _spoken_by(episode, fact)
        if missing:
            dropped.append(Dropped(fact.statement, f"{missing[0]!r:.80} does not occur in the text"))
        elif folded(spoken.subject) == folded(spoken.object):
            dropped.append(Dropped(fact.statement, "its subject is its object"))
        else:
            kept.append(spoken)
    return Extraction(tuple(kept), tuple(dropped))


def _spoken_by(episode: Episode, fact: Fact) -> Fact:
    """The fact with the sender's name in place of the first person."""
    if episode.kind != "message" or not episode.source.strip():
        return fact
    subject, target = (
        episode.source if folded(name) in _FIRST_PERSON else name for name in (fact.subject, fact.object)
    )
    if (subject, target) == (fact.subject, fact.object):
        return fact
    return Fact(
        subject,
        fact.relation,
        target,
        valid_from=fact.valid_from,
        valid_to=fact.valid_to,
        confidence=fact.confidence,
        subject_type=fact.subject_type,
        object_type=fact.object_type,
    )
