"""How the next token is chosen, and when to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypedDict

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..._explain import first_problem
from .errors import ModelError


def _as_stops(value: Any) -> Any:
    return () if value is None else (value,) if isinstance(value, str) else value


def _as_biases(value: Any) -> Any:
    """An immutable value can be hashed."""
    return tuple(value.items()) if isinstance(value, Mapping) else value


class SamplingOptions(TypedDict, total=False):
    """The options of `Sampling`."""

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    max_tokens: int | None
    frequency_penalty: float
    presence_penalty: float
    seed: int | None
    stop: Sequence[str] | str | None
    logit_bias: Mapping[int, float]


class SamplingFields(BaseModel):
    """How answers are sampled.

    Attributes:
        temperature: 0 takes the likeliest token; higher is more varied.
        top_p: tokens are drawn only from the likeliest ones whose probabilities add up to this.
        top_k: tokens are drawn only from so many likeliest ones; 0: from all.
        min_p: tokens are drawn only from those at least this fraction as likely as the likeliest; 0: from all.
        frequency_penalty: taken from a token's logit for each time that the answer has it already: a small model that
            repeats itself finds its way out.
        presence_penalty: taken from it once, if the answer has it already.
        max_tokens: longest answer in tokens; None: until the context is full.
        seed: equal seeds repeat an answer; None: another one each time. Without effect at temperature 0.
        stop: the answer ends before the first of these strings that it would contain.
        logit_bias: added to the logits of tokens, by token id; -100 never takes a token, 100 nearly always.
    """

    temperature: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    top_p: float = Field(default=0.95, gt=0, le=1)
    top_k: int = Field(default=0, ge=0, lt=2**31)
    min_p: float = Field(default=0.0, ge=0, le=1)
    frequency_penalty: float = Field(default=0.0, ge=-2, le=2)
    presence_penalty: float = Field(default=0.0, ge=-2, le=2)
    max_tokens: int | None = Field(default=512, ge=1)
    seed: int | None = Field(default=None, ge=0, lt=2**32 - 1)
    stop: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_as_stops)] = ()
    logit_bias: Annotated[
        tuple[tuple[Annotated[int, Field(ge=0)], Annotated[float, Field(allow_inf_nan=False)]], ...],
        BeforeValidator(_as_biases),
        AfterValidator(lambda biases: tuple(sorted(biases))),
    ] = ()


class Sampling(SamplingFields):
    """How one answer is sampled."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Sampling:
        """Check `options`; those that are not given have their defaults.

        Raises:
            ModelError: an option is unknown or has a value that cannot be used.
        """
        try:
            return cls.model_validate(options)
        except ValidationError as error:
            raise ModelError(first_problem(error, "option", cls.model_fields)) from None
