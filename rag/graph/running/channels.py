"""The state as langgraph keeps it: a channel for each field of `RagState`, and two of the graph's own.

langgraph would validate a pydantic state anew before every node; a node's update is checked instead, once, when it
returns (`results.py`), so that here fields are only put together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict, get_type_hints

from langchain_core.documents import Document
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from ....stores.embedder import Fingerprint
from ....stores.types import Hit
from ...generate.evidence import Evidence
from ...generate.types import Answer, Citation, Statement
from ...retrieve.query_vector import QueryVector
from ..state import NodeTrace, RagState, Turn, Verdict, latest, merged

ROUNDS = "_rounds"
"""How often each bounded decision has been taken, by its place in the flow."""

ENDED = "_ended"
"""Whether the run has come to `end`."""

GRAPH = "_graph"
"""The fingerprint of the graph that the run belongs to."""

Channels = TypedDict(
    "Channels",
    {
        **get_type_hints(RagState, include_extras=True),  # type: ignore[misc]  # its fields, as they are
        ROUNDS: Annotated[dict[str, int], merged],
        ENDED: Annotated[bool, latest],
        GRAPH: Annotated[str, latest],
    },
    total=False,
)

_SAVED = (
    Answer, Citation, Document, Evidence, Fingerprint, Hit, NodeTrace, QueryVector, Statement, Turn, Verdict,
)  # fmt: skip


def serializer() -> JsonPlusSerializer:
    """What writes states into checkpoints and the node cache; it reads no types but those of a state."""
    return JsonPlusSerializer(allowed_msgpack_modules=_SAVED)


def to_state(values: Mapping[str, Any]) -> RagState:
    """The state in these channels."""
    fields = {name: values[name] for name in RagState.model_fields if name in values}
    fields["query"] = fields.get("query") or fields["question"]
    return RagState.model_construct(**fields)


def node_key(name: str) -> str:
    """What langgraph calls a node: where a channel has its name, or langgraph wants it for itself, another one."""
    return f"{name} node" if name in Channels.__annotations__ or name.startswith("__") else name


def applied(state: RagState, update: Mapping[str, Any]) -> RagState:
    """The state after an update, as langgraph will have it."""
    merging = {name: merged(getattr(state, name), update[name]) for name in ("candidates", "extra") if name in update}
    return state.model_copy(update={**update, **merging})
