"""Errors of answering."""

from __future__ import annotations

from ...errors import RagloomError


class GenerateError(RagloomError):
    """An answer cannot be made from what was given."""


class PassageTooLongError(GenerateError):
    """Not even one passage fits into what the LLM reads."""
