"""YAML with the line of every key.

PyYAML's composed nodes know where they stand, the Python values made of them don't; both are made here of one reading.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import yaml

from .problem import Keys

_TIMESTAMP = "tag:yaml.org,2002:timestamp"
"""Of dates; they are read as the texts that they are written as, in which form a corpus has them."""

_BOOLEAN = "tag:yaml.org,2002:bool"
_TEXT = yaml.resolver.BaseResolver.DEFAULT_SCALAR_TAG

_DEEPEST = 100

_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Read:
    """A YAML document.

    Attributes:
        value: what it says.
        lines: of each key and list item, from 1; `()` is the document.
        repeated: keys that a mapping has twice, with the line of the first; YAML itself takes the last.
    """

    value: Any = None
    lines: dict[Keys, int] = field(default_factory=dict)
    repeated: dict[Keys, int] = field(default_factory=dict)


def read_yaml(text: str) -> Read:
    """Read one document.

    Raises:
        yaml.YAMLError: it is not YAML, or has tags that make more than plain values.
    """
    _check_nesting(text)
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        read = Read()
        if node is not None:
            _note(node, (), node.start_mark.line + 1, read, set())
            read.value = loader.construct_document(node)
        return read
    finally:
        loader.dispose()


def _check_nesting(text: str) -> None:
    """Refuse what is nested so deep that reading it would end the process."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise yaml.YAMLError(f"it is nested deeper than {_DEEPEST} times")


def _names_nodes(keys: Keys, key: object) -> bool:
    """Whether names of nodes stand behind a key: in a decision of the flow, or as what a node fuses."""
    in_flow = keys[:1] == ("flow",) and key in ("from", "then", "else")
    return in_flow or (keys[:1] == ("nodes",) and len(keys) == 2 and key == "of")


def _as_texts(node: yaml.Node) -> None:
    """Take names of nodes for texts: YAML would read `no` as false."""
    for each in node.value if isinstance(node, yaml.SequenceNode) else [node]:
        if isinstance(each, yaml.ScalarNode) and each.tag == _BOOLEAN:
            each.tag = _TEXT


def _note(node: yaml.Node, keys: Keys, line: int, read: Read, seen: set[int]) -> None:
    """Note lines of a node and of all within it; what an alias repeats is noted once, so this ends."""
    read.lines[keys] = line
    if id(node) in seen:
        return
    seen.add(id(node))
    if node.tag == _TIMESTAMP:
        node.tag = _TEXT
    if isinstance(node, yaml.SequenceNode):
        for place, item in enumerate(node.value):
            _note(item, (*keys, place), item.start_mark.line + 1, read, seen)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                key.tag = _TEXT
            if _names_nodes(keys, key.value):
                _as_texts(value)
            here = (*keys, str(key.value) if isinstance(key.value, Hashable) else "")
            if here in read.lines:
                read.repeated.setdefault(here, read.lines[here])
            _note(value, here, key.start_mark.line + 1, read, seen)
