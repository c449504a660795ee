"""A graph as Mermaid text, which GitHub and MkDocs turn into a picture."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..plan import Plan
from ..state import NodeTrace
from .picture import Item, Link, Picture
from .sketch import sketch

_SHAPES = {"terminal": ('(["', '"])'), "node": ('["', '"]'), "decision": ('{"', '"}'), "join": ('(("', '"))')}
_IDLE = "opacity:0.4"
_NOT_PLAIN = re.compile(r"[^\w .,=!?+*/()·→×…-]")
_NAMED = {"<": "#lt;", ">": "#gt;", "&": "#amp;", '"': "#quot;"}


def mermaid(plan: Plan, trace: Sequence[NodeTrace] = ()) -> str:
    """Draw a graph as a Mermaid flowchart.

    ```python
    from ragloom.rag.graph.checking import plan
    from ragloom.rag.graph.drawing import mermaid

    print(mermaid(plan("quick")[0]).splitlines()[-1].strip())  # -> n3 --> finish
    ```

    Args:
        plan: a graph without problems.
        trace: what a run of it did: adds the figures of each node, and pales what the run did not come to.
    """
    picture = sketch(plan, trace)
    names = _names(picture)
    lines = ["flowchart TD"]
    spoken = {"accTitle": picture.title, "accDescr": picture.description}
    lines += [f"    {key}: {' '.join(_NOT_PLAIN.sub(' ', text).split())}" for key, text in spoken.items() if text]
    lines += [f"    {names[item.key]}{_shape(item)}" for item in picture.items]
    lines += [f"    {names[link.source]} {_arrow(link)} {names[link.target]}" for link in picture.links]
    return "\n".join([*lines, *_pale(picture, names)]) + "\n"


def escape(text: str) -> str:
    """Text as it may stand between quotes in Mermaid, with nothing left that Mermaid or HTML would act on.

    ```python
    from ragloom.rag.graph.drawing.as_mermaid import escape

    print(escape("best_verdict < 0"))  # -> best_verdict #lt; 0
    ```
    """
    return _NOT_PLAIN.sub(lambda match: _NAMED.get(match[0], f"#{ord(match[0])};"), text)


def _names(picture: Picture) -> Mapping[str, str]:
    """Names for Mermaid, whose own words (`end`, `style`) and signs a node's name may hold."""
    names = {"start": "start", "end": "finish"}
    for kind in ("node", "decision", "join"):
        keys = [item.key for item in picture.items if item.kind == kind]
        names |= {key: f"{kind[0]}{place}" for place, key in enumerate(keys, start=1)}
    return names


def _shape(item: Item) -> str:
    before, after = _SHAPES[item.kind]
    name = f"<b>{escape(item.name)}</b>" if item.kind == "node" else escape(item.name)
    lines = [name, *(escape(" · ".join(said)) for said in (item.notes, item.figures) if said)]
    return f"{before}{'<br/>'.join(lines)}{after}"


def _arrow(link: Link) -> str:
    arrow = "-.->" if link.way in {"error", "instead"} else "-->"
    return f'{arrow}|"{escape(link.label)}"|' if link.label else arrow


def _pale(picture: Picture, names: Mapping[str, str]) -> list[str]:
    idle = [names[item.key] for item in picture.items if item.idle]
    places = [str(place) for place, link in enumerate(picture.links) if link.idle]
    lines = [f"    classDef idle {_IDLE}", f"    class {','.join(idle)} idle"] if idle else []
    return [*lines, f"    linkStyle {','.join(places)} {_IDLE}"] if places else lines
