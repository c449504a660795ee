"""From a graph to what there is to draw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import networkx as nx

from ..flow import Decision, Edge
from ..plan import Plan
from ..spec import END, START
from ..state import NodeTrace
from .picture import Item, Link, Picture, decision_key
from .run import with_run
from .text import clean
from .words import hint, notes, role


def sketch(plan: Plan, trace: Sequence[NodeTrace] = ()) -> Picture:
    """What there is to draw of a graph without problems.

    ```python
    from ragloom.rag.graph.checking import plan
    from ragloom.rag.graph.drawing.sketch import sketch

    print([link.target for link in sketch(plan("quick")[0]).links])  # -> ['retrieve', 'evidence', 'quote', 'end']
    ```

    Args:
        plan: the graph.
        trace: what a run of it did.
    """
    joins = {sources: _join_key(sources) for sources in dict.fromkeys(edge.sources for edge in plan.flow.edges)}
    links = list(dict.fromkeys(_ways(plan, joins)))
    links += _fallbacks(plan, links)
    items = [
        Item(START, "terminal", START),
        *(
            Item(name, "node", clean(name), notes(node), hint=hint(node), role=role(node))
            for name, node in plan.nodes.items()
        ),
        *(
            Item(decision_key(each.item), "decision", clean(each.spec.when), hint=clean(each.spec.when))
            for each in plan.flow.decisions
        ),
        *(
            Item(key, "join", "all", hint=f"waits for {', '.join(sources)}")
            for sources, key in joins.items()
            if len(sources) > 1
        ),
        Item(END, "terminal", END),
    ]
    spec = plan.spec
    picture = Picture(clean(spec.name), clean(spec.description), tuple(items), tuple(_turned(links)))
    return with_run(picture, plan, trace) if trace else picture


def _join_key(sources: tuple[str, ...]) -> str:
    """One that no node can have, for names have no spaces."""
    return sources[0] if len(sources) == 1 else " ".join(("join", *sources))


def _ways(plan: Plan, joins: Mapping[tuple[str, ...], str]) -> Iterator[Link]:
    """The links of the flow, in the order written."""
    flow = plan.flow
    written: list[Edge | Decision] = [*flow.edges, *flow.decisions]
    for part in sorted(written, key=lambda each: each.item):
        if isinstance(part, Decision):
            yield from _decided(part, flow.decisions_from(part.spec.source))
            continue
        if len(part.sources) > 1:
            yield from (Link(source, joins[part.sources]) for source in part.sources)
        yield Link(joins[part.sources], part.target)


def _decided(decision: Decision, row: Sequence[Decision]) -> Iterator[Link]:
    """The links of a decision, one of a row that are asked in turn."""
    spec, place = decision.spec, row.index(decision)
    if place == 0:
        yield Link(spec.source, decision_key(decision.item))
    label = "yes" if spec.at_most is None else f"yes, at most {spec.at_most}"
    yield from (Link(decision_key(decision.item), target, "yes", label) for target in spec.then)
    others = spec.otherwise or (decision_key(row[place + 1].item),)
    yield from (Link(decision_key(decision.item), target, "no", "no") for target in others)


def _fallbacks(plan: Plan, links: Sequence[Link]) -> Iterable[Link]:
    """The ways to fallbacks; one that has no place in the flow goes on where the node goes on that failed."""
    placed = {link.source for link in links}
    found: dict[Link, None] = {}
    for name in (name for name in plan.nodes if name in placed):
        after = [link.target for link in links if link.source == name]
        source = name
        for fallback in plan.fallbacks(name):
            found[Link(source, fallback, "error", "on error")] = None
            if fallback in placed:
                break
            found |= {Link(fallback, target, "instead"): None for target in after}
            source = fallback
    return found


def _turned(links: Sequence[Link]) -> list[Link]:
    """The links, those that would close a circle going back: the `yes` of a bounded loop, or the way to a fallback."""
    may_turn = [link for link in links if _may_turn(link)]
    ways = nx.DiGraph([(link.source, link.target) for link in links if not _may_turn(link)])
    back = set()
    for link in may_turn:
        ways.add_nodes_from((link.source, link.target))
        if nx.has_path(ways, link.target, link.source):
            back.add(link)
        else:
            ways.add_edge(link.source, link.target)
    return [replace(link, back=True) if link in back else link for link in links]


def _may_turn(link: Link) -> bool:
    return link.way in {"error", "instead"} or (link.way == "yes" and link.label != "yes")
