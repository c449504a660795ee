"""The candidates of one search: what each way of looking found, for a recipe to put in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..file import Reading
from .hits import Kind
from .meaning import Vectors
from .standing import Standing


class Item(NamedTuple):
    """Something that may be found: its kind and its id."""

    kind: Kind
    id: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """What one way of looking found.

    Attributes:
        way: what it looks at, in a word: `words`, `meaning`, `near Ann`.
        kind: of what it ranks.
        items: best first, with the scores of that way.
    """

    way: str
    kind: Kind
    items: Sequence[tuple[int, float]]

    def ordered(self) -> list[Item]:
        """The items, best first."""
        return [Item(self.kind, key) for key, _ in self.items]


@dataclass(frozen=True, slots=True)
class Pool:
    """What a recipe has at hand.

    Attributes:
        query: the question.
        vector: of the question, shape (dimension,); None: nothing was looked for by meaning.
        rankings: what each way of looking found.
        reading: the group as it is read.
        standing: which facts are asked for.
        vectors: those of the group.
        named: entities that the question names, with the words that do.
        asked_about: the interval that the question asks about, if it does.
        texts: gives items' words.
    """

    query: str
    vector: NDArray[np.float32] | None
    rankings: tuple[Ranking, ...]
    reading: Reading
    standing: Standing
    vectors: Vectors
    named: Mapping[int, str]
    texts: Callable[[Iterable[Item]], Mapping[Item, str]]
