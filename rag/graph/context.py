"""What a node is given besides the state: its name, the corpus and the LLM, and a place for its remarks."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import CancelledError, GraphError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from ...stores.corpus import Corpus
    from ..llm.base import ChatModel

T = TypeVar("T")

_A_WHILE = 0.1
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a node has at hand; nothing is opened or loaded before it is asked for.

    Attributes:
        node: the node's name in the graph; its candidates go under it.
        open_corpus: gives the corpus, the same one each time; None: there is none.
        load_llm: gives the LLM, the same one each time; None: there is none.
        open_corpus_of: gives the corpus of another node of the graph, by that node's name.
        keep: gives what a function makes, the same for equal keys as long as the graph is open; None: nothing is kept.
        cancelled: set when nobody waits for the node any longer.
        notes: what the node has remarked; see `note`.
        shown: how many documents it has given an LLM each time; see `show`.
        locate: where a path of the graph leads, which begins where the graph's file is.
        locate_model: the folder of a model, if there is one where the path leads, or its name.
        transient: why the result may be another one next time; see `note`.
    """

    node: str
    open_corpus: Callable[[], Corpus] | None = None
    load_llm: Callable[[], BaseChatModel] | None = None
    open_corpus_of: Callable[[str], Corpus] | None = None
    keep: Callable[[Hashable, Callable[[], Any]], Any] | None = None
    cancelled: Event = field(default_factory=Event)
    notes: list[str] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    locate: Callable[[str], Path] = Path
    locate_model: Callable[[str], str] = str
    transient: list[str] = field(default_factory=list)

    @property
    def corpus(self) -> Corpus:
        """The corpus of the node, or of the graph.

        Raises:
            GraphError: there is none.
        """
        if self.open_corpus is None:
            raise GraphError(f"the node {self.node!r} needs a corpus; give the graph one, or write corpus: FOLDER")
        return self.open_corpus()

    @property
    def llm(self) -> BaseChatModel:
        """The LLM of the node, or of the graph.

        Raises:
            GraphError: there is none.
        """
        if self.load_llm is None:
            raise GraphError(f"the node {self.node!r} needs an LLM; give the graph one, or write llm: embedded")
        with self.timed("loading the LLM"):
            return self.load_llm()

    @property
    def own_llm(self) -> ChatModel:
        """The LLM as one of ragloom's, which shows what happens inside it.

        Raises:
            GraphError: there is none, or it is somebody else's.
        """
        from ..llm.base import ChatModel

        llm = self.llm
        if not isinstance(llm, ChatModel):
            raise GraphError(
                f"the node {self.node!r} looks into its LLM, which {type(llm).__name__} does not allow; "
                "give it one that ragloom.load has loaded, such as llm: embedded"
            )
        return llm

    @property
    def language(self) -> str:
        """The corpus' language; `en` where there is none."""
        return self.corpus.language if self.open_corpus else "en"

    def corpus_of(self, node: str) -> Corpus:
        """The corpus of another node.

        Raises:
            GraphError: it has none.
        """
        if self.open_corpus_of is None:
            raise GraphError(f"the node {node!r} has no corpus; write corpus: FOLDER in it")
        return self.open_corpus_of(node)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, which is slow to make and does not change: once a graph for each key.

        It is closed with the graph, by its `close` if it has one.
        """
        kept: T = self.keep(key, make) if self.keep else make()
        return kept

    def note(self, text: str, *, is_transient: bool = False) -> None:
        """Remark what went in and came out, what was dropped and why: a few words for the trace.

        What `is_transient`, such as an LLM that failed, may be otherwise next time: then no cache keeps the result.
        """
        self.notes.append(str(text))
        if is_transient:
            self.transient.append(text)

    def show(self, documents: int) -> None:
        """Say how many documents the LLM is given to read, for the trace, where these are not all of the state's."""
        self.shown.append(operator.index(documents))

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Remark how long something took that is done once, such as loading a model, if it took a while."""
        started = time.perf_counter()
        yield
        seconds = time.perf_counter() - started
        if seconds >= _A_WHILE:
            self.note(f"{what} took {seconds:.1f} s")

    def check_cancelled(self) -> None:
        """End the node if nobody waits for it any longer; one that works for long calls this now and then.

        Raises:
            CancelledError: its time is up, or the run has ended.
        """
        if self.cancelled.is_set():
            raise CancelledError(f"the node {self.node!r} was cancelled")
