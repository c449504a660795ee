"""What graphs can be made of, told in plain values: presets, node types, predicates."""

from __future__ import annotations

from typing import Any

from .reading import load_spec, presets
from .registry import Registry


def presets_with_descriptions() -> list[dict[str, str]]:
    """The graphs that come with ragloom."""
    return [{"name": name, "description": load_spec(name).description} for name in presets()]


def node_types(registry: Registry | None = None) -> list[dict[str, Any]]:
    """Every node type: name, summary, parameters as JSON Schema, what it reads, writes and needs."""
    known = (registry or Registry.installed()).nodes
    return [
        {
            "name": name,
            "summary": kind.summary,
            "params": kind.params.model_json_schema().get("properties", {}),
            "reads": sorted(kind.reads),
            "writes": sorted(kind.writes),
            "needs": sorted(kind.needs),
        }
        for name, kind in known.usable()
    ]


def predicates(registry: Registry | None = None) -> list[dict[str, Any]]:
    """Everything that a decision can ask: name, summary, kind, the words it may give, what it reads."""
    known = (registry or Registry.installed()).predicates
    return [
        {"name": name, "summary": each.summary, "kind": each.kind, "words": each.words, "reads": sorted(each.reads)}
        for name, each in known.usable()
    ]
