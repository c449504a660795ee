"""From what a user gives to a `GraphSpec`: a preset's name, a YAML file, a mapping, or a spec already."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..._explain import broken_rule, unknown
from ..._paths import expand_user
from .errors import SpecError
from .problem import Keys, Problem, keys_of
from .spec import GraphSpec, Origin, known_keys
from .yaml_lines import read_yaml

Source = GraphSpec | Mapping[str, Any] | Path | str
"""What a graph can be given as. A text of several lines is YAML, one that ends in `.yaml` or `.yml` the path of a YAML
file, any other a preset."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A graph as far as it can be read.

    Attributes:
        spec: what could be read.
        problems: why the rest could not.
        broken: nodes of which something could not be read.
        is_flow_whole: whether all of the flow could be read.
    """

    spec: GraphSpec
    problems: tuple[Problem, ...] = ()
    broken: frozenset[str] = frozenset()
    is_flow_whole: bool = True


_BEGINS_WITH_LIST = re.compile(r"^\s*- \[[^]]*\]\s*->", re.MULTILINE)


def load_spec(source: Source) -> GraphSpec:
    """Read a graph; that it makes sense, `check` tells.

    ```python
    from ragloom.rag.graph import load_spec

    print(list(load_spec("quick").nodes))  # -> ['retrieve', 'evidence', 'quote']
    ```

    Raises:
        SpecError: it cannot be read; all the reasons are in the message, with their lines.
    """
    draft = read(source)
    if draft.problems:
        raise SpecError(draft.problems)
    return draft.spec


def presets() -> dict[str, Traversable]:
    """The graphs that come with ragloom, by name."""
    entries = sorted((files(__package__) / "presets").iterdir(), key=lambda entry: entry.name)
    return {entry.name.removesuffix(".yaml"): entry for entry in entries if entry.name.endswith(".yaml")}


def read(source: Source) -> Draft:
    """Read as much of a graph as can be read.

    Raises:
        SpecError: there is no such file or preset, or it is not a YAML mapping.
    """
    if isinstance(source, GraphSpec):
        return Draft(source)
    if isinstance(source, Mapping):
        return _validate(source, Origin())
    if isinstance(source, str) and "\n" in source:
        return _read_text(source, Origin())
    if isinstance(source, str) and not source.endswith((".yaml", ".yml")):
        own = presets()
        if source not in own:
            raise _error(f"{unknown('preset', source, own)} (a file of your own ends in .yaml)")
        return _read_file(own[source], Origin(source))
    if not isinstance(source, str | Path):
        raise _error(f"a graph is a preset's name, a YAML file, a mapping or a GraphSpec, not {type(source).__name__}")
    path = expand_user(source)
    return _read_file(path, Origin(str(path), path.parent))


def _read_file(file: Traversable, origin: Origin) -> Draft:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise _error(f"cannot read {origin.file}: {cause}") from error
    return _read_text(text, origin)


def _read_text(text: str, origin: Origin) -> Draft:
    try:
        document = read_yaml(text)
    except yaml.YAMLError as error:
        raise _not_yaml(error, text, origin.file) from error
    except (ValueError, RecursionError) as error:  # 2024-13-01 is a date to PyYAML, and nesting can be too deep
        raise _error(f"not valid YAML: {error}", None, origin.file) from error
    if not isinstance(document.value, Mapping):
        raise _error("a graph is a mapping with the keys nodes and flow", 1, origin.file)
    origin = Origin(origin.file, origin.folder, document.lines)
    draft = _validate(document.value, origin)
    repeated = [origin.problem(keys, f"repeats the key of line {line}") for keys, line in document.repeated.items()]
    return Draft(draft.spec, (*draft.problems, *repeated), draft.broken, draft.is_flow_whole)


def _not_yaml(error: yaml.YAMLError, text: str, file: str) -> SpecError:
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None) or " ".join(str(error).split())
    advice = "; a line of the flow that begins with [ needs quotes around it" if _BEGINS_WITH_LIST.search(text) else ""
    return _error(f"not valid YAML: {reason}{advice}", None if mark is None else mark.line + 1, file)


def _error(message: str, line: int | None = None, file: str = "") -> SpecError:
    return SpecError([Problem("graph", message, line, file)])


def _validate(raw: Mapping[str, Any], origin: Origin) -> Draft:
    try:
        return Draft(GraphSpec.model_validate(raw).written_in(origin))
    except ValidationError as error:
        found = _told_once([(keys_of(problem, raw), problem) for problem in error.errors(include_url=False)])
    problems = [origin.problem(keys, _message(keys, problem)) for keys, problem in found]
    return _without([keys for keys, _ in found], raw, origin, problems)


def _told_once(found: Sequence[tuple[Keys, ErrorDetails]]) -> list[tuple[Keys, ErrorDetails]]:
    """Without lists that are empty to pydantic because what is in them is wrong, which is told already."""
    around = {keys[:end] for keys, _ in found for end in range(len(keys))}
    return [(keys, problem) for keys, problem in found if problem["type"] != "too_short" or keys not in around]


def _message(keys: Keys, problem: ErrorDetails) -> str:
    if problem["type"] == "extra_forbidden":
        return unknown("key", keys[-1], known_keys(keys[:-1]))
    return "is missing" if problem["type"] == "missing" else broken_rule(problem)


def _without(bad: Sequence[Keys], raw: Mapping[str, Any], origin: Origin, problems: Sequence[Problem]) -> Draft:
    """Read all but what lies at the `bad` keys, so that the rest can be checked too."""
    kept = {key: value for key, value in raw.items() if not any(keys[:1] == (key,) for keys in bad)}
    bad_nodes = [keys for keys in bad if keys[:1] == ("nodes",)]
    broken = {keys[1] for keys in bad_nodes if len(keys) > 1}
    is_flow_whole = not any(keys in {(), ("nodes",)} or keys[:1] == ("flow",) for keys in bad)
    if bad_nodes and isinstance(raw["nodes"], Mapping):
        kept["nodes"] = {name: value for name, value in raw["nodes"].items() if name not in broken}
        for name in broken:
            own = raw["nodes"][name]
            inner = {keys[2] for keys in bad_nodes if keys[1:2] == (name,) and len(keys) > 2}
            if isinstance(own, Mapping) and inner and "use" not in inner:
                kept["nodes"][name] = {key: value for key, value in own.items() if key not in inner}
    if not is_flow_whole and isinstance(raw.get("flow"), list):
        bad_items = {keys[1] for keys in bad if keys[:1] == ("flow",) and len(keys) > 1}
        kept["flow"] = [_IGNORED if place in bad_items else item for place, item in enumerate(raw["flow"])]
    names = frozenset(str(name) for name in broken)
    try:
        return Draft(GraphSpec.model_validate(kept).written_in(origin), tuple(problems), names, is_flow_whole)
    except ValidationError:
        return Draft(GraphSpec().written_in(origin), tuple(problems), names, False)


_IGNORED = "start -> end"
"""Stands for an item of the flow that cannot be read, so that the others keep their places."""
