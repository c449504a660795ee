"""What is written beside a node: its type, its parameters, and what is said of it besides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from ..plan import PlannedNode
from ..spec import LlmSpec
from .picture import Role
from .text import clean

PARAMS_LENGTH = 44
"""How many characters parameters may take; those that do not fit are left out."""


def notes(node: PlannedNode) -> tuple[str, ...]:
    """What the graph says of a node: its type, its parameters as far as they are short, its LLM, what if it fails."""
    spec = node.spec
    said = [clean(spec.use), *_params(spec.params)]
    if spec.llm is not None:
        said.append(f"llm {_llm_name(spec.llm)}")
    if spec.retries:
        said.append("1 retry" if spec.retries == 1 else f"{spec.retries} retries")
    if spec.on_error == "skip":
        said.append("skipped on error")
    return tuple(said)


def hint(node: PlannedNode) -> str:
    """A sentence on a node."""
    return clean(f"{node.name}: {node.type.summary}" if node.type else node.name)


def role(node: PlannedNode) -> Role:
    """Whether a node asks an LLM, or searches the corpus."""
    if node.needs_llm:
        return "llm"
    return "search" if node.type and "candidates" in node.type.writes else ""


def _params(params: dict[str, Any]) -> Iterator[str]:
    room, left_out = PARAMS_LENGTH, False
    for name, value in params.items():
        text = clean(f"{name} {_value(value)}")
        if isinstance(value, dict) or len(text) > room:
            left_out = True
        elif value is not None:
            room -= len(text) + 3
            yield text
    if left_out:
        yield "…"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _llm_name(llm: LlmSpec) -> str:
    """A model's name, without the way to it: that is long, and a URL may hold a password."""
    if llm.model_name:
        return clean(llm.model_name)
    if llm.is_server:
        return clean(urlsplit(llm.model).hostname or "server")
    return clean(PurePosixPath(llm.model.replace("\\", "/")).name)
