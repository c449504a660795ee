"""Whether fallbacks (`on_error: fallback NODE`) are there and come to an end."""

from __future__ import annotations

from ...._explain import unknown
from ..plan import Plan
from ..problem import Problem


def check_fallbacks(plan: Plan) -> list[Problem]:
    """Look at every fallback."""
    problems = []
    for name, node in plan.nodes.items():
        fallback = node.spec.fallback
        if fallback is None:
            continue
        keys = ("nodes", name, "on_error")
        if fallback not in plan.nodes:
            others = [other for other in plan.nodes if other != name]
            problems.append(plan.spec.origin.problem(keys, unknown("node", fallback, others)))
        elif name in plan.fallbacks(name):
            problems.append(plan.spec.origin.problem(keys, f"{name!r} falls back on itself"))
    return problems
