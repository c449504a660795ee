"""Errors of the language models."""

from __future__ import annotations

from ...errors import RagloomError


class ModelError(RagloomError):
    """A language model cannot be found, loaded or asked."""


class ContextOverflowError(ModelError, ValueError):
    """A prompt is longer than the model's context; nothing was evaluated.

    Attributes:
        tokens: length of the prompt in tokens.
        limit: the longest prompt that the context takes, in tokens; one more place is needed for the answer.
    """

    def __init__(self, tokens: int, limit: int) -> None:
        """Name both numbers: the prompt's `tokens` and the `limit`."""
        self.tokens = tokens
        self.limit = limit
        super().__init__(
            f"the prompt has {tokens} tokens but the context takes {limit}; "
            "shorten the prompt or load the model with a larger n_ctx"
        )
