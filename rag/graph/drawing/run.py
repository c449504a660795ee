"""What a run did, in a picture: figures at its nodes, and as idle what it did not come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ..plan import Plan
from ..spec import END, START
from ..state import NodeTrace
from .picture import Item, Link, Picture


def with_run(picture: Picture, plan: Plan, trace: Sequence[NodeTrace]) -> Picture:
    """The picture with the figures of a run; idle are the nodes that did not run and the links that were not taken.

    A node that failed was reached if one that stands in for it ran, unless the flow leads to that one as well.
    """
    trace = [replace(entry, node=entry.ran or entry.node) for entry in trace]  # a fallback ran in its place
    log = [entry.node for entry in trace]
    placed = {link.source for link in picture.links if link.way == "edge"}
    reached_by = {name: {name} | (set(plan.stand_ins(name)) - placed) for name in plan.nodes}
    chosen = set(_chosen(picture, log, reached_by))
    live = {START, END, *log, *(link.source for link in chosen)}
    reached = live | {name for name, either in reached_by.items() if not either.isdisjoint(log)}
    for item in picture.items:
        if item.kind == "join" and any(link.source in reached for link in picture.links if link.target == item.key):
            live.add(item.key)
            reached.add(item.key)

    def is_taken(link: Link) -> bool:
        if link.way in {"yes", "no"}:
            return link in chosen
        if link.way == "error":
            return link.target in live and link.source in reached - live
        return link.target in reached and link.source in live

    return replace(
        picture,
        items=tuple(_with_figures(item, trace, is_idle=item.key not in live) for item in picture.items),
        links=tuple(replace(link, idle=not is_taken(link)) for link in picture.links),
    )


def figures(entries: Sequence[NodeTrace]) -> tuple[str, ...]:
    """What a node did in all its runs: times and tokens added up, documents as the last run found and left them.

    ```python
    from ragloom.rag.graph import NodeTrace
    from ragloom.rag.graph.drawing.run import figures

    entry = NodeTrace("rerank", 41.7, documents_in=10, documents_out=3)
    print(figures([entry, entry]))  # -> ('83 ms', '2 runs', 'documents 10 → 3')
    ```
    """
    if not entries:
        return ()
    said = [_duration(sum(entry.milliseconds for entry in entries))]
    if len(entries) > 1:
        said.append(f"{len(entries)} runs")
    tokens_in, tokens_out = sum(entry.tokens_in for entry in entries), sum(entry.tokens_out for entry in entries)
    if tokens_in or tokens_out:
        said.append(f"tokens {tokens_in:,} → {tokens_out:,}")
    last = entries[-1]
    if last.documents_in or last.documents_out:
        said.append(f"documents {last.documents_in:,} → {last.documents_out:,}")
    return tuple(said)


def _with_figures(item: Item, trace: Sequence[NodeTrace], *, is_idle: bool) -> Item:
    return replace(item, figures=figures([entry for entry in trace if entry.node == item.key]), idle=is_idle)


def _duration(milliseconds: float) -> str:
    if milliseconds < 9.95:
        return f"{milliseconds:.1f} ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f} s" if seconds < 99.95 else f"{seconds / 60:.1f} min"


def _chosen(picture: Picture, log: Sequence[str], reached_by: Mapping[str, set[str]]) -> Iterator[Link]:
    """The links that decisions took, as far as can be seen from what ran next."""
    links = {
        item.key: [link for link in picture.links if link.source == item.key]
        for item in picture.items
        if item.kind == "decision"
    }
    roots = {link.source: link.target for link in picture.links if link.way == "edge" and link.target in links}
    for source, root in roots.items():
        signs = {name: end for end in _ends(root, links) for name in reached_by.get(end, ())}
        came_next = set(_came_next(log, reached_by[source], signs))
        waiting = [root]
        while waiting:
            asked = links[waiting.pop()]
            for link in asked:
                if came_next & set().union(*(_ends(each.target, links) for each in asked if each.way == link.way)):
                    yield link
                    waiting += [link.target] if link.target in links else []


def _ends(key: str, links: Mapping[str, Sequence[Link]]) -> set[str]:
    """Where a decision may lead to, by way of the decisions after it."""
    return set().union(*(_ends(link.target, links) for link in links[key])) if key in links else {key}


def _came_next(log: Sequence[str], sources: set[str], signs: Mapping[str, str]) -> Iterator[str]:
    """What each run of `sources` led to: that which the first of `signs` to follow is a sign of, or the end."""
    for place, name in enumerate(log):
        if name in sources:
            later = (other for other in log[place + 1 :] if other in signs or other in sources)
            following = next(later, None)
            yield END if following is None else signs.get(following, "")
