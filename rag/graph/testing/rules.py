"""The rules that graphs rely on, each as a function that tells who breaks it and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema

from ...llm.errors import Cancelled
from ..errors import CancelledError, NodeTimeoutError, ResultError
from ..node_type import NodeType
from ..plan import PlannedNode
from ..running.channels import serializer
from ..spec import NodeSpec
from ..state import RagState
from .others import altered
from .trial import Trial, Tried

Rule = Callable[[Trial, RagState], Iterator[str]]


def declares_itself(kind: NodeType) -> Iterator[str]:
    """It says what it does, and an editor can be told of its parameters."""
    if not kind.summary.strip():
        yield "has no docstring; its first line says what it does"
    try:
        json.dumps(kind.params.model_json_schema())
    except (PydanticInvalidForJsonSchema, TypeError) as error:
        yield f"has parameters that no JSON Schema can describe ({_said(error)}); take texts, numbers, lists or models"


def returns_what_it_declares(trial: Trial, state: RagState) -> Iterator[str]:
    """It ends, and its update has the keys that it declares to write, with values of the right types."""
    error = trial.run(state).error
    if isinstance(error, ResultError):
        yield f"{_said(error)}; make `writes` and what it returns the same"
    elif isinstance(error, NodeTimeoutError):
        yield f"{_said(error)}; make it faster, or allow more: check_node(..., timeout=...)"
    elif error:
        yield f"failed: {type(error).__name__}: {_said(error)}; give it a state that it can work on, or fix the node"


def reads_what_it_declares(trial: Trial, state: RagState) -> Iterator[str]:
    """It looks at no field that it does not declare, for the cache and the check of a graph know no others."""
    for key in sorted(trial.run(state).read):
        if not _may_read(_declared(trial), key):
            yield f"looks at {key}; declare it: reads={{{key!r}}}, or leave it alone"


def depends_on_what_it_declares(trial: Trial, state: RagState) -> Iterator[str]:
    """Its result is the same whatever the fields are that it does not declare."""
    first = trial.run(state)
    changes = altered(state, _declared(trial))
    if first.error or _same(first, trial.run(state.model_copy(update=changes))):
        return
    for name, value in changes.items():
        if not _same(first, trial.run(state.model_copy(update={name: value}))):
            yield f"its result changes with {name}; declare it: reads={{{name!r}}}"


def needs_what_it_declares(trial: Trial, state: RagState) -> Iterator[str]:
    """It asks for no corpus and no LLM that it does not declare to need."""
    declared = {"corpus"} & trial.kind.needs | ({"llm"} if trial.kind.needs_llm else set())
    for need in sorted(trial.run(state).needed - declared):
        yield f"asks for the {need}; declare it: needs={{{need!r}}}"


def is_the_same_in_a_loop(trial: Trial, state: RagState) -> Iterator[str]:
    """`invoke` and `ainvoke` give the same."""
    here, there = trial.run(state), trial.run(state, in_loop=True)
    if here.error is None and there.error is not None:
        yield f"fails under ainvoke alone: {type(there.error).__name__}: {_said(there.error)}; use no loop of its own"
    elif not _same(here, there):
        yield "gives another result under ainvoke than under invoke; make it independent of threads and event loops"


def is_deterministic(trial: Trial, state: RagState) -> Iterator[str]:
    """The same state gives the same result."""
    if not _same(trial.run(state), trial.run(state)):
        yield (
            "gives another result for the same state; seed what is random, "
            "or say that it is so: check_node(..., deterministic=False)"
        )


def leaves_the_state_alone(trial: Trial, state: RagState) -> Iterator[str]:
    """It changes nothing that it was given, for other nodes have the same."""
    before, params_before = _fields(state), trial.params.model_dump_json()
    trial.run(state)
    for name, value in _fields(state).items():
        if value != before[name]:
            yield f"changes the state's {name}; return a new value and leave the old one as it is"
    if trial.params.model_dump_json() != params_before:
        yield "changes its parameters, which every run shares; copy what it changes"


def ends_when_cancelled(trial: Trial, state: RagState) -> Iterator[str]:
    """When nobody waits any longer it comes back."""
    error = trial.run(state, in_loop=False, cancelled=True).error
    if isinstance(error, NodeTimeoutError):
        advice = (
            "let asyncio.CancelledError pass" if trial.kind.is_async else "call context.check_cancelled() now and then"
        )
        yield f"goes on when it is cancelled; {advice}"
    elif error and not isinstance(error, CancelledError | Cancelled) and "CancelledError" not in str(error):
        yield f"fails when it is cancelled: {type(error).__name__}: {_said(error)}; let CancelledError pass"


def can_be_kept(trial: Trial, state: RagState) -> Iterator[str]:
    """Its update is the same after a checkpoint, and as JSON."""
    update = trial.run(state).update
    if update is None:
        return
    kept = serializer()
    for name, value in update.items():
        wrong = _lost(lambda value=value: kept.loads_typed(kept.dumps_typed(value)), value)  # type: ignore[misc]
        wrong = wrong or _lost(lambda name=name: _through_json(state, name, update), value)  # type: ignore[misc]
        if wrong:
            yield f"writes {name} that {wrong}; write plain values: texts, finite numbers, lists, dictionaries"


def _lost(round_trip: Callable[[], Any], value: Any) -> str:
    """What is wrong with a value that is written and read again."""
    try:
        return "" if round_trip() == value else "is another after a checkpoint"
    except (ValueError, TypeError, OverflowError) as error:
        return f"no checkpoint can hold ({type(error).__name__})"


def _through_json(state: RagState, name: str, update: dict[str, Any]) -> Any:
    written = RagState(question=state.question).model_copy(update={name: update[name]}).model_dump_json()
    return getattr(RagState.model_validate_json(written), name)


def _declared(trial: Trial) -> frozenset[str]:
    node = PlannedNode("", NodeSpec(use=trial.kind.name), trial.kind, trial.params)
    return node.reads | {"question"}


def _may_read(declared: frozenset[str], key: str) -> bool:
    whole = key.partition("[")[0].partition(".")[0]
    return key in declared or whole in declared


def _same(one: Tried, other: Tried) -> bool:
    return (one.update, type(one.error)) == (other.update, type(other.error))


def _fields(state: RagState) -> dict[str, Any]:
    return {name: _plain(getattr(state, name)) for name in RagState.model_fields}


def _plain(value: Any) -> str:
    """A value as text, for one that is changed must not change what it is compared with."""
    return repr(value.model_dump() if isinstance(value, BaseModel) else value)


def _said(error: Exception) -> str:
    if isinstance(error, ValidationError):
        error = ValueError(str(error.errors(include_url=False)[0]["msg"]))
    return " ".join(str(error).split()).removeprefix("the node 'tried_node' ").removeprefix("failed: ")
