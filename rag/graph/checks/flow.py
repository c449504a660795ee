"""Whether each line of the flow can be read, and names nodes that there are."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ...._explain import unknown
from ..errors import FlowError
from ..flow import Decision, Edge, Flow, read_edges
from ..problem import Keys, Problem
from ..spec import END, START, DecisionSpec, GraphSpec


def plan_flow(spec: GraphSpec, nodes: Collection[str]) -> tuple[Flow, list[Problem]]:
    """Read the flow as far as it can be read; `nodes` are the names that it may use."""
    edges: list[Edge] = []
    decisions: list[Decision] = []
    problems: list[Problem] = []
    for place, item in enumerate(spec.flow):
        if isinstance(item, DecisionSpec):
            decisions.append(Decision(item, place))
            problems += _check_decision(spec, item, place, nodes)
            continue
        try:
            line = read_edges(item, place)
        except FlowError as error:
            problems.append(spec.origin.problem(("flow", place), str(error)))
            continue
        edges += line
        names = [name for edge in line for name in (*edge.sources, edge.target)]
        problems += [_unknown(spec, ("flow", place), name, nodes) for name in _strange(names, nodes)]
    return Flow(tuple(dict.fromkeys(edges)), tuple(decisions)), problems


def _strange(names: Collection[str], nodes: Collection[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name not in nodes and name not in {START, END}]


def _unknown(spec: GraphSpec, keys: Keys, name: str, nodes: Collection[str]) -> Problem:
    return spec.origin.problem(keys, unknown("node", name, [*nodes, START, END]))


def _check_decision(spec: GraphSpec, decision: DecisionSpec, place: int, nodes: Collection[str]) -> list[Problem]:
    problems = []
    named: Mapping[str, tuple[str, ...]] = {
        "from": (decision.source,),
        "then": decision.then,
        "else": decision.otherwise,
    }
    for key, names in named.items():
        keys: Keys = ("flow", place, key)
        problems += [_unknown(spec, keys, name, nodes) for name in _strange(names, nodes)]
        if key == "from" and END in names:
            problems.append(spec.origin.problem(keys, f"nothing comes after {END!r}"))
        if key != "from" and START in names:
            problems.append(spec.origin.problem(keys, f"nothing leads to {START!r}"))
        if len(names) > 1 and END in names:
            problems.append(spec.origin.problem(keys, f"{END!r} cannot be in a list"))
        if len(set(names)) < len(names):
            problems.append(spec.origin.problem(keys, "names a node twice"))
    return problems
