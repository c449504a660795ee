"""`RagGraph`: a checked graph that runs, as a LangChain Runnable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from pydantic import ValidationError

from ..._explain import first_problem, unknown
from ..._paths import expand_user
from ...settings import read_settings
from .checking import plan
from .errors import GraphError, SpecError
from .events import Event
from .node_type import NodeType
from .plan import Plan
from .predicates import Predicate
from .reading import Source
from .registry import Registry
from .running.building import build
from .running.caching import NodeCache, ResultCache, code_of, digest, made_with, release
from .running.resources import GivenLlm, Resources, check_given, lacking
from .running.session import Session
from .spec import GraphSpec
from .state import NodeTrace, RagState, Turn

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.runnables.graph import Graph
    from langchain_core.tools import BaseTool
    from langgraph.graph.state import CompiledStateGraph

    from ...stores.corpus import Corpus
    from .retriever import GraphRetriever

GraphInput = str | Mapping[str, Any] | RagState | None
"""What a graph is asked: a question, a mapping with `question` and perhaps `history`, or a state; of one that a run
ended with, question and history are taken. None goes on with the run of the thread, as `resume` does."""

NODE_CACHE = "graphs/nodes.sqlite"
"""The node cache, in ragloom's cache folder."""


class RagGraph(Runnable[GraphInput, RagState]):
    """A RAG graph: ask it a question, get the state at the end, with the answer and what each node did.

    ```python
    from ragloom import Corpus
    from ragloom.rag.graph import RagGraph

    corpus = Corpus("./index")
    corpus.add(["Toad steals a motor-car and drives it into a pond."])
    with RagGraph("quick", corpus=corpus) as graph:
        state = graph.invoke("What does Toad steal?")
    print(state.answer)  # -> Toad steals a motor-car and drives it into a pond. [1]
    print([trace.node for trace in state.trace])  # -> ['retrieve', 'evidence', 'quote']
    ```

    It is a LangChain Runnable: `invoke`, `ainvoke`, `batch`, `stream`, `astream`, `|` and `astream_events` work, and
    so do callbacks. One object may be used by several threads.
    """

    def __init__(  # noqa: PLR0913 - what a graph is made of
        self,
        source: Source,
        *,
        corpus: Corpus | str | Path | None = None,
        llm: GivenLlm = None,
        types: Collection[NodeType | Predicate] = (),
        registry: Registry | None = None,
        allow_imports: bool = False,
        checkpoints: str | Path | BaseCheckpointSaver[str] | None = None,
        cache: str | Path | ResultCache | None = None,
        shares: RagGraph | None = None,
    ) -> None:
        """Check a graph and make it ready to run; corpora and models are opened when a node first needs them.

        Args:
            source: a preset's name, the path of a YAML file, YAML itself, a mapping, or a `GraphSpec`.
            corpus: the corpus, or its folder, of nodes that name none; goes before the graph's own.
            llm: a LangChain chat model, a function that gives one, or what `ragloom.load` takes, for nodes that name
                none; goes before the graph's own.
            types: node types and predicates of your own.
            registry: all that there are; by default ragloom's own and those of plug-ins.
            allow_imports: whether whoever wrote the graph is trusted: the modules that it names in `imports` may be
                imported, which runs their code, and a server that it names is sent the API key.
            checkpoints: a SQLite file, or a saver of langgraph, that keeps runs step by step, so that `resume` can go
                on with one that broke off.
            cache: a SQLite file that keeps the results of nodes with `cache: true`; by default one in ragloom's cache.
                Or an object that keeps results in its own way, a `ResultCache`; it stays open.
            shares: another graph, whose corpora and models this one uses where both name the same; close it last.

        Raises:
            SpecError: something is wrong with the graph; the message has all of it, each with its place.
            GraphError: `corpus`, `llm`, `checkpoints` or `cache` is no such thing, or the cache cannot be opened.
            CorpusNotFoundError: there is no corpus in the folder `corpus`.
            ModelError: there is no model `llm`.
        """
        _check_files(checkpoints, cache)
        known = (registry or Registry.installed()).with_types(types)
        given = {name for name, value in (("corpus", corpus), ("llm", llm)) if value is not None}
        self._plan, problems = plan(source, registry=known, allow_imports=allow_imports, given=given)
        check_given(self._plan, corpus, llm)
        is_trusted = allow_imports or not self._plan.spec.origin.is_yaml
        shared = shares._resources if shares else None
        self._resources: Resources = Resources(self._plan.spec, corpus, llm, is_trusted=is_trusted, shares=shared)
        if problems := problems or lacking(self._plan, self._resources):
            raise SpecError(problems)
        kept = expand_user(checkpoints).absolute() if isinstance(checkpoints, str | Path) else checkpoints
        self._given_cache = cache
        self._cache = self._node_cache(cache)
        built = build(self._plan, self._resources, self._cache)
        self._session = Session.of(self._plan, built.compile(name=self.get_name()), kept)

    @property
    def spec(self) -> GraphSpec:
        """The graph as it is written."""
        return self._plan.spec

    @property
    def plan(self) -> Plan:
        """The graph with its names looked up."""
        return self._plan

    @property
    def compiled(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        """The graph as langgraph's own, to be a node of another; its state has the fields of `RagState`."""
        return self._session.graph

    def fingerprint(self) -> str:
        """Another text where a node, its LLM or its corpus is another, the flow, or ragloom with its prompts.

        Corpora and LLMs are opened. Of node types and predicates of your own it knows the files that they stand in, not
        what these import, nor what a memory holds.
        """
        nodes = [made_with(node, self._resources.context_of(name)) for name, node in self._plan.nodes.items()]
        rules = [node.spec.model_dump(mode="json", exclude={"cache"}) for node in self._plan.nodes.values()]
        flow = [item if isinstance(item, str) else item.model_dump(mode="json") for item in self.spec.flow]
        asked = [code_of(condition.predicate.call) for condition in self._plan.conditions.values()]
        return digest([release(), nodes, rules, flow, asked])

    def llms(self) -> list[BaseChatModel]:
        """The LLMs that nodes use, loaded; those that differ in sampling alone are one model's."""
        using = [name for name, node in self._plan.nodes.items() if node.needs_llm]
        return [self._resources.context_of(name).llm for name in using]

    def corpora(self) -> list[Corpus]:
        """The corpora that nodes search, opened."""
        using = [name for name, node in self._plan.nodes.items() if node.needs_corpus]
        return [self._resources.context_of(name).corpus for name in using]

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """What traces call it."""
        return super().get_name(suffix, name=name or self._plan.spec.name or None)

    def invoke(
        self,
        input: GraphInput,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        *,
        thread: str | None = None,
        **options: Any,
    ) -> RagState:
        """Run the graph to its end.

        Args:
            input: a question; or a mapping with `question` and perhaps `history`; or None, to resume the thread.
            config: LangChain's: callbacks, tags, `configurable: {thread_id: ...}`. Its `recursion_limit` is not used:
                the flow bounds itself.
            thread: the run's name, under which `resume` finds it; a new question starts the thread over.
            options: none; what LangChain's signature lets through is refused.

        Raises:
            NodeError: a node failed; the message names it, and its cause is what was raised.
            StalledError: a node waits for others that will never run.
            ThreadError: there are no checkpoints to keep a thread in.
            GraphError: the input is no question, there is an unknown option, or the graph is closed.
        """
        return self._opened().run(_values(input, options), config, thread)

    async def ainvoke(
        self,
        input: GraphInput,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        *,
        thread: str | None = None,
        **options: Any,
    ) -> RagState:
        """Run the graph to its end without blocking the event loop; see `invoke`."""
        return await self._opened().arun(_values(input, options), config, thread)

    def stream(  # type: ignore[override]  # what comes out are events, and at last the state
        self,
        input: GraphInput,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        *,
        thread: str | None = None,
        **options: Any,
    ) -> Iterator[Event | RagState]:
        """Run the graph and tell what happens: events as they come, and at last the state; see `invoke`.

        ```python
        from ragloom import Corpus
        from ragloom.rag.graph import NodeEnded, RagGraph

        corpus = Corpus("./index")
        corpus.add(["Toad steals a motor-car and drives it into a pond."])
        for event in RagGraph("quick", corpus=corpus).stream("What does Toad steal?"):
            if isinstance(event, NodeEnded):
                print(event.node)
        # -> retrieve
        # -> evidence
        # -> quote
        ```
        """
        yield from self._opened().events(_values(input, options), config, thread)

    async def astream(  # type: ignore[override]
        self,
        input: GraphInput,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        *,
        thread: str | None = None,
        **options: Any,
    ) -> AsyncIterator[Event | RagState]:
        """Run the graph and tell what happens, without blocking the event loop; see `stream`."""
        async with aclosing(self._opened().aevents(_values(input, options), config, thread)) as events:
            async for event in events:
                yield event

    def resume(self, thread: str, config: RunnableConfig | None = None) -> RagState:
        """Go on with a run that broke off; what its nodes have done is not done again.

        Of a run that has ended, the state is given.

        Raises:
            ThreadError: there is no such run, or there are no checkpoints.
            NodeError: a node failed (again).
        """
        return self._opened().run(None, config, thread)

    async def aresume(self, thread: str, config: RunnableConfig | None = None) -> RagState:
        """Go on with a run that broke off, without blocking the event loop; see `resume`."""
        return await self._opened().arun(None, config, thread)

    def conversation(self, thread: str) -> list[Turn]:
        """What was said in a thread, oldest first; nothing is run, and of a thread that is not there nothing was said.

        These are the turns that the thread's last run was told, its question, and its answer, if it came to one.

        Raises:
            ThreadError: there are no checkpoints.
        """
        return self._opened().conversation(thread)

    def forget(self, thread: str) -> None:
        """Delete a thread and what was said in it; one that is not there is no error.

        Raises:
            ThreadError: there are no checkpoints.
        """
        self._opened().forget(thread)

    def get_graph(self, config: RunnableConfig | None = None) -> Graph:
        """LangChain's picture of the graph; decisions are in `draw`'s alone."""
        return self.compiled.get_graph(config)

    def as_retriever(self, **options: Any) -> GraphRetriever:
        """A LangChain retriever that runs the graph and gives the state's documents; `options` are its fields: `k`.

        Raises:
            GraphError: there is no such option, or it cannot have that value.
        """
        from .retriever import make_retriever

        return make_retriever(self, options)

    def as_tool(self, args_schema: Any = None, **options: Any) -> BaseTool:  # noqa: ARG002
        """A LangChain tool that answers a question; what it returns has the state as its artifact.

        Args:
            args_schema: not used: a graph takes a question.
            options: `name` and `description`; by default the graph's own.
        """
        from .tool import make_tool

        return make_tool(self, options)

    def draw(self, form: Literal["mermaid", "svg"] = "mermaid", *, trace: Sequence[NodeTrace] = ()) -> str:
        """A picture of the graph: Mermaid text, or an SVG.

        Args:
            form: which of them.
            trace: what each node did in a run, to stand at each: `state.trace`.

        Raises:
            GraphError: there is no such form.
        """
        from .drawing import mermaid, svg

        forms = {"mermaid": mermaid, "svg": svg}
        if form not in forms:
            raise GraphError(unknown("form", form, forms))
        return forms[form](self._plan, trace)

    def close(self) -> None:
        """Close what the graph has opened: corpora, models and the node cache; what was given stays open.

        A graph that has been closed does not run any more.
        """
        self._resources.close()
        if self._cache is not None and self._cache is not self._given_cache:
            self._cache.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _opened(self) -> Session:
        self._resources.check_open()
        return self._session

    def _node_cache(self, file: str | Path | ResultCache | None) -> ResultCache | None:
        if file is not None and not isinstance(file, str | Path):
            return file
        if not any(node.cache for node in self.spec.nodes.values()):
            return None
        return NodeCache(expand_user(file) if file else read_settings().cache / NODE_CACHE)


def _check_files(checkpoints: object, cache: object) -> None:
    """Refuse what can keep neither runs nor results.

    Raises:
        GraphError: it cannot.
    """
    if checkpoints is not None and not isinstance(checkpoints, str | Path | BaseCheckpointSaver):
        kind = type(checkpoints).__name__
        raise GraphError(f"checkpoints is a SQLite file or one of langgraph's savers, not {kind}")
    if cache is not None and not isinstance(cache, str | Path | ResultCache):
        methods = "keeps, key, get, put and close"
        raise GraphError(f"cache is a SQLite file, or an object with {methods}, not {type(cache).__name__}")


def _values(given: GraphInput, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """The channels that a run begins with; None: those of the thread.

    Raises:
        GraphError: it is no question, or there are options.
    """
    if options:
        raise GraphError(unknown("option", next(iter(options)), ("config", "thread")))
    if given is None:
        return None
    state = given if isinstance(given, RagState) else _validated(given)
    if not state.question.strip():
        raise GraphError("the question is empty; ask something")
    names = {"question", "history"} if state.trace else state.model_fields_set  # what came of a run belongs to it
    return {name: getattr(state, name) for name in names}


def _validated(given: str | Mapping[str, Any]) -> RagState:
    fields = {"question": given} if isinstance(given, str) else given
    if not isinstance(fields, Mapping):
        raise GraphError(f"expected a question, or {{'question': ...}}, not {type(given).__name__}")
    try:
        return RagState.model_validate(fields)
    except ValidationError as error:
        raise GraphError(first_problem(error, "field", RagState.model_fields)) from None
