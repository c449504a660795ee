"""A plan as a langgraph `StateGraph`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from langgraph.graph import START as LANGGRAPH_START
from langgraph.graph import StateGraph
from langgraph.types import Command

from ..checks.ways import Ways
from ..plan import Plan
from ..spec import END, START
from ..state import NodeTrace
from .caching import ResultCache
from .channels import Channels, node_key, to_state
from .node_runner import NodeRunner
from .resources import Resources
from .routing import Router


def build(plan: Plan, resources: Resources, cache: ResultCache | None) -> StateGraph[Any]:
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
        decider: Any = _decider(plan)
        graph.add_node(START, decider)
        graph.add_edge(LANGGRAPH_START, START)
    return graph


def longest_run(plan: Plan) -> int:
    """Steps that a run can take: between two rounds of bounded decisions no node comes twice on one way."""
    rounds = sum(decision.spec.at_most or 0 for decision in plan.flow.decisions)
    return (rounds + 1) * len(plan.nodes) + 2


def _decider(plan: Plan) -> Callable[[Mapping[str, Any]], Command[str]]:
    """What decides before any node has run."""
    router = Router(plan, START)

    def start(values: Mapping[str, Any]) -> Command[str]:
        route = router.route(to_state(values), {})
        trace = NodeTrace(START, 0.0, "; ".join(route.notes), ran=START, decisions=route.decisions)
        goto = [node_key(target) for target in route.targets if target != END]
        return Command(update={**route.update, "trace": [trace]}, goto=goto)

    return start
