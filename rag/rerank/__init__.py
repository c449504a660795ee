"""Rerankers: what a first stage found, put into the order of its relevance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._lazy import lazy

if TYPE_CHECKING:
    from .errors import RerankError as RerankError
    from .first import FirstReranker as FirstReranker
    from .icr import IcrReranker as IcrReranker
    from .reranker import Reranker as Reranker
    from .types import Highlight as Highlight
    from .types import Ranked as Ranked
    from .types import Ranking as Ranking

__all__ = ["FirstReranker", "Highlight", "IcrReranker", "Ranked", "Ranking", "RerankError", "Reranker"]

_HOMES = {
    "FirstReranker": ".first",
    "Highlight": ".types",
    "IcrReranker": ".icr",
    "Ranked": ".types",
    "Ranking": ".types",
    "RerankError": ".errors",
    "Reranker": ".reranker",
}
__getattr__ = lazy(__name__, _HOMES)
