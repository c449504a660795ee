"""How the next token is chosen, and when to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, TypedDict

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .errors import ModelError


def _as_stops(value: Any) -> Any:
    return () if value is None else (value,) if isinstance(value, str) else value


class SamplingOptions(TypedDict, total=False):
    """The options of `Sampling`."""

    temperature: float
    top_p: float
    max_tokens: int | None
    seed: int | None
    stop: Sequence[str] | str | None


class SamplingFields(BaseModel):
    """How answers are sampled.

    Attributes:
        temperature: 0 takes the likeliest token; higher is more varied.
        top_p: only the likeliest tokens that hold this much probability together are drawn from.
        max_tokens: longest answer in tokens; None: until the context is full.
        seed: equal seeds repeat an answer; None: another one each time. Without effect at temperature 0.
        stop: an answer ends before the first of these strings.
    """

    temperature: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    top_p: float = Field(default=0.95, gt=0, le=1)
    max_tokens: int | None = Field(default=512, ge=1)
    seed: int | None = Field(default=None, ge=0, lt=2**32 - 1)
    stop: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_as_stops)] = ()


class Sampling(SamplingFields):
    """How one answer is sampled."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Sampling:
        """Check `options`; those that are not named have their defaults.

        Raises:
            ModelError: an option is unknown or has a value that cannot be used.
        """
        known = list(cls.model_fields)
        for name in options:
            if name not in known:
                close = get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
                raise ModelError(f"unknown option {name!r}; {hint}")
        try:
            return cls.model_validate(options)
        except ValidationError as error:
            raise ModelError(first_problem(error)) from None


def first_problem(error: ValidationError) -> str:
    """The first of pydantic's complaints, on one line: the option, the rule and the value."""
    problem = error.errors(include_url=False)[0]
    option = ".".join(str(part) for part in problem["loc"])
    rule = problem["msg"].removeprefix("Input ")
    return f"{option} {rule}, not {problem['input']!r}"
