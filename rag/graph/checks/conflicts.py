"""Whether what a node reads was written by one node alone.

Nodes on different branches of a fork may run at the same time. What two of them write is one's or the other's, so
nobody may read it before it is written anew; and nobody may read on one branch what another one writes. `candidates`
are kept apart by node.
"""

from __future__ import annotations

from collections.abc import Collection

from ..plan import Plan
from ..problem import Problem
from ..spec import END, START
from .ways import Ways

_RESULTS = frozenset({"answer", "documents"})
"""What is read of a run that has ended."""


def check_conflicts(plan: Plan, ways: Ways) -> list[Problem]:
    """Find what is read while it may be written, or after two nodes have written it in parallel."""
    beside = ways.beside
    problems: list[Problem] = []
    possible = {name: _possible_writes(plan, name) for name in plan.nodes}
    readers = {**{name: plan.reads(name) | _asked(plan, name) for name in plan.nodes}, END: _RESULTS}
    reached = ways.reach(START)
    for key in sorted({key for keys in readers.values() for key in keys if not key.startswith("candidates")}):
        writers = [name for name in plan.nodes if key in possible[name] and name in reached]
        apart = {(a, b) for a in writers for b in writers if a < b and b in beside.get(a, ())}
        after = {name: _unchanged_until(ways, name, writers) for pair in apart for name in pair}
        for reader, read in readers.items():
            if key not in read or reader not in reached:
                continue
            clash = next((pair for pair in sorted(apart) if all(reader in after[name] for name in pair)), None)
            racing = [name for name in writers if name != reader and name in beside.get(reader, ())]
            if clash:
                problems.append(_torn(plan, reader, key, *clash))
            elif racing:
                problems.append(_race(plan, reader, key, racing[0]))
    return problems


def _asked(plan: Plan, name: str) -> frozenset[str]:
    """What the decisions after a node read that it has not written itself."""
    decisions = plan.flow.decisions_from(name)
    asked = [plan.conditions[each.item].predicate.reads for each in decisions if each.item in plan.conditions]
    return frozenset().union(*asked) - plan.nodes[name].writes


def _possible_writes(plan: Plan, name: str) -> frozenset[str]:
    nodes = [plan.nodes[each] for each in (name, *plan.fallbacks(name))]
    return frozenset().union(*(node.writes for node in nodes if node.type))


def _unchanged_until(ways: Ways, writer: str, writers: Collection[str]) -> set[str]:
    """The nodes that may find what `writer` wrote: no other has written it on the way."""
    found: set[str] = set()
    waiting = [writer]
    while waiting:
        for target in ways.graph[waiting.pop()]:
            if target not in found:
                found.add(target)
                if target not in writers:
                    waiting.append(target)
    return found


def _torn(plan: Plan, reader: str, key: str, one: str, other: str) -> Problem:
    advice = "fuse them first, with a node of type 'rrf'" if key == "documents" else "let one come after the other"
    message = f"{one!r} and {other!r} write {key} in parallel, and {{}} may find either's; {advice}"
    if reader == END:
        return plan.spec.origin.problem(("flow",), message.format("whoever asked"))
    return plan.spec.origin.problem(("nodes", reader, "use"), message.format(repr(reader)))


def _race(plan: Plan, reader: str, key: str, writer: str) -> Problem:
    message = f"reads {key} while {writer!r}, on another branch, may be writing it; let one come after the other"
    return plan.spec.origin.problem(("nodes", reader, "use"), message)
