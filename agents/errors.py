"""Errors of the agents."""

from __future__ import annotations

from ..errors import RagloomError


class AgentError(RagloomError):
    """An agent cannot do what it was asked to."""
