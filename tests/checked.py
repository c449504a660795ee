"""A graph written in a test, checked: what is wrong with it, a line each."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from cats import CATS
from ragloom.rag.graph import Registry, check

NODES = """\
nodes:
  find: prowl
  other: prowl
  rest: nap
  more: nap
flow:
"""


def problems(text: str, registry: Registry = CATS, *, allow_imports: bool = False) -> list[str]:
    """Of a graph in the working folder."""
    Path("graph.yaml").write_text(dedent(text), "utf-8")
    found = check("graph.yaml", registry=registry, allow_imports=allow_imports)
    return [str(problem).removeprefix("graph.yaml:") for problem in found]


def flow_problems(*lines: str) -> list[str]:
    """Of a flow that begins in line 7."""
    return problems(NODES + "".join(f"  - {line}\n" for line in lines))
