"""What a run did, in a picture: figures at its nodes, and as idle what it did not come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from ..plan import Plan
from ..spec import END, START
from ..state import NodeTrace
from .picture import Item, Link, Picture, decision_key


def with_run(picture: Picture, plan: Plan, trace: Sequence[NodeTrace]) -> Picture:
    """The picture with the figures of a run; idle are the items it did not come to and the links it did not take."""
    taken = {link for entry in (NodeTrace(START, 0.0), *trace) for link in _taken(picture.links, plan, entry)}
    taken |= _joined(picture, {entry.node for entry in trace})
    tried = {name for entry in trace for name in _tried(plan, entry)}
    live = {START, END, *tried, *(link.source for link in taken)}
    return replace(
        picture,
        items=tuple(_with_figures(item, trace, is_idle=item.key not in live) for item in picture.items),
        links=tuple(replace(link, idle=link not in taken) for link in picture.links),
    )


def _tried(plan: Plan, entry: NodeTrace) -> list[str]:
    """The node and the fallbacks that were tried, up to the one that gave the result."""
    line = [entry.node, *(plan.fallbacks(entry.node) if entry.node in plan.nodes else ())]
    return line[: line.index(entry.ran) + 1] if entry.ran in line else line


def _taken(links: Sequence[Link], plan: Plan, entry: NodeTrace) -> Iterator[Link]:
    """The links that one run of a node took: to its fallbacks, on from there or from itself, and by its decisions."""
    failed = set(pairwise(_tried(plan, entry)))
    yield from (link for link in links if link.way == "error" and (link.source, link.target) in failed)
    own = [link for link in links if link.way == "edge" and link.source == entry.node]
    after = {link.target for link in own}
    instead = [link for link in links if (link.source, link.way) == (entry.ran, "instead") and link.target in after]
    yield from instead or own
    decided = {(decision_key(item), "yes" if then else "no") for item, then in entry.decisions}
    yield from (link for link in links if (link.source, link.way) in decided)


def _joined(picture: Picture, ran: set[str]) -> set[Link]:
    """The links after joins; a join has happened when all that it waits for have run."""
    found = set()
    for join in (item.key for item in picture.items if item.kind == "join"):
        if {link.source for link in picture.links if link.target == join and link.way == "edge"} <= ran:
            found |= {link for link in picture.links if link.source == join}
    return found


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
    entries = [entry for entry in trace if (entry.ran or entry.node) == item.key] if item.kind == "node" else []
    return replace(item, figures=figures(entries), idle=is_idle)


def _duration(milliseconds: float) -> str:
    if milliseconds < 9.95:
        return f"{milliseconds:.1f} ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f} s" if seconds < 99.95 else f"{seconds / 60:.1f} min"
