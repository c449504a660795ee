"""Node types: functions of the state that say what they read, write and need.

A node type is a function of state and context whose keyword-only parameters are what a graph may set, or a pydantic
model that is called with state and context. `@node` makes it a value and registers nothing: graphs find node types in
`ragloom.rag.graph.nodes`, in plug-ins, in the modules that a graph imports, and among those that its builder gives.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError

from ..._explain import unknown
from .context import Context
from .errors import NodeTypeError
from .fields import OF_PARAM, check_fields, check_name, several
from .spec import NodeSpec
from .state import WRITABLE, RagState, Update

if TYPE_CHECKING:
    from ..llm.models import ModelFile

Need = Literal["corpus", "llm", "logprobs", "logits", "attention"]
"""What a node cannot run without. The last three are the LLM's. A server gives logprobs (by `score_next`, of its 20
likeliest tokens), logits too (the same of an answer that has begun) if it is said to go on with one: `continues`, and
no attention.
"""

Run = Callable[[RagState, Context], Update | Awaitable[Update]]

RESERVED = frozenset(NodeSpec.model_fields)
"""What a graph says of any node, so no parameter has such a name."""


@dataclass(frozen=True, slots=True)
class NamesNodes:
    """Within a parameter's `Annotated`: it names nodes of the graph, each of which has what `having` says."""

    having: Literal["corpus", "candidates"]


WITH_CORPUS = NamesNodes("corpus")
"""Says that a parameter names nodes with a corpus of their own: `Annotated[list[str], WITH_CORPUS]`."""

WITH_CANDIDATES = NamesNodes("candidates")
"""Says that a parameter names nodes that find candidates: `Annotated[dict[str, float], WITH_CANDIDATES]`."""


@dataclass(frozen=True, slots=True)
class NamesModel:
    """Within a parameter's `Annotated`: it names a model, perhaps by a path that begins where the graph's file is."""


OF_MODEL = NamesModel()
"""Says that a parameter names a model: `Annotated[str, OF_MODEL]`. What it leads to decides what the node does."""


@runtime_checkable
class ChecksModel(Protocol):
    """A node, as a pydantic model, that looks at its LLM's file when the graph is checked; nothing is loaded then."""

    def check_model(self, file: ModelFile) -> None:
        """See that the node can do with this model what its parameters say.

        Raises:
            RagloomError: it cannot.
        """


_ARGUMENT = re.compile(r"\s+(\w+): (.+)")


@dataclass(frozen=True, slots=True)
class NodeType:
    """A kind of node.

    Attributes:
        name: what a graph calls it: `use: dense`.
        summary: one line on what it does.
        params: its parameters.
        reads: state fields that it needs to have been written; `extra.NAME` for a user's own; `candidates[PARAM]` for
            the candidates of the nodes that the parameter names, of all where it names none.
        writes: state fields that it writes, always; `candidates` is under its own name.
        needs: what it cannot run without.
        call: the function or class itself.
        is_cacheable: whether what it does depends on its input, its corpus and its LLM alone, and is all in its result.
    """

    name: str
    summary: str
    params: type[BaseModel]
    reads: frozenset[str]
    writes: frozenset[str]
    needs: frozenset[Need]
    call: Callable[..., Any] = field(repr=False)
    is_cacheable: bool = True

    @property
    def needs_llm(self) -> bool:
        """Whether it asks an LLM, or looks into one."""
        return bool(self.needs - {"corpus"})

    @property
    def looks_into(self) -> list[str]:
        """What it looks into of the LLM, which not every one shows: logprobs, logits, attention."""
        return sorted(self.needs - {"corpus", "llm"})

    @property
    def names_nodes(self) -> list[str]:
        """The parameters that name nodes whose candidates it reads."""
        return [match[1] for match in map(OF_PARAM.fullmatch, sorted(self.reads)) if match]

    @property
    def is_async(self) -> bool:
        """Whether calling it gives an awaitable."""
        called = self.call.__call__ if isinstance(self.call, type) else self.call
        return inspect.iscoroutinefunction(called)

    @property
    def names_corpora(self) -> list[str]:
        """The parameters that name nodes for their corpora."""
        return self._marked(WITH_CORPUS)

    @property
    def names_finders(self) -> list[str]:
        """The parameters that name nodes that find candidates: those whose candidates it reads, and others."""
        return list(dict.fromkeys([*self.names_nodes, *self._marked(WITH_CANDIDATES)]))

    @property
    def names_models(self) -> list[str]:
        """The parameters that name models."""
        return self._marked(OF_MODEL)

    def _marked(self, mark: NamesNodes | NamesModel) -> list[str]:
        return [name for name, info in self.params.model_fields.items() if mark in info.metadata]

    def __call__(self, state: RagState, context: Context, **params: Any) -> Any:
        """Run once, as the plain function would.

        Raises:
            ValidationError: a parameter is unknown or cannot have that value.
        """
        return self.bind(self.params.model_validate(params))(state, context)

    def bind(self, params: BaseModel) -> Run:
        """The function of state and context that a node with these `params` is."""
        if isinstance(self.call, type):
            return params  # type: ignore[return-value]  # `params` is an instance of the class, which is called
        given = {name: getattr(params, name) for name in type(params).model_fields}
        return lambda state, context: self.call(state, context, **given)


