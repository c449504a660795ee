"""Whether what a node reads has been written by then, on every way to it, and by one node at a time.

A key is followed through the flow: a node may begin without it if on some way from `start` nothing writes it. At a join
one of the branches has to have written it; elsewhere every way there. Two nodes on different branches of a fork may run
at the same time: what both write is one's or the other's, so nobody may read it before it is written anew; `candidates`
are kept apart by node.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping

from ..plan import Plan
from ..problem import Keys, Problem
from ..registry import Registry
from ..spec import END, START
from ..state import GIVEN
from .ways import Ways

_RESULTS = frozenset({"answer", "documents"})
_SHOWN = 5
"""At most so many steps of a way are shown."""


def check_reads(plan: Plan, registry: Registry) -> list[Problem]:
    """Follow every key that is read; `registry` has the types that a message may suggest."""
    reads = {name: _reads(plan, name) for name in plan.nodes}
    writes = {name: _writes(plan, name) for name in plan.nodes}
    asked = {item: condition.predicate.reads for item, condition in plan.conditions.items()}
    ways = Ways.of(plan.flow)
    problems: list[Problem] = []
    for key in sorted({key for keys in (*reads.values(), *asked.values()) for key in keys} - GIVEN):
        writers = {name for name in writes if key in writes[name]}
        if key.startswith("candidates[") and key[len("candidates[") : -1] not in writers:
            continue  # what names the node has been told so
        missing = _lacking(plan, writers)
        problems += [
            _unwritten(plan, registry, ("nodes", name, "use"), key, missing, name)
            for name in plan.nodes
            if key in reads[name] and name in missing
        ]
        for decision in plan.flow.decisions:
            source = decision.spec.source
            if key in asked.get(decision.item, ()) and source in missing and source not in writers:
                at: Keys = ("flow", decision.item, "when")
                problems.append(_unwritten(plan, registry, at, key, missing, source))
    return [*problems, *_side_by_side(plan, ways, reads)]


def _reads(plan: Plan, name: str) -> frozenset[str]:
    """What a node reads, or one that stands in for it."""
    return frozenset().union(*(plan.nodes[each].reads for each in (name, *plan.stand_ins(name))))


def _writes(plan: Plan, name: str) -> frozenset[str]:
    """What has been written for certain after a node."""
    if plan.nodes[name].spec.on_error == "skip":
        return frozenset()
    written = plan.nodes[name].writes
    for other in plan.stand_ins(name):
        written &= plan.nodes[other].writes | {f"candidates[{name}]"}
    return written


def _lacking(plan: Plan, writers: Collection[str]) -> dict[str, str]:
    """The nodes that may begin without what `writers` write, each with the node before it on such a way."""
    missing: dict[str, str] = {START: ""}
    waiting = deque([START])
    while waiting:
        source = waiting.popleft()
        if source in writers:
            continue
        for target in _next(plan, source, missing.keys() - writers):
            if target not in missing:
                missing[target] = source
                waiting.append(target)
    return missing


def _next(plan: Plan, source: str, without: Collection[str]) -> Iterator[str]:
    """What comes after `source` and lacks a key that the nodes `without` it have not brought."""
    for edge in plan.flow.edges:
        if source in edge.sources and all(each in without for each in edge.sources):
            yield edge.target
    for decision in plan.flow.decisions_from(source):
        yield from (*decision.spec.then, *decision.spec.otherwise)


def _unwritten(plan: Plan, registry: Registry, at: Keys, key: str, missing: Mapping[str, str], node: str) -> Problem:
    way = [node]
    while way[0] != START:
        way.insert(0, missing[way[0]])
    if len(way) > _SHOWN:
        way = [START, "…", *way[2 - _SHOWN :]]
    reader = repr(plan.spec.nodes[node].use if at[0] == "nodes" else _when(plan, at))
    return plan.spec.origin.problem(
        at,
        f"{reader} reads {key}, which nothing writes on the way {' -> '.join(way)}{_advice(plan, registry, key, node)}",
    )


def _when(plan: Plan, at: Keys) -> str:
    return next(decision.spec.when for decision in plan.flow.decisions if decision.item == at[1])


def _advice(plan: Plan, registry: Registry, key: str, reader: str) -> str:
    own = [repr(name) for name, node in plan.nodes.items() if name != reader and node.type and key in node.writes]
    if own:
        return f"; {' and '.join(own[:2])} {'write' if len(own) > 1 else 'writes'} it elsewhere"
    types = [repr(kind.name) for kind in registry.nodes.loaded() if key in kind.writes]
    return f"; a node of type {' or '.join(types[:3])} writes it" if types else ""


def _side_by_side(plan: Plan, ways: Ways, reads: Mapping[str, frozenset[str]]) -> list[Problem]:
    """What is read while it may be written, or after two nodes have written it side by side."""
    beside = ways.side_by_side()
    problems: list[Problem] = []
    possible = {name: _possible_writes(plan, name) for name in plan.nodes}
    readers = {**reads, END: _RESULTS}
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


def _possible_writes(plan: Plan, name: str) -> frozenset[str]:
    nodes = [plan.nodes[each] for each in (name, *plan.stand_ins(name))]
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
    message = f"{one!r} and {other!r} write {key} side by side, and {{}} may find either's; {advice}"
    if reader == END:
        return plan.spec.origin.problem(("flow",), message.format("whoever asked"))
    return plan.spec.origin.problem(("nodes", reader, "use"), message.format(repr(reader)))


def _race(plan: Plan, reader: str, key: str, writer: str) -> Problem:
    message = f"reads {key} while {writer!r}, on another branch, may be writing it; let one come after the other"
    return plan.spec.origin.problem(("nodes", reader, "use"), message)
