"""A graph with its names looked up: what each node is, where the flow goes, what decisions ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel

from .conditions import Condition
from .flow import Flow
from .node_type import ChecksModel, NodeType
from .spec import START, GraphSpec, NodeSpec
from .state import WRITABLE

if TYPE_CHECKING:
    from ..llm.models import ModelFile


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """A node of a graph.

    Attributes:
        name: its name in the graph.
        spec: as it is written.
        type: what it is; None where nobody can tell.
        params: its parameters; None where they cannot be used.
    """

    name: str
    spec: NodeSpec
    type: NodeType | None = None
    params: BaseModel | None = None

    @property
    def needs_corpus(self) -> bool:
        """Whether it cannot run without a corpus."""
        return self.type is not None and "corpus" in self.type.needs

    @property
    def needs_llm(self) -> bool:
        """Whether it cannot run without an LLM."""
        return self.type is not None and self.type.needs_llm

    @property
    def looks_into(self) -> list[str]:
        """What it looks into of its LLM; see `NodeType`."""
        return self.type.looks_into if self.type else []

    def check_model(self, file: ModelFile) -> None:
        """Let the node look at the file of its LLM, if it wants to.

        Raises:
            RagloomError: it cannot do with this model what its parameters say.
        """
        if isinstance(self.params, ChecksModel):
            self.params.check_model(file)

    @property
    def reads(self) -> frozenset[str]:
        """Keys of the state that it needs to have been written; `candidates[NODE]` for those of one node."""
        if self.type is None:
            return frozenset()
        plain = {key for key in self.type.reads if not key.startswith("candidates[")}
        for param in self.type.names_nodes:
            nodes = named_by(self.params, param)
            plain |= {f"candidates[{node}]" for node in nodes} if nodes else {"candidates"}
        return frozenset(plain)

    @property
    def writes(self) -> frozenset[str]:
        """Keys of the state that it writes; one of an unknown type may write anything."""
        names = self.type.writes if self.type else WRITABLE
        return names | {f"candidates[{self.name}]"} if "candidates" in names else names

    @property
    def named_corpora(self) -> list[str]:
        """The nodes whose corpora it is given."""
        return [
            name for param in (self.type.names_corpora if self.type else ()) for name in named_by(self.params, param)
        ]

    @property
    def routes(self) -> list[str]:
        """What it may write as `route`; empty where nobody can tell."""
        return self.named_corpora if self.type and "route" in self.type.writes else []


def named_by(params: BaseModel | None, param: str) -> list[str]:
    """The nodes that a parameter names: one, several, those that are keys of a mapping, or none."""
    named = getattr(params, param, None)
    return [named] if isinstance(named, str) else list(named or ())


@dataclass(frozen=True, slots=True)
class Plan:
    """A graph with its names looked up.

    Attributes:
        spec: as it is written.
        nodes: by name.
        flow: where it goes.
        conditions: what decisions ask, by their place in the flow.
    """

    spec: GraphSpec
    nodes: Mapping[str, PlannedNode] = field(default_factory=dict)
    flow: Flow = field(default_factory=Flow)
    conditions: Mapping[int, Condition] = field(default_factory=dict)

    @property
    def wants_corpus(self) -> bool:
        """Whether a node needs the graph's corpus, having none of its own."""
        return any(node.needs_corpus and node.spec.corpus is None for node in self.nodes.values())

    @property
    def wants_llm(self) -> bool:
        """Whether a node needs the graph's LLM, having none of its own."""
        return any(node.needs_llm and node.spec.llm is None for node in self.nodes.values())

    def fallbacks(self, name: str) -> list[str]:
        """The nodes that run in this one's place when it fails, in turn."""
        found: list[str] = []
        fallback = self.nodes[name].spec.fallback
        while fallback is not None and fallback in self.nodes and fallback not in found:
            found.append(fallback)
            fallback = self.nodes[fallback].spec.fallback
        return found

    def before(self, name: str) -> frozenset[str]:
        """The nodes that may run before this one has: in a loop, not those that only come after it."""
        found, waiting = {name}, [START]
        while waiting:
            source = waiting.pop()
            targets = {*self.flow.targets(source)}
            for decision in self.flow.decisions_from(source):
                targets |= {*decision.spec.then, *decision.spec.otherwise}
            waiting += targets - found
            found |= targets
        return frozenset(found - {name})

    def reads(self, name: str) -> frozenset[str]:
        """What a node or its fallbacks read."""
        return frozenset().union(*(self.nodes[each].reads for each in (name, *self.fallbacks(name))))
