"""The tuned graph as YAML, which says at its top what it gained and where it comes from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ...graph.spec import GraphSpec, NodeSpec
from ..result import Estimate
from .tuner import Tuned


def as_yaml(tuned: Tuned, *, source: str, data: str, folder: Path) -> str:
    """The graph with a comment.

    Args:
        tuned: what tuning found.
        source: what the graph was tuned from.
        data: what it was tuned on, and tested on.
        folder: where the file will be, so that its paths lead to the same places.
    """
    settings = ", ".join(f"{path}: {json.dumps(value)}" for path, value in tuned.best.settings.items())
    comment = [
        f"Tuned from {source} for {tuned.measure} on {data}, {len(tuned.trials)} trials.",
        f"Changed: {settings or 'nothing; no other setting was better'}.",
        f"{tuned.measure} where it was tuned: {said(tuned.train_gain)}.",
        f"{tuned.measure} on other questions: {said(tuned.test_gain)}.",
    ]
    lines = "".join(f"# {line}\n" for line in comment)
    return lines + yaml.safe_dump(_written(tuned.spec, folder), sort_keys=False, allow_unicode=True, width=120)


def said(gain: Estimate) -> str:
    """A gain in words."""
    if math.isnan(gain.value):
        return "cannot be told, since one of the graphs answers none of them"
    if math.isnan(gain.low):
        return f"{gain.value:+.3f} (too few questions to tell from chance)"
    return f"{gain.value:+.3f} (95%: {gain.low:+.3f} to {gain.high:+.3f})"


def _written(spec: GraphSpec, folder: Path) -> dict[str, Any]:
    """The graph as people write it: a node's parameters beside `use`."""
    whole = spec.model_dump(mode="json", exclude_defaults=True, by_alias=True, exclude={"nodes"})
    nodes = {name: _node(node) for name, node in spec.nodes.items()}
    flow = whole.pop("flow", [])
    return _moved({**whole, "nodes": nodes, "flow": flow}, spec, folder)


def _node(node: NodeSpec) -> dict[str, Any]:
    own = node.model_dump(mode="json", exclude_defaults=True, by_alias=True, exclude={"params"})
    return {**own, **node.params}


def _moved(written: dict[str, Any], spec: GraphSpec, folder: Path) -> dict[str, Any]:
    """The same with the paths of corpora and models as they lead from `folder`."""
    if spec.origin.folder.resolve() == folder.resolve():
        return written
    for place in (written, *written["nodes"].values()):
        corpus, llm = place.get("corpus"), place.get("llm")
        if isinstance(corpus, Mapping):
            place["corpus"] = {**corpus, "path": str(spec.find(corpus["path"]).resolve())}
        if isinstance(llm, Mapping) and str(llm.get("model", "")).endswith(".gguf") and "hf:" not in llm["model"]:
            place["llm"] = {**llm, "model": str(spec.find(llm["model"]).resolve())}
    return written
