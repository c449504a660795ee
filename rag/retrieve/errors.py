"""Errors of retrieving."""

from __future__ import annotations

from ...errors import RagloomError


class RoutingError(RagloomError):
    """Corpora cannot be compared with a question, so none can be chosen."""


class SelfQueryError(RagloomError):
    """Conditions cannot be taken from a question."""
