"""Whether what a node reads has been written by then, on every way to it.

A key is followed through the flow: a node may begin without it if on some way from `start` nothing writes it. At a join
one of the branches has to have written it; elsewhere every way there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping

from ..plan import Plan
from ..problem import Keys, Problem
from ..registry import Registry
from ..spec import START
from ..state import GIVEN

_SHOWN = 5
"""At most so many steps of a way are shown."""


def check_reads(plan: Plan, registry: Registry) -> list[Problem]:
    """Follow every key that is read; `registry` has the types that a message may suggest."""
    reads = {name: plan.reads(name) for name in plan.nodes}
    writes = {name: _writes(plan, name) for name in plan.nodes}
    asked = {item: condition.predicate.reads for item, condition in plan.conditions.items()}
    problems: list[Problem] = []
    for key in sorted({key for keys in (*reads.values(), *asked.values()) for key in keys} - GIVEN):
        writers = {name for name in writes if key in writes[name]}
        if key.startswith("candidates[") and key[len("candidates[") : -1] not in writers:
            continue  # a name that cannot be meant has been told; a node that may be skipped leaves an empty list
        missing = _lacking(plan, writers)
        problems += [
            _unwritten(plan, registry, ("nodes", name, "use"), key, missing, name)
            for name in plan.nodes
            if key in reads[name] and name in missing and not _counts(plan, name, key)
        ]
        for decision in plan.flow.decisions:
            source = decision.spec.source
            if key in asked.get(decision.item, ()) and source in missing and source not in writers:
                at: Keys = ("flow", decision.item, "when")
                problems.append(_unwritten(plan, registry, at, key, missing, source))
    return problems


def _counts(plan: Plan, name: str, key: str) -> bool:
    """Whether a node reads in a loop what it wrote of a user's own the last time; the first time there is nothing."""
    return key.startswith("extra.") and key in plan.nodes[name].writes


def _writes(plan: Plan, name: str) -> frozenset[str]:
    """What has been written for certain after a node."""
    fallbacks = plan.fallbacks(name)
    if any(plan.nodes[each].spec.on_error == "skip" for each in (name, *fallbacks)):
        return frozenset()
    written = plan.nodes[name].writes
    for other in fallbacks:
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
    reader = repr(plan.nodes[node].spec.use if at[0] == "nodes" else _when(plan, at))
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
    reading = plan.nodes[reader].type if reader in plan.nodes else None
    types = [repr(kind.name) for kind in registry.nodes.loaded() if key in kind.writes and kind != reading]
    return f"; a node of type {' or '.join(types[:3])} writes it" if types else ""
