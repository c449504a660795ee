"""A JSON Schema of graphs, from which editors complete node types and their parameters.

What a node may have depends on its type, so beside `use` stands one `if`/`then` for each type.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic.json_schema import models_json_schema

from .node_type import NodeType
from .predicates import Predicate
from .registry import Registry
from .spec import GraphSpec, NodeSpec

_SHORT_FORMS = ("LlmSpec", "CorpusSpec")


def json_schema(types: Collection[NodeType | Predicate] = (), *, registry: Registry | None = None) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a graph's YAML file.

    Args:
        types: node types of your own, which editors shall complete too.
        registry: all that there are besides; by default ragloom's own and those of plug-ins.

    Raises:
        NodeTypeError: a plug-in cannot be imported.
    """
    known = (registry or Registry.installed()).with_types(types)
    kinds = sorted(known.nodes.values(), key=lambda each: each.name)
    models: list[Any] = [GraphSpec, NodeSpec, *(each.params for each in kinds)]
    refs, whole = models_json_schema([(model, "validation") for model in dict.fromkeys(models)], by_alias=True)
    defs: dict[str, Any] = whole["$defs"]
    own = {each.name: defs.pop(_name(refs[each.params, "validation"])) for each in kinds}
    graph = defs.pop("GraphSpec")
    for name in _SHORT_FORMS:
        defs[name] = {"anyOf": [{"type": "string"}, defs[name]]}
    defs["NodeSpec"] = _node(defs["NodeSpec"], kinds, own)
    # pydantic writes a discriminated union as oneOf, and as anyOf where it sees no discriminator.
    _, decision = (
        graph["properties"]["flow"]["items"].pop("oneOf", None) or graph["properties"]["flow"]["items"]["anyOf"]
    )
    graph["properties"]["flow"]["items"] = {"anyOf": [{"type": "string"}, decision]}
    for key in ("then", "else"):
        defs["DecisionSpec"]["properties"][key] = _one_or_more(defs["DecisionSpec"]["properties"][key])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "RAG graph", **graph, "$defs": defs}


def _name(ref: dict[str, Any]) -> str:
    return str(ref["$ref"]).rpartition("/")[2]


def _node(general: dict[str, Any], types: list[NodeType], own: dict[str, dict[str, Any]]) -> dict[str, Any]:
    common = {key: value for key, value in general["properties"].items() if key not in {"use", "params"}}
    described = [{"const": each.name, "description": each.summary} for each in types]
    by_type = [
        {
            "if": {"properties": {"use": {"const": each.name}}},
            "then": {
                "properties": {"use": True, **dict.fromkeys(common, True), **own[each.name].get("properties", {})},
                "required": own[each.name].get("required", []),
                "additionalProperties": False,
            },
        }
        for each in types
    ]
    full = {
        "type": "object",
        "description": general["description"],
        "properties": {"use": {"description": "The node's type.", "oneOf": described}, **common},
        "required": ["use"],
        "allOf": by_type,
    }
    return {"anyOf": [{"enum": [each.name for each in types if not own[each.name].get("required")]}, full]}


def _one_or_more(listed: dict[str, Any]) -> dict[str, Any]:
    described = {key: listed[key] for key in ("description",) if key in listed}
    several = {key: value for key, value in listed.items() if key in {"type", "items", "minItems"}}
    return {**described, "anyOf": [{"type": "string"}, several]}
