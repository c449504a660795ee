"""Whether each node has a type that there is, parameters that it takes, and a name that a flow can spell."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from ...._explain import broken_rule, unknown
from ..errors import NodeTypeError
from ..node_type import RESERVED, NodeType
from ..plan import PlannedNode, named_by
from ..problem import Keys, Problem, keys_of
from ..registry import Registry
from ..spec import END, NAME, START, GraphSpec, NodeSpec

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def plan_nodes(
    spec: GraphSpec, registry: Registry, broken: Collection[str], *, may_miss_types: bool
) -> tuple[dict[str, PlannedNode], list[Problem]]:
    """Look up the type of every node and check its parameters.

    Args:
        spec: the graph.
        registry: the types that there are.
        broken: nodes of which something could not be read; the flow may name them all the same.
        may_miss_types: whether types may be lacking because their modules were not imported.
    """
    nodes: dict[str, PlannedNode] = {}
    problems: list[Problem] = []
    for name, written in spec.nodes.items():
        problems += _check_name(spec, name)
        kind, found = _find(spec, name, written, registry, may_miss_types)
        params, wrong = _validate(spec, name, written, kind) if kind else (None, [])
        problems += [*found, *wrong, *_check_cached(spec, name, written, kind)]
        nodes[name] = PlannedNode(name, written, kind if not wrong else None, params)
    for name in broken:
        written = nodes[name].spec if name in nodes else NodeSpec(use="?")
        nodes[name] = PlannedNode(name, written)
    for node in nodes.values():
        problems += _check_named_nodes(spec, node, nodes)
        problems += _check_named_corpora(spec, node, nodes, broken)
    return nodes, problems


def _check_name(spec: GraphSpec, name: str) -> list[Problem]:
    if name in {START, END}:
        return [spec.origin.problem(("nodes", name), f"{name!r} is reserved; rename the node")]
    if not re.fullmatch(NAME, name):
        message = f"a node cannot be called {name!r}; a name has letters, digits, _ and -, and no digit first"
        return [spec.origin.problem(("nodes", name), message)]
    return []


def _check_cached(spec: GraphSpec, name: str, written: NodeSpec, kind: NodeType | None) -> list[Problem]:
    if not written.cache or kind is None or kind.is_cacheable:
        return []
    message = f"cannot be true: {written.use!r} reads or changes more than its input, such as a memory"
    return [spec.origin.problem(("nodes", name, "cache"), message)]


def _find(
    spec: GraphSpec, name: str, written: NodeSpec, registry: Registry, may_miss_types: bool
) -> tuple[NodeType | None, list[Problem]]:
    if may_miss_types and written.use not in registry.nodes:
        return None, []
    try:
        return registry.node(written.use), []
    except NodeTypeError as error:
        return None, [spec.origin.problem(("nodes", name, "use"), str(error))]


def _validate(spec: GraphSpec, name: str, written: NodeSpec, kind: NodeType) -> tuple[BaseModel | None, list[Problem]]:
    try:
        return kind.params.model_validate(written.params), []
    except ValidationError as error:
        found = error.errors(include_url=False)
    problems = []
    for problem in found:
        keys = ("nodes", name, *keys_of(problem, written.params))
        problems.append(spec.origin.problem(keys, _message(kind, problem)))
    return None, problems


def _message(kind: NodeType, problem: ErrorDetails) -> str:
    if problem["type"] == "missing":
        return f"is missing; {kind.name!r} needs it"
    if problem["type"] != "extra_forbidden":
        return broken_rule(problem)
    key = problem["loc"][-1]
    is_own = len(problem["loc"]) == 1
    return (
        unknown("key", key, [*kind.params.model_fields, *sorted(RESERVED - {"params"})])
        if is_own
        else f"unknown key {key!r}"
    )


def _check_named_nodes(spec: GraphSpec, node: PlannedNode, nodes: Mapping[str, PlannedNode]) -> list[Problem]:
    """Whether the nodes that a parameter names for their candidates are there, and find some."""
    problems = []
    for keys, name in _named(node, node.type.names_finders if node.type else ()):
        if name not in nodes:
            problems.append(_strange(spec, keys, node, name, nodes))
        elif "candidates" not in nodes[name].writes:
            problems.append(spec.origin.problem(keys, f"the node {name!r} finds no candidates"))
    return problems


def _check_named_corpora(
    spec: GraphSpec, node: PlannedNode, nodes: Mapping[str, PlannedNode], broken: Collection[str]
) -> list[Problem]:
    """Whether the nodes whose corpora a parameter names are there, and have one each."""
    problems = []
    for keys, name in _named(node, node.type.names_corpora if node.type else ()):
        if name not in nodes:
            problems.append(_strange(spec, keys, node, name, nodes))
        elif nodes[name].spec.corpus is None and name not in broken:
            message = f"the node {name!r} has no corpus of its own; write corpus: FOLDER in it"
            problems.append(spec.origin.problem(keys, message))
    return problems


def _named(node: PlannedNode, params: Collection[str]) -> Iterator[tuple[Keys, str]]:
    """The nodes that parameters name, each with the keys where that is written."""
    for param in params:
        written = getattr(node.params, param, None)
        for place, name in enumerate(named_by(node.params, param)):
            at = () if isinstance(written, str) else (name if isinstance(written, Mapping) else place,)
            yield ("nodes", node.name, param, *at), name


def _strange(spec: GraphSpec, keys: Keys, node: PlannedNode, name: str, nodes: Collection[str]) -> Problem:
    return spec.origin.problem(keys, unknown("node", name, [other for other in nodes if other != node.name]))
