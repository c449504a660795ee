"""What is done before a transaction, since it takes long: embedding, and asking a judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from . import contradicting, resolving
from .candidates import Candidate, nearest
from .contradicting import Ended
from .file import Reading
from .parts import Parts
from .types import Fact


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a write begins with.

    Attributes:
        vectors: of the texts that are to be stored; None: none are.
        same: what the judge said of new names.
        ended: which facts it found ended.
    """

    vectors: dict[str, NDArray[np.float32]] | None
    same: Mapping[str, Candidate | None] = field(default_factory=dict)
    ended: Sequence[Ended] = ()


def prepare(
    reading: Reading,
    parts: Parts,
    facts: Sequence[Fact],
    *,
    texts: Sequence[str] = (),
    said: str = "",
    embed: bool = True,
) -> Prepared:
    """Embed `texts` and what the facts bring, and ask the judge, where there is one, about them.

    Args:
        reading: the group as it is now; what changes until the transaction is settled there by rules alone.
        parts: of the memory.
        facts: what is stated.
        texts: contents of the episodes.
        said: the text that the facts are from, for the judge.
        embed: whether there are to be vectors.
    """
    names = resolving.unknown_names(reading, facts)
    statements = [fact.statement for fact in facts]
    vectors = parts.embedder.texts([*texts, *statements, *names]) if embed else None
    if parts.judge is None:
        return Prepared(vectors)
    kept = parts.kept.of(reading)
    near = {name: nearest(kept, vectors[name]) for name in names} if vectors and len(kept.keys) else {}
    return Prepared(
        vectors,
        resolving.ask(reading, names, said, parts.judge, near),
        contradicting.ask(reading, facts, parts.judge, parts.single_valued),
    )
