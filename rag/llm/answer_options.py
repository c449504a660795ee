"""How long an answer of a chat model may take, and what is told of it beside its text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..._explain import first_problem
from .errors import ModelError


class AnswerOptionFields(BaseModel):
    """Options of a chat model that can also be given per call.

    Attributes:
        timeout: seconds after which an answer that is not done fails, or scores that are not; None: never.
        logprobs: tell each token's log-probability in `response_metadata["logprobs"]`, in OpenAI's form; None: no, as
            OpenAI's null.
        top_logprobs: and those of so many likeliest tokens, at most 20; also without `logprobs`.
    """

    timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    logprobs: Annotated[bool, BeforeValidator(lambda value: False if value is None else value)] = False
    top_logprobs: int | None = Field(default=None, ge=0, le=20)


class AnswerOptions(AnswerOptionFields):
    """These options for one answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> AnswerOptions:
        """Check `options`.

        Raises:
            ModelError: one has a value that cannot be used.
        """
        try:
            return cls.model_validate(options)
        except ValidationError as error:
            raise ModelError(first_problem(error, "option", cls.model_fields)) from None

    @property
    def alternatives(self) -> int | None:
        """How many likeliest tokens are told at each place; None: not even the one that was taken."""
        if self.top_logprobs is None:
            return 0 if self.logprobs else None
        return self.top_logprobs
