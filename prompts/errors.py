"""Errors of the prompts."""

from __future__ import annotations

from ..errors import RagloomError


class PromptError(RagloomError, ValueError):
    """A prompt cannot be found, read or filled in."""
