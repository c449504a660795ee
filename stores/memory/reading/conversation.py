"""What a conversation offers and plain search ignores."""

from __future__ import annotations

from collections.abc import Sequence

from .pool import Pool, Ranking


def with_surroundings(pool: Pool) -> Sequence[Ranking]:
    """The rankings."""
    return pool.rankings
