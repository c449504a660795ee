"""Whether what a node returns is what its type declares."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ...._explain import broken_rule
from ..errors import ResultError
from ..node_type import NodeType
from ..problem import spelt
from ..state import RagState


def checked(node: str, kind: NodeType, returned: object) -> dict[str, Any]:
    """The update that a node returned.

    Args:
        node: its name in the graph; what it finds is `candidates[node]`.
        kind: its type, which declares what it writes.
        returned: by the node.

    Raises:
        ResultError: it is no mapping, it has a key that the type does not declare or lacks one that it does, or a
            value is of the wrong type.
    """
    if returned is None and not kind.writes:
        return {}
    if not isinstance(returned, Mapping):
        raise ResultError(node, f"returned {type(returned).__name__}, not a mapping of state fields to new values")
    written = _keys(returned)
    if undeclared := sorted(written - kind.writes):
        declared = ", ".join(sorted(kind.writes)) or "nothing"
        raise ResultError(node, f"wrote {undeclared[0]!r}, but its type {kind.name!r} declares only {declared}")
    if missing := sorted(kind.writes - written):
        raise ResultError(node, f"did not write {missing[0]!r}, which its type {kind.name!r} declares to write")
    update = {name: _valid(node, name, value) for name, value in returned.items()}
    if foreign := [name for name in update.get("candidates", ()) if name != node]:
        raise ResultError(node, f"wrote candidates[{foreign[0]}]; a node's candidates go under its own name")
    return update


def _keys(returned: Mapping[str, Any]) -> set[str]:
    """The keys that are written, as a type declares them: `extra.NAME` for a user's own."""
    own = returned.get("extra")
    keys = {name for name in returned if name != "extra"}
    return keys | {f"extra.{name}" for name in own} if isinstance(own, Mapping) else set(returned)


def _valid(node: str, name: str, value: object) -> Any:
    try:
        return _adapter(name).validate_python(value)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise ResultError(node, f"wrote {spelt((name, *problem['loc']))}: {broken_rule(problem)}") from None


@cache
def _adapter(field: str) -> TypeAdapter[Any]:
    return TypeAdapter(get_type_hints(RagState)[field])
