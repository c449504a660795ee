"""Which chunks meet a condition, remembered until the corpus changes: a scan of all metadata is not for every query."""

from __future__ import annotations

from .database import Database, State
from .where import Where

REMEMBERED = 8
"""How many conditions are remembered at once."""


class Filters:
    """The keys of the chunks that meet conditions asked for lately; safe to use from several threads."""

    def __init__(self, database: Database) -> None:
        """Look up conditions in `database`."""
        self._database = database
        self._remembered: tuple[State | None, dict[str, frozenset[int]]] = (None, {})

    def keys(self, where: Where, state: State) -> frozenset[int]:
        """Keys of the chunks that meet `where`, as of `state` or later.

        Raises:
            QueryError: the condition is malformed.
        """
        name = repr(where)
        remembered_state, remembered = self._remembered
        if remembered_state != state:
            remembered = {}
        found = remembered.get(name)
        if found is None:
            found = frozenset(self._database.matching(where))
            kept = list(remembered.items())[-(REMEMBERED - 1) :]
            self._remembered = (state, {**dict(kept), name: found})
        return found
