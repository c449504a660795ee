"""The ways through a graph: what leads where, and what may run in parallel."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, permutations

import networkx as nx

from ..flow import Flow
from ..spec import END, START


@dataclass(frozen=True)
class Ways:
    """A flow as a graph.

    Attributes:
        graph: every way from a node to the next.
        forks: a node, and those after it that run in parallel.
    """

    graph: nx.DiGraph
    forks: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, flow: Flow) -> Ways:
        """The ways of a flow."""
        graph = nx.DiGraph([(START, START)])
        graph.remove_edge(START, START)
        graph.add_edges_from(ways_of(flow))
        sources = dict.fromkeys(source for edge in flow.edges for source in edge.sources)
        forks = [(source, flow.targets(source)) for source in sources]
        for decision in flow.decisions:
            spec = decision.spec
            forks += [(spec.source, spec.then), (spec.source, spec.otherwise)]
        return cls(graph, tuple((source, targets) for source, targets in forks if len(targets) > 1))

    def reach(self, source: str, without: Collection[str] = ()) -> set[str]:
        """What can come after `source`, and itself, on ways that lead through none of `without`."""
        if source in without:
            return set()
        found, waiting = {source}, [source]
        while waiting:
            for target in self.graph[waiting.pop()]:
                if target not in found and target not in without:
                    found.add(target)
                    waiting.append(target)
        return found

    @cached_property
    def beside(self) -> dict[str, set[str]]:
        """For each node those that may run at the same time: they are on different branches of a fork."""
        pairs: dict[str, set[str]] = {}
        for source, heads in self.forks:
            branches = [self.reach(head, {source, *heads} - {head}) for head in heads]
            for one, other in permutations(range(len(heads)), 2):
                beside = branches[other] - branches[one] - {END}
                for node in branches[one] - branches[other] - {END}:
                    pairs.setdefault(node, set()).update(beside)
        return pairs

    def may_both_run(self, one: str, other: str, *, before: str) -> bool:
        """Whether a run can come to both nodes before it comes to the node `before`."""
        if other in self.reach(one, {before}) or one in self.reach(other, {before}):
            return True
        for _, heads in self.forks:
            reached = [self.reach(head, {before}) for head in heads]
            if any((one in a and other in b) or (one in b and other in a) for a, b in combinations(reached, 2)):
                return True
        return False


def ways_of(flow: Flow, *, bounded: bool = True) -> Iterator[tuple[str, str]]:
    """Every way from a node to the next; unless `bounded`, those are left out that a run takes only so often."""
    for edge in flow.edges:
        for source in edge.sources:
            yield source, edge.target
    for decision in flow.decisions:
        spec = decision.spec
        then = spec.then if bounded or spec.at_most is None else ()
        for target in (*then, *spec.otherwise):
            yield spec.source, target
