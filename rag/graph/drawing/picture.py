"""What there is to draw: the nodes, decisions and joins of a graph as items, and the links between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["terminal", "node", "decision", "join"]
Role = Literal["", "search", "llm"]
Way = Literal["edge", "yes", "no", "error", "instead"]


@dataclass(frozen=True, slots=True)
class Item:
    """Something that is drawn in one place.

    Attributes:
        key: what links call it; a node's own name.
        kind: where the flow begins or ends, a node, a decision, or where several nodes are waited for.
        name: a node's name, a decision's condition.
        notes: what else the graph says of it, in a few words each.
        figures: what a run did in it, in a few words each.
        hint: a sentence for whoever points at it.
        role: whether it searches the corpus or asks an LLM.
        idle: whether a run did not come to it.
    """

    key: str
    kind: Kind
    name: str
    notes: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    hint: str = ""
    role: Role = ""
    idle: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A way from one item to another.

    Attributes:
        source: the key of the item it leaves.
        target: the key of the item it enters.
        way: an edge of the flow, the yes or the no of a decision, the way to a fallback, or the way on from it.
        label: what is written on it.
        back: whether it leads back to where a run has been.
        idle: whether a run did not take it.
    """

    source: str
    target: str
    way: Way = "edge"
    label: str = ""
    back: bool = False
    idle: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """What there is to draw; without the links that go back, no way leads in a circle.

    Attributes:
        title: what the graph is called.
        description: what it is for.
        items: in the order written, `start` first and `end` last.
        links: in the order written.
    """

    title: str
    description: str
    items: tuple[Item, ...]
    links: tuple[Link, ...]


def decision_key(item: int) -> str:
    """The key of the decision at this place of the flow."""
    return f"decision {item}"
