"""The graphs of an evaluation: named, opened, sharing what they load and what they work out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...stores.corpus import Corpus
from ..graph.checking import check
from ..graph.node_type import NodeType
from ..graph.predicates import Predicate
from ..graph.problem import Problem
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

    Of files of one name, the folders that tell them apart belong to it: `old/words` and `new/words`.

    Raises:
        EvaluateError: there is none, or two have the same name.
        SpecError: one cannot be read.
    """
    if isinstance(graphs, RagGraph):
        raise EvaluateError("give the graph's preset, YAML file or spec, not a RagGraph, which shares nothing")
    if isinstance(graphs, Mapping) and "nodes" not in graphs:
        found = {name: load_spec(source) for name, source in graphs.items()}
    else:
        several = [graphs] if isinstance(graphs, str | Path | GraphSpec | Mapping) else list(graphs)
        specs = [load_spec(source) for source in several]
        names = _names(several, specs)
        if repeated := [name for name, times in Counter(names).items() if times > 1]:
            raise EvaluateError(
                f"two graphs are called {repeated[0]!r}: rename one, or in Python give {{'a': GRAPH, 'b': GRAPH}}"
            )
        found = dict(zip(names, specs, strict=True))
    if not found:
        raise EvaluateError("there is no graph to evaluate; name one, such as quick")
    return found


def _names(sources: Sequence[Source], specs: Sequence[GraphSpec]) -> list[str]:
    """What each is called, of paths as many of the last parts as tell them apart."""
    whole = [
        _parts(source, spec) or [f"graph {place}"]
        for place, (source, spec) in enumerate(zip(sources, specs, strict=True), 1)
    ]
    names = []
    for parts in whole:
        others = [each for each in whole if each is not parts]
        length = next((n for n in range(1, len(parts)) if all(each[-n:] != parts[-n:] for each in others)), len(parts))
        names.append("/".join(parts[-length:]))
    return names


def _parts(source: Source, spec: GraphSpec) -> list[str]:
    if isinstance(source, Path) or (isinstance(source, str) and "\n" not in source):
        return list(Path(source).with_suffix("").parts)
    return [spec.name] if spec.name else []


@dataclass(frozen=True, slots=True)
class Given:
    """What graphs work with besides what they name themselves.

    Attributes:
        corpus: where to look; goes before the graphs' own.
        llm: a chat model, or what `ragloom.load` takes; goes before the graphs' own.
        types: node types and predicates of your own.
        allow_imports: whether graphs are trusted: the modules that they name may be imported, which runs their code,
            and the servers that they name are sent the API key.
        default_corpus: where graphs look that name no corpus, if no other was given.
        default_llm: what graphs ask that name no LLM, if no other was given.
    """

    corpus: Corpus | str | Path | None = None
    llm: GivenLlm = None
    types: Collection[NodeType | Predicate] = ()
    allow_imports: bool = False
    default_corpus: str | Path | None = None
    default_llm: GivenLlm = None

    def check(self, spec: GraphSpec) -> list[Problem]:
        """Find everything that is wrong with a graph."""
        given = [name for name in ("corpus", "llm") if getattr(self, name) is not None]
        return check(spec, types=self.types, allow_imports=self.allow_imports, given=given)

    def open(self, spec: GraphSpec, cache: SharedResults, shares: RagGraph | None = None) -> RagGraph:
        """Check a graph and make it ready to run.

        Raises:
            SpecError: something is wrong with it.
        """
        corpus = self.default_corpus if self.corpus is None and spec.corpus is None else self.corpus
        llm = self.default_llm if self.llm is None and spec.llm is None else self.llm
        return RagGraph(
            spec,
            corpus=corpus,
            llm=llm,
            types=self.types,
            allow_imports=self.allow_imports,
            cache=cache,
            shares=shares,
        )


@contextmanager
def opened(specs: Mapping[str, GraphSpec], cache: SharedResults, given: Given) -> Iterator[dict[str, RagGraph]]:
    """Check and open graphs; each corpus and each LLM is opened once for all of them.

    Raises:
        SpecError: something is wrong with a graph.
    """
    with ExitStack() as closing:
        graphs: dict[str, RagGraph] = {}
        for name, spec in specs.items():
            first = next(iter(graphs.values()), None)
            graphs[name] = closing.enter_context(given.open(spec, cache, first))
        yield graphs
