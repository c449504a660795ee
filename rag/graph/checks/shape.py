"""Whether every node can be reached and reach the end, loops are bounded and joins can happen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise, permutations

import networkx as nx

from ..plan import Plan
from ..problem import Problem
from ..spec import START
from .ways import Ways, ways_of


def check_shape(plan: Plan, ways: Ways) -> list[Problem]:
    """Look at the flow as a graph."""
    origin = plan.spec.origin
    if not plan.spec.flow:
        return [origin.problem(("flow",), "is empty; write a line such as: start -> NODE -> end")]
    if not ways.graph[START]:
        return [origin.problem(("flow",), "nothing leads from 'start'; begin a line with: start ->")]
    if not plan.nodes.keys() & ways.reach(START):
        return [origin.problem(("flow",), "leads past every node; write a line such as: start -> NODE -> end")]
    return [*_check_reach(plan, ways), *_check_loops(plan), *_check_joins(plan, ways), *_check_meetings(plan, ways)]


def _check_reach(plan: Plan, ways: Ways) -> list[Problem]:
    reached = ways.reach(START)
    helping = {other for name in reached & plan.nodes.keys() for other in plan.fallbacks(name)}
    problems = [
        plan.spec.origin.problem(
            ("nodes", name), f"{name!r} cannot be reached from 'start'; add an edge to it, or delete the node"
        )
        for name in plan.nodes
        if name not in reached | helping
    ]
    for item, source in _lines(plan):
        if source in helping - reached:
            message = f"{source!r} only stands in for another node, and what follows that follows it; leave it out"
            problems.append(plan.spec.origin.problem(("flow", item), message))
    for name in plan.nodes:
        if name in reached and not ways.graph[name]:
            message = f"nothing follows {name!r}; write {name} -> end, or what comes next"
            problems.append(plan.spec.origin.problem(("nodes", name), message))
    return problems


def _lines(plan: Plan) -> Iterator[tuple[int, str]]:
    """Each item of the flow with each node that something comes after in it."""
    for edge in plan.flow.edges:
        yield from ((edge.item, source) for source in edge.sources)
    for decision in plan.flow.decisions:
        yield decision.item, decision.spec.source


def _check_loops(plan: Plan) -> list[Problem]:
    """Every way back must be the `then` of a decision with `at_most`: without those no loop may be left."""
    unbounded = nx.DiGraph(ways_of(plan.flow, bounded=False))
    problems = []
    for group in nx.strongly_connected_components(unbounded):
        steps = [(source, target) for source, target in unbounded.edges if source in group and target in group]
        if steps:
            problems.append(_loop(plan, [source for source, _ in nx.find_cycle(nx.DiGraph(steps), steps[0][0])]))
    return problems


def _loop(plan: Plan, loop: list[str]) -> Problem:
    shown = " -> ".join([*loop, loop[0]])
    steps = set(pairwise([*loop, loop[0]]))
    for decision in plan.flow.decisions:
        spec = decision.spec
        if spec.at_most is None and any((spec.source, target) in steps for target in spec.then):
            message = f"is missing; the loop {shown} needs a bound, such as at_most: 3"
            return plan.spec.origin.problem(("flow", decision.item, "at_most"), message)
    for decision in plan.flow.decisions:
        spec = decision.spec
        if any((spec.source, target) in steps for target in spec.otherwise):
            message = (
                f"the loop {shown} is not bounded; only 'then' can be: invert the condition and write "
                f"when: {_turned(spec.when)}, then: {_shown(spec.otherwise)}, at_most: 3, else: {_shown(spec.then)}"
            )
            return plan.spec.origin.problem(("flow", decision.item, "else"), message)
    item = next(edge.item for edge in plan.flow.edges if any((source, edge.target) in steps for source in edge.sources))
    message = f"the loop {shown} never ends; make the step back a decision with at_most"
    return plan.spec.origin.problem(("flow", item), message)


def _turned(when: str) -> str:
    """The opposite condition."""
    return when.removeprefix("not ") if when.startswith("not ") else f"not {when}"


def _shown(targets: Sequence[str]) -> str:
    return targets[0] if len(targets) == 1 else f"[{', '.join(targets)}]"


def _check_joins(plan: Plan, ways: Ways) -> list[Problem]:
    reached = ways.reach(START)
    problems = []
    for edge in plan.flow.edges:
        if len(edge.sources) == 1 or not reached.issuperset(edge.sources):
            continue
        for one, other in combinations(edge.sources, 2):
            if not ways.may_both_run(one, other, before=edge.target):
                message = (
                    f"{edge.target!r} waits for {one!r} and {other!r}, but a run takes one or the other; "
                    f"write {one} -> {edge.target} and {other} -> {edge.target}, a line each"
                )
                problems.append(plan.spec.origin.problem(("flow", edge.item), message))
                break
    return problems


def _check_meetings(plan: Plan, ways: Ways) -> list[Problem]:
    """Whether branches that run in parallel meet in a join: without one, what comes after them runs for each."""
    joined = {pair for edge in plan.flow.edges for pair in permutations(edge.sources, 2)}
    problems = []
    for target in plan.nodes:
        before = ways.graph.predecessors(target) if target in ways.graph else ()
        for one, other in combinations(before, 2):
            if other in ways.beside.get(one, ()) and (one, other) not in joined:
                message = (
                    f"runs after {one!r} and again after {other!r}, which run in parallel; "
                    f"to let it wait for both write [{one}, {other}] -> {target}"
                )
                problems.append(plan.spec.origin.problem(("nodes", target), message))
                break
    return problems
