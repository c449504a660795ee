"""A plan as a langgraph `StateGraph`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.graph import START as LANGGRAPH_START
from langgraph.graph import StateGraph

from ..checks.ways import Ways
from ..plan import Plan
from ..spec import END, START
from .caching import NodeCache
from .channels import Channels, node_key, to_state
from .node_runner import NodeRunner
from .resources import Resources
from .routing import Router


def build(plan: Plan, resources: Resources, cache: NodeCache | None) -> StateGraph[Any]:
    """Make nodes of nodes, edges of edges, and joins of edges with several sources; decisions are the nodes' own."""
    graph: StateGraph[Any] = StateGraph(Channels)
    ways = Ways.of(plan.flow)
    reached = ways.reach(START)
    for name in plan.nodes:
        if name in reached:
            is_apart = bool(ways.beside.get(name))
            runner: Any = NodeRunner(plan, name, resources, cache, is_apart=is_apart)
            graph.add_node(node_key(name), runner)
    for edge in plan.flow.edges:
        if edge.target != END:
            sources = [LANGGRAPH_START if source == START else node_key(source) for source in edge.sources]
            graph.add_edge(sources if len(sources) > 1 else sources[0], node_key(edge.target))
    if plan.flow.decisions_from(START):
        _decide_at_start(graph, plan)
    return graph


def longest_run(plan: Plan) -> int:
    """Steps that a run can take: between two rounds of bounded decisions no node comes twice on one way."""
    rounds = sum(decision.spec.at_most or 0 for decision in plan.flow.decisions)
    return (rounds + 1) * len(plan.nodes) + 1


def _decide_at_start(graph: StateGraph[Any], plan: Plan) -> None:
    router = Router(plan, START)

    def first(values: Mapping[str, Any]) -> list[str]:
        return [node_key(target) for target in router.route(to_state(values), {}).targets if target != END]

    graph.add_conditional_edges(
        LANGGRAPH_START, first, [node_key(name) for name in plan.nodes if node_key(name) in graph.nodes]
    )
