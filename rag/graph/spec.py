"""A graph as it is written: the pydantic models of its YAML file.

    name: example
    llm: embedded
    corpus: ./index
    nodes:
      retrieve: {use: hybrid, k: 8}
      evidence: {use: gather}
      quote:    {use: quote}
    flow:
      - start -> retrieve -> evidence -> quote -> end

The same in Python: `GraphSpec(nodes={"retrieve": {"use": "hybrid", "k": 8}, ...}, flow=["start -> retrieve -> ..."])`.
The models check form alone; `check` tells whether the graph makes sense.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationError,
    field_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ..._explain import first_problem, unknown
from ..._paths import expand_user
from ..llm.sampling import SamplingFields
from .errors import GraphError
from .problem import Keys, Problem, spelt

NAME = r"[^\W\d](?:[\w-]|(?!\s)[^\x00-\x7f])*"
"""What nodes may be called."""

START, END = "start", "end"
"""Where a flow begins and ends; no node is called so."""

_ON_ERROR = re.compile(rf"fail|skip|fallback (?P<node>{NAME})")


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where a graph was written, which is no part of what it says: all origins are equal.

    Attributes:
        file: the YAML file, or empty.
        folder: what relative paths are relative to.
        lines: of each key, from 1.
    """

    file: str = ""
    folder: Path = Path()
    lines: Mapping[Keys, int] = field(default_factory=dict)

    @property
    def is_yaml(self) -> bool:
        """Whether it was read from YAML, which anybody may have written."""
        return bool(self.lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origin)

    __hash__ = None  # type: ignore[assignment]

    def problem(self, keys: Keys, message: str) -> Problem:
        """A problem at these keys; its line is that of the innermost key that has one."""
        line = next((self.lines[keys[:end]] for end in range(len(keys), -1, -1) if keys[:end] in self.lines), None)
        return Problem(spelt(keys), message, line, self.file)


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _short_for(key: str) -> BeforeValidator:
    """A text stands for a mapping with one key."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)


def _checked_on_error(text: str) -> str:
    if not _ON_ERROR.fullmatch(text):
        raise ValueError(f"should be fail, skip or fallback NODE, not {text!r}")
    return text


class LlmSpec(SamplingFields):
    """Which LLM, and how it samples: the arguments of `ragloom.load`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    model: str = Field(min_length=1)
    """`embedded`, the path of a GGUF file, `hf:owner/repo/file.gguf`, or the URL of an OpenAI-compatible server."""

    n_gpu_layers: int = Field(default=0, ge=-1)
    """How many layers of a local model go to the GPU; -1: all."""

    n_ctx: int | None = Field(default=None, ge=1)
    """Room for prompt and answer, in tokens."""

    model_name: str | None = None
    """Which of a server's models."""

    continues: bool = False
    """Whether a server goes on with an answer that the request begins, as llama-server does: `first` wants one."""

    @property
    def is_server(self) -> bool:
        """Whether it is spoken to over HTTP, so that its attention cannot be had."""
        return self.model.startswith(("http://", "https://"))

    @property
    def is_file(self) -> bool:
        """Whether it is named by a path."""
        path = Path(self.model)
        looks_like_one = path.suffix == ".gguf" or len(path.parts) > 1
        return looks_like_one and not self.is_server and not self.model.startswith("hf:")


class CorpusSpec(_Written):
    """Which corpus: the arguments of `ragloom.Corpus`."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    path: str = Field(min_length=1)
    """The folder of the index; a relative one begins where the YAML file is."""

    embedder: str | None = None
    """A sentence-transformers model by name or folder; by default the one that the corpus was made with."""


class NodeSpec(_Written):
    """A node: its type and that type's parameters, which stand beside `use`, and what can be said of any node."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    use: str = Field(min_length=1)
    """The node's type."""

    llm: Annotated[LlmSpec, _short_for("model")] | None = None
    """The node's own LLM; by default the graph's."""

    corpus: Annotated[CorpusSpec, _short_for("path")] | None = None
    """The node's own corpus; by default the graph's."""

    timeout: float | None = Field(default=None, gt=0, le=threading.TIMEOUT_MAX, allow_inf_nan=False)
    """Seconds that one try may take."""

    retries: int = Field(default=0, ge=0)
    """How often it is tried again after an error."""

    on_error: Annotated[str, AfterValidator(_checked_on_error)] = "fail"
    """When every try failed: `fail` the run, `skip` the node, or `fallback NODE`: run that node in its place."""

    cache: bool = False
    """Keep what it gives, and give the same again for the same input, corpus and LLM."""

    params: dict[str, Any] = {}
    """The parameters of its type."""

    @model_validator(mode="before")
    @classmethod
    def _collect_params(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        own = {key: value for key, value in given.items() if key in cls.model_fields and key != "params"}
        params = given.get("params", {})
        if not isinstance(params, Mapping):
            return {**own, "params": params}
        return {
            **own,
            "params": {**params, **{key: value for key, value in given.items() if key not in cls.model_fields}},
        }

    @property
    def fallback(self) -> str | None:
        """The node that runs in this one's place when it fails."""
        match = _ON_ERROR.fullmatch(self.on_error)
        return match["node"] if match else None


Targets = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]


