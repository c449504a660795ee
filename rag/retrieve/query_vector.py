"""What the dense side of a search looks for instead of the query's own vector.

HyDE and feedback move a query's vector; the search by words keeps the query. So the vector travels beside the query,
and says which query it stands for: one that has been rewritten since is embedded anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ...stores.embedder import Fingerprint
from .errors import QueryVectorError


@dataclass(frozen=True, slots=True)
class QueryVector:
    """A vector to search with, and what it was made from.

    ```python
    from ragloom.rag.retrieve import QueryVector
    from ragloom.stores.embedder import Fingerprint

    vector = QueryVector.of("Who steals a car?", [3.0, 4.0], Fingerprint("tiny", 2, ""), made_from=("A toad.",))
    print([round(value, 3) for value in vector.values], vector)  # -> [0.6, 0.8] the query and 1 text
    ```

    Attributes:
        query: the query that it stands for.
        values: its numbers; its length is 1.
        embedder: of the space that it lies in.
        made_from: the texts that it was made from beside the query: passages that were imagined, documents' ids.
        notes: what the reader should know, such as that the LLM failed.
    """

    query: str
    values: tuple[float, ...]
    embedder: Fingerprint
    made_from: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("values", "made_from", "notes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # checkpoints give lists back

    @classmethod
    def of(
        cls,
        query: str,
        vector: Sequence[float] | NDArray[np.float32],
        embedder: Fingerprint,
        *,
        made_from: Sequence[str] = (),
        notes: Sequence[str] = (),
    ) -> Self:
        """Bring a vector to length 1; one without a direction stays as it is."""
        array = np.asarray(vector, np.float32)
        unit = array / (float(np.linalg.norm(array)) or 1.0)
        return cls(query, tuple(unit.tolist()), embedder, tuple(made_from), tuple(notes))

    def within(self, embedder: Fingerprint | None) -> NDArray[np.float32]:
        """The vector for a search among vectors of `embedder`: shape (dimension,); None is a corpus without any.

        Raises:
            QueryVectorError: those are of another embedder.
        """
        if embedder is not None and not self.embedder.matches(embedder):
            raise QueryVectorError(
                f"the query's vector was made by {self.embedder.describe()}, but the corpus has vectors of "
                f"{embedder.describe()}; let the nodes that make it and search with it have the same corpus"
            )
        return np.array(self.values, np.float32)

    def __str__(self) -> str:
        number = len(self.made_from)
        return f"the query and {number} text{'' if number == 1 else 's'}" if number else "the query alone"
