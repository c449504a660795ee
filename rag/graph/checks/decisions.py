"""Whether the conditions of decisions can be read, and a node's decisions leave no case open and none twice."""

from __future__ import annotations

from itertools import pairwise

from ...._explain import unknown
from ..conditions import Condition, read_condition
from ..errors import ConditionError, NodeTypeError
from ..flow import Flow
from ..plan import Plan
from ..problem import Problem
from ..registry import Registry
from ..spec import GraphSpec


def plan_conditions(
    spec: GraphSpec, flow: Flow, registry: Registry, *, may_miss_predicates: bool
) -> tuple[dict[int, Condition], list[Problem]]:
    """Read the conditions, by the place of their decision in the flow.

    Args:
        spec: the graph.
        flow: its flow.
        registry: the predicates that there are.
        may_miss_predicates: whether some may be lacking because their modules were not imported.
    """
    conditions: dict[int, Condition] = {}
    problems = _check_order(spec, flow)
    for decision in () if may_miss_predicates else flow.decisions:
        try:
            conditions[decision.item] = read_condition(decision.spec.when, registry.predicates)
        except (ConditionError, NodeTypeError) as error:
            problems.append(spec.origin.problem(("flow", decision.item, "when"), str(error)))
    return conditions, problems


def check_routes(plan: Plan) -> list[Problem]:
    """Whether decisions about the route name what a routing node may choose, where that can be told."""
    choosers = [node.routes for node in plan.nodes.values() if "route" in node.writes]
    words = list(dict.fromkeys(word for routes in choosers for word in routes))
    if not all(choosers) or not plan.nodes.keys() >= set(words):  # a name that cannot be meant has been told
        return []
    return [
        plan.spec.origin.problem(("flow", item, "when"), unknown("route", condition.value, words))
        for item, condition in plan.conditions.items()
        if condition.predicate.name == "route" and words and condition.value not in words
    ]


def _check_order(spec: GraphSpec, flow: Flow) -> list[Problem]:
    """Whether a node goes on either by edges or by decisions, of which the last one has an `else` and no other has."""
    problems = []
    for source in dict.fromkeys(decision.spec.source for decision in flow.decisions):
        decisions = flow.decisions_from(source)
        if targets := flow.targets(source):
            message = f"{source!r} has an edge to {targets[0]!r} too; a node goes on by edges or by decisions"
            problems.append(spec.origin.problem(("flow", decisions[0].item, "from"), message))
        for before, after in pairwise(decisions):
            if before.spec.otherwise:
                message = f"is never asked: the decision flow[{before.item}] from {source!r} has an else already"
                problems.append(spec.origin.problem(("flow", after.item, "when"), message))
        last = decisions[-1]
        if not last.spec.otherwise:
            message = f"is missing; say where to go from {source!r} when {last.spec.when!r} does not hold"
            problems.append(spec.origin.problem(("flow", last.item, "else"), message))
    return problems
