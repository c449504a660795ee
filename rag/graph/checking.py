"""`check`: everything that is wrong with a graph, before anything is loaded."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .checks.conflicts import check_conflicts
from .checks.decisions import check_routes, plan_conditions
from .checks.fallbacks import check_fallbacks
from .checks.flow import plan_flow
from .checks.nodes import plan_nodes
from .checks.reads import check_reads
from .checks.resources import check_resources
from .checks.shape import check_shape
from .checks.ways import Ways
from .errors import NodeTypeError, SpecError
from .node_type import NodeType
from .plan import Plan
from .predicates import Predicate
from .problem import Problem
from .reading import Source, read
from .registry import Registry
from .spec import GraphSpec


def check(
    source: Source,
    *,
    types: Collection[NodeType | Predicate] = (),
    registry: Registry | None = None,
    allow_imports: bool = False,
    given: Collection[str] = (),
) -> list[Problem]:
    """Find everything that is wrong with a graph; an empty list means that it can be built.

    Nothing is loaded: neither model nor corpus is opened, though their files must be there.

    ```python
    from ragloom.rag.graph import check

    for problem in check({"nodes": {"find": {"use": "hybird"}}, "flow": ["start -> find -> end"]}):
        print(problem)  # -> nodes.find.use: unknown node type 'hybird'; did you mean 'hybrid'?
    ```

    Args:
        source: a preset's name, the path of a YAML file, YAML itself, a mapping or a `GraphSpec`.
        types: node types and predicates of your own.
        registry: all that there are besides; by default ragloom's own and those of plug-ins.
        allow_imports: whether the modules that the graph names in `imports` may be imported, which runs their code.
        given: whether it is to be built with a `corpus`, an `llm`, or both, which go before those that it names.
    """
    known = (registry or Registry.installed()).with_types(types)
    return plan(source, registry=known, allow_imports=allow_imports, given=given)[1]


def plan(
    source: Source,
    *,
    registry: Registry | None = None,
    allow_imports: bool = False,
    given: Collection[str] = (),
) -> tuple[Plan, list[Problem]]:
    """Look up a graph's names, and find everything that is wrong with it, as `check` does.

    Where a `corpus` or an `llm` is `given`, it goes before the one that the graph names, which need not be there.
    """
    try:
        draft = read(source)
    except SpecError as error:
        return Plan(GraphSpec()), list(error.problems)
    spec = draft.spec
    known, import_problems = _import(spec, registry or Registry.installed(), allow_imports)
    nodes, node_problems = plan_nodes(spec, known, draft.broken, may_miss_types=bool(import_problems))
    flow, flow_problems = plan_flow(spec, nodes)
    conditions, unreadable = plan_conditions(spec, flow, known, may_miss_predicates=bool(import_problems))
    planned = Plan(spec, nodes, flow, conditions)
    problems = [*draft.problems, *import_problems, *node_problems, *flow_problems, *unreadable]
    problems += [*check_resources(planned, given), *check_fallbacks(planned), *check_routes(planned)]
    if draft.is_flow_whole and not flow_problems:
        ways = Ways.of(flow)
        problems += [*check_shape(planned, ways), *check_reads(planned, known), *check_conflicts(planned, ways)]
    return planned, _in_order(problems)


def _import(spec: GraphSpec, registry: Registry, allow_imports: bool) -> tuple[Registry, list[Problem]]:
    problems = []
    for place, module in enumerate(spec.imports):
        if not allow_imports:
            message = f"may not import {module!r}; allow it (--allow-imports) if you trust whoever wrote this graph"
            problems.append(spec.origin.problem(("imports", place), message))
            continue
        try:
            with _importable(spec.origin.folder):
                registry = registry.with_module(module, spec.origin.folder.absolute() if spec.origin.file else None)
        except NodeTypeError as error:
            problems.append(spec.origin.problem(("imports", place), str(error)))
    return registry, problems


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Modules beside the graph are found, as those beside a script are."""
    sys.path.insert(0, str(folder.absolute()))
    try:
        yield
    finally:
        sys.path.remove(str(folder.absolute()))


def _in_order(problems: Sequence[Problem]) -> list[Problem]:
    """Each problem once, in the order of their lines."""
    return sorted(dict.fromkeys(problems), key=lambda problem: problem.line or 0)
