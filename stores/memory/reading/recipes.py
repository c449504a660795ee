"""Recipes: how what was found is put in order.

Every recipe is a frozen value, so that two searches with the same recipe do the same. `rrf` fuses what each way of
looking found by reciprocal rank fusion (see `stores.fusion`); the others begin with another recipe's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from langchain_core.documents import Document

from ...diversity import LAMBDA, mmr as most_marginal
from ...fusion import K, rrf as fused
from .neighbourhood import distances
from .pool import Item, Pool

Scored = list[tuple[Item, float]]
"""Items with scores, best first."""


class Recipe(Protocol):
    """Puts candidates in order."""

    def order(self, pool: Pool, k: int) -> Scored:
        """The best `k` and perhaps more, best first."""


@dataclass(frozen=True, slots=True)
class Rrf:
    """Reciprocal rank fusion of all that was found; an item's score is the sum of `1 / (rank_constant + rank)`."""

    rank_constant: int = K

    def order(self, pool: Pool, k: int) -> Scored:  # noqa: ARG002 - all of them cost the same
        """All, best first."""
        return fused([ranking.ordered() for ranking in pool.rankings], k=self.rank_constant)
