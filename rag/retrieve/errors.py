"""Errors of retrieving."""

from __future__ import annotations

from ...errors import RagloomError


class RoutingError(RagloomError):
    """Corpora cannot be compared with a question, so none can be chosen."""


class SelfQueryError(RagloomError):
    """Conditions cannot be taken from a question."""


class QueryVectorError(RagloomError):
    """A vector cannot be searched with, or not be made."""


class RewritingError(RagloomError):
    """A question cannot be rewritten or divided."""
