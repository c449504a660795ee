"""Which entity a name stands for: exactly the one of that name; else one that it is another name of; else a new one.

Without a judge, a new name is taken for a known entity only where the letters say so: the same but for accents and
punctuation, nearly the same (`LEAST_ALIKE`), or an acronym of one known name alone. A judge is asked about all other
candidates before the transaction begins, since an LLM takes seconds and a transaction holds up every other writer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .candidates import ACRONYM, FUZZY, SPELLING, Candidate, find_candidates
from .entities import EntityWriter, by_name
from .file import Reading, Writing
from .judging import Judge
from .merging import write_merge
from .names import folded, normal
from .types import Fact
from .words import Words

LEAST_ALIKE = 92.0
"""How alike, of 100, two spellings are that are taken for one without a judge: `Jon Smith` and `John Smith` are 95,
`Maria Garcia` and `Mario Garcia` 91.7."""

_SHORTEST = 6
"""Letters of a name that may differ in one without being another name."""

_SHORTEST_ACRONYM = 3
"""Letters of an acronym that stands for its long form: `AI`, `TV` and `IT` are rather words than initials."""

_ASKED = 8
"""How many candidates a judge is shown."""

Verdicts = Mapping[str, Candidate | None]
"""What a judge said, by normalised name; None: it is none of those that it was shown."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What resolving the names of some facts did.

    Attributes:
        entities: name, as it was given, to entity.
        new: entity to name, of those that are new.
        merges: ids of the merges that were made.
    """

    entities: Mapping[str, int]
    new: Mapping[int, str]
    merges: tuple[int, ...]


def sure(name: str, candidates: Sequence[Candidate]) -> Candidate | None:
    """The candidate that a name is taken for without a judge, or None."""
    same = [each for each in candidates if each.method == SPELLING]
    acronyms = [
        each for each in candidates if each.method == ACRONYM and _letters(name, each.name) >= _SHORTEST_ACRONYM
    ]
    if len(same) == 1 or len(acronyms) == 1:
        return (same or acronyms)[0]
    alike = [each for each in candidates if each.method == FUZZY and each.score >= LEAST_ALIKE]
    is_sure = len(alike) == 1 and len(folded(name)) >= _SHORTEST and not _is_feminine(name, alike[0].name)
    return alike[0] if is_sure else None


def _letters(name: str, other: str) -> int:
    """How many an acronym has, of which one of the two is the long form."""
    return min(len(each.strip().replace(".", "")) for each in (name, other))


def _is_feminine(name: str, other: str) -> bool:
    """Whether a word of one is that of the other with an ending: `Martin` and `Martina` are two people."""
    pairs = zip(sorted(folded(name).split()), sorted(folded(other).split()), strict=False)
    return any(max(pair) in (f"{min(pair)}a", f"{min(pair)}e") for pair in pairs)


def unknown_names(reading: Reading, facts: Iterable[Fact]) -> list[str]:
    """The names in facts that no entity has yet, each in the first of its forms."""
    first: dict[str, str] = {}
    for name in (name for fact in facts for name in (fact.subject, fact.object)):
        first.setdefault(normal(name), name)
    known = by_name(reading, first)
    return [name for form, name in first.items() if form not in known]


def ask(
    reading: Reading, names: Sequence[str], said: str, judge: Judge, near: Mapping[str, Mapping[int, float]]
) -> dict[str, Candidate | None]:
    """Ask a judge about the names for which nothing is sure, though there are candidates; `near` in meaning, too."""
    verdicts: dict[str, Candidate | None] = {}
    for name in names:
        candidates = find_candidates(reading, name, near.get(name))[:_ASKED]
        if not candidates or sure(name, candidates):
            continue
        choice = judge.same_entity(name, said, [each.name for each in candidates])
        verdicts[normal(name)] = None if choice is None else candidates[choice]
    return verdicts


class Resolver:
    """Resolves names within one write."""

    def __init__(
        self, writing: Writing, words: Words, *, exact: bool = False, verdicts: Verdicts | None = None
    ) -> None:
        """Resolve for `writing`; with `exact`, only by the names themselves, as bulk loading does."""
        self._writing = writing
        self._words = words
        self._entities = EntityWriter(writing, words)
        self._exact = exact
        self._verdicts = verdicts or {}

    def resolve(self, facts: Sequence[Fact]) -> Resolved:
        """The entity of each name; entities that were forgotten are believed in again."""
        form: dict[str, str] = {}
        first: dict[str, str] = {}
        types: dict[str, set[str]] = defaultdict(set)
        for fact in facts:
            for name, label in ((fact.subject, fact.subject_type), (fact.object, fact.object_type)):
                if name not in form:
                    form[name] = normal(name)
                    first.setdefault(form[name], name)
                if label:
                    types[first[form[name]]].add(label)
        known = by_name(self._writing.reading, first)
        self._entities.revive(known.values(), {entity: types[first[each]] for each, entity in known.items()})
        names = [name for each, name in first.items() if each not in known]
        new, merges = (self._entities.add(names, types), ()) if self._exact else self._add_each(names, types)
        keys = known | {form[name]: key for name, key in new.items()}
        return Resolved(
            {name: keys[each] for name, each in form.items()}, {key: name for name, key in new.items()}, tuple(merges)
        )

    def _add_each(
        self, names: Sequence[str], types: Mapping[str, Collection[str]]
    ) -> tuple[dict[str, int], Sequence[int]]:
        """Add names one by one, so that two new ones of one entity find each other."""
        new: dict[str, int] = {}
        merges: list[int] = []
        for name in names:
            candidates = find_candidates(self._writing.reading, name)
            chosen, method = sure(name, candidates), ""
            if chosen is None:
                chosen, method = self._verdict(name), "judge"
            new |= self._entities.add([name], types)
            if chosen is not None:
                merges.append(self._merge(name, new[name], chosen, method or chosen.method))
        return new, merges

    def _verdict(self, name: str) -> Candidate | None:
        """What the judge said of a name, where its choice has not been erased meanwhile."""
        chosen = self._verdicts.get(normal(name))
        sql = "SELECT 1 FROM entity_versions WHERE entity = ?"
        return chosen if chosen and self._writing.file.one(sql, chosen.entity) else None

    def _merge(self, name: str, entity: int, chosen: Candidate, method: str) -> int:
        reason = chosen.describe(name) + ("; a judge took them for one" if method == "judge" else "")
        into, score = chosen.entity, chosen.score
        return write_merge(self._writing, self._words, entity, into, method=method, score=score, reason=reason)