class DecisionSpec(_Written):
    """A decision: after the node `from`, to `then` when the condition holds, and otherwise to `else`."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    source: str = Field(alias="from", min_length=1)
    """The node after which is decided."""

    when: str = Field(min_length=1)
    """The condition, such as `answered`, `not answered`, `documents < 3`, `how == quoted`."""

    then: Targets = Field(min_length=1)
    """Where to go when it holds: a node, `end`, or a list of nodes that run in parallel."""

    at_most: int | None = Field(default=None, ge=1)
    """How often `then` may be taken in a run; afterwards the decision goes on as if the condition did not hold."""

    otherwise: Targets = Field(default=(), alias="else")
    """Where to go when it does not; may be left out where another decision from the same node follows."""

    @field_serializer("then", "otherwise")
    def _as_written(self, targets: tuple[str, ...]) -> str | list[str]:
        return targets[0] if len(targets) == 1 else list(targets)


def _kind(item: Any) -> str | None:
    if isinstance(item, str):
        return "edges"
    return "decision" if isinstance(item, Mapping | DecisionSpec) else None


FlowItem = Annotated[
    Annotated[str, Tag("edges")] | Annotated[DecisionSpec, Tag("decision")],
    Discriminator(
        _kind,
        custom_error_type="flow_item",
        custom_error_message="should be FROM -> TO, or {from: ..., when: ..., then: ..., else: ...}",
    ),
]


def _checked_flow(flow: Any) -> Any:
    if isinstance(flow, str | Mapping):
        raise PydanticCustomError("flow_type", "should be a list, with a - before each item")
    return flow


class GraphSpec(_Written):
    """A graph as it is written."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str = ""
    """What traces and tools call it."""

    description: str = ""
    """What it is for; a tool made of it says so to an LLM."""

    llm: Annotated[LlmSpec, _short_for("model")] | None = None
    """The LLM of every node that names none; where it is left out, whoever runs the graph gives one."""

    corpus: Annotated[CorpusSpec, _short_for("path")] | None = None
    """The corpus of every node that names none; where it is left out, whoever runs the graph gives one."""

    imports: tuple[str, ...] = ()
    """Python modules with node types of your own; honoured only where the caller allows it."""

    nodes: dict[str, Annotated[NodeSpec, _short_for("use")]] = {}
    """The nodes, by name."""

    flow: Annotated[tuple[FlowItem, ...], BeforeValidator(_checked_flow)] = ()
    """Where it goes: edges such as `start -> [dense, lexical] -> fuse`, and decisions."""

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @property
    def origin(self) -> Origin:
        """Where it was written."""
        return self._origin

    def written_in(self, origin: Origin) -> GraphSpec:
        """The same, with where it was written."""
        spec = self.model_copy()
        spec._origin = origin
        return spec

    def changed(self, **nodes: Mapping[str, Any]) -> GraphSpec:
        """The same with other parameters; what is not named stays.

        ```python
        from ragloom.rag.graph import load_spec

        print(load_spec("quick").changed(retrieve={"k": 20}).nodes["retrieve"].params)  # -> {'k': 20}
        ```

        Raises:
            GraphError: there is no such node, or a value cannot be used.
        """
        new = dict(self.nodes)
        for name, keys in nodes.items():
            if name not in new:
                raise GraphError(unknown("node", name, new))
            try:
                new[name] = NodeSpec.model_validate({**new[name].model_dump(exclude_unset=True), **keys})
            except ValidationError as error:
                raise GraphError(f"nodes.{name}.{first_problem(error, 'key')}") from None
        spec = self.model_copy(update={"nodes": new})
        spec._origin = self._origin
        return spec

    def find(self, path: str) -> Path:
        """A path as it is meant: relative to the folder of the YAML file."""
        return self._origin.folder / expand_user(path)


def known_keys(keys: Sequence[str | int]) -> list[str]:
    """The keys that there are where `keys` lead to."""
    homes: dict[str | int, type[BaseModel]] = {"llm": LlmSpec, "corpus": CorpusSpec}
    model: type[BaseModel] = homes.get(keys[-1], DecisionSpec) if keys else GraphSpec
    return [info.alias or name for name, info in model.model_fields.items() if name != "params"]
