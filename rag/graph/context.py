"""What a node is given besides the state: its name, the corpus and the LLM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import GraphError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from ...stores.corpus import Corpus


@dataclass(frozen=True, slots=True)
class Context:
    """What a node has at hand; nothing is opened or loaded before it is asked for.

    Attributes:
        node: the node's name in the graph; its candidates go under it.
        open_corpus: gives the corpus, the same one each time; None: there is none.
        load_llm: gives the LLM, the same one each time; None: there is none.
    """

    node: str
    open_corpus: Callable[[], Corpus] | None = None
    load_llm: Callable[[], BaseChatModel] | None = None

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
        return self.load_llm()

    @property
    def language(self) -> str:
        """The corpus' language; `en` where there is none."""
        return self.corpus.language if self.open_corpus else "en"
