"""Errors of the language models."""

from __future__ import annotations

from ...errors import RagloomError, Unwanted


class ModelError(RagloomError):
    """A language model cannot be found, loaded or asked."""


class Impossible(ModelError):  # noqa: N818 - the name says it
    """No value fits a schema; where that is one of several, or of what may be missing, the others are left."""


class EngineClosed(ModelError):  # noqa: N818 - the name says it
    """The engine was closed, before a request or while it was answered."""


class DeadlineExceeded(ModelError, TimeoutError):  # noqa: N818 - the name says it
    """A request was not done within its `timeout`; its place is free when the engine's next step begins."""

    def __init__(self, timeout: float) -> None:
        """Name the `timeout`, in seconds."""
        self.timeout = timeout
        super().__init__(f"the model needed longer than the timeout of {timeout:g} s")


class Cancelled(ModelError, Unwanted):  # noqa: N818 - the name says it
    """Whoever asked said that nobody waits for the result any more."""

    def __init__(self) -> None:
        """There is nothing to say but that."""
        super().__init__("what was asked of the model was cancelled")


class AskedError(ModelError, TypeError):
    """What asks an LLM was itself asked in a form that it does not take."""


class ContextOverflow(ModelError, ValueError):  # noqa: N818 - the name says it
    """What was asked needs more room than the model's context has; nothing was evaluated.

    Attributes:
        needed: tokens that there would have to be room for.
        available: tokens that there is room for.
    """

    def __init__(self, needed: int, available: int, what: str = "the prompt") -> None:
        """Name both numbers, and `what` needs so much."""
        self.needed = needed
        self.available = available
        super().__init__(
            f"{what} has {needed} tokens but the context takes {available}; "
            "shorten it or load the model with a larger n_ctx"
        )


class AttentionUnavailable(ModelError):  # noqa: N818 - what a caller asks is whether attention is there
    """A model's attention cannot be read.

    Attributes:
        reason: what stands in the way.
        always: whether that lies in the model and so will not change; memory may be free again later.
    """

    def __init__(self, model: str, reason: str, *, always: bool = False) -> None:
        """Name the `model`, the `reason` and the rerankers that need no attention."""
        self.reason = reason
        self.always = always
        super().__init__(
            f"cannot read the attention of {model}: {reason}; rerank with 'first', which reads logits, "
            "or with a cross-encoder"
        )
