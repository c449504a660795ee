"""The corpora and LLMs of a graph: opened when a node first asks for one, each once, and closed with the graph."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel

from ...._paths import expand_user
from ....errors import RagloomError
from ....stores.errors import CorpusNotFoundError
from ....stores.layout import is_corpus
from ..checks.resources import find_model, lacking_of, unfit_model
from ..context import Context
from ..errors import GraphError
from ..plan import Plan, PlannedNode
from ..problem import Problem
from ..spec import CorpusSpec, GraphSpec, LlmSpec

if TYPE_CHECKING:
    from ....stores.corpus import Corpus

GivenLlm = BaseChatModel | Callable[[], BaseChatModel] | str | Path | None


@dataclass(slots=True)
class Resources:
    """What nodes need to run.

    Attributes:
        spec: the graph; its nodes may name corpora and LLMs of their own.
        corpus: that of nodes which name none: an open one, or a folder.
        llm: that of nodes which name none: a chat model, a function that gives one, or what `ragloom.load` takes.
        is_trusted: whether a server that only the graph names is sent the user's API key.
        shares: those of another graph, which opens everything for both, so that nothing is opened twice.
        is_closed: whether the graph has been closed.
    """

    spec: GraphSpec
    corpus: Corpus | str | Path | None = None
    llm: GivenLlm = None
    is_trusted: bool = False
    shares: Resources | None = None
    is_closed: bool = False
    _here: Path = field(default_factory=Path.cwd)
    _opened: dict[Any, Any] = field(default_factory=dict)
    _making: dict[Any, threading.RLock] = field(default_factory=dict)
    _closing: ExitStack = field(default_factory=ExitStack)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def corpus_of(self, node: str) -> Callable[[], Corpus] | None:
        """What opens a node's corpus; None: it has none."""
        written = self.spec.nodes[node].corpus
        if written is None and self.corpus is None:
            written = self.spec.corpus
        if written is not None:
            return lambda: self._open_corpus(written)
        given = self.corpus
        if isinstance(given, str | Path):
            folder = CorpusSpec(path=str(self._here / expand_user(given)))
            return lambda: self._open_corpus(folder)
        return None if given is None else lambda: given

    def llm_of(self, node: str) -> Callable[[], BaseChatModel] | None:
        """What loads a node's LLM; None: it has none."""
        written = self.spec.nodes[node].llm
        if written is None and self.llm is None:
            written = self.spec.llm
        if written is not None:
            return lambda: self._load_llm(written, is_trusted=self.is_trusted)
        given = self.llm
        if isinstance(given, str | Path):
            named = named_llm(self._here, given)
            return lambda: self._load_llm(named, is_trusted=True)
        if given is None or isinstance(given, BaseChatModel):
            return None if given is None else lambda: given
        return lambda: self._once(given, given, is_own=False)

    def context_of(self, node: str) -> Context:
        """What a node is given when it runs."""
        return Context(
            node=node,
            open_corpus=self.corpus_of(node),
            load_llm=self.llm_of(node),
            open_corpus_of=self.open_corpus_of,
            keep=self.keep,
            locate=self.locate,
            locate_model=self.locate_model,
        )

    def open_corpus_of(self, node: str) -> Corpus:
        """A node's corpus.

        Raises:
            GraphError: it has none.
        """
        opening = self.corpus_of(node)
        if opening is None:
            raise GraphError(f"the node {node!r} has no corpus; write corpus: FOLDER in it")
        return opening()

    def keep(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What a node makes once; it goes with the graph, and is closed if it can be."""
        return self._once(("kept", key), make)

    def close(self) -> None:
        """Close what was opened here, and nothing that was given or is shared; nothing is opened afterwards."""
        with self._lock:
            self.is_closed = True
            self._opened.clear()
            self._making.clear()
            self._closing.close()

    def check_open(self) -> None:
        """Refuse to work for a graph that has been closed.

        Raises:
            GraphError: it has been.
        """
        if self.is_closed:
            raise GraphError("the graph is closed; make a new RagGraph")

    def _open_corpus(self, written: CorpusSpec) -> Corpus:
        from ....stores.corpus import Corpus

        folder = self._here / self.spec.find(written.path)
        embedder = written.embedder and self.locate_model(written.embedder)
        corpus: Corpus = self._once((folder, embedder), lambda: Corpus(folder, create=False, embedder=embedder))
        return corpus

    def locate(self, path: str) -> Path:
        """Where a path of the graph leads."""
        return self._here / self.spec.find(path)

    def locate_model(self, name: str) -> str:
        """The folder of a model, if there is one where the path leads, or its name."""
        folder = self.locate(name)
        return str(folder) if folder.is_dir() else name

    def _load_llm(self, written: LlmSpec, *, is_trusted: bool) -> BaseChatModel:
        from ...llm.loading import load
        from ...llm.sampling import Sampling

        options = written.model_dump(exclude_defaults=True, exclude={"model"})
        if written.is_server and not is_trusted:
            options["api_key"] = ""
        model = str(self._here / self.spec.find(written.model)) if written.is_file else written.model
        sampling = (
            {} if written.is_server else {name: options.pop(name) for name in Sampling.model_fields if name in options}
        )
        loaded: BaseChatModel = self._once(
            (model, *sorted(options.items())), lambda: load(model, **options)
        )  # weights that differ in sampling alone are loaded once
        return loaded.model_copy(update=sampling) if sampling else loaded

    @property
    def _owner(self) -> Resources:
        return self.shares._owner if self.shares else self

    def _once(self, key: Any, make: Callable[[], Any], *, is_own: bool = True) -> Any:
        """What is made once for a key; nobody waits for what others are making under another one."""
        self.check_open()
        owner = self._owner
        with owner._lock:
            making = owner._making.setdefault(key, threading.RLock())
        with making:
            with owner._lock:
                owner.check_open()
                if key in owner._opened:
                    return owner._opened[key]
            return owner._hold(key, make(), is_own=is_own)

    def _hold(self, key: Any, made: Any, *, is_own: bool) -> Any:
        """Have what was made closed with the graph, or at once if the graph was closed meanwhile."""
        close = getattr(made, "close", None) if is_own else None
        with self._lock:
            if not self.is_closed:
                self._opened[key] = made
                if callable(close):
                    self._closing.callback(close)
                return made
        if callable(close):
            close()
        self.check_open()
        return made


def lacking(plan: Plan, resources: Resources) -> list[Problem]:
    """What nodes need and neither the graph nor whoever builds it gives."""
    problems = []
    for name, node in plan.nodes.items():
        at = ("nodes", name, "use")
        if node.needs_corpus and resources.corpus_of(name) is None:
            message = f"{node.spec.use!r} needs a corpus; write corpus: FOLDER into the graph, or give RagGraph one"
            problems.append(plan.spec.origin.problem(at, message))
        if node.needs_llm and resources.llm_of(name) is None:
            message = f"{node.spec.use!r} needs an LLM; write llm: embedded into the graph, or give RagGraph one"
            problems.append(plan.spec.origin.problem(at, message))
        given = resources.llm if node.spec.llm is None else None
        if unfit := _unfit(given, node):
            problems.append(plan.spec.origin.problem(at, unfit))
    return problems


def _unfit(given: GivenLlm, node: PlannedNode) -> str | None:
    """Why a node cannot look into the LLM that was given as it wants to; None: it can, or that is not known yet."""
    if not node.looks_into:
        return None
    if isinstance(given, str | Path):
        return unfit_model(GraphSpec(), named_llm(Path(), given), node)
    return _unfit_loaded(given, node) if isinstance(given, BaseChatModel) else None


def _unfit_loaded(given: BaseChatModel, node: PlannedNode) -> str | None:
    from ...llm.base import ChatModel

    gives = given.gives if isinstance(given, ChatModel) else frozenset[str]()
    if lacks := lacking_of(node, type(given).__name__, gives):
        return lacks
    if not isinstance(given, ChatModel) or "attention" not in gives:  # a server has no file here to look at
        return None
    try:
        if "attention" in node.looks_into:
            given.engine.check_attention()
        node.check_model(given.engine.file)
    except RagloomError as error:
        return str(error)
    return None


def check_given(plan: Plan, corpus: object, llm: object) -> None:
    """Refuse what can be no corpus and no LLM, and files that are not there where a node needs them.

    Raises:
        GraphError: it can be none.
        CorpusNotFoundError: there is no corpus in that folder.
        ModelError: there is no such model.
        MissingExtraError: the embedded model is not installed.
    """
    from ....stores.corpus import Corpus

    if corpus is not None and not isinstance(corpus, Corpus | str | Path):
        raise GraphError(f"corpus is a Corpus or the folder of one, not {type(corpus).__name__}")
    if llm is not None and not isinstance(llm, BaseChatModel | str | Path) and not callable(llm):
        raise GraphError(f"llm is a LangChain chat model or what ragloom.load takes, not {type(llm).__name__}")
    if isinstance(corpus, str | Path) and plan.wants_corpus and not is_corpus(expand_user(corpus)):
        raise CorpusNotFoundError(expand_user(corpus))
    if isinstance(llm, str | Path) and plan.wants_llm:
        find_model(GraphSpec(), named_llm(Path(), llm))


def named_llm(here: Path, model: str | Path) -> LlmSpec:
    """The LLM of this name; a relative path begins `here`, not where the graph's file is."""
    named = LlmSpec(model=str(model))
    return LlmSpec(model=str(here / expand_user(model))) if named.is_file else named
