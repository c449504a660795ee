"""Predicates: what a decision may ask of the state, by name."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ..generate.iterating import is_settled
from ..generate.types import How
from .errors import NodeTypeError
from .fields import check_fields, check_name
from .state import RagState

Kind = Literal["yes or no", "number", "word"]

_KINDS: dict[Any, Kind] = {bool: "yes or no", int: "number", float: "number", str: "word"}


@dataclass(frozen=True, slots=True)
class Predicate:
    """Something that a decision may ask of the state.

    Attributes:
        name: what a condition calls it.
        summary: one line on what it is.
        kind: what it gives.
        reads: state fields that must have been written.
        words: those that it may give, where it gives one of a few.
        within: the least and the most that it may give, where it is a number.
        call: gives it.
    """

    name: str
    summary: str
    kind: Kind
    reads: frozenset[str]
    words: tuple[str, ...]
    within: tuple[float, float]
    call: Callable[[RagState], bool | float | str] = field(repr=False)

    def __call__(self, state: RagState) -> bool | float | str:
        """What the state says."""
        return self.call(state)


def predicate(
    name: str, *, reads: Collection[str] = (), within: tuple[float, float] = (-math.inf, math.inf)
) -> Callable[[Callable[[RagState], Any]], Predicate]:
    """Make a function of the state a predicate; what it is annotated to return says how it can be compared.

    ```python
    from ragloom.rag.graph import RagState, predicate

    @predicate("long_question")
    def long_question(state: RagState) -> bool:
        'Whether the question has more than twenty words.'
        return len(state.question.split()) > 20
    ```

    Args:
        name: what a condition calls it.
        reads: state fields that must have been written.
        within: the least and the most that a number may be; a condition that compares it with others is an error.

    Raises:
        NodeTypeError: it has no docstring, does not take the state, reads an unknown field, or returns neither `bool`,
            `int`, `float`, `str` nor a `Literal` of words.
    """
    check_name("predicate", name)
    if not name.isidentifier():
        raise NodeTypeError(f"no condition can name the predicate {name!r}; take letters, digits and _")
    check_fields(f"the predicate {name!r}", "reads", reads, RagState.model_fields)

    def declare(call: Callable[[RagState], Any]) -> Predicate:
        lines = inspect.cleandoc(call.__doc__ or "").splitlines()
        if not lines:
            raise NodeTypeError(f"the predicate {name!r} has no docstring; its first line says what it is")
        if len(inspect.signature(call).parameters) != 1:
            raise NodeTypeError(f"the predicate {name!r} takes (state), not {inspect.signature(call)}")
        try:
            returned = inspect.get_annotations(call, eval_str=True).get("return")
        except NameError as error:
            raise NodeTypeError(f"the predicate {name!r}: {error}; import it where the module runs") from error
        words = tuple(word for word in get_args(returned) if isinstance(word, str))
        kind = "word" if words else _KINDS.get(returned)
        if kind is None:
            raise NodeTypeError(
                f"the predicate {name!r} must be annotated to return bool, int, float, str or a Literal"
            )
        return Predicate(name, lines[0].rstrip("."), kind, frozenset(reads), words, within, call)

    return declare


@predicate("answered", reads={"answer"})
def answered(state: RagState) -> bool:
    """Whether there is an answer."""
    return state.answer is not None and state.answer.known


@predicate("how", reads={"answer"})
def how(state: RagState) -> How:
    """How the answer came about."""
    return state.answer.how if state.answer else "unknown"


@predicate("dropped", reads={"answer"})
def dropped(state: RagState) -> int:
    """How many sentences were left out of the answer."""
    return len(state.answer.dropped) if state.answer else 0


@predicate("confidence", reads={"evidence"}, within=(0, 1))
def confidence(state: RagState) -> float:
    """How sure one can be that the documents answer the question, 0 to 1."""
    return state.evidence.confidence if state.evidence else 0.0


@predicate("answerable", reads={"evidence"})
def answerable(state: RagState) -> bool:
    """Whether the confidence is enough for an answer, by the default threshold."""
    return state.evidence is not None and state.evidence.answerable()


@predicate("documents", reads={"documents"})
def documents(state: RagState) -> int:
    """How many documents there are."""
    return len(state.documents)


@predicate("best_score", reads={"documents"})
def best_score(state: RagState) -> float:
    """The best document's score; minus infinity where there is none."""
    return max((hit.score for hit in state.documents), default=-math.inf)


@predicate("best_verdict", reads={"verdicts"})
def best_verdict(state: RagState) -> float:
    """The best verdict's score; minus infinity where nothing was judged."""
    return max((verdict.score for verdict in state.verdicts if verdict.score is not None), default=-math.inf)


@predicate("route", reads={"route"})
def route(state: RagState) -> str:
    """What a routing node chose."""
    return state.route


@predicate("narrowed", reads={"where"})
def narrowed(state: RagState) -> bool:
    """Whether conditions on metadata were taken from the question."""
    return bool(state.where)


@predicate("subquestions", reads={"subquestions"})
def subquestions(state: RagState) -> int:
    """How many simpler questions the question was divided into."""
    return len(state.subquestions)


@predicate("settled", reads={"drafts"})
def settled(state: RagState) -> bool:
    """Whether the answer says what it said in the round before, or there is none to search with."""
    return is_settled(state.drafts)


@predicate("follow_up")
def follow_up(state: RagState) -> bool:
    """Whether there was a conversation before the question."""
    return bool(state.history)
