"""From a question to a grounded answer, in one call: the presets `quick` and `default` of `rag.graph`.

The path never invents: where the documents do not seem to answer the question it says so, and what the LLM writes is
checked against them, with exact quotes as the fallback. A graph of your own does more: see `rag.graph`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from langchain_core.language_models import BaseChatModel

from ..errors import RagloomError
from ..stores.corpus import Corpus
from ..stores.query import Mode, Query
from ..stores.where import Where
from .generate.evidence import MIN_CONFIDENCE
from .graph.errors import NodeError
from .graph.rag_graph import RagGraph
from .graph.reading import load_spec
from .graph.spec import GraphSpec
from .graph.state import RagState

PASSAGES = 8

ASKS = ("default", "quick")
"""The presets that `ask` runs: with an LLM and without."""

LLM = BaseChatModel | Callable[[], BaseChatModel]


def ask(  # noqa: PLR0913 - the knobs of one question
    question: str,
    corpus: Corpus,
    *,
    llm: LLM | None = None,
    k: int = PASSAGES,
    mode: Mode = "hybrid",
    where: Where | None = None,
    min_confidence: float = MIN_CONFIDENCE,
) -> RagState:
    """Answer a question from a corpus.

    ```python
    from ragloom import Corpus, ask

    corpus = Corpus("./index")
    corpus.add(["Toad steals a motor-car and drives it into a pond."])
    print(ask("What does Toad steal?", corpus))  # -> Toad steals a motor-car and drives it into a pond. [1]
    ```

    Args:
        question: what to answer.
        corpus: where to look.
        llm: a LangChain chat model, or a function that gives one and is called only when it is needed; None: quotes
            only.
        k: how many chunks to find.
        mode: how to find them.
        where: metadata conditions.
        min_confidence: below this the answer is "I don't know", see `rag.generate.evidence`; the default was measured
            with the embedded embedder, another one wants its own.

    Returns:
        The state at the end: `answer`, the `documents` it was made from, and in `trace` what each step did and cost.

    Raises:
        QueryError: the question is empty, or longer than what the embedder reads; `k` is below 1.
        GenerateError: the question is longer than what the LLM reads, or, in mode `lexical`, the embedder.
        EmbedderMismatchError: the corpus was embedded by another model.
        TypeError: `corpus` is not an open corpus.
    """
    if not isinstance(corpus, Corpus):
        raise TypeError(f"ask takes an open corpus: ask(question, Corpus({str(corpus)!r}))")
    Query.checked(question, None, k, mode)  # before the embedder is loaded, which takes seconds
    spec = preset(with_llm=llm is not None, k=k, mode=mode, where=where, min_confidence=min_confidence)
    with own_errors():
        return RagGraph(spec, corpus=corpus, llm=llm).invoke(question)


@contextmanager
def own_errors() -> Iterator[None]:
    """Raise what a node raised, not that the node failed: whoever asks need not know that there are nodes."""
    try:
        yield
    except NodeError as error:
        if isinstance(error.__cause__, RagloomError):
            raise error.__cause__ from None
        raise


def preset(
    *,
    with_llm: bool,
    k: int = PASSAGES,
    mode: Mode = "hybrid",
    where: Where | None = None,
    min_confidence: float = MIN_CONFIDENCE,
) -> GraphSpec:
    """The graph that `ask` runs: `default` with an LLM, `quick` without one, with these numbers; see `ask`."""
    spec = load_spec(ASKS[0] if with_llm else ASKS[1])
    found = {"k": k} if where is None else {"k": k, "where": dict(where)}
    return spec.changed(retrieve={"use": mode, **found}, quote={"min_confidence": min_confidence})