def node(
    name: str,
    *,
    reads: Collection[str] = (),
    writes: Collection[str] = (),
    needs: Collection[Need] = (),
    is_cacheable: bool = True,
) -> Callable[[Callable[..., Any]], NodeType]:
    """Make a function, or a pydantic model with `__call__`, a node type.

    ```python
    from ragloom.rag.graph import Context, RagState, node

    @node("shout", reads={"query"}, writes={"query"})
    def shout(state: RagState, context: Context, *, marks: int = 1) -> dict[str, str]:
        'Search in capital letters.'
        return {"query": state.query.upper() + "!" * marks}

    print(shout(RagState(question="who?"), Context("shout"), marks=2))  # -> {'query': 'WHO?!!'}
    ```

    Args:
        name: what a graph calls it.
        reads: state fields that it needs to have been written.
        writes: state fields that it writes.
        needs: `corpus`, `llm`, `logprobs`, `logits`, `attention`.
        is_cacheable: False for what looks at something else, or changes it: then no graph may say `cache: true`.

    Raises:
        NodeTypeError: the declaration is wrong; the message says how.
    """
    check_name("node", name)

    def declare(call: Callable[..., Any]) -> NodeType:
        is_model = isinstance(call, type) and issubclass(call, BaseModel)
        params: type[BaseModel] = _checked_model(name, call) if is_model else _params(name, call)  # type: ignore[arg-type]
        _check_declared(name, reads, writes, needs, params)
        fields = (frozenset(reads), frozenset(writes), frozenset(needs))
        return NodeType(name, _summary(name, call), params, *fields, call, is_cacheable)

    return declare


def _summary(name: str, call: Callable[..., Any]) -> str:
    lines = (inspect.cleandoc(call.__doc__ or "")).splitlines()
    if not lines:
        raise NodeTypeError(f"the node type {name!r} has no docstring; its first line says what it does")
    return lines[0].rstrip(".")


def _checked_model(name: str, model: type[BaseModel]) -> type[BaseModel]:
    if not any("__call__" in vars(base) for base in model.__mro__):
        raise NodeTypeError(f"the node type {name!r} cannot be called; give it __call__(self, state, context)")
    if model.model_config.get("extra") != "forbid":
        raise NodeTypeError(f"the node type {name!r} takes any parameter; give it ConfigDict(extra='forbid')")
    _check_names(name, model.model_fields)
    return model


def _params(name: str, function: Callable[..., Any]) -> type[BaseModel]:
    """A model of the keyword-only parameters, with the descriptions of the docstring's `Args`."""
    try:
        parameters = inspect.signature(function, eval_str=True).parameters.values()
    except NameError as error:
        raise NodeTypeError(f"the node type {name!r}: {error}; import it where the module runs") from error
    positional = [each for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    own = [each for each in parameters if each.kind is each.KEYWORD_ONLY]
    if len(positional) != 2 or len(positional) + len(own) != len(parameters):
        raise NodeTypeError(f"the node type {name!r} takes (state, context, *, ...), not {inspect.signature(function)}")
    _check_names(name, [each.name for each in own])
    described = _described(function)
    fields: dict[str, Any] = {}
    for each in own:
        if each.annotation is each.empty:
            raise NodeTypeError(f"the node type {name!r} has a parameter {each.name!r} without a type")
        default = ... if each.default is each.empty else each.default
        fields[each.name] = (each.annotation, Field(default, description=described.get(each.name)))
    try:
        return create_model(f"{name} parameters", __config__=ConfigDict(extra="forbid", frozen=True), **fields)
    except (PydanticUserError, ValidationError) as error:
        raise NodeTypeError(
            f"the node type {name!r} has a parameter of a type that YAML cannot give: {error}"
        ) from error


def _described(function: Callable[..., Any]) -> Mapping[str, str]:
    """Parameter to description, of a docstring in Google's form."""
    _, _, arguments = inspect.cleandoc(function.__doc__ or "").partition("\nArgs:\n")
    described: dict[str, str] = {}
    last = ""
    for line in arguments.split("\n\n")[0].splitlines():
        if match := _ARGUMENT.fullmatch(line):
            last = match.group(1)
            described[last] = match.group(2)
        elif last:
            described[last] += f" {line.strip()}"
    return described


def _check_names(name: str, params: Collection[str]) -> None:
    for param in params:
        if param in RESERVED:
            raise NodeTypeError(f"the node type {name!r} has a parameter {param!r}, which every node has already")


def _check_declared(
    name: str, reads: Collection[str], writes: Collection[str], needs: Collection[str], params: type[BaseModel]
) -> None:
    declared = f"the node type {name!r}"
    plain = [field for field in several(declared, "reads", reads) if not OF_PARAM.fullmatch(field)]
    check_fields(declared, "reads", plain, RagState.model_fields)
    check_fields(declared, "writes", writes, WRITABLE)
    for match in filter(None, map(OF_PARAM.fullmatch, reads)):
        if match[1] not in params.model_fields:
            what = unknown("parameter", match[1], params.model_fields)
            raise NodeTypeError(f"{declared} reads the candidates of an {what}")
    for need in several(declared, "needs", needs):
        if need not in get_args(Need):
            raise NodeTypeError(f"{declared} has an {unknown('need', need, get_args(Need))}")
