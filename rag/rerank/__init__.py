"""Rerankers: what a first stage found, put into the order of its relevance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._lazy import lazy

if TYPE_CHECKING:
    from .cross_encoder import CrossEncoderReranker as CrossEncoderReranker
    from .errors import RerankError as RerankError
    from .fusing import fuse as fuse
    from .icr import IcrReranker as IcrReranker
    from .reranker import Reranker as Reranker
    from .types import Highlight as Highlight
    from .types import Ranked as Ranked
    from .types import Ranking as Ranking

__all__ = [
    "CrossEncoderReranker",
    "Highlight",
    "IcrReranker",
    "Ranked",
    "Ranking",
    "RerankError",
    "Reranker",
    "fuse",
]

_HOMES = {
    "CrossEncoderReranker": ".cross_encoder",
    "Highlight": ".types",
    "IcrReranker": ".icr",
    "Ranked": ".types",
    "Ranking": ".types",
    "RerankError": ".errors",
    "Reranker": ".reranker",
    "fuse": ".fusing",
}
__getattr__ = lazy(__name__, _HOMES)
