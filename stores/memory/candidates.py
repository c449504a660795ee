"""Entities that a new name may be another name of, found in four ways.

- *spelling*: the same letters without accents, punctuation and order (`Muller, Jörg`, `Jörg Müller`).
- *fuzzy*: nearly the same letters, among the names that share the most trigrams.
- *acronym*: one is made of the initials of the other; such names are far apart in every vector space.
- *meaning*: nearest by the embedder, which knows that `Munich` is `München`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz

from .entities import by_name, roots
from .file import Reading
from .grams import sharing
from .names import acronyms, as_acronym, folded, normal
from .reading.meaning import Vectors

SPELLING, FUZZY, ACRONYM, MEANING = "spelling", "fuzzy", "acronym", "meaning"

LEAST_FUZZY = 60.0
"""Below, two spellings have nothing to do with each other."""

LEAST_MEANING = 0.5
"""The same for the cosine of two names."""

_LOOKED_AT = 50
"""Names that are compared letter by letter."""

_NEAREST = 20
"""Names that are looked at for their meaning."""

_TELLING = re.compile(r"\d+|[+#%$€£¥]|(?<!\S)-(?=\s\d)|\b(?:i{1,3}|iv|vi{0,3}|ix|xi{0,3}|he|she|his|hers?|him)\b")
"""What makes another name, however alike the rest is: numbers, Roman ones too, signs, and of whom one speaks."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entity that a name may stand for.

    Attributes:
        entity: its id.
        name: the one of its names that is near.
        method: `spelling`, `fuzzy`, `acronym` or `meaning`.
        score: 0 to 100 for spellings, 100 for an acronym, a cosine times 100 for the meaning.
    """

    entity: int
    name: str
    method: str
    score: float

    def describe(self, name: str) -> str:
        """Why `name` may stand for it, in words."""
        match self.method:
            case "spelling":
                return f"{name!r} and {self.name!r} have the same letters"
            case "fuzzy":
                return f"{name!r} and {self.name!r} are spelt {self.score:.0f} % alike"
            case "acronym":
                return f"one of {name!r} and {self.name!r} is the initials of the other"
        return f"{name!r} and {self.name!r} are near in meaning (cosine {self.score / 100:.2f})"


def find_candidates(reading: Reading, name: str, near: Mapping[int, float] | None = None) -> list[Candidate]:
    """Entities that a name may stand for, but for the one of that very name, surest first, each once.

    Args:
        reading: the group.
        name: what is looked for.
        near: what is `nearest` in meaning; None: nothing is looked for so.
    """
    found = [*_by_spelling(reading, name), *_by_acronym(reading, name), *_by_meaning(reading, near or {})]
    own = set(roots(reading, by_name(reading, [normal(name)]).values()).values())
    rank = {SPELLING: 0, ACRONYM: 1, FUZZY: 2, MEANING: 3}
    first: dict[int, Candidate] = {}
    for candidate in sorted(_believed(reading, found), key=lambda each: (rank[each.method], -each.score, each.entity)):
        if candidate.entity not in own:
            first.setdefault(candidate.entity, candidate)
    return list(first.values())


def alike(name: str, other: str) -> float:
    """How alike two names are spelt, 0 to 100; names with different numbers or signs are not.

    ```python
    from ragloom.stores.memory.candidates import alike

    print(alike("José Garcia", "Garcia, Jose"), round(alike("Jon Smith", "John Smith")), alike("Room 12", "Room 13"))
    # -> 100.0 95 0.0
    ```
    """
    first, second = folded(name), folded(other)
    if _TELLING.findall(first) != _TELLING.findall(second):
        return 0.0
    return max(fuzz.ratio(first, second), fuzz.token_sort_ratio(first, second))


def nearest(vectors: Vectors, vector: NDArray[np.float32]) -> dict[int, float]:
    """The entities whose names are nearest in meaning, each with its cosine."""
    return dict(vectors.best(vectors.cosines(vector), "entity", _NEAREST))


def _by_spelling(reading: Reading, name: str) -> list[Candidate]:
    letters = folded(name)
    rows = reading.file.among(
        "SELECT entity, name FROM aliases WHERE key IN (%s)", sharing(reading, letters, _LOOKED_AT)
    )
    scored = [(row, alike(name, row["name"])) for row in rows]
    return [
        Candidate(row["entity"], row["name"], SPELLING if folded(row["name"]) == letters else FUZZY, score)
        for row, score in scored
        if score >= LEAST_FUZZY
    ]


def _by_acronym(reading: Reading, name: str) -> list[Candidate]:
    between = f"BETWEEN {reading.low} AND {reading.high}"
    found: list[Candidate] = []
    if letters := as_acronym(name):
        rows = reading.file.all(
            "SELECT entity, name FROM acronyms JOIN aliases ON aliases.key = acronyms.alias "
            f"WHERE letters = ? AND alias {between}",
            letters,
        )
        found += [Candidate(row["entity"], row["name"], ACRONYM, 100.0) for row in rows]
    if initials := acronyms(name):
        sql = f"SELECT entity, name FROM aliases WHERE key {between} AND normal IN (%s)"
        rows = reading.file.among(sql, sorted(initials))
        free = [row for row in rows if (letters := as_acronym(row["name"])) and not _is_taken(reading, letters, name)]
        found += [Candidate(row["entity"], row["name"], ACRONYM, 100.0) for row in free]
    return found


def _is_taken(reading: Reading, letters: str, name: str) -> bool:
    """Whether an acronym stands for another name already, which is not spelt like this one."""
    rows = reading.file.all(
        "SELECT name FROM acronyms JOIN aliases ON aliases.key = acronyms.alias "
        f"WHERE letters = ? AND alias BETWEEN {reading.low} AND {reading.high}",
        letters,
    )
    return any(alike(name, row["name"]) < LEAST_FUZZY for row in rows)


def _by_meaning(reading: Reading, near: Mapping[int, float]) -> list[Candidate]:
    names = reading.file.among("SELECT entity, name FROM entity_versions WHERE entity IN (%s)", list(near))
    return [
        Candidate(row["entity"], row["name"], MEANING, 100 * near[row["entity"]])
        for row in names
        if near[row["entity"]] >= LEAST_MEANING
    ]


def _believed(reading: Reading, found: Sequence[Candidate]) -> list[Candidate]:
    """Candidates as the entities that stand for them; forgotten ones are left out."""
    root = roots(reading, {each.entity for each in found})
    sql = "SELECT entity FROM entity_versions WHERE recorded_to IS NULL AND entity IN (%s)"
    believed = {row["entity"] for row in reading.file.among(sql, sorted(set(root.values())))}
    return [
        Candidate(root[each.entity], each.name, each.method, each.score)
        for each in found
        if root[each.entity] in believed
    ]
