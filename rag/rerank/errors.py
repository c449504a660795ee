"""Errors of reranking."""

from __future__ import annotations

from ...errors import RagloomError


class RerankError(RagloomError):
    """What should be ranked cannot be, or with these options not."""
