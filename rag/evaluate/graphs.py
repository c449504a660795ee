"""The graphs of an evaluation: named, opened, sharing what they load and what they work out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ...stores.corpus import Corpus
from ..graph.node_type import NodeType
from ..graph.predicates import Predicate
from ..graph.rag_graph import RagGraph
from ..graph.reading import Source, load_spec
from ..graph.running.resources import GivenLlm
from ..graph.spec import GraphSpec
from .errors import EvaluateError
from .shared import SharedResults

Graphs = Source | Sequence[Source] | Mapping[str, Source]
"""A graph, several, or several by the names that tables are to call them."""


def named(graphs: Graphs) -> dict[str, GraphSpec]:
    """The graphs by name: a preset's, that of a YAML file without its ending, or what the graph calls itself.

    Raises:
        EvaluateError: there is none, or two have the same name.
        SpecError: one cannot be read.
    """
    if isinstance(graphs, Mapping) and "nodes" not in graphs:
        return {name: load_spec(source) for name, source in graphs.items()}
    several = [graphs] if isinstance(graphs, str | Path | GraphSpec | Mapping) else list(graphs)
    found: dict[str, GraphSpec] = {}
    for place, source in enumerate(several, start=1):
        spec = load_spec(source)
        name = _name(source, spec) or f"graph {place}"
        if name in found:
            raise EvaluateError(f"two graphs are called {name!r}; give them names: {{'a': GRAPH, 'b': GRAPH}}")
        found[name] = spec
    if not found:
        raise EvaluateError("there is no graph to evaluate; name one, such as quick")
    return found


def _name(source: Source, spec: GraphSpec) -> str:
    if isinstance(source, Path) or (isinstance(source, str) and "\n" not in source):
        return Path(source).stem
    return spec.name


@contextmanager
def opened(
    specs: Mapping[str, GraphSpec],
    cache: SharedResults,
    *,
    corpus: Corpus | str | Path | None = None,
    llm: GivenLlm = None,
    types: Collection[NodeType | Predicate] = (),
    allow_imports: bool = False,
) -> Iterator[dict[str, RagGraph]]:
    """Check and open graphs; each corpus and each LLM is opened once for all of them.

    Raises:
        SpecError: something is wrong with a graph.
    """
    with ExitStack() as closing:
        graphs: dict[str, RagGraph] = {}
        for name, spec in specs.items():
            first = next(iter(graphs.values()), None)
            graph = RagGraph(
                spec, corpus=corpus, llm=llm, types=types, allow_imports=allow_imports, cache=cache, shares=first
            )
            graphs[name] = closing.enter_context(graph)
        yield graphs
